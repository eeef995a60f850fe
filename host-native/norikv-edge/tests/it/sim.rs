//! The simulator in a component gives the hashes it gives natively: the same 200 seeds whose hashes
//! the page's tests hold against Node, Chromium and the command.

use std::ops::RangeInclusive;

use norikv_edge::{Simulator, deterministic_engine};

use crate::component;

/// The ones that every host is held against.
const SEEDS: RangeInclusive<u64> = 1..=200;

#[test]
fn two_hundred_seeds_give_the_native_hashes_under_wasmtime() {
    let engine = deterministic_engine().expect("wasmtime runs here");
    let bytes = component("norikv_sim.wasm");
    let mut simulator = Simulator::new(&engine, &bytes).expect("the component opens");
    for seed in SEEDS {
        let here = simulator.run(seed).expect("the run ends");
        let native = norikv_sim::run_seed(seed);
        assert_eq!(
            (here.trace_hash, here.steps, here.violation),
            (
                native.hash,
                native.steps,
                native.violation.map(|violation| violation.to_string())
            ),
            "seed {seed}: {:016x} under wasmtime, {:016x} natively",
            here.trace_hash,
            native.hash
        );
    }
}
