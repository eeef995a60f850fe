//! The log of all groups of a node in one write-ahead log: one sync serves them all.
//!
//! **Invariant: for each group the log holds the newest hard state and every entry above the last
//! released one, wherever segments begin and end.** Each segment opens with a table of all groups,
//! so that the segments before it can go; an entry that still counts is never in a segment that
//! goes: it was released, durably, or rewritten further on before.
//!
//! Records are of distinct kinds: an *append* cuts its group's log at its index, a *rewrite* says
//! an entry again without cutting, a *hard state* replaces the former, a *reset* begins the group's
//! log anew, a *release* states what is not needed any more.

mod fetch;
mod group;
mod record;
mod relocate;
mod replay;
mod table;

use alloc::collections::BTreeMap;
use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::sync::Mutex;
use nori_env::{BlockStore, Entropy, IoErrorKind};
use nori_raft::{Entry, HardState, Stretch};
use nori_wal::{Lsn, Wal};
use norikv_types::{GroupId, LogIndex, Version};

use crate::{GroupLog, LogRecord, LogReport, PortError, PortErrorKind, ReplicatedLog};
use group::{GroupState, Place};
use record::Record;
use replay::Replay;

/// The log of all groups of a node, over [`nori_wal::Wal`].
#[derive(Debug)]
pub struct WalLog {
    wal: Wal,
    /// Locked while records are staged, so that a table says what the log before it says.
    state: Mutex<State>,
    report: LogReport,
    segment_bytes: u64,
    /// Bytes of records that are staged in one batch; a longer run of entries takes several.
    batch_bytes: u64,
}

/// What the log holds, without the entries themselves.
#[derive(Debug)]
struct State {
    groups: BTreeMap<GroupId, GroupState>,
    /// What opening read back, until the group is appended to.
    restored: BTreeMap<GroupId, GroupLog>,
    /// Segments that open with a table: only those may become the oldest.
    tabled: BTreeSet<u64>,
    /// Groups that are not known may have been written to before damage.
    is_partial: bool,
    /// Where a table last said what all groups are.
    stated_to: Lsn,
    /// Whether nothing was staged since.
    is_stated: bool,
    /// The segment that could not be emptied since something in it cannot be read, and how many
    /// entries counted in it then.
    unreadable: Option<(u64, u64)>,
    /// Reused for encoding.
    scratch: Vec<u8>,
}

/// The largest part of a segment, one in this many, that one batch takes.
const BATCH_PART: u64 = 8;
/// Bytes that one batch takes at most.
const BATCH_BYTES_MAX: u64 = 1 << 20;
/// Bytes of log after which it is said what all groups are: as much may be in doubt after damage.
const STATE_BYTES: u64 = 256 << 10;
/// What that takes is one part of the log in this many, at most.
const STATE_PART: u64 = 32;
/// Bytes of a group in a table.
const ROW_BYTES: u64 = 61;
/// Room kept for what a segment needs besides records.
const SLACK_BYTES: u64 = 16 << 10;
/// Segments' worth of log above which the oldest is emptied by rewriting what still counts in it.
const SEGMENTS_MAX: u64 = 4;

impl WalLog {
    /// Opens the log in `store`, reading back what it holds.
    ///
    /// # Errors
    /// `Corrupt`, naming the segment and the range, where acknowledged records fail their checks;
    /// `Fenced` when another process holds the store. Nothing changed.
    pub fn open(
        store: Arc<dyn BlockStore>,
        entropy: Arc<dyn Entropy>,
        options: nori_wal::Options,
    ) -> Result<Self, PortError> {
        let segment_bytes = options.segment_bytes;
        let smallest = segment_bytes.min(options.first_segment_bytes);
        let batch_bytes = (smallest / BATCH_PART).min(BATCH_BYTES_MAX);
        let mut replay = Replay::default();
        let (wal, recovery) = Wal::open(store, entropy, options, &mut |replayed| {
            replay.take(replayed);
        })
        .map_err(port_error)?;
        let is_partial = replay.is_partial;
        let (mut groups, mut restored) = (BTreeMap::new(), BTreeMap::new());
        for (group, (held, log)) in replay.finish(&wal.segments())? {
            groups.insert(group, held);
            restored.insert(group, log);
        }
        let report = LogReport {
            corrupt_bytes: recovery
                .corrupt
                .iter()
                .map(|range| range.end - range.start)
                .sum(),
            uncertain_bytes: recovery
                .uncertain
                .map_or(0, |range| range.end.0 - range.start.0),
            affected: (restored.iter())
                .filter(|(_, log): &(_, &GroupLog)| log.is_doubtful || !log.damaged.is_empty())
                .map(|(&group, _)| group)
                .collect(),
            ranges: (recovery.corrupt.iter())
                .map(|range| (range.object.to_string(), range.start, range.end))
                .collect(),
        };
        let tabled = BTreeSet::from([active_segment(&wal)]);
        let state = State {
            groups,
            restored,
            tabled,
            is_partial,
            stated_to: wal.end_lsn(),
            is_stated: true,
            unreadable: None,
            scratch: Vec::new(),
        };
        Ok(Self {
            wal,
            state: Mutex::new(state),
            report,
            segment_bytes,
            batch_bytes,
        })
    }

    /// Opens the log of a node whose groups have `replication` replicas: what one log lost its
    /// peers have, so damage is reported and what verifies behind it counts; alone it must not be
    /// passed over.
    ///
    /// # Errors
    /// As [`open`](Self::open); of several replicas `Corrupt` only where nothing of the log can be
    /// read.
    pub fn open_replica(
        store: Arc<dyn BlockStore>,
        entropy: Arc<dyn Entropy>,
        options: nori_wal::Options,
        replication: u32,
    ) -> Result<Self, PortError> {
        let mode = match replication {
            0 | 1 => nori_wal::OpenMode::Strict,
            _ => nori_wal::OpenMode::Salvage,
        };
        Self::open(store, entropy, nori_wal::Options { mode, ..options })
    }

    /// Proves the last commit; call it when nothing was appended for a while.
    ///
    /// # Errors
    /// As [`append`](ReplicatedLog::append).
    pub fn seal(&self) -> Result<(), PortError> {
        let mut state = self.state.lock();
        if !state.is_stated {
            self.state_groups(&mut state)?;
        }
        drop(state);
        self.wal.commit().map_err(port_error)?;
        self.wal.seal().map_err(port_error)
    }

    /// Sets the next segment aside if the active one is half full, while appends go on; says whether it
    /// did. Whoever calls this now and then spares an append the wait for a new segment.
    ///
    /// # Errors
    /// As the store says; the log goes on, and the rotation will try again.
    pub fn prepare(&self) -> Result<bool, PortError> {
        self.wal.prepare().map_err(port_error)
    }

    /// Marks the log as cleanly closed; it accepts nothing more.
    ///
    /// # Errors
    /// As [`append`](ReplicatedLog::append).
    pub fn close(&self) -> Result<(), PortError> {
        self.wal.close().map_err(port_error)
    }

    /// Everything below is durable.
    #[must_use]
    pub fn durable_lsn(&self) -> Lsn {
        self.wal.durable_lsn()
    }

    /// The segments, oldest first; the last one is being written.
    #[must_use]
    pub fn segments(&self) -> Vec<nori_wal::SegmentInfo> {
        self.wal.segments()
    }

    /// Bytes of log held.
    #[must_use]
    pub fn held_bytes(&self) -> u64 {
        self.wal.end_lsn().0.saturating_sub(self.wal.first_lsn().0)
    }

    /// Stages `records` as one batch, behind a table where a new segment is needed; returns where
    /// they went. The caller updates the groups at once.
    fn stage(&self, state: &mut State, records: &[Record<'_>]) -> Result<Place, PortError> {
        let State {
            groups,
            tabled,
            scratch,
            is_partial,
            stated_to,
            is_stated,
            ..
        } = state;
        *is_stated = false;
        scratch.clear();
        let mut ends = Vec::with_capacity(records.len());
        for record in records {
            record.encode(scratch);
            ends.push(scratch.len());
        }
        let overhead = Wal::RECORD_OVERHEAD * records.len() as u64;
        let needed = scratch.len() as u64 + overhead + SLACK_BYTES;
        if self.wal.segment_remaining() < needed {
            let rows = groups.iter().map(|(&group, held)| held.row(group));
            let table = table::encode(rows, *is_partial);
            self.wal.rotate(&table).map_err(port_error)?;
            *stated_to = self.wal.end_lsn();
            tabled.insert(active_segment(&self.wal));
        }
        let lsn = self.wal.end_lsn();
        let mut start = 0;
        let mut batch: Vec<&[u8]> = Vec::with_capacity(ends.len());
        for end in ends {
            batch.push(scratch.get(start..end).unwrap_or_default());
            start = end;
        }
        self.wal.stage(&batch).map_err(port_error)?;
        let segment = active_segment(&self.wal);
        Ok(Place { segment, lsn })
    }

    /// Says what all groups are, so that damage before this is no reason to doubt them.
    fn state_groups(&self, state: &mut State) -> Result<(), PortError> {
        let rows = state.groups.iter().map(|(&group, held)| held.row(group));
        let table = table::encode(rows, state.is_partial);
        self.stage(state, &[Record::State { table: &table }])?;
        state.stated_to = self.wal.end_lsn();
        state.is_stated = true;
        Ok(())
    }

    fn append_one(&self, state: &mut State, record: &LogRecord<'_>) -> Result<(), PortError> {
        let LogRecord {
            group,
            hard_state,
            reset,
            rewrites,
            entries,
        } = *record;
        state.restored.remove(&group);
        let hard_state = hard_state.map(|hard_state| Record::HardState {
            group,
            hard_state: *hard_state,
        });
        let reset = reset.map(|at| Record::Reset { group, at });
        let heads = hard_state.into_iter().chain(reset);
        let again = rewrites.iter();
        let again = again.map(|entry| (Record::Rewrite { group, entry }, entry.size()));
        let new = entries.iter();
        let new = new.map(|entry| (Record::Append { group, entry }, entry.size()));
        let (mut batch, mut bytes) = (Vec::new(), 0);
        for (record, size) in heads.map(|head| (head, 0)).chain(again).chain(new) {
            batch.push(record);
            bytes += size;
            if bytes >= self.batch_bytes {
                self.stage_of(state, group, &mut batch)?;
                bytes = 0;
            }
        }
        self.stage_of(state, group, &mut batch)
    }

    /// Stages what a group has to say, as one batch, and takes it in.
    fn stage_of(
        &self,
        state: &mut State,
        group: GroupId,
        batch: &mut Vec<Record<'_>>,
    ) -> Result<(), PortError> {
        if batch.is_empty() {
            return Ok(());
        }
        let place = self.stage(state, batch)?;
        let is_doubtful = state.is_partial;
        let held = (state.groups.entry(group)).or_insert_with(|| GroupState::new(is_doubtful));
        for record in batch.drain(..) {
            held.apply(&record, place);
        }
        Ok(())
    }

    /// Frees the oldest segments in which nothing counts any more.
    fn free(&self) -> Result<(), PortError> {
        let mut state = self.state.lock();
        let Some(keep_from) = self.freeable(&state) else {
            return Ok(());
        };
        // What the segments' absence implies must be in the log before they go.
        let releases: Vec<Record<'_>> = (state.groups.iter())
            .filter(|(_, held)| held.start != held.stated_start)
            .map(|(&group, held)| Record::Release {
                group,
                up_to: held.start,
            })
            .collect();
        if !releases.is_empty() {
            let place = self.stage(&mut state, &releases)?;
            for release in &releases {
                if let Some(held) = state.groups.get_mut(&release.group()) {
                    held.apply(release, place);
                }
            }
        }
        drop(state);
        self.wal.commit().map_err(port_error)?;
        self.wal.release_before(keep_from).map_err(port_error)?;
        let oldest = self
            .wal
            .segments()
            .first()
            .map_or(0, |segment| segment.number);
        self.state.lock().tabled.retain(|number| *number >= oldest);
        Ok(())
    }

    /// The base of the newest segment with a table before which nothing counts; `None` where that
    /// is the oldest one.
    fn freeable(&self, state: &State) -> Option<Lsn> {
        let segments = self.wal.segments();
        let pinned = state
            .groups
            .values()
            .filter_map(GroupState::oldest_segment)
            .min();
        let keep = segments
            .iter()
            .filter(|segment| pinned.is_none_or(|pinned| segment.number <= pinned))
            .rfind(|segment| state.tabled.contains(&segment.number))?;
        let oldest = segments.first()?;
        (keep.number > oldest.number).then_some(keep.base)
    }
}

impl ReplicatedLog for WalLog {
    fn append(&self, batch: &[LogRecord<'_>]) -> Result<(), PortError> {
        let mut state = self.state.lock();
        for record in batch {
            self.append_one(&mut state, record)?;
        }
        let row_bytes = STATE_PART * ROW_BYTES * state.groups.len() as u64;
        let due = state.stated_to.0 + row_bytes.max(STATE_BYTES);
        if self.wal.end_lsn().0 >= due {
            self.state_groups(&mut state)?;
        }
        drop(state);
        self.wal.commit().map_err(port_error)?;
        Ok(())
    }

    fn restore(&self, group: GroupId) -> Result<Option<GroupLog>, PortError> {
        let state = self.state.lock();
        if let Some(log) = state.restored.get(&group) {
            return Ok(Some(log.clone()));
        }
        if state.is_partial && !state.groups.contains_key(&group) {
            return Ok(Some(GroupLog {
                hard_state: HardState::default(),
                start: Version::default(),
                entries: Vec::new(),
                damaged: Vec::new(),
                is_doubtful: true,
            }));
        }
        if state.groups.contains_key(&group) {
            let detail = format!("the log of {group} was written to since it was opened");
            return Err(PortError::new(PortErrorKind::Other, detail));
        }
        Ok(None)
    }

    fn read(
        &self,
        group: GroupId,
        from: LogIndex,
        up_to: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, PortError> {
        self.fetch(group, from, up_to, bytes_max)
    }

    fn release(
        &self,
        group: GroupId,
        up_to: LogIndex,
    ) -> Result<Vec<(GroupId, Stretch)>, PortError> {
        let mut state = self.state.lock();
        state.restored.remove(&group);
        if let Some(held) = state.groups.get_mut(&group) {
            held.release(up_to);
        }
        drop(state);
        self.free()?;
        if self.held_bytes() <= SEGMENTS_MAX * self.segment_bytes {
            return Ok(Vec::new());
        }
        let emptied = self.empty_oldest()?;
        if emptied.is_some() {
            self.free()?;
        }
        Ok(emptied.unwrap_or_default())
    }

    fn begin_behind(&self, group: GroupId, at: Version) -> Result<(), PortError> {
        let mut state = self.state.lock();
        state.restored.remove(&group);
        let _place = self.stage(&mut state, &[Record::Release { group, up_to: at }])?;
        if let Some(held) = state.groups.get_mut(&group) {
            held.begin_behind(at);
        }
        drop(state);
        self.wal.commit().map_err(port_error)?;
        Ok(())
    }

    fn report(&self) -> LogReport {
        self.report.clone()
    }
}

/// The number of the segment that is being written to.
fn active_segment(wal: &Wal) -> u64 {
    wal.segments().last().map_or(0, |segment| segment.number)
}

/// A failure of the log as the node sees it.
fn port_error(error: nori_wal::Error) -> PortError {
    let kind = match &error {
        nori_wal::Error::Corrupt(_) => PortErrorKind::Corrupt,
        nori_wal::Error::Poisoned => PortErrorKind::SyncFailed,
        nori_wal::Error::Io(io) => match io.kind {
            IoErrorKind::NoSpace => PortErrorKind::NoSpace,
            IoErrorKind::Fenced => PortErrorKind::Fenced,
            IoErrorKind::SyncFailed => PortErrorKind::SyncFailed,
            IoErrorKind::Media => PortErrorKind::Corrupt,
            _ => PortErrorKind::Other,
        },
        _ => PortErrorKind::Other,
    };
    PortError::new(kind, format!("log: {error}"))
}

#[cfg(test)]
mod tests;
