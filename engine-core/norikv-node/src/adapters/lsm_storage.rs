//! [`Storage`] by `nori-lsm`, without a log of its own: the Raft log is the log.
//!
//! **Invariant: what one entry changes and the applied (term, index) are in one batch**, so they
//! are in one memtable and reach the disk in one flush. Whatever a crash leaves is the state after
//! some entry, and the log is replayed from there.

mod chunk;
mod errors;
mod export;
mod lsm_view;
mod positions;
mod staging;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use nori_env::sync::Mutex;
use nori_env::{BlockStore, Clock, Entropy, ObjectKind};
use nori_lsm::{BATCH_BYTES_MAX, Job, JobState, Log, Lsm, PressureLevel, Stats, WriteBatch};
use nori_raft::{Configuration, Entry};
use norikv_placement::Placement;
use norikv_types::{GroupId, LogIndex, ShardId, Version};

use crate::state_machine::{
    self, Changes, KEY_BYTES_MAX, NAME_BYTES_MAX, ScanQuery, StateMachine, StateView,
    VALUE_BYTES_MAX, applied_key, configuration_key, data_range, decode_applied,
    decode_configuration, metadata_range,
};
use crate::{Answer, Decided, Export, Maintenance, PortError, Pressure, Query, Staging, Storage};

use self::errors::{fold, fold_io};
use self::export::LsmExport;
use self::lsm_view::LsmView;
use self::positions::Positions;
use self::staging::LsmStaging;

/// The replicated state of a node's groups in one LSM. Clones are handles on the same store.
#[derive(Debug, Clone)]
pub struct LsmStorage {
    inner: Arc<Inner>,
}

/// What handles, exports and stagings share.
#[derive(Debug)]
struct Inner {
    lsm: Lsm,
    store: Arc<dyn BlockStore>,
    entropy: Arc<dyn Entropy>,
    placement: Placement,
    /// By group.
    positions: Vec<Mutex<Positions>>,
    /// The background work under way.
    job: Mutex<Option<Job>>,
}

impl LsmStorage {
    /// Opens the LSM in `store`, or makes a new one, for the groups of `placement`. The placement
    /// must have as many groups as ever before: it says which keys belong to which group.
    ///
    /// What was received of snapshots, but not installed, is removed.
    ///
    /// # Errors
    /// `Fenced` when another process has the store; `Corrupt` when what was flushed cannot be read
    /// back; I/O. Nothing that was stored is changed.
    ///
    /// # Panics
    /// When a figure of `options` is out of its range.
    pub fn open(
        store: Arc<dyn BlockStore>,
        clock: Arc<dyn Clock>,
        entropy: Arc<dyn Entropy>,
        options: nori_lsm::Options,
        placement: Placement,
    ) -> Result<Self, PortError> {
        // A node's log is the Raft log.
        let options = nori_lsm::Options {
            log: Log::External,
            ..options
        };
        let lsm =
            Lsm::open_in(Arc::clone(&store), clock, Arc::clone(&entropy), options).map_err(fold)?;
        for id in store.list().map_err(fold_io)? {
            if id.kind == ObjectKind::Incoming {
                store.delete(id).map_err(fold_io)?;
            }
        }
        let view = LsmView::new(&lsm);
        let positions = placement
            .groups()
            .map(|group| Ok(Mutex::new(Positions::opened(applied_in(&view, group)?))))
            .collect::<Result<_, PortError>>()?;
        Ok(Self {
            inner: Arc::new(Inner {
                lsm,
                store,
                entropy,
                placement,
                positions,
                job: Mutex::new(None),
            }),
        })
    }

    /// Figures about the LSM.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.inner.lsm.stats()
    }
}

impl Inner {
    fn shards(&self, group: GroupId) -> Range<ShardId> {
        self.placement.shards(group)
    }

    /// Every key that `group` may have: its metadata, then its data.
    fn ranges(&self, group: GroupId) -> [Range<Bytes>; 2] {
        [metadata_range(group), data_range(&self.shards(group))]
    }

    fn positions(&self, group: GroupId) -> &Mutex<Positions> {
        let index = usize::try_from(group.0).unwrap_or(usize::MAX);
        match self.positions.get(index) {
            Some(positions) => positions,
            None => panic!("{group} is not of this plan"),
        }
    }

    /// Writes what a run of entries changed, in one batch.
    fn write(&self, group: GroupId, changes: &Changes, applied: Version) -> Result<(), PortError> {
        let bytes = usize::try_from(changes.bytes()).unwrap_or(0);
        let mut batch = WriteBatch::with_capacity(bytes);
        for (key, value) in changes.iter() {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
        }
        let seqno = self.lsm.write(batch).map_err(fold)?;
        self.positions(group).lock().applied(seqno, applied);
        Ok(())
    }
}

impl Storage for LsmStorage {
    fn applied(&self, group: GroupId) -> Result<Version, PortError> {
        Ok(self.inner.positions(group).lock().last())
    }

    fn configuration(&self, group: GroupId) -> Result<Option<Configuration>, PortError> {
        let key = configuration_key(group);
        let stored = LsmView::new(&self.inner.lsm).get(&key)?;
        stored
            .map(|stored| decode_configuration(&key, &stored))
            .transpose()
    }

    /// Entries that together change more than 2 MiB go in several batches, each with its own
    /// applied (term, index).
    ///
    /// # Errors
    /// As the port says; of several batches those before the failed one are applied, and asking
    /// again skips them.
    fn apply(&self, group: GroupId, entries: &[Entry]) -> Result<Vec<Decided>, PortError> {
        let inner = &*self.inner;
        let mut decided = Vec::with_capacity(entries.len());
        let mut rest = entries.iter().peekable();
        while rest.peek().is_some() {
            let view = LsmView::new(&inner.lsm);
            let before = inner.positions(group).lock().last();
            let mut machine = StateMachine::new(&view, group, inner.shards(group), before);
            while machine.bytes() < BATCH_BYTES
                && let Some(entry) = rest.next()
            {
                decided.push(machine.execute(entry)?);
            }
            let applied = machine.applied();
            if applied > before {
                inner.write(group, &machine.finish(), applied)?;
            }
        }
        Ok(decided)
    }

    fn query(&self, query: &Query) -> Result<Answer, PortError> {
        let view = LsmView::new(&self.inner.lsm);
        match query {
            Query::Get { key } => state_machine::get(&view, key),
            Query::Scan {
                group,
                prefix,
                after,
                limit,
                bytes_max,
            } => {
                let query = ScanQuery {
                    shards: self.inner.shards(*group),
                    prefix,
                    after: after.as_deref(),
                    limit: *limit,
                    bytes_max: *bytes_max,
                };
                state_machine::scan(&view, &query).map(Answer::Page)
            }
        }
    }

    fn flushed(&self, group: GroupId) -> LogIndex {
        let flushed = self.inner.lsm.flushed_seqno();
        self.inner.positions(group).lock().flushed(flushed)
    }

    fn flush(&self) {
        self.inner.lsm.rotate();
    }

    fn maintain(&self, budget_bytes: u64) -> Result<Maintenance, PortError> {
        let mut kept = self.inner.job.lock();
        let Some(mut job) = kept.take().or_else(|| self.inner.lsm.next_job()) else {
            return Ok(Maintenance::Idle);
        };
        match job.step(budget_bytes).map_err(fold)? {
            JobState::More => *kept = Some(job),
            JobState::Done => {}
        }
        Ok(Maintenance::More)
    }

    fn pressure(&self) -> Pressure {
        match self.inner.lsm.pressure().level {
            PressureLevel::Free => Pressure::None,
            PressureLevel::High => Pressure::Slow,
            PressureLevel::Stalled => Pressure::Stop,
        }
    }

    fn export(&self, group: GroupId) -> Result<Box<dyn Export>, PortError> {
        let view = LsmView::new(&self.inner.lsm);
        let at = applied_in(&view, group)?;
        let ranges = self.inner.ranges(group);
        Ok(Box::new(LsmExport::new(&view, group, at, ranges)))
    }

    fn stage(&self, group: GroupId) -> Result<Box<dyn Staging>, PortError> {
        Ok(Box::new(LsmStaging::new(Arc::clone(&self.inner), group)))
    }
}

/// The applied (term, index) of `group`; zero where it has applied nothing.
fn applied_in(view: &LsmView, group: GroupId) -> Result<Version, PortError> {
    let key = applied_key(group);
    match view.get(&key)? {
        Some(stored) => decode_applied(&key, &stored),
        None => Ok(Version::default()),
    }
}

/// Bytes of changes at which entries are written.
const BATCH_BYTES: u64 = 2 << 20;

const _: () = {
    // The last entry of a batch changes a value, and at most five records of names.
    let entry = VALUE_BYTES_MAX + KEY_BYTES_MAX + 5 * NAME_BYTES_MAX + 1024;
    assert!(BATCH_BYTES + (entry as u64) < BATCH_BYTES_MAX as u64);
    assert!(VALUE_BYTES_MAX + 64 < nori_lsm::VALUE_BYTES_MAX);
    assert!(KEY_BYTES_MAX + 64 < nori_lsm::KEY_BYTES_MAX);
    assert!(NAME_BYTES_MAX + 64 < nori_lsm::KEY_BYTES_MAX);
};

#[cfg(test)]
mod tests;
