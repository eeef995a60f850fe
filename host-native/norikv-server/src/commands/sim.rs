//! `sim`: the simulator, natively.

use std::process::ExitCode;

use anyhow::Result;
use norikv_sim::{SimConfig, Simulation, run_seed};
use serde::Serialize;

use crate::cli::Sim;
use crate::output::{self, Output};

#[derive(Serialize)]
struct Run {
    seed: u64,
    /// 16 hexadecimal digits; the same on every host.
    trace_hash: String,
    steps: u64,
    /// The promise that was broken, if one was.
    violation: Option<String>,
}

pub(super) fn run(args: &Sim, output: Output) -> Result<ExitCode> {
    let (first, last) = args.seed.map_or(args.seeds, |seed| (seed, seed));
    let mut code = ExitCode::SUCCESS;
    for seed in first..=last {
        let run = match args.steps {
            Some(steps) => watch(seed, args.nodes, steps),
            None => swarm(seed),
        };
        if run.violation.is_some() {
            code = ExitCode::FAILURE;
        }
        match (output, &run.violation) {
            (Output::Json, _) => output::json(&run)?,
            (Output::Table, None) => {
                output::line(format!("{seed} {} {} steps", run.trace_hash, run.steps))?;
            }
            (Output::Table, Some(violation)) => output::line(format!(
                "{seed} {} VIOLATION {violation}\n  again: norikv sim --seed {seed}",
                run.trace_hash
            ))?,
        }
    }
    Ok(code)
}

/// The standard swarm of a seed.
fn swarm(seed: u64) -> Run {
    let report = run_seed(seed);
    Run {
        seed,
        trace_hash: format!("{:016x}", report.hash),
        steps: report.steps,
        violation: report.violation.as_ref().map(ToString::to_string),
    }
}

/// The page's world, `steps` steps far.
fn watch(seed: u64, nodes: u32, steps: u64) -> Run {
    let mut world = Simulation::new(SimConfig::demo(seed, nodes));
    while world.steps() < steps && world.step().is_some() {}
    Run {
        seed,
        trace_hash: format!("{:016x}", world.trace_hash()),
        steps: world.steps(),
        violation: world.violation().map(ToString::to_string),
    }
}
