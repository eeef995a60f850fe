//! The run: faults armed, operations carried out, crashes survived, everything checked.
//!
//! **Invariant: a failure is excused only by a fault that struck**, and only as far as that fault
//! explains it.

mod copy;
mod disaster;
mod judge;
mod perform;

use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use nori_env::{BlockStore, Clock, MemStore};
use nori_lsm::{Backups, Error, Log, Lsm};
use norikv_testkit::{DiskCounters, SimDisk, SimEntropy, VirtualClock};
use norikv_types::{Prng, WallMs};
use xxhash_rust::xxh3::Xxh3;

use super::config::draw;
use super::fault::FaultKind;
use super::invariant::recovery::LossAllowed;
use super::invariant::{files, memory, reads};
use super::life::Life;
use super::model::{Model, UNCERTAIN_MAX};
use super::operation::Operation;
use super::report::{StorageCounters, StorageReport};
use super::{StorageConfig, StorageViolation};

/// A run under way.
pub(super) struct World<'a> {
    config: &'a StorageConfig,
    disk: SimDisk,
    store: Arc<dyn BlockStore>,
    clock: Arc<VirtualClock>,
    entropy: Arc<SimEntropy>,
    /// `None` only while the store is being opened.
    life: Option<Life>,
    model: Model,
    harm: Harm,
    /// What waits for an operation of the disk.
    armed: Option<Armed>,
    /// The store must be opened anew before it is read again.
    must_reopen: bool,
    attempts: u64,
    /// What the disk had done when it was looked at last.
    seen: DiskCounters,
    /// What lies above was acknowledged without waiting for a sync, and then the power went, or the
    /// log was damaged.
    durable: Option<u64>,
    /// Where backups are taken.
    backups: Backups,
    /// The number of the operation before which the disk has room again.
    small_until: Option<u32>,
    /// Nobody was refused yet since then.
    small_unnoticed: bool,
    next_fault: usize,
    steps: u64,
    counters: StorageCounters,
    trace: Xxh3,
}

/// What was done to the disk that its contract does not cover.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Harm {
    /// Bytes that were durable are damaged: typed errors are right.
    damaged: bool,
    /// Single bits flipped in the log since it was opened.
    log_flips: u32,
    /// So much may be damaged that only the prefix is judged.
    any_loss: bool,
}

/// A fault that waits.
#[derive(Debug, Clone)]
pub(super) struct Armed {
    kind: FaultKind,
    /// Seeds what the fault leaves to chance.
    seed: u64,
    /// Openings that are cut off afterwards.
    recovery: Vec<u32>,
    /// It struck at least once.
    struck: bool,
}

type Checked = Result<(), StorageViolation>;

impl<'a> World<'a> {
    pub(super) fn new(config: &'a StorageConfig) -> Self {
        let disk = SimDisk::new(config.disk_options());
        let mut trace = Xxh3::new();
        trace.update(&config.seed.to_le_bytes());
        Self {
            config,
            store: Arc::new(disk.clone()),
            disk,
            clock: Arc::new(VirtualClock::new(WallMs(1_700_000_000_000))),
            entropy: Arc::new(SimEntropy::new(config.seed ^ 0x0145_4e54)),
            life: None,
            model: Model::default(),
            harm: Harm::default(),
            armed: None,
            must_reopen: false,
            attempts: 0,
            seen: DiskCounters::default(),
            durable: None,
            backups: Backups::open_in(
                Arc::new(MemStore::new()),
                Arc::new(SimEntropy::new(config.seed ^ 0x4241_434b)),
            ),
            small_until: None,
            small_unnoticed: false,
            next_fault: 0,
            steps: 0,
            counters: StorageCounters::default(),
            trace,
        }
    }

    /// Every operation, then a last look at a store at rest.
    pub(super) fn run(&mut self) -> Checked {
        self.open(&[], self.config.seed, false)?;
        for number in 0..self.config.operations {
            self.arm_until(number)?;
            if self.config.includes(number) {
                self.step(number)?;
            }
        }
        self.finish()
    }

    pub(super) fn report(self, violation: Option<StorageViolation>) -> StorageReport {
        StorageReport {
            seed: self.config.seed,
            hash: self.trace.digest(),
            steps: self.steps,
            at: self.clock.now(),
            counters: self.counters.clone(),
            disk: self.disk.counters(),
            violation,
        }
    }

    fn step(&mut self, number: u32) -> Checked {
        let (operation, mut prng) = Operation::draw(self.config, number);
        let pause = u64::from(draw(
            &mut prng,
            u32::try_from(self.config.pause_max_us + 1).unwrap_or(u32::MAX),
        ));
        self.clock.advance(Duration::from_micros(pause));
        self.steps += 1;
        self.trace.update(&number.to_le_bytes());
        self.perform(operation)?;
        if self.disk.is_off() {
            self.fall(true)?;
        } else if self.must_reopen || self.model.uncertain.len() >= UNCERTAIN_MAX {
            self.restart(false)?;
        } else if self.life().wounded && draw(&mut prng, 12) == 0 {
            // A host notices sooner or later; it may be too late for that.
            match draw(&mut prng, 2) {
                0 => self.restart(false)?,
                _ => self.fall(true)?,
            }
        }
        let stats = self.life().lsm.stats();
        self.trace.update(&stats.visible_seqno.0.to_le_bytes());
        memory::check(self.config, &stats)
    }

    /// The disk behaves again; the store comes to rest, is counted, read whole, opened once more and
    /// read again.
    fn finish(&mut self) -> Checked {
        self.settle()?;
        self.restart(true)?;
        self.settle()
    }

    fn life(&mut self) -> &mut Life {
        self.life.as_mut().expect("the store is open")
    }

    fn lsm(&mut self) -> Lsm {
        self.life().lsm.clone()
    }

    fn try_open(&self) -> Result<Lsm, Error> {
        let log = Log::Own(Arc::clone(&self.store));
        Lsm::open_in(
            Arc::clone(&self.store),
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            Arc::clone(&self.entropy) as Arc<dyn nori_env::Entropy>,
            self.config.lsm_options(log),
        )
    }

    /// Runs something on the open store and notes what the disk did to it meanwhile.
    fn watched<T>(&mut self, act: impl FnOnce(&mut Self) -> T) -> (T, Struck) {
        let before = self.disk.counters();
        let result = act(self);
        let after = self.disk.counters();
        let failed = after.injected_failures - before.injected_failures;
        let full = after.refused_full - before.refused_full;
        let struck = Struck {
            any: failed + full > 0 || self.disk.is_off(),
        };
        self.notice();
        if full > 0
            && let Some(life) = &mut self.life
        {
            life.troubled = true;
        }
        if failed > 0
            && let Some(armed) = &mut self.armed
        {
            let kind = armed.kind;
            if !armed.struck && !matches!(kind, FaultKind::PowerCut | FaultKind::ProcessDeath) {
                armed.struck = true;
                self.counters.faults.count(kind);
            }
            if let Some(life) = &mut self.life {
                life.troubled = true;
                life.wounded |= matches!(kind, FaultKind::SyncFails | FaultKind::AppendFails);
            }
        }
        (result, struck)
    }

    /// Whether `error` may come, given what the disk did.
    fn excuse(&mut self, what: &'static str, struck: Struck, error: &Error) -> Checked {
        self.trace.update(error.to_string().as_bytes());
        let life = self.life.as_ref();
        if struck.any || life.is_some_and(|life| life.wounded) {
            return Ok(());
        }
        if self.harm.damaged {
            if reads::names_damage(error) {
                return Ok(());
            }
            return Err(StorageViolation::Untyped {
                what,
                error: error.to_string(),
            });
        }
        Err(StorageViolation::FailedForNothing {
            what,
            error: error.to_string(),
        })
    }

    /// Steps jobs until there is none, then counts what is on the disk and reads it all.
    fn settle(&mut self) -> Checked {
        self.disk.clear_failures();
        self.disk.tell_truth();
        self.make_room();
        self.armed = None;
        if self.life().wounded || !self.model.uncertain.is_empty() {
            self.restart(false)?;
        }
        self.life().let_go();
        let lsm = self.lsm();
        let (flushed, struck) = self.watched(|_| lsm.flush());
        if let Err(error) = flushed {
            self.excuse("flush", struck, &error)?;
            return self.give_up();
        }
        for _ in 0..SETTLE_JOBS_MAX {
            let Some(mut job) = lsm.next_job() else {
                if self.clock_can_help(&lsm) {
                    continue;
                }
                drop(lsm);
                return self.at_rest();
            };
            loop {
                let (stepped, struck) = self.watched(|_| job.step(1 << 20));
                match stepped {
                    Ok(nori_lsm::JobState::More) => {}
                    Ok(nori_lsm::JobState::Done) => break,
                    Err(error) => {
                        self.excuse("a job", struck, &error)?;
                        return self.give_up();
                    }
                }
            }
        }
        Err(StorageViolation::NeverSettles)
    }

    /// After a failed job nothing is handed out for a while.
    fn clock_can_help(&self, lsm: &Lsm) -> bool {
        let retry = Duration::from_millis(self.config.engine.retry_ms);
        self.clock.advance(retry * 64);
        lsm.next_job().is_some()
    }

    fn at_rest(&mut self) -> Checked {
        let objects = match self.store.list() {
            Ok(objects) => objects,
            Err(error) => unreachable!("the disk behaves: {error}"),
        };
        let stats = self.life().lsm.stats();
        let calm = !self.life().troubled;
        files::check(&objects, &stats, calm)?;
        self.counters.settled += 1;
        self.read_all("at rest")
    }

    /// The whole content against the model.
    fn read_all(&mut self, what: &'static str) -> Checked {
        let lsm = self.lsm();
        let (content, struck) = self.watched(|_| content_of(&lsm));
        match content {
            Ok(content) => {
                self.counters.reads += content.len() as u64;
                let visible = self.model.visible(self.clock.wall());
                let mut expected = visible.iter();
                for pair in content.iter().map(Some).chain([None]) {
                    let want = expected
                        .next()
                        .map(|(key, value)| (key.clone(), value.clone()));
                    reads::check_pair(what, pair, want.as_ref())?;
                }
                Ok(())
            }
            Err(error) => {
                self.counters.read_errors += 1;
                self.excuse(what, struck, &error)
            }
        }
    }

    /// What is damaged stays damaged: the data is given up and the run goes on with an empty disk.
    fn give_up(&mut self) -> Checked {
        if self.harm.damaged {
            self.counters.refusals += 1;
            self.replace_disk()
        } else {
            self.restart(false)
        }
    }

    const fn loss_allowed(&self) -> LossAllowed {
        match (self.harm, self.durable) {
            (Harm { any_loss: true, .. }, _) => LossAllowed::Any,
            // A group that nobody waited for may be damaged too: then all of both may be gone.
            (Harm { log_flips: 0, .. }, Some(durable)) => LossAllowed::Above(durable),
            (_, Some(_)) => LossAllowed::Any,
            (Harm { log_flips: 0, .. }, None) => LossAllowed::None,
            (Harm { log_flips, .. }, None) => LossAllowed::Newest(log_flips),
        }
    }
}

/// What the disk did while something ran.
#[derive(Debug, Clone, Copy)]
pub(super) struct Struck {
    any: bool,
}

impl core::fmt::Debug for World<'_> {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        f.write_str(&format!("World(step {})", self.steps))
    }
}

fn content_of(lsm: &Lsm) -> Result<Vec<(Bytes, Bytes)>, Error> {
    let mut iter = lsm.iter(.., &lsm.snapshot());
    let mut content = Vec::new();
    while let Some(pair) = iter.next()? {
        content.push(pair);
    }
    Ok(content)
}

fn prng_of(seed: u64) -> Prng {
    Prng::new(seed)
}

const SETTLE_JOBS_MAX: u32 = 10_000;
