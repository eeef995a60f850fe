/** Numbers for people. */

import type { Nanos } from "./view.js";

export function seconds(nanos: Nanos): string {
  return `${(nanos / 1e9).toFixed(3)} s`;
}

export function bytes(count: number): string {
  if (count < 1_024) {
    return `${count} B`;
  }
  return count < 1_048_576
    ? `${(count / 1_024).toFixed(1)} KiB`
    : `${(count / 1_048_576).toFixed(1)} MiB`;
}
