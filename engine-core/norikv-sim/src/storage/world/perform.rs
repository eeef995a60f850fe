//! The operations of the workload, each with its check.

use alloc::collections::VecDeque;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_env::Clock;
use nori_lsm::{Error, Iter, SeqNo};

use super::{Checked, Struck, World};
use crate::storage::StorageViolation;
use crate::storage::invariant::reads::{check_pair, check_value};
use crate::storage::life::{HeldIterator, HeldSnapshot};
use crate::storage::model::Batch;
use crate::storage::operation::{Drawn, Ends, KeyRange, Operation, contains};
use crate::storage::write::Write;

impl World<'_> {
    pub(super) fn perform(&mut self, operation: Operation) -> Checked {
        match operation {
            Operation::Write { writes, stalling } => {
                let writes = self.now(writes);
                self.write(writes, stalling)
            }
            Operation::CompareAndSet { right } => self.compare_and_set(right),
            Operation::Transact {
                keys,
                range,
                writes,
                other,
            } => {
                let (writes, other) = (self.now(writes), other.map(|other| self.now(other)));
                self.transact(&keys, range.as_ref(), &writes, other)
            }
            Operation::Copy { backup } => self.copy(backup),
            Operation::Get { key, snapshot } => self.get(&key, snapshot),
            Operation::Scan {
                range,
                snapshot,
                ends,
                limit,
            } => self.scan(&range, snapshot, ends, limit),
            Operation::TakeSnapshot => {
                self.take_snapshot();
                Ok(())
            }
            Operation::DropSnapshot(nth) => {
                let snapshots = &mut self.life().snapshots;
                if let Some(nth) = index(nth, snapshots.len()) {
                    snapshots.swap_remove(nth);
                }
                Ok(())
            }
            Operation::OpenIterator { range, snapshot } => {
                self.open_iterator(&range, snapshot);
                Ok(())
            }
            Operation::MoveIterator {
                nth,
                forward,
                count,
            } => self.move_iterator(nth, forward, count),
            Operation::Rotate => {
                self.life().lsm.rotate();
                Ok(())
            }
            Operation::Flush => {
                let lsm = self.lsm();
                let (flushed, struck) = self.watched(|_| lsm.flush());
                match flushed {
                    Ok(()) => Ok(()),
                    Err(error) => self.excuse("flush", struck, &error),
                }
            }
            Operation::TakeJob => {
                let life = self.life();
                if life.jobs.len() < JOBS_MAX
                    && let Some(job) = life.lsm.next_job()
                {
                    life.jobs.push(job);
                }
                Ok(())
            }
            Operation::StepJob { nth, budget } => self.step_job(nth, budget),
            Operation::DropJob(nth) => {
                let jobs = &mut self.life().jobs;
                if let Some(nth) = index(nth, jobs.len()) {
                    jobs.swap_remove(nth);
                }
                Ok(())
            }
            Operation::Settle if self.armed.is_none() => self.settle(),
            Operation::Settle => Ok(()),
            Operation::Reopen { close } => self.restart(close),
        }
    }

    fn now(&self, writes: Vec<Drawn>) -> Vec<Write> {
        let now = self.clock.wall();
        writes.into_iter().map(|write| write.at(now)).collect()
    }

    pub(super) fn write(&mut self, writes: Vec<Write>, stalling: bool) -> Checked {
        self.attempts += 1;
        let mut batch = Batch::new(self.attempts, writes);
        let write_batch = batch.to_write_batch();
        if self.config.misremember == Some(self.attempts) {
            batch.forget_first();
        }
        let lsm = self.lsm();
        let (written, struck) = self.watched(|_| match stalling {
            true => lsm.write(write_batch),
            false => lsm.try_write(write_batch),
        });
        self.written(batch, written, struck, stalling)
    }

    /// What became of `batch`.
    pub(super) fn written(
        &mut self,
        batch: Batch,
        written: Result<SeqNo, Error>,
        struck: Struck,
        stalling: bool,
    ) -> Checked {
        match written {
            Ok(seqno) => {
                let attempt = batch.attempt;
                self.model.uncertain.push_back(batch);
                self.resolve()?;
                self.counters.writes += 1;
                if self.must_reopen {
                    return Ok(());
                }
                if self.model.last_attempt() != attempt {
                    return Err(StorageViolation::NotVisible { attempt });
                }
                same_seqno(seqno.0, self.model.seqno)
            }
            Err(Error::Stalled) if !stalling => {
                self.attempts -= 1;
                self.resolve()
            }
            Err(error) => {
                self.counters.writes_failed += 1;
                if matches!(error, Error::Log(_)) {
                    self.model.uncertain.push_back(batch);
                } else {
                    // Nothing was written. Its slot is free, or later ones would run into those of
                    // batches that are uncertain.
                    self.attempts -= 1;
                }
                self.excuse("write", struck, &error)?;
                self.resolve()
            }
        }
    }

    /// Finds out which uncertain batches became visible.
    pub(super) fn resolve(&mut self) -> Checked {
        let lsm = self.lsm();
        let visible = lsm.visible_seqno().0;
        if visible == self.model.seqno {
            return Ok(());
        }
        let mut seen = Vec::new();
        for (nth, batch) in self.model.uncertain.iter().enumerate() {
            let (key, value) = batch.slot();
            match lsm.get(key) {
                Ok(got) if got.as_ref() == Some(value) => seen.push(nth),
                Ok(_) => {}
                Err(_) => {
                    // Whoever reads everything at the next opening finds out.
                    self.must_reopen = true;
                    return Ok(());
                }
            }
        }
        let last = seen.last().map_or(0, |last| last + 1);
        let settled: Vec<_> = self.model.uncertain.drain(..last).collect();
        for (nth, batch) in settled.into_iter().enumerate() {
            if seen.contains(&nth) {
                self.model.apply(batch);
            }
        }
        same_seqno(visible, self.model.seqno)
    }

    fn get(&mut self, key: &Bytes, snapshot: Option<u32>) -> Checked {
        let held = snapshot.and_then(|nth| index(nth, self.life().snapshots.len()));
        let lsm = self.lsm();
        let (got, struck) = self.watched(|world| match held {
            Some(nth) => lsm.get_at(key, &world.life().snapshots[nth].snapshot),
            None => lsm.get(key),
        });
        match got {
            Ok(got) => {
                self.counters.reads += 1;
                self.trace.update(got.as_deref().unwrap_or_default());
                match held {
                    Some(nth) => {
                        let content = &self.life().snapshots[nth].content;
                        check_value("get in a snapshot", key, got.as_ref(), content.get(key))
                    }
                    None => {
                        let expected = self.model.get(key, self.clock.wall());
                        check_value("get", key, got.as_ref(), expected.as_ref())
                    }
                }
            }
            Err(error) => {
                self.counters.read_errors += 1;
                self.excuse("get", struck, &error)
            }
        }
    }

    fn scan(&mut self, range: &KeyRange, snapshot: Option<u32>, ends: Ends, limit: u32) -> Checked {
        let mut held = self.iterator(range, snapshot);
        for nth in 0..limit {
            let forward = match ends {
                Ends::Front => true,
                Ends::Back => false,
                Ends::Both => nth % 3 != 1,
            };
            match self.advance(&mut held, forward)? {
                Moved::On => {}
                Moved::End | Moved::Failed => break,
            }
        }
        Ok(())
    }

    fn take_snapshot(&mut self) {
        let content = self.model.visible(self.clock.wall());
        let life = self.life();
        if life.snapshots.len() >= SNAPSHOTS_MAX {
            life.snapshots.remove(0);
        }
        let snapshot = life.lsm.snapshot();
        life.snapshots.push(HeldSnapshot { snapshot, content });
    }

    fn iterator(&mut self, range: &KeyRange, snapshot: Option<u32>) -> HeldIterator {
        let held = snapshot.and_then(|nth| index(nth, self.life().snapshots.len()));
        let within = |content: &alloc::collections::BTreeMap<Bytes, Bytes>| -> VecDeque<_> {
            let all = content.iter().filter(|(key, _)| contains(range, key));
            all.map(|(key, value)| (key.clone(), value.clone()))
                .collect()
        };
        match held {
            Some(nth) => {
                let life = self.life();
                let held = &life.snapshots[nth];
                HeldIterator {
                    iter: life.lsm.iter(range.clone(), &held.snapshot),
                    left: within(&held.content),
                }
            }
            None => {
                let left = within(&self.model.visible(self.clock.wall()));
                let lsm = &self.life().lsm;
                HeldIterator {
                    iter: lsm.iter(range.clone(), &lsm.snapshot()),
                    left,
                }
            }
        }
    }

    fn open_iterator(&mut self, range: &KeyRange, snapshot: Option<u32>) {
        let iterator = self.iterator(range, snapshot);
        let iterators = &mut self.life().iterators;
        if iterators.len() >= ITERATORS_MAX {
            iterators.remove(0);
        }
        iterators.push(iterator);
    }

    fn move_iterator(&mut self, nth: u32, forward: bool, count: u32) -> Checked {
        let iterators = &mut self.life().iterators;
        let Some(nth) = index(nth, iterators.len()) else {
            return Ok(());
        };
        let mut held = iterators.swap_remove(nth);
        for _ in 0..count {
            match self.advance(&mut held, forward)? {
                Moved::On => {}
                Moved::End | Moved::Failed => return Ok(()),
            }
        }
        self.life().iterators.push(held);
        Ok(())
    }

    /// One move, compared.
    fn advance(
        &mut self,
        held: &mut HeldIterator,
        forward: bool,
    ) -> Result<Moved, StorageViolation> {
        let step = |iter: &mut Iter| match forward {
            true => iter.next(),
            false => iter.prev(),
        };
        let (got, struck) = self.watched(|_| step(&mut held.iter));
        match got {
            Ok(got) => {
                self.counters.reads += 1;
                let expected = match forward {
                    true => held.left.pop_front(),
                    false => held.left.pop_back(),
                };
                check_pair("an iterator", got.as_ref(), expected.as_ref())?;
                Ok(if got.is_some() { Moved::On } else { Moved::End })
            }
            Err(error) => {
                self.counters.read_errors += 1;
                self.excuse("an iterator", struck, &error)?;
                Ok(Moved::Failed)
            }
        }
    }

    fn step_job(&mut self, nth: u32, budget: u64) -> Checked {
        let life = self.life();
        let Some(nth) = index(nth, life.jobs.len()) else {
            if let Some(job) = life.lsm.next_job() {
                life.jobs.push(job);
            }
            return Ok(());
        };
        let mut job = life.jobs.swap_remove(nth);
        let (stepped, struck) = self.watched(|_| job.step(budget));
        match stepped {
            Ok(nori_lsm::JobState::More) => {
                self.life().jobs.push(job);
                Ok(())
            }
            Ok(nori_lsm::JobState::Done) => {
                match job.kind() {
                    nori_lsm::JobKind::Flush => self.counters.flushes += 1,
                    nori_lsm::JobKind::Compaction => self.counters.compactions += 1,
                    nori_lsm::JobKind::Collect
                    | nori_lsm::JobKind::Sync
                    | nori_lsm::JobKind::Scrub => {}
                }
                Ok(())
            }
            // It may have failed earlier, in the hands of a stalled writer.
            Err(_) if self.life().troubled => Ok(()),
            Err(error) => self.excuse("a job", struck, &error),
        }
    }
}

/// What became of a move.
enum Moved {
    On,
    End,
    Failed,
}

fn same_seqno(got: u64, expected: u64) -> Checked {
    match got == expected {
        true => Ok(()),
        false => Err(StorageViolation::WrongSeqno { got, expected }),
    }
}

fn index(nth: u32, len: usize) -> Option<usize> {
    usize::try_from(nth).ok()?.checked_rem(len)
}

const JOBS_MAX: usize = 3;
const SNAPSHOTS_MAX: usize = 3;
const ITERATORS_MAX: usize = 3;
