//! Rounds in which the libraries take turns.
//!
//! **Invariant: in each round every library is measured once for each figure, and each round begins
//! with another library.** Times are processor times of this thread, which other load on the
//! machine distorts least; what creates payloads is not counted.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use rustix::time::{ClockId, clock_gettime};

use super::report::RaftRow;
use super::trio::{LIBRARIES, Library, Trio};
use super::{BATCHES, PAYLOAD_BYTES, RaftSettings};
use crate::allocations::{counted, uncounted};
use crate::embedded::Spread;

/// Bytes of log that a replica keeps while speed is measured.
const LOG_BYTES: usize = 8 << 20;
/// The same where there are many groups.
const LOG_BYTES_IDLE: usize = 16 << 10;
/// Proposals between two readings of the clock, at least.
const PROPOSALS_BETWEEN: usize = 64;
/// Proposals after which the clock says whether to go on, at least; then comes a heartbeat.
const PROPOSALS_ROUND: usize = 4_096;
/// Proposals in a group before it is idle.
const PROPOSALS_IDLE: usize = 10;
/// Heartbeats for which idle groups are measured.
const HEARTBEATS: u32 = 20;

/// One library's figures of one round.
#[derive(Debug, Default, Clone)]
struct Round {
    /// For each batch size: CPU µs, messages and allocations for a proposal.
    batches: Vec<[f64; 3]>,
    /// Bytes of heap for a replica, CPU ns for its heartbeat, messages of a group and heartbeat.
    idle: [f64; 3],
}

pub(super) fn run(settings: &RaftSettings, progress: &mut dyn FnMut(&str)) -> Result<Vec<RaftRow>> {
    let mut rounds: Vec<Vec<Round>> = vec![Vec::new(); LIBRARIES.len()];
    for round in 0..settings.rounds {
        for turn in 0..LIBRARIES.len() {
            let at = (turn + round as usize) % LIBRARIES.len();
            let library = &LIBRARIES[at];
            progress(&format!("round {} of {}", round + 1, library.name));
            let batches = (BATCHES.iter()).map(|batch| speed(library, settings.seconds, *batch));
            rounds[at].push(Round {
                batches: batches.collect::<Result<_>>()?,
                idle: idle(library, settings)?,
            });
        }
    }
    let rows = LIBRARIES.iter().zip(&rounds);
    Ok(rows
        .filter_map(|(library, rounds)| row(library, rounds))
        .collect())
}

fn row(library: &Library, rounds: &[Round]) -> Option<RaftRow> {
    let of = |figure: &dyn Fn(&Round) -> f64| Spread::of(rounds.iter().map(figure));
    let batches = (0..BATCHES.len()).map(|at| {
        Some(super::report::BatchRow {
            batch: BATCHES[at],
            per_second: of(&|round| 1e6 / round.batches[at][0])?,
            cpu_us: of(&|round| round.batches[at][0])?,
            messages: of(&|round| round.batches[at][1])?.median,
            allocations: of(&|round| round.batches[at][2])?.median,
        })
    });
    Some(RaftRow {
        library: library.name,
        version: library.version,
        batches: batches.collect::<Option<_>>()?,
        heap_bytes: of(&|round| round.idle[0])?.median,
        idle_ns: of(&|round| round.idle[1])?,
        idle_messages: of(&|round| round.idle[2])?.median,
    })
}

/// CPU µs for a proposal with one library, of which `batch` are made at once.
///
/// # Errors
/// When this build has no such library, or its replicas applied different things.
pub fn profile(library: &str, batch: usize, seconds: f64) -> Result<f64> {
    let found = LIBRARIES.iter().find(|known| known.name == library);
    let library = found.with_context(|| format!("this build has no {library}"))?;
    let [cpu_us, ..] = speed(library, seconds, batch)?;
    Ok(cpu_us)
}

/// CPU µs, messages and allocations for a proposal.
fn speed(library: &Library, seconds: f64, batch: usize) -> Result<[f64; 3]> {
    let mut trio = (library.build)(1, LOG_BYTES)?;
    let mut numbers = 0..;
    // The clock is read seldom: a reading costs as much as a sixth of a proposal.
    let between = (PROPOSALS_BETWEEN / batch).max(1);
    let readings = (PROPOSALS_ROUND / (between * batch)).max(1);
    let proposed = readings * between * batch;
    let mut propose = |trio: &mut dyn Trio| {
        let mut spent = Duration::ZERO;
        for _ in 0..readings {
            uncounted(|| trio.prepare(payloads(&mut numbers, between * batch)));
            let before = cpu_time();
            for _ in 0..between {
                trio.propose(batch);
            }
            spent += cpu_time() - before;
        }
        spent
    };
    let warm_up = Duration::from_secs_f64(seconds / 5.0);
    let mut spent = Duration::ZERO;
    while spent < warm_up {
        spent += propose(&mut *trio);
        trio.heartbeat();
    }
    let before = trio.messages();
    let (mut spent, mut done) = (Duration::ZERO, 0);
    while spent < Duration::from_secs_f64(seconds) {
        spent += propose(&mut *trio);
        done += proposed;
    }
    let messages = trio.messages() - before;
    trio.heartbeat();
    let (_, allocations) = counted(|| propose(&mut *trio));
    trio.heartbeat();
    check(&*trio)?;
    Ok([
        spent.as_secs_f64() * 1e6 / done as f64,
        messages as f64 / done as f64,
        allocations.count as f64 / proposed as f64,
    ])
}

/// Bytes of heap, CPU ns for a heartbeat's time, both of a replica; messages of a group meanwhile.
fn idle(library: &Library, settings: &RaftSettings) -> Result<[f64; 3]> {
    let mut trios: Vec<Box<dyn Trio>> = Vec::with_capacity(settings.groups as usize);
    let mut numbers = 0..;
    let (built, taken) = counted(|| {
        for seed in 0..settings.groups {
            trios.push((library.build)(u64::from(seed), LOG_BYTES_IDLE)?);
        }
        for trio in &mut trios {
            for _ in 0..PROPOSALS_IDLE {
                uncounted(|| trio.prepare(payloads(&mut numbers, 1)));
                trio.propose(1);
            }
            trio.heartbeat();
            trio.compact();
            trio.heartbeat();
        }
        anyhow::Ok(())
    });
    built?;
    let replicas = 3.0 * f64::from(settings.groups);
    let host: usize = trios.iter().map(|trio| trio.host_bytes()).sum();
    let bytes = taken.bytes as f64 - host as f64;
    let messages_before: u64 = trios.iter().map(|trio| trio.messages()).sum();
    let before = cpu_time();
    for _ in 0..HEARTBEATS {
        for trio in &mut trios {
            trio.heartbeat();
        }
    }
    let spent = cpu_time() - before;
    let messages: u64 = trios.iter().map(|trio| trio.messages()).sum();
    for trio in &trios {
        check(&**trio)?;
    }
    Ok([
        bytes / replicas,
        spent.as_secs_f64() * 1e9 / replicas / f64::from(HEARTBEATS),
        (messages - messages_before) as f64 / f64::from(settings.groups) / f64::from(HEARTBEATS),
    ])
}

fn check(trio: &dyn Trio) -> Result<()> {
    let [one, two, three] = trio.applied();
    ensure!(
        one == two && two == three,
        "the replicas applied different things: {one:?}, {two:?}, {three:?}"
    );
    Ok(())
}

/// Payloads that all differ.
fn payloads(numbers: &mut std::ops::RangeFrom<u64>, count: usize) -> Vec<Vec<u8>> {
    let payload = |number: u64| {
        let mut payload = vec![0x5a; PAYLOAD_BYTES];
        payload[..8].copy_from_slice(&number.to_le_bytes());
        payload
    };
    numbers.take(count).map(payload).collect()
}

/// Processor time of this thread.
fn cpu_time() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    let nanos = u32::try_from(time.tv_nsec).unwrap_or(0);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), nanos)
}
