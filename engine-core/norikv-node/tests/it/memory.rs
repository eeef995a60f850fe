//! Ports in memory that the nodes of a test work on.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use nori_env::{MemStore, Owner};
use nori_raft::{Entry, HardState, Stretch};
use norikv_node::adapters::LsmStorage;
use norikv_node::{
    GroupLog, LogRecord, LogReport, Maintenance, PortError, PortErrorKind, ReplicatedLog, Storage,
};
use norikv_placement::Placement;
use norikv_testkit::{SimEntropy, VirtualClock};
use norikv_types::{GroupId, LogIndex, NodeId, Version, WallMs};

/// The real storage on a disk in memory: what is not flushed dies in a crash.
#[derive(Debug)]
pub(crate) struct MemoryStorage {
    store: MemStore,
    groups: u32,
    starts: u64,
    live: Option<LsmStorage>,
}

/// A group's whole content, as it would travel.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) applied: Version,
    pub(crate) chunks: Vec<Bytes>,
}

impl MemoryStorage {
    pub(crate) fn new(groups: u32) -> Self {
        let mut storage = Self {
            store: MemStore::default(),
            groups,
            starts: 0,
            live: None,
        };
        storage.crash();
        storage
    }

    /// Forgets what is not flushed. Nobody else holds the storage any more.
    pub(crate) fn crash(&mut self) {
        self.live = None;
        self.starts += 1;
        let options = nori_lsm::Options {
            owner: Some(Owner(7)),
            ..nori_lsm::Options::default()
        };
        // A clock that is wrong: nothing replicated depends on it.
        let clock = VirtualClock::new(WallMs(self.starts << 40));
        let opened = LsmStorage::open(
            Arc::new(self.store.clone()),
            Arc::new(clock),
            Arc::new(SimEntropy::new(self.starts)),
            options,
            Placement::new(&[NodeId(1)], self.groups, 1).unwrap(),
        );
        self.live = Some(opened.unwrap());
    }

    pub(crate) fn live(&self) -> &LsmStorage {
        self.live.as_ref().unwrap()
    }

    /// Brings everything applied to the disk.
    pub(crate) fn flush(&self) {
        self.live().flush();
        while self.live().maintain(1 << 20).unwrap() == Maintenance::More {}
    }

    pub(crate) fn state(&self, group: GroupId) -> State {
        let mut export = self.live().export(group).unwrap();
        let mut chunks = Vec::new();
        loop {
            let chunk = export.next_chunk(64 << 10).unwrap();
            chunks.push(chunk.bytes);
            if chunk.last {
                let applied = export.at();
                return State { applied, chunks };
            }
        }
    }
}

/// A log that is durable at once, until it is told to fail.
#[derive(Debug, Clone, Default)]
pub(crate) struct MemoryLog {
    inner: Arc<Mutex<LogInner>>,
}

#[derive(Debug, Default)]
struct LogInner {
    groups: BTreeMap<GroupId, GroupLog>,
    fails: bool,
    appends: u64,
}

impl MemoryLog {
    pub(crate) fn fail(&self) {
        self.inner.lock().unwrap().fails = true;
    }

    pub(crate) fn appends(&self) -> u64 {
        self.inner.lock().unwrap().appends
    }

    pub(crate) fn kept(&self, group: GroupId) -> GroupLog {
        self.restore(group).unwrap().unwrap()
    }

    /// Some entries of a group in the middle of its log cannot be read any more.
    pub(crate) fn damage(&self, group: GroupId) -> Stretch {
        let mut inner = self.inner.lock().unwrap();
        let log = inner.groups.get_mut(&group).unwrap();
        let last = log.entries.last().unwrap().index;
        let stretch = Stretch {
            from: LogIndex(last.0 - 4),
            up_to: LogIndex(last.0 - 2),
        };
        assert!(stretch.from > log.start.index);
        (log.entries).retain(|entry| !(stretch.from..=stretch.up_to).contains(&entry.index));
        log.damaged.push(stretch);
        stretch
    }

    /// Forgets the newest entries of a group: what a log knows whose reset did not come to disk.
    pub(crate) fn cut_behind(&self, group: GroupId, index: LogIndex) {
        let mut inner = self.inner.lock().unwrap();
        let log = inner.groups.get_mut(&group).unwrap();
        log.entries.retain(|entry| entry.index <= index);
        log.hard_state.commit_index = log.hard_state.commit_index.min(index);
    }
}

impl ReplicatedLog for MemoryLog {
    fn append(&self, batch: &[LogRecord<'_>]) -> Result<(), PortError> {
        let mut inner = self.inner.lock().unwrap();
        if inner.fails {
            return Err(PortError::new(
                PortErrorKind::NoSpace,
                "the test disk is full",
            ));
        }
        inner.appends += 1;
        for record in batch {
            let log = inner
                .groups
                .entry(record.group)
                .or_insert_with(|| GroupLog {
                    hard_state: HardState::default(),
                    start: Version::default(),
                    entries: Vec::new(),
                    damaged: Vec::new(),
                    is_doubtful: false,
                });
            if let Some(hard_state) = record.hard_state {
                log.hard_state = *hard_state;
            }
            if let Some(at) = record.reset {
                log.entries.clear();
                log.start = at;
            }
            for entry in record.rewrites {
                let place = log.entries.partition_point(|held| held.index < entry.index);
                match log.entries.get_mut(place) {
                    Some(held) if held.index == entry.index => *held = entry.clone(),
                    _ => log.entries.insert(place, entry.clone()),
                }
                let around = |stretch: Stretch| {
                    let below = Stretch {
                        up_to: stretch.up_to.min(entry.index.prev()),
                        ..stretch
                    };
                    let above = Stretch {
                        from: stretch.from.max(entry.index.next()),
                        ..stretch
                    };
                    [below, above]
                };
                let parts = log.damaged.drain(..).flat_map(around);
                log.damaged = parts.filter(|part| part.from <= part.up_to).collect();
            }
            if let Some(first) = record.entries.first() {
                log.entries.retain(|entry| entry.index < first.index);
                let last = log
                    .entries
                    .last()
                    .map_or(log.start.index, |entry| entry.index);
                assert_eq!(last.next(), first.index, "no gap in the log");
                log.entries.extend_from_slice(record.entries);
            }
        }
        Ok(())
    }

    fn restore(&self, group: GroupId) -> Result<Option<GroupLog>, PortError> {
        Ok(self.inner.lock().unwrap().groups.get(&group).cloned())
    }

    fn read(
        &self,
        group: GroupId,
        from: LogIndex,
        up_to: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, PortError> {
        let inner = self.inner.lock().unwrap();
        let log = inner.groups.get(&group).unwrap();
        if from <= log.start.index {
            return Ok(Vec::new());
        }
        let lost = |stretch: &Stretch| (stretch.from..=stretch.up_to).contains(&from);
        if log.damaged.iter().any(lost) {
            let detail = "an entry does not verify";
            return Err(PortError::new(PortErrorKind::Corrupt, detail));
        }
        let wanted = log.entries.iter();
        let wanted = wanted.filter(|entry| (from..=up_to).contains(&entry.index));
        let mut next = from;
        let wanted = wanted.take_while(move |entry| {
            let follows = entry.index == next;
            next = next.next();
            follows
        });
        let mut bytes = 0;
        let fits = wanted.take_while(|entry| {
            bytes += entry.size();
            bytes <= bytes_max || bytes == entry.size()
        });
        Ok(fits.cloned().collect())
    }

    fn release(
        &self,
        group: GroupId,
        up_to: LogIndex,
    ) -> Result<Vec<(GroupId, Stretch)>, PortError> {
        let mut inner = self.inner.lock().unwrap();
        let log = inner.groups.get_mut(&group).unwrap();
        if let Some(last) = log.entries.iter().find(|entry| entry.index == up_to) {
            log.start = last.version();
        }
        log.entries.retain(|entry| entry.index > up_to);
        Ok(Vec::new())
    }

    fn begin_behind(&self, group: GroupId, at: Version) -> Result<(), PortError> {
        let mut inner = self.inner.lock().unwrap();
        let log = inner.groups.get_mut(&group).unwrap();
        log.start = at;
        log.entries.retain(|entry| entry.index > at.index);
        log.damaged.retain(|stretch| stretch.up_to > at.index);
        if let Some(first) = log.damaged.first_mut() {
            first.from = first.from.max(at.index.next());
        }
        Ok(())
    }

    fn report(&self) -> LogReport {
        LogReport::default()
    }
}
