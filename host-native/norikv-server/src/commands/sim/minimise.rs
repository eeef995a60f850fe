//! `sim --minimise`: a run that breaks a promise, made as small as it gets.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use norikv_sim::{Goal, Scenario, SimConfig, minimise, run as run_config};
use serde::Serialize;

use crate::cli::Sim;
use crate::commands::sim::{first, swarm, write};
use crate::output::{self, Output};

#[derive(Serialize)]
struct Smaller {
    seed: u64,
    entries_before: usize,
    entries: usize,
    trace_events_before: u64,
    trace_events: u64,
    /// Runs that were tried.
    tried: u64,
    seconds: f64,
    violation: Option<String>,
    /// The scenario, unless it went to a file.
    scenario: Option<String>,
}

pub(super) fn run(config: &SimConfig, args: &Sim, output: Output) -> Result<()> {
    let began = Instant::now();
    let patience = Duration::try_from_secs_f64(args.minutes * 60.0).unwrap_or(Duration::MAX);
    let Some(goal) = Goal::of(config) else {
        bail!("the run breaks no promise by itself: there is nothing to make small");
    };
    let bar = spinner();
    let jobs = swarm::jobs(args);
    let mut tried = 0;
    let smaller = minimise(config, &mut |candidates| {
        let give_up = || began.elapsed() > patience;
        if give_up() {
            return None;
        }
        let found = first::first(candidates, jobs, |candidate| {
            !give_up() && goal.is_met_by(candidate)
        });
        tried += candidates.len();
        let plans = found.and_then(|nth| candidates.get(nth));
        if let Some(candidate) = plans {
            bar.set_message(format!("{} entries", candidate.plan.len()));
        }
        bar.set_position(tried as u64);
        found
    });
    bar.finish_and_clear();
    let (before, after) = (
        run_config(config.clone()),
        run_config(smaller.config.clone()),
    );
    let mut report = Smaller {
        seed: config.seed,
        entries_before: config.plan.len(),
        entries: smaller.config.plan.len(),
        trace_events_before: before.trace_events,
        trace_events: after.trace_events,
        tried: smaller.tried,
        seconds: began.elapsed().as_secs_f64(),
        violation: after.violation.as_ref().map(ToString::to_string),
        scenario: None,
    };
    let text = scenario(&smaller.config, &after.violation.map(|v| v.to_string()));
    match &args.out {
        Some(path) => write(path, text.as_bytes())?,
        None => report.scenario = Some(text),
    }
    match output {
        Output::Json => output::json(&report),
        Output::Table => {
            output::note(format!(
                "{} entries of {}, {} trace events of {}, after {} runs in {:.1} s",
                report.entries,
                report.entries_before,
                report.trace_events,
                report.trace_events_before,
                report.tried,
                report.seconds
            ))?;
            if let Some(path) = &args.out {
                output::line(format!("  again: norikv sim --scenario {}", path.display()))?;
            }
            report
                .scenario
                .map_or(Ok(()), |text| output::line(text.trim_end()))
        }
    }
}

/// With what is broken as its note.
fn scenario(config: &SimConfig, violation: &Option<String>) -> String {
    let mut scenario = Scenario::new(config.clone());
    let first_line = violation.as_deref().and_then(|text| text.lines().next());
    scenario.note = first_line.unwrap_or_default().to_owned();
    scenario.to_text()
}

fn spinner() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {pos} runs tried, {msg}, {elapsed}");
    let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr());
    bar.set_style(style.unwrap_or_else(|_bad| ProgressStyle::default_spinner()));
    bar
}
