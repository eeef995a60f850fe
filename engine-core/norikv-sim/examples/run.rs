//! Runs seeds of the standard swarm: `run 7`, or `run 1..200`. Exits with 1 when a promise is broken.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]
#![expect(
    clippy::disallowed_methods,
    reason = "measures the speed of the simulation from outside"
)]

use std::process::ExitCode;
use std::time::Instant;

use norikv_sim::{Summary, run_seed};

fn main() -> ExitCode {
    let mut seeds = std::env::args()
        .nth(1)
        .and_then(|argument| parse(&argument))
        .unwrap_or(1..=20);
    let started = Instant::now();
    let mut summary = Summary::default();
    for seed in &mut seeds {
        let report = run_seed(seed);
        println!("{report}");
        summary.add(&report);
    }
    let seconds = started.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    let (speed, rate) = (
        summary.virtual_ms as f64 / 1e3 / seconds,
        summary.steps as f64 / seconds,
    );
    println!("{summary}");
    println!("{seconds:.1} s: {speed:.0} times real time, {rate:.0} steps/s");
    if summary.broken == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    }
}

/// `7`, or `1..200`, both ends included.
fn parse(argument: &str) -> Option<std::ops::RangeInclusive<u64>> {
    match argument.split_once("..") {
        Some((from, to)) => Some(from.parse().ok()?..=to.parse().ok()?),
        None => argument.parse().ok().map(|seed| seed..=seed),
    }
}
