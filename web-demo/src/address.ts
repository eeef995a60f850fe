/** The page's address names the run: `?seed=42&group=3&paused`. */

export interface Address {
  seed: string;
  group: number;
  paused: boolean;
}

const SEED_DEFAULT = "42";
const SEED_MAX = 2n ** 64n - 1n;

/** A seed in its one spelling, or null when the text is none. */
export function parseSeed(text: string): string | null {
  const trimmed = text.trim();
  if (!/^\d{1,20}$/.test(trimmed)) {
    return null;
  }
  const seed = BigInt(trimmed);
  return seed <= SEED_MAX ? seed.toString() : null;
}

export function readAddress(search: string): Address {
  const query = new URLSearchParams(search);
  const group = Number(query.get("group") ?? "0");
  return {
    seed: parseSeed(query.get("seed") ?? SEED_DEFAULT) ?? SEED_DEFAULT,
    group: Number.isInteger(group) && group >= 0 ? group : 0,
    paused: query.has("paused"),
  };
}

export function writeAddress({ seed, group }: Address): string {
  const query = new URLSearchParams({ seed });
  if (group !== 0) {
    query.set("group", String(group));
  }
  return `?${query.toString()}`;
}
