//! Running operations and counting those that count.
//!
//! **Invariant: an operation is counted if and only if it ended while the window was open.** What
//! is divided by the window's length is the number of exactly these operations, and the
//! percentiles are theirs.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU8, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use crate::latencies::{Latencies, Percentiles};
use crate::usage::{Sample, Usage};

/// How long a measurement takes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Times {
    /// Not counted.
    pub warm_up: Duration,
    /// Counted.
    pub measured: Duration,
}

/// One measured figure.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Figure {
    /// What was done.
    pub name: String,
    /// By how many threads or clients at once, each waiting for its answer.
    pub clients: u32,
    /// How often, within the window.
    pub operations: u64,
    /// How many of them failed; not among `operations`.
    pub failed: u64,
    /// Length of the window.
    pub seconds: f64,
    /// Operations divided by seconds.
    pub per_second: f64,
    /// How long the operations took.
    #[serde(flatten)]
    pub percentiles: Percentiles,
    /// Processor time of the whole process for one operation, clients and background work included.
    pub cpu_us: f64,
    /// The same by thread name.
    pub cpu_us_by_thread: BTreeMap<String, f64>,
    /// Bytes handed to write calls for one operation, background work included; `None` where
    /// sockets would be counted too.
    pub written_bytes: Option<f64>,
}

/// Tells the workers of a measurement whether their operations count.
#[derive(Debug, Default)]
pub struct Gate {
    state: AtomicU8,
    /// Something was counted.
    any: AtomicBool,
}

/// What a worker counts.
#[derive(Debug, Default)]
pub struct Tally {
    /// Of the operations that counted and went well.
    pub latencies: Latencies,
    /// Operations that counted and failed.
    pub failed: u64,
}

/// The window that was open.
#[derive(Debug)]
pub struct Window {
    seconds: f64,
    usage: Usage,
}

impl Gate {
    /// Whether to go on.
    #[must_use]
    pub fn is_running(&self) -> bool {
        self.state.load(Ordering::Relaxed) != CLOSED
    }

    /// Counts an operation that began at `start` and ended now, if the window is open.
    pub fn count(&self, start: Instant, well: bool, tally: &mut Tally) {
        let took = start.elapsed();
        if self.state.load(Ordering::Relaxed) == OPEN {
            if !self.any.load(Ordering::Relaxed) {
                self.any.store(true, Ordering::Relaxed);
            }
            if well {
                tally.latencies.record(took);
            } else {
                tally.failed += 1;
            }
        }
    }

    /// Opens the window after the warm-up and closes it again; meanwhile workers work. On a machine
    /// so busy that no operation has ended by then, the window stays open until one has, or
    /// [`PATIENCE`] has passed.
    #[must_use]
    pub fn watch(&self, times: Times) -> Window {
        thread::sleep(times.warm_up);
        let before = Sample::take();
        let start = Instant::now();
        self.state.store(OPEN, Ordering::Relaxed);
        thread::sleep(times.measured);
        while !self.any.load(Ordering::Relaxed) && start.elapsed() < times.measured + PATIENCE {
            thread::sleep(Duration::from_millis(1));
        }
        // The workers must be alive for this.
        let after = Sample::take();
        self.state.store(CLOSED, Ordering::Relaxed);
        Window {
            seconds: start.elapsed().as_secs_f64(),
            usage: after.since(&before),
        }
    }
}

impl Window {
    /// The figure that the workers' tallies make.
    ///
    /// # Errors
    /// When nothing was counted: there is no figure then.
    pub fn figure(
        self,
        name: &str,
        clients: u32,
        tallies: impl IntoIterator<Item = Tally>,
    ) -> Result<Figure> {
        let mut all = Tally::default();
        for tally in tallies {
            all.latencies.merge(&tally.latencies);
            all.failed += tally.failed;
        }
        let operations = all.latencies.count();
        if operations == 0 {
            bail!(
                "{name}: no operation ended within {:.1} s ({} failed); try more --seconds",
                self.seconds,
                all.failed
            );
        }
        let share = |seconds: f64| seconds * 1e6 / operations as f64;
        Ok(Figure {
            name: name.to_owned(),
            clients,
            operations,
            failed: all.failed,
            seconds: self.seconds,
            per_second: operations as f64 / self.seconds,
            percentiles: all.latencies.percentiles(),
            written_bytes: Some(self.usage.written_bytes as f64 / operations as f64),
            cpu_us: share(self.usage.cpu_seconds),
            cpu_us_by_thread: self
                .usage
                .cpu_by_thread
                .into_iter()
                .map(|(role, seconds)| (role, share(seconds)))
                .collect(),
        })
    }
}

/// Lets `threads` threads do what `worker` gives them, over and over, for the given times.
///
/// # Errors
/// The first error of a worker; the measurement is void then.
pub fn timed<W: FnMut() -> Result<()>>(
    name: &str,
    threads: u32,
    times: Times,
    worker: impl Fn(u32) -> W + Sync,
) -> Result<Figure> {
    let gate = Gate::default();
    let (worker, gate) = (&worker, &gate);
    let (window, tallies) = thread::scope(|scope| {
        let mut running = Vec::new();
        for thread in 0..threads {
            let client = thread::Builder::new().name(format!("client-{thread}"));
            running.push(client.spawn_scoped(scope, move || -> Result<Tally> {
                let mut operation = worker(thread);
                let mut tally = Tally::default();
                while gate.is_running() {
                    let start = Instant::now();
                    operation()?;
                    gate.count(start, true, &mut tally);
                }
                Ok(tally)
            }));
        }
        let window = gate.watch(times);
        let tallies: Result<Vec<Tally>> = running
            .into_iter()
            .map(|thread| match thread.context("starting a thread")?.join() {
                Ok(tally) => tally,
                Err(panic) => std::panic::resume_unwind(panic),
            })
            .collect();
        (window, tallies)
    });
    window.figure(name, threads, tallies.with_context(|| name.to_owned())?)
}

/// Does `operation` once for each number below `count`, on one thread, and stops early once `limit`
/// has passed. All of it counts; `operations` says how far it came.
///
/// # Errors
/// The first error of an operation.
pub fn counted(
    name: &str,
    count: u64,
    limit: Duration,
    mut operation: impl FnMut(u64) -> Result<()> + Send,
) -> Result<Figure> {
    let client = thread::Builder::new().name("client".to_owned());
    let work = move || -> Result<(Window, Tally)> {
        let mut tally = Tally::default();
        let before = Sample::take();
        let begin = Instant::now();
        for number in 0..count {
            let start = Instant::now();
            operation(number)?;
            let end = Instant::now();
            tally.latencies.record(end - start);
            if end - begin > limit {
                break;
            }
        }
        let window = Window {
            seconds: begin.elapsed().as_secs_f64(),
            usage: Sample::take().since(&before),
        };
        Ok((window, tally))
    };
    let done = thread::scope(|scope| {
        let thread = client.spawn_scoped(scope, work);
        match thread.context("starting a thread")?.join() {
            Ok(done) => done,
            Err(panic) => std::panic::resume_unwind(panic),
        }
    });
    let (window, tally) = done.with_context(|| name.to_owned())?;
    window.figure(name, 1, [tally])
}

/// How long a window waits for the first operation to end.
pub const PATIENCE: Duration = Duration::from_secs(3);
/// The window is open. Before, the gate is 0.
const OPEN: u8 = 1;
/// The window was open, and workers end.
const CLOSED: u8 = 2;

#[cfg(test)]
mod tests;
