//! What background work that is behind means for writes.
//!
//! **Invariant: a write waits a little many times instead of long once, and never for something that
//! nobody does.** From half of what may wait on, every byte written costs time, the more the
//! nearer the limit; at the limit a writer does the work itself. What a writer owes it pays by
//! stepping jobs that their holders are not stepping; only where all are being stepped it sleeps.

use alloc::sync::Arc;
use core::time::Duration;

use nori_env::sync::Ordering;

use crate::Error;
use crate::engine::Engine;
use crate::event::Event;
use crate::jobs::{self, Helped};
use crate::view::View;
use crate::write::{Waiting, count};

/// How far the store is behind with its background work.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pressure {
    /// What it means for writes.
    pub level: PressureLevel,
    /// Bytes that wait to be flushed, or to be compacted out of level 0.
    pub debt_bytes: u64,
    /// What a kibibyte that is written has to wait.
    pub delay: Duration,
    /// Rotated memtables that wait for their flush.
    pub memtables_waiting: u32,
    /// Runs of level 0 over the key that most of them overlap.
    pub fresh_runs: u32,
}

/// What background work that is behind means for writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum PressureLevel {
    /// Nothing.
    Free,
    /// They are slowed down.
    High,
    /// They stall.
    Stalled,
}

impl Engine {
    /// How far `view` is behind.
    pub(crate) fn pressure_of(&self, view: &View) -> Pressure {
        let options = &self.options;
        let waiting = count(view.waiting.len());
        let runs = view.levels.fresh_depth;
        let stalled = waiting >= options.memtables_waiting_max || runs >= options.fresh_runs_max;
        // The active memtable counts for the part of it that is full, so that nothing jumps.
        let full = view.active.bytes() * THOUSAND / options.memtable_bytes.max(1);
        let part = |all: u64, free: u64, most: u64| {
            let beyond = (all * THOUSAND + full.min(THOUSAND)).saturating_sub(free * THOUSAND);
            beyond / (most - free).max(1)
        };
        let most = u64::from(options.memtables_waiting_max);
        let flushing = match waiting {
            0 => 0,
            waiting => part(u64::from(waiting), most / 2, most),
        };
        let free = options.fresh_runs_min.midpoint(options.fresh_runs_max);
        let most = u64::from(options.fresh_runs_max);
        let compacting = match runs > free {
            false => 0,
            true => part(u64::from(runs), u64::from(free), most),
        };
        let behind = flushing.max(compacting).min(THOUSAND - 1);
        let nanos = DELAY_NANOS * behind / (THOUSAND - behind);
        let memtables = view.waiting.iter().map(|memtable| memtable.bytes());
        let fresh = match runs > options.fresh_runs_min {
            true => view.levels.bytes(0),
            false => 0,
        };
        Pressure {
            level: match behind {
                _ if stalled => PressureLevel::Stalled,
                0 => PressureLevel::Free,
                _ => PressureLevel::High,
            },
            debt_bytes: memtables.sum::<u64>() + fresh,
            delay: Duration::from_nanos(nanos * 1024),
            memtables_waiting: waiting,
            fresh_runs: runs,
        }
    }

    /// Lets time go by, or does work, as a batch of `bytes` has to under the pressure there is.
    ///
    /// # Errors
    /// That of a job that was stepped here; nothing was written.
    pub(crate) fn make_room(self: &Arc<Self>, bytes: u64) -> Result<(), Error> {
        self.check_writable()?;
        let pressure = self.pressure_of(&self.view());
        match pressure.level {
            PressureLevel::Free => Ok(()),
            PressureLevel::High => {
                let nanos = u64::try_from(pressure.delay.as_nanos()).unwrap_or(u64::MAX) / 1024;
                let owed = nanos.saturating_mul(bytes);
                let all = self.owed_nanos.fetch_add(owed, Ordering::Relaxed) + owed;
                if all >= PAID_AT_ONCE_NANOS {
                    // Whoever comes past the line pays for those before.
                    let all = self.owed_nanos.swap(0, Ordering::Relaxed);
                    self.pay(Duration::from_nanos(all.min(PAID_AT_MOST_NANOS)))?;
                }
                Ok(())
            }
            PressureLevel::Stalled => {
                self.counters.stalls.fetch_add(1, Ordering::Relaxed);
                self.events.push(Event::Stalled);
                let worked =
                    self.work_until(|view| self.pressure_of(view).level < PressureLevel::Stalled);
                self.events.push(Event::Resumed);
                worked
            }
        }
    }

    /// Steps jobs of others, or waits, for `owed`.
    fn pay(&self, owed: Duration) -> Result<(), Error> {
        let _waiting = Waiting::new(self);
        let until = self.clock.now() + owed;
        // A clock that stands still does not keep a writer.
        let pieces = owed.as_nanos() / u128::from(DELAY_NANOS * STEP_BYTES) + 1;
        for _ in 0..pieces {
            let ticket = self.park.ticket();
            match jobs::step_any(self, STEP_BYTES) {
                Helped::Stepped(stepped) => stepped?,
                Helped::Busy => {
                    let left = until.since(self.clock.now());
                    self.park.wait(ticket, Some(left), &mut || false);
                }
                Helped::Nothing => break,
            }
            if self.clock.now() >= until {
                break;
            }
        }
        self.counters.delays.fetch_add(1, Ordering::Relaxed);
        Ok(())
    }
}

const THOUSAND: u64 = 1_000;
/// What a byte waits when half of what is left to the limit is used up: 50 MB/s.
const DELAY_NANOS: u64 = 20;
/// Shorter waits are put together: to fall asleep takes time too.
const PAID_AT_ONCE_NANOS: u64 = 1_000_000;
const PAID_AT_MOST_NANOS: u64 = 20_000_000;
const STEP_BYTES: u64 = 64 << 10;
