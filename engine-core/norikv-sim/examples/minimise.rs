//! Plants a mutant, looks for a long run that it breaks, and makes the run small.
//!
//! `minimise NAME… [--events N] [--minutes M] [--jobs N] [--out FOLDER]`. The faults of a run begin
//! late, so that at least so many trace events happen before something breaks. Prints a row of a
//! Markdown table for each; exits with 1 when one is not made smaller than 50 entries in time.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]
#![expect(
    clippy::disallowed_methods,
    reason = "measures the search from outside, several runs at a time"
)]

use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use norikv_sim::{Goal, Report, Scenario, SimConfig, minimise, run};
use norikv_types::Mutant;

struct Arguments {
    mutants: Vec<Mutant>,
    events_min: u64,
    patience: Duration,
    jobs: usize,
    out: Option<String>,
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1)) else {
        println!("minimise NAME… [--events N] [--minutes M] [--jobs N] [--out FOLDER]");
        return ExitCode::FAILURE;
    };
    println!(
        "| mutant | breaks | seed | trace events | entries | entries left | faults left | trace events left | runs tried | seconds |\n\
         |---|---|--:|--:|--:|--:|--:|--:|--:|--:|"
    );
    // A failed assertion is no broken promise here.
    panic::set_hook(Box::new(|_| {}));
    let mut code = ExitCode::SUCCESS;
    for mutant in &arguments.mutants {
        if !show(*mutant, &arguments) {
            code = ExitCode::FAILURE;
        }
    }
    code
}

/// Whether a long run that the mutant breaks became small in time.
fn show(mutant: Mutant, arguments: &Arguments) -> bool {
    let name = mutant.name();
    let Some((config, before)) = long_run(mutant, arguments) else {
        println!("| {name} | no long run breaks a promise |");
        return false;
    };
    let began = Instant::now();
    let planted = mutant.plant();
    let goal = Goal::of(&config).expect("it was just broken");
    drop(planted);
    let smaller = minimise(&config, &mut |candidates| {
        first(mutant, candidates, arguments.jobs, |candidate| {
            began.elapsed() < arguments.patience && goal.is_met_by(candidate)
        })
    });
    let took = began.elapsed();
    let after = broken(mutant, &smaller.config).expect("the best so far breaks the promise");
    let left = smaller.config.plan.len();
    let faults = smaller.config.plan.iter();
    println!(
        "| {name} | {} | {} | {} | {} | {left} | {} | {} | {} | {:.1} |",
        after
            .violation
            .as_ref()
            .map_or("", |violation| violation.name()),
        before.seed,
        before.trace_events,
        config.plan.len(),
        faults
            .filter(|entry| entry.action.fault().is_some())
            .count(),
        after.trace_events,
        smaller.tried,
        took.as_secs_f64()
    );
    if let Some(folder) = &arguments.out {
        let mut scenario = Scenario::new(smaller.config);
        scenario.note = format!("{name}: {}", after.violation.expect("as above"));
        let path = format!("{folder}/{name}.toml");
        std::fs::write(&path, scenario.to_text()).expect("the folder takes files");
    }
    left <= ENTRIES_MAX
}

/// The first seed whose run breaks, and late enough.
fn long_run(mutant: Mutant, arguments: &Arguments) -> Option<(SimConfig, Report)> {
    // How long nothing goes wrong: longer where runs turn out to have few events.
    let mut quiet_ms = QUIET_MS;
    for seed in 1..=SEEDS_MAX {
        let mut config = SimConfig::drawn(seed, 3, quiet_ms + FAULTY_MS);
        config
            .plan
            .retain(|entry| entry.action.fault().is_none() || entry.at_ms >= quiet_ms);
        let Some(report) = broken(mutant, &config) else {
            continue;
        };
        if report.trace_events >= arguments.events_min && !fails_anyway(&config) {
            return Some((config, report));
        }
        quiet_ms = (quiet_ms * 5 / 4).min(QUIET_MS_MAX);
    }
    None
}

fn fails_anyway(config: &SimConfig) -> bool {
    run(config.clone()).violation.is_some()
}

/// What comes of a run with the mutant, if it breaks a promise and not an assertion.
fn broken(mutant: Mutant, config: &SimConfig) -> Option<Report> {
    let _planted = mutant.plant();
    let ran = panic::catch_unwind(AssertUnwindSafe(|| run(config.clone())));
    ran.ok().filter(|report| report.violation.is_some())
}

/// The lowest index of a candidate that holds, tried on several threads.
fn first(
    mutant: Mutant,
    candidates: &[SimConfig],
    jobs: usize,
    holds: impl Fn(&SimConfig) -> bool + Sync,
) -> Option<usize> {
    let (next, found) = (AtomicUsize::new(0), AtomicUsize::new(usize::MAX));
    thread::scope(|scope| {
        for _ in 0..jobs.min(candidates.len()) {
            scope.spawn(|| {
                let _planted = mutant.plant();
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(candidate) = candidates.get(nth) else {
                        return;
                    };
                    if nth >= found.load(Ordering::Relaxed) {
                        return;
                    }
                    let held = panic::catch_unwind(AssertUnwindSafe(|| holds(candidate)));
                    if held.unwrap_or(false) {
                        found.fetch_min(nth, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Some(found.into_inner()).filter(|nth| *nth < candidates.len())
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut arguments = Self {
            mutants: Vec::new(),
            events_min: 100_000,
            patience: Duration::from_secs(120),
            jobs: thread::available_parallelism().map_or(1, usize::from),
            out: None,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--events" => arguments.events_min = words.next()?.parse().ok()?,
                "--minutes" => {
                    let minutes: f64 = words.next()?.parse().ok()?;
                    arguments.patience = Duration::try_from_secs_f64(minutes * 60.0).ok()?;
                }
                "--jobs" => arguments.jobs = words.next()?.parse().ok()?,
                "--out" => arguments.out = Some(words.next()?),
                name => {
                    let mut all = Mutant::ALL.iter();
                    arguments
                        .mutants
                        .push(*all.find(|mutant| mutant.name() == name)?);
                }
            }
        }
        (!arguments.mutants.is_empty()).then_some(arguments)
    }
}

const ENTRIES_MAX: usize = 50;
const SEEDS_MAX: u64 = 300;
const QUIET_MS: u64 = 30_000;
const QUIET_MS_MAX: u64 = 200_000;
/// How long faults go on, as in the standard swarm.
const FAULTY_MS: u64 = 16_000;
