//! [`Storage`] by `nori-lsm`, without a log of its own: the Raft log is the log.
//!
//! **Invariant: what one entry changes and the applied (term, index) are in one batch**, so they
//! are in one memtable and reach the disk in one flush. Whatever a crash leaves is the state after
//! some entry, and the log is replayed from there.

mod chunk;
mod ended;
mod errors;
mod export;
mod history;
mod lsm_view;
mod origin;
mod positions;
mod staging;

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use bytes::Bytes;
use nori_env::sync::Mutex;
use nori_env::{BlockStore, Clock, Entropy, ObjectKind};
use nori_lsm::{
    BATCH_BYTES_MAX, DEFAULT_KEYSPACE, Job, JobState, Log, Lsm, PressureLevel, Stats, WriteBatch,
};
use nori_raft::{Configuration, Entry};
use norikv_placement::{Placement, shard_of};
use norikv_types::{GroupId, LogIndex, Mutant, ShardId, Version, breaks};

use crate::state_machine::{
    self, ANSWER_BYTES_MAX, Executed, KEY_BYTES_MAX, ScanQuery, Sessions, StateMachine,
    StateView as _, VALUE_BYTES_MAX, configuration_key, data_range, decode_configuration,
    group_record, metadata_range,
};
use crate::{
    Answer, Decided, Export, Maintenance, Origin, PortError, Pressure, Query, Staging, Storage,
    WatchPage,
};

use self::ended::Ended;
use self::errors::{fold, fold_io};
use self::export::LsmExport;
use self::history::History;
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
    clock: Arc<dyn Clock>,
    placement: Placement,
    ended: Arc<Ended>,
    /// By group.
    replicas: Vec<Replica>,
    /// The background work under way.
    job: Mutex<Option<Job>>,
}

/// What is in memory of a group.
#[derive(Debug)]
struct Replica {
    positions: Mutex<Positions>,
    sessions: Mutex<Sessions>,
    history: Mutex<History>,
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
        let mut options = nori_lsm::Options {
            log: Log::External,
            ..options
        };
        let ended = Arc::new(Ended::new(placement.clone()));
        let keyspace = options.keyspaces.entry(DEFAULT_KEYSPACE.into());
        keyspace.or_default().compaction_filter = Some(Arc::<Ended>::clone(&ended));
        let lsm = Lsm::open_in(
            Arc::clone(&store),
            Arc::clone(&clock),
            Arc::clone(&entropy),
            options,
        )
        .map_err(fold)?;
        for id in store.list().map_err(fold_io)? {
            if id.kind == ObjectKind::Incoming {
                store.delete(id).map_err(fold_io)?;
            }
        }
        let view = LsmView::new(&lsm);
        let groups = placement.groups().count() as u64;
        let sessions_max = sessions_max(groups);
        let history_bytes = (HISTORY_BYTES / groups).max(HISTORY_BYTES_MIN);
        let replicas = placement
            .groups()
            .map(|group| {
                let record = group_record(&view, group)?;
                ended.flushed(group, record.stamp);
                Ok(Replica {
                    positions: Mutex::new(Positions::opened(record)),
                    sessions: Mutex::new(Sessions::new(sessions_max)),
                    history: Mutex::new(History::new(record.applied.index, history_bytes)),
                })
            })
            .collect::<Result<_, PortError>>()?;
        Ok(Self {
            inner: Arc::new(Inner {
                lsm,
                store,
                entropy,
                clock,
                placement,
                ended,
                replicas,
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

    fn replica(&self, group: GroupId) -> &Replica {
        let index = usize::try_from(group.0).unwrap_or(usize::MAX);
        match self.replicas.get(index) {
            Some(replica) => replica,
            None => panic!("{group} is not of this plan"),
        }
    }

    /// Executes some of `entries`, at least one, and writes what they change in one batch.
    fn apply_some<'a>(
        &self,
        group: GroupId,
        entries: &mut impl Iterator<Item = &'a Entry>,
        decided: &mut Vec<Decided>,
    ) -> Result<(), PortError> {
        let replica = self.replica(group);
        let view = LsmView::new(&self.lsm);
        let mut before = replica.positions.lock().last();
        if breaks(Mutant::ExpiryByLocalClock) {
            before.stamp = self.clock.wall();
        }
        let mut sessions = replica.sessions.lock();
        let mut machine =
            StateMachine::new(&view, group, self.shards(group), before, &mut sessions);
        while machine.bytes() < BATCH_BYTES
            && let Some(entry) = entries.next()
        {
            decided.push(machine.execute(entry)?);
        }
        if machine.record() == before {
            return Ok(());
        }
        let Executed {
            changes,
            record,
            events,
        } = machine.finish();
        let bytes = usize::try_from(changes.bytes()).unwrap_or(0);
        let mut batch = WriteBatch::with_capacity(bytes);
        for (key, value) in changes.iter() {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
            };
        }
        let seqno = self.lsm.write(batch).map_err(fold)?;
        replica.positions.lock().applied(seqno, record);
        replica.history.lock().add(events, record.applied.index);
        Ok(())
    }

    /// What happened behind each position, until the page is full; positions without room keep
    /// where they are.
    fn watch(
        &self,
        positions: &[(GroupId, LogIndex)],
        prefix: &[u8],
        limit: u32,
        bytes_max: u32,
    ) -> Answer {
        let mut page = WatchPage::default();
        let limit = usize::try_from(limit.max(1)).unwrap_or(usize::MAX);
        for &(group, after) in positions {
            if page.events.len() >= limit {
                page.cursor.push((group, after));
                continue;
            }
            let history = self.replica(group).history.lock();
            let left = limit - page.events.len();
            match history.behind(after, prefix, left, u64::from(bytes_max)) {
                Ok(seen) => {
                    page.events.extend(seen.events);
                    page.cursor.push((group, seen.up_to));
                }
                Err(oldest) => return Answer::Compacted { group, oldest },
            }
        }
        Answer::Watched(page)
    }
}

/// Named writes that each of so many groups remembers.
fn sessions_max(groups: u64) -> u32 {
    u32::try_from(SESSIONS / groups)
        .unwrap_or(u32::MAX)
        .clamp(256, 16_384)
}

impl Storage for LsmStorage {
    fn applied(&self, group: GroupId) -> Result<Version, PortError> {
        Ok(self.inner.replica(group).positions.lock().last().applied)
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
        let mut decided = Vec::with_capacity(entries.len());
        let mut rest = entries.iter().peekable();
        while rest.peek().is_some() {
            let applied = self.inner.apply_some(group, &mut rest, &mut decided);
            if applied.is_err() {
                // They may tell of entries that were not written.
                self.inner.replica(group).sessions.lock().forget();
            }
            applied?;
        }
        Ok(decided)
    }

    fn query(&self, query: &Query) -> Result<Answer, PortError> {
        let view = LsmView::new(&self.inner.lsm);
        match query {
            Query::Get { key } => {
                let group = self.inner.placement.group_of(shard_of(key));
                state_machine::get(&view, group, key)
            }
            Query::Scan {
                group,
                prefix,
                after,
                limit,
                bytes_max,
            } => {
                let query = ScanQuery {
                    group: *group,
                    shards: self.inner.shards(*group),
                    prefix,
                    after: after.as_deref(),
                    limit: *limit,
                    bytes_max: *bytes_max,
                };
                state_machine::scan(&view, &query).map(Answer::Page)
            }
            Query::Watch {
                positions,
                prefix,
                limit,
                bytes_max,
            } => Ok(self.inner.watch(positions, prefix, *limit, *bytes_max)),
        }
    }

    fn flushed(&self, group: GroupId) -> LogIndex {
        let flushed = self.inner.lsm.flushed_seqno();
        let record = self.inner.replica(group).positions.lock().flushed(flushed);
        self.inner.ended.flushed(group, record.stamp);
        record.applied.index
    }

    fn flush_mark(&self) -> Option<u64> {
        Some(self.inner.lsm.flushed_seqno().0)
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

    fn origin(&self, group: GroupId) -> Result<Origin, PortError> {
        let stored = LsmView::new(&self.inner.lsm).get(&origin::origin_key(group))?;
        origin::decode(group, stored.as_deref())
    }

    fn clear(&self, group: GroupId, origin: Origin) -> Result<(), PortError> {
        let [metadata, data] = self.inner.ranges(group);
        let ranges = [origin::origin_range(group), metadata, data];
        let mut entry = origin::encode(origin).map(|value| (origin::origin_key(group), value));
        self.inner
            .lsm
            .replace_ranges(&ranges, &mut || Ok(entry.take()))
            .map_err(fold)?;
        let record = group_record(&LsmView::new(&self.inner.lsm), group)?;
        let replica = self.inner.replica(group);
        replica.positions.lock().installed(record);
        replica.sessions.lock().forget();
        replica.history.lock().reset(record.applied.index);
        self.inner.ended.forget(group);
        Ok(())
    }

    fn export(&self, group: GroupId) -> Result<Box<dyn Export>, PortError> {
        let view = LsmView::new(&self.inner.lsm);
        let record = group_record(&view, group)?;
        let ranges = self.inner.ranges(group);
        Ok(Box::new(LsmExport::new(&view, group, record, ranges)))
    }

    fn stage(&self, group: GroupId) -> Result<Box<dyn Staging>, PortError> {
        Ok(Box::new(LsmStaging::new(Arc::clone(&self.inner), group)))
    }
}

/// Bytes of changes at which entries are written.
const BATCH_BYTES: u64 = 2 << 20;
/// Named writes that all groups remember together, where that is not too few or too many for one.
const SESSIONS: u64 = 131_072;
/// Bytes of events that all groups keep for watchers.
const HISTORY_BYTES: u64 = 16 << 20;
/// Bytes of events that a group keeps at least.
const HISTORY_BYTES_MIN: u64 = 64 << 10;

const _: () = {
    // The last entry of a batch stores what its command holds, and what is answered under a name.
    let entry = VALUE_BYTES_MAX + KEY_BYTES_MAX + ANSWER_BYTES_MAX + (64 << 10);
    assert!(BATCH_BYTES + (entry as u64) < BATCH_BYTES_MAX as u64);
    assert!(VALUE_BYTES_MAX + 64 < nori_lsm::VALUE_BYTES_MAX);
    assert!(KEY_BYTES_MAX + 64 < nori_lsm::KEY_BYTES_MAX);
    assert!(ANSWER_BYTES_MAX + (64 << 10) < nori_lsm::VALUE_BYTES_MAX);
};

#[cfg(test)]
mod tests;
