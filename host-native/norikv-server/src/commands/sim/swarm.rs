//! Many runs at the same time, told one after the other.
//!
//! **Invariant: what is printed is in the order of the seeds**, whichever run ends first.

use std::collections::BTreeMap;
use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::Result;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use norikv_sim::{Report, Summary};
use serde::Serialize;

use crate::cli::Sim;
use crate::commands::sim::case::{Case, Outcome};
use crate::commands::sim::clock::thread_time;
use crate::output::{self, Output};

/// What came of all runs.
pub(super) struct Swarm {
    pub(super) summary: Summary,
    /// The run with the lowest seed that broke a promise, or the promise that was asked for.
    pub(super) first_broken: Option<Run>,
    seeds: (u64, u64),
    runs: u64,
    broken: u64,
    events: u64,
    virtual_seconds: f64,
    wall: Duration,
    processor: Duration,
}

/// What came of one run.
#[derive(Serialize)]
pub(super) struct Run {
    pub(super) seed: u64,
    /// 16 hexadecimal digits; the same on every host.
    trace_hash: String,
    steps: u64,
    events: u64,
    virtual_seconds: f64,
    processor_seconds: f64,
    /// The promise that was broken, if one was.
    violation: Option<String>,
    /// Its name.
    invariant: Option<&'static str>,
    #[serde(skip)]
    report: Option<Report>,
    /// Whether no assertion ended it.
    #[serde(skip)]
    whole: bool,
    #[serde(skip)]
    processor: Duration,
}

impl Swarm {
    pub(super) fn run(case: &Case, args: &Sim, output: Output) -> Result<Self> {
        let seeds = seeds(case, args);
        let mut swarm = Self {
            summary: Summary::default(),
            first_broken: None,
            seeds,
            runs: 0,
            broken: 0,
            events: 0,
            virtual_seconds: 0.0,
            wall: Duration::ZERO,
            processor: Duration::ZERO,
        };
        let began = Instant::now();
        let bar = bar(seeds);
        let (next, stop) = (AtomicU64::new(seeds.0), AtomicBool::new(false));
        let (done, runs) = mpsc::channel();
        thread::scope(|scope| {
            for _ in 0..jobs(args) {
                let done = done.clone();
                let (next, stop) = (&next, &stop);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let seed = next.fetch_add(1, Ordering::Relaxed);
                        if seed > seeds.1 || done.send(Run::of(case, seed)).is_err() {
                            return;
                        }
                    }
                });
            }
            drop(done);
            let told = swarm.tell_all(&runs, case, args, output, &bar);
            stop.store(true, Ordering::Relaxed);
            told
        })?;
        bar.finish_and_clear();
        swarm.wall = began.elapsed();
        if output == Output::Table {
            swarm.print_speed()?;
        }
        Ok(swarm)
    }

    /// The seed, where there was one.
    pub(super) fn only_seed(&self) -> Option<u64> {
        (self.seeds.0 == self.seeds.1).then_some(self.seeds.0)
    }

    fn tell_all(
        &mut self,
        runs: &mpsc::Receiver<Run>,
        case: &Case,
        args: &Sim,
        output: Output,
        bar: &ProgressBar,
    ) -> Result<()> {
        // What ended before runs of lower seeds.
        let mut early = BTreeMap::new();
        let mut seed = self.seeds.0;
        for run in runs {
            early.insert(run.seed, run);
            while let Some(run) = early.remove(&seed) {
                seed = seed.saturating_add(1);
                bar.inc(1);
                bar.suspend(|| run.print(case, output))?;
                if self.add(run, args.until) && args.until.is_some() {
                    return Ok(());
                }
            }
        }
        Ok(())
    }

    /// Whether it broke what was looked for.
    fn add(&mut self, run: Run, wanted: Option<&str>) -> bool {
        if let Some(report) = &run.report {
            self.summary.add(report);
        }
        self.runs += 1;
        self.broken += u64::from(run.violation.is_some());
        self.events += run.events;
        self.virtual_seconds += run.virtual_seconds;
        self.processor += run.processor;
        let found = run.violation.is_some() && (wanted.is_none() || run.invariant == wanted);
        if found && self.first_broken.is_none() {
            self.first_broken = Some(run);
        }
        found
    }

    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn print_speed(&self) -> Result<()> {
        let (wall, processor) = (self.wall.as_secs_f64(), self.processor.as_secs_f64());
        let (runs, virtual_seconds) = (self.runs, self.virtual_seconds);
        output::line(format!(
            "{runs} {}, {} broken, in {wall:.1} s: {:.1} seeds/s, {:.0} virtual seconds a second\n\
             one core: {:.0} times real time, {:.0} events/s ({processor:.1} processor seconds)",
            if runs == 1 { "run" } else { "runs" },
            self.broken,
            runs as f64 / wall,
            virtual_seconds / wall,
            virtual_seconds / processor,
            self.events as f64 / processor,
        ))
    }
}

impl Run {
    #[expect(clippy::cast_precision_loss, reason = "figures for people")]
    fn of(case: &Case, seed: u64) -> Self {
        let began = thread_time();
        // A failed assertion is a finding like any other.
        let ran = panic::catch_unwind(AssertUnwindSafe(|| case.outcome(seed)));
        let whole = ran.is_ok();
        let outcome = ran.unwrap_or_else(|panic| Outcome {
            hash: 0,
            steps: 0,
            events: 0,
            nanos: 0,
            violation: Some(format!("an assertion failed: {}", words(&*panic))),
            invariant: None,
            report: None,
        });
        let processor = thread_time().saturating_sub(began);
        Self {
            seed,
            trace_hash: format!("{:016x}", outcome.hash),
            steps: outcome.steps,
            events: outcome.events,
            virtual_seconds: outcome.nanos as f64 / 1e9,
            processor_seconds: processor.as_secs_f64(),
            violation: outcome.violation,
            invariant: outcome.invariant,
            report: outcome.report,
            whole,
            processor,
        }
    }

    /// Whether it came to an end of its own, and not to a failed assertion.
    pub(super) const fn is_whole(&self) -> bool {
        self.whole
    }

    fn print(&self, case: &Case, output: Output) -> Result<()> {
        let Self {
            seed,
            trace_hash,
            steps,
            ..
        } = self;
        match (output, &self.violation) {
            (Output::Json, _) => output::json(self),
            (Output::Table, None) => output::line(format!("{seed} {trace_hash} {steps} steps")),
            (Output::Table, Some(violation)) => output::line(format!(
                "{seed} {trace_hash} VIOLATION {violation}\n  again: {}",
                case.command(*seed)
            )),
        }
    }
}

/// How many runs at the same time.
pub(super) fn jobs(args: &Sim) -> usize {
    let jobs = args.jobs.and_then(|jobs| usize::try_from(jobs).ok());
    jobs.unwrap_or_else(|| thread::available_parallelism().map_or(1, usize::from))
}

fn seeds(case: &Case, args: &Sim) -> (u64, u64) {
    let given = args.seed.map(|seed| (seed, seed)).or(args.seeds);
    let own = case.own_seed().map(|seed| (seed, seed));
    match args.until {
        Some(_) => given.unwrap_or((1, u64::MAX >> 1)),
        None => given.or(own).unwrap_or((1, 20)),
    }
}

/// On a terminal only; indicatif sees to that.
fn bar((first, last): (u64, u64)) -> ProgressBar {
    let count = (last - first).saturating_add(1);
    let template = if count > u64::from(u32::MAX) {
        "{spinner} {pos} seeds, {per_sec}, {elapsed}"
    } else {
        "{bar:30} {pos}/{len} seeds, {per_sec}, {eta} left"
    };
    let bar = ProgressBar::with_draw_target(Some(count), ProgressDrawTarget::stderr());
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_bad| ProgressStyle::default_bar()),
    );
    bar
}

fn words(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied())
        .unwrap_or("without words")
}
