/** What the page and the engine's worker say to each other. Nothing else passes between them. */

/** What a world runs. */
export type Wanted =
  | { kind: "cluster"; seed: string; nodes: number }
  | { kind: "seed"; seed: string }
  /** A scenario or a trace. */
  | { kind: "file"; name: string; bytes: ArrayBuffer };

/**
 * Every command but `run_seed` is answered by one frame, by `refused` or by `failed`. `finish` takes
 * the run to a step, or as far as it goes, and tells on its way how far it is; any other command
 * stops it.
 */
export type Command =
  | { type: "open"; wanted: Wanted }
  | { type: "advance"; micros: number }
  | { type: "step"; count: number }
  | { type: "finish"; to: number | "end" }
  | { type: "look" }
  | { type: "kill" | "restart" | "cut_power"; node: number }
  | { type: "partition"; side: number[] }
  | { type: "heal" }
  | { type: "put"; key: string; value: string }
  | { type: "run_seed"; seed: string };

export type Reply =
  /** `opened`: the first of another world. */
  | { type: "frame"; bytes: ArrayBuffer; opened: boolean }
  /** 0 to 1. */
  | { type: "progress"; done: number }
  /** The world is still the one before. */
  | { type: "refused"; name: string; message: string }
  | { type: "seed"; report: SeedReport }
  | { type: "failed"; message: string };

/** A whole faulty run, in the names of `norikv sim --output json`. */
export interface SeedReport {
  seed: string;
  trace_hash: string;
  steps: number;
  violation: string | null;
}
