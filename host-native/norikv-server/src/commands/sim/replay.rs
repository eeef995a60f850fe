//! `sim --replay`: does a trace still tell what its scenario does?

use std::fs;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result};
use norikv_sim::Recording;
use serde::Serialize;

use crate::output::{self, Output};

#[derive(Serialize)]
struct Replay {
    seed: u64,
    steps: u64,
    records: u64,
    /// Of the file.
    trace_hash: String,
    /// Of the run.
    hash_now: String,
    same: bool,
    /// The first record that is another now, from 0.
    first_difference: Option<u64>,
    violation: Option<String>,
}

pub(super) fn run(path: &Path, output: Output) -> Result<ExitCode> {
    let shown = path.display();
    let bytes = fs::read(path).with_context(|| format!("{shown} was not read"))?;
    let recording = Recording::parse(bytes).with_context(|| format!("{shown}"))?;
    let world = recording.run_again();
    let same = world.trace_hash() == recording.hash();
    let replay = Replay {
        seed: recording.config().seed,
        steps: recording.steps(),
        records: recording.record_count(),
        trace_hash: format!("{:016x}", recording.hash()),
        hash_now: format!("{:016x}", world.trace_hash()),
        same,
        first_difference: if same {
            None
        } else {
            recording.first_difference()
        },
        violation: world.violation().map(ToString::to_string),
    };
    match output {
        Output::Json => output::json(&replay)?,
        Output::Table => {
            let Replay {
                seed,
                steps,
                records,
                trace_hash,
                hash_now,
                ..
            } = &replay;
            output::line(format!(
                "seed {seed} {trace_hash} {steps} steps, {records} records"
            ))?;
            match replay.first_difference {
                _ if same => output::line("the same again")?,
                Some(nth) => output::line(format!(
                    "OTHERWISE NOW: {hash_now}; record {nth} is the first that differs"
                ))?,
                None => output::line(format!("OTHERWISE NOW: {hash_now}"))?,
            }
            if let Some(violation) = &replay.violation {
                output::line(format!("VIOLATION {violation}"))?;
            }
        }
    }
    Ok(if same {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
