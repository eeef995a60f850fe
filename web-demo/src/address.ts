/**
 * The page's address names the run: `?cluster=42` is a calm cluster to break, `?seed=7` the run of
 * `norikv sim --seed 7`, `?scenario=l0-storm` a scenario by its name or its address. `to=end` goes
 * straight to the end, or to the event that broke; `to=1200` to that step.
 */

export type Source =
  | { kind: "cluster"; seed: string }
  | { kind: "seed"; seed: string }
  | { kind: "scenario"; name: string };

/** Steps from the beginning, or as far as it goes. */
export type Destination = number | "end";

export interface Address {
  source: Source;
  group: number;
  paused: boolean;
  to: Destination | null;
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
  const group = natural(query.get("group") ?? "0");
  const to = query.get("to");
  return {
    source: readSource(query),
    group: group ?? 0,
    paused: query.has("paused"),
    to: to === null || to === "end" ? to : natural(to),
  };
}

/** Of the beginning of a run; a file that was opened by hand has no source and no address. */
export function writeAddress(source: Source | null, group: number): string {
  const query = new URLSearchParams();
  if (source) {
    query.set(source.kind, source.kind === "scenario" ? source.name : source.seed);
  }
  if (group !== 0) {
    query.set("group", String(group));
  }
  return `?${query.toString()}`;
}

function readSource(query: URLSearchParams): Source {
  const name = query.get("scenario");
  if (name !== null) {
    return { kind: "scenario", name };
  }
  const seed = parseSeed(query.get("seed") ?? "");
  if (seed !== null) {
    return { kind: "seed", seed };
  }
  return { kind: "cluster", seed: parseSeed(query.get("cluster") ?? "") ?? SEED_DEFAULT };
}

function natural(text: string): number | null {
  const number = Number(text);
  return text !== "" && Number.isSafeInteger(number) && number >= 0 ? number : null;
}
