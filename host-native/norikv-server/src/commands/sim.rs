//! `sim`: the simulator, natively.
//!
//! **Invariant: a run is alone in its world**, so that any number of them go on at the same time and
//! each gives what it gives alone.

mod case;
mod clock;
mod first;
mod minimise;
mod replay;
mod swarm;

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use norikv_sim::{SimConfig, Simulation};

use crate::cli::Sim;
use crate::output::{self, Output};
use case::Case;
use swarm::Swarm;

pub(super) fn run(args: &Sim, output: Output) -> Result<ExitCode> {
    if let Some(path) = &args.replay {
        return replay::run(path, output);
    }
    let case = Case::new(args)?;
    let swarm = Swarm::run(&case, args, output)?;
    if let Some(path) = &args.summary {
        write(path, swarm.summary.to_string().as_bytes())?;
    }
    if let Some(broken) = &swarm.first_broken {
        if broken.is_whole()
            && let Some(config) = case.config(broken.seed)
        {
            explain(&case, &config, args, output)?;
        }
        return Ok(ExitCode::FAILURE);
    }
    if let Some(path) = &args.trace {
        let Some(config) = swarm.only_seed().and_then(|seed| case.config(seed)) else {
            output::note("no promise was broken, so no trace was written")?;
            return Ok(ExitCode::SUCCESS);
        };
        record(&case, &config, path)?;
    }
    for (asked, what) in [(args.minimise, "make small"), (args.svg.is_some(), "draw")] {
        if asked {
            output::note(format!("no promise was broken: there is nothing to {what}"))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// Does with a run that breaks a promise what was asked for.
fn explain(case: &Case, config: &SimConfig, args: &Sim, output: Output) -> Result<()> {
    if let Some(path) = &args.trace {
        record(case, config, path)?;
    }
    if let Some(path) = &args.svg {
        match case.run(config.clone()).drawing() {
            Some(svg) => write(path, svg.as_bytes())?,
            None => output::note("some order explains every answer: there is nothing to draw")?,
        }
    }
    if args.minimise {
        minimise::run(config, args, output)?;
    }
    Ok(())
}

/// Runs it once more, and writes down everything that it does.
fn record(case: &Case, config: &SimConfig, path: &Path) -> Result<()> {
    let mut world: Simulation = case.run(SimConfig {
        recorded: true,
        ..config.clone()
    });
    let Some(trace) = world.take_trace() else {
        bail!("the run kept no trace");
    };
    write(path, trace.as_bytes())
}

fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    fs::write(path, bytes).with_context(|| format!("{} was not written", path.display()))
}
