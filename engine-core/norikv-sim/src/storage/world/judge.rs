//! Writes that depend on what was read: compare-and-set and transactions.
//!
//! **Invariant: whoever read what has changed has a conflict, and whoever has a conflict read what
//! somebody wrote.** Between the two lies what was written and reads as before: both are right.

use alloc::vec::Vec;

use bytes::Bytes;
use nori_env::Clock;
use nori_lsm::{Error, SeqNo};

use super::{Checked, World};
use crate::storage::StorageViolation;
use crate::storage::invariant::reads::{check_pair, check_value};
use crate::storage::model::{Batch, slot_key};
use crate::storage::operation::{KeyRange, contains};
use crate::storage::write::Write;

impl World<'_> {
    /// Writes a slot if it has the version that it has, or one that it does not have.
    pub(super) fn compare_and_set(&mut self, right: bool) -> Checked {
        self.attempts += 1;
        let batch = Batch::new(self.attempts, Vec::new());
        let (key, value) = batch.slot();
        let version = self.model.version(key, self.clock.wall()).map(SeqNo);
        let expected = match (right, version) {
            (true, version) => version,
            (false, Some(_)) => None,
            (false, None) => Some(SeqNo(1)),
        };
        let lsm = self.lsm();
        let (set, struck) = self.watched(|_| lsm.compare_and_set(key, expected, Some(value)));
        let calm = self.model.uncertain.is_empty();
        match set {
            Err(Error::Conflict) if right && calm => Err(conflict_for_nothing("a compare-and-set")),
            Err(Error::Conflict) => {
                self.attempts -= 1;
                self.counters.conflicts += 1;
                self.resolve()
            }
            Ok(_) if !right && calm => Err(StorageViolation::NoConflict {
                what: "a compare-and-set",
            }),
            Err(error) if !matches!(error, Error::Log(_)) => {
                self.attempts -= 1;
                self.excuse("a compare-and-set", struck, &error)?;
                self.resolve()
            }
            set => {
                let batch = batch.clone();
                self.written(batch, set, struck, true)
            }
        }
    }

    /// Reads `keys` and `range`, writes `writes`, and commits; `other` is written before that.
    pub(super) fn transact(
        &mut self,
        keys: &[Bytes],
        range: Option<&KeyRange>,
        writes: &[Write],
        other: Option<Vec<Write>>,
    ) -> Checked {
        let lsm = self.lsm();
        let mut transaction = lsm.transaction();
        let now = self.clock.wall();
        for key in keys {
            let (got, struck) = self.watched(|_| transaction.get(key));
            match got {
                Ok(got) => {
                    let expected = self.model.get(key, now);
                    check_value("a transaction", key, got.as_ref(), expected.as_ref())?;
                }
                Err(error) => return self.excuse("a transaction", struck, &error),
            }
        }
        for write in writes {
            write.add_to_transaction(&mut transaction);
        }
        if let Some(range) = range {
            let expected = self.model.visible_after(writes, now);
            let mut expected = expected.into_iter().filter(|(key, _)| contains(range, key));
            let mut iter = transaction.iter(range.clone());
            loop {
                let (got, struck) = self.watched(|_| iter.next());
                match got {
                    Ok(got) => {
                        check_pair(
                            "a transaction's range",
                            got.as_ref(),
                            expected.next().as_ref(),
                        )?;
                        if got.is_none() {
                            break;
                        }
                    }
                    Err(error) => return self.excuse("a transaction's range", struck, &error),
                }
            }
        }
        let reads = self.reads_of(keys, range);
        let was_calm = self.model.uncertain.is_empty();
        let slot = Write::Put(slot_key(self.attempts + 1), Bytes::new());
        let may = other.is_some()
            && other.iter().flatten().chain([&slot]).any(|write| {
                keys.iter().any(|key| write.writes(key))
                    || range.is_some_and(|range| write.may_write_in(range))
            });
        if let Some(other) = other {
            self.write(other, true)?;
        }
        if self.must_reopen || self.disk.is_off() {
            return Ok(());
        }
        let calm = was_calm && self.model.uncertain.is_empty();
        let must = self.reads_of(keys, range) != reads;
        self.attempts += 1;
        let batch = Batch::new(self.attempts, Vec::from(writes));
        let (key, value) = batch.slot();
        transaction.put(key, value);
        let (committed, struck) = self.watched(|_| transaction.commit());
        match committed {
            Err(Error::Conflict) if !may && calm => Err(conflict_for_nothing("a transaction")),
            Err(Error::Conflict) => {
                self.attempts -= 1;
                self.counters.conflicts += 1;
                self.resolve()
            }
            Ok(_) if must => Err(StorageViolation::NoConflict {
                what: "a transaction",
            }),
            // A failed read, before anything was numbered.
            Err(error) if !matches!(error, Error::Log(_)) => {
                self.attempts -= 1;
                self.excuse("a transaction", struck, &error)?;
                self.resolve()
            }
            committed => {
                self.counters.transactions += u64::from(committed.is_ok());
                self.written(batch, committed, struck, true)
            }
        }
    }

    /// The versions of all that was read, as they are now.
    fn reads_of(&self, keys: &[Bytes], range: Option<&KeyRange>) -> Vec<(Bytes, Option<u64>)> {
        let now = self.clock.wall();
        let version = |key: &Bytes| (key.clone(), self.model.version(key, now));
        let mut all: Vec<_> = keys.iter().map(version).collect();
        if let Some(range) = range {
            let visible = self.model.visible(now);
            all.extend(
                visible
                    .keys()
                    .filter(|key| contains(range, key))
                    .map(version),
            );
        }
        all
    }
}

const fn conflict_for_nothing(what: &'static str) -> StorageViolation {
    StorageViolation::ConflictForNothing { what }
}
