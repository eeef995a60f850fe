/** What the page and the engine's worker say to each other. Nothing else passes between them. */

/** Every command but `run_seed` is answered by one frame, or by `failed`. */
export type Command =
  | { type: "open"; seed: string; nodes: number }
  | { type: "advance"; micros: number }
  | { type: "step"; count: number }
  | { type: "kill" | "restart" | "cut_power"; node: number }
  | { type: "partition"; side: number[] }
  | { type: "heal" }
  | { type: "put"; key: string; value: string }
  | { type: "run_seed"; seed: string };

export type Reply =
  | { type: "frame"; bytes: ArrayBuffer }
  | { type: "seed"; report: SeedReport }
  | { type: "failed"; message: string };

/** A whole faulty run, in the names of `norikv sim --output json`. */
export interface SeedReport {
  seed: string;
  trace_hash: string;
  steps: number;
  violation: string | null;
}
