//! A whole run by its seed, to compare hosts.

use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

/// What a run came to, in the names of `norikv sim --output json`.
#[derive(Debug, Serialize)]
struct SeedReport {
    /// A decimal string: JavaScript's numbers end at 2^53.
    seed: String,
    /// Sixteen hexadecimal digits.
    trace_hash: String,
    steps: u64,
    violation: Option<String>,
}

/// Runs the standard faulty swarm of a seed to its end: JSON with `seed`, `trace_hash`, `steps` and
/// `violation`, which is null unless a promise was broken.
#[wasm_bindgen]
#[must_use]
pub fn run_seed(seed: u64) -> String {
    let report = norikv_sim::run_seed(seed);
    crate::world::json(&SeedReport {
        seed: report.seed.to_string(),
        trace_hash: format!("{:016x}", report.hash),
        steps: report.steps,
        violation: report.violation.map(|violation| violation.to_string()),
    })
}
