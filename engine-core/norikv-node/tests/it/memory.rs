//! Ports in memory: the model that the node is tested against.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::Bytes;
use nori_raft::{Configuration, Entry, HardState, Payload};
use norikv_node::{
    Answer, Chunk, Command, Decided, Expect, Export, GroupLog, Item, LogRecord, LogReport,
    Maintenance, Operation, Outcome, Page, PortError, PortErrorKind, Pressure, Query,
    ReplicatedLog, Staging, Storage,
};
use norikv_placement::shard_of;
use norikv_types::{GroupId, LogIndex, Version};
use serde::{Deserialize, Serialize};

/// A group's whole state.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct State {
    pub(crate) applied: Version,
    configuration: Option<Configuration>,
    pub(crate) data: BTreeMap<Bytes, (Bytes, Version)>,
    pub(crate) sessions: BTreeMap<Bytes, (u64, Outcome)>,
    order: VecDeque<Bytes>,
}

#[derive(Debug, Default)]
struct Groups {
    live: BTreeMap<GroupId, State>,
    durable: BTreeMap<GroupId, State>,
}

/// Storage whose unflushed part dies in a crash.
#[derive(Debug, Clone)]
pub(crate) struct MemoryStorage {
    groups: Arc<Mutex<Groups>>,
    shards_per_group: u16,
}

impl MemoryStorage {
    pub(crate) fn new(groups: u32) -> Self {
        Self {
            groups: Arc::default(),
            shards_per_group: u16::try_from(1_024 / groups).unwrap(),
        }
    }

    pub(crate) fn crash(&self) {
        let mut groups = self.lock();
        groups.live = groups.durable.clone();
    }

    pub(crate) fn state(&self, group: GroupId) -> State {
        self.lock().live.get(&group).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, Groups> {
        self.groups.lock().unwrap()
    }
}

impl State {
    fn execute(&mut self, entry: &Entry) -> Outcome {
        let version = entry.version();
        if version.index <= self.applied.index {
            return Outcome::Skipped;
        }
        assert_eq!(
            version.index,
            self.applied.index.next(),
            "entries come in order"
        );
        self.applied = version;
        if let Payload::Configuration(configuration) = &entry.payload {
            self.configuration = Some(configuration.clone());
        }
        let Payload::Command(bytes) = &entry.payload else {
            return Outcome::Noop;
        };
        let Ok(command) = Command::decode(bytes) else {
            return Outcome::Malformed;
        };
        if let Some(name) = &command.idempotency
            && let Some((fingerprint, outcome)) = self.sessions.get(&name.key)
        {
            return match *fingerprint == name.fingerprint {
                true => outcome.clone(),
                false => Outcome::IdempotencyMismatch,
            };
        }
        let actual = self.data.get(&command.key).map(|(_, version)| *version);
        let holds = match command.expect {
            Expect::Any => true,
            Expect::Absent => actual.is_none(),
            Expect::Version(expected) => actual == Some(expected),
        };
        let outcome = if holds {
            match command.operation {
                Operation::Put(value) => {
                    self.data.insert(command.key, (value, version));
                }
                Operation::Delete => {
                    self.data.remove(&command.key);
                }
            }
            Outcome::Written { version }
        } else {
            Outcome::PreconditionFailed { actual }
        };
        if let Some(name) = command.idempotency {
            self.order.push_back(name.key.clone());
            self.sessions
                .insert(name.key, (name.fingerprint, outcome.clone()));
            if self.order.len() > 4_096
                && let Some(oldest) = self.order.pop_front()
            {
                self.sessions.remove(&oldest);
            }
        }
        outcome
    }
}

impl Storage for MemoryStorage {
    fn applied(&self, group: GroupId) -> Result<Version, PortError> {
        Ok(self.state(group).applied)
    }

    fn configuration(&self, group: GroupId) -> Result<Option<Configuration>, PortError> {
        Ok(self.state(group).configuration)
    }

    fn apply(&self, group: GroupId, entries: &[Entry]) -> Result<Vec<Decided>, PortError> {
        let mut groups = self.lock();
        let state = groups.live.entry(group).or_default();
        Ok(entries
            .iter()
            .map(|entry| Decided {
                version: entry.version(),
                outcome: state.execute(entry),
            })
            .collect())
    }

    fn query(&self, query: &Query) -> Result<Answer, PortError> {
        let groups = self.lock();
        match query {
            Query::Get { key } => {
                let group = GroupId(u32::from(shard_of(key).0 / self.shards_per_group));
                let found = groups
                    .live
                    .get(&group)
                    .and_then(|state| state.data.get(key));
                Ok(
                    found.map_or(Answer::Absent, |(value, version)| Answer::Value {
                        value: value.clone(),
                        version: *version,
                    }),
                )
            }
            Query::Scan {
                group,
                prefix,
                after,
                limit,
                bytes_max,
            } => {
                let mut page = Page::default();
                let mut bytes = 0;
                let state = groups.live.get(group).cloned().unwrap_or_default();
                for (key, (value, version)) in state.data {
                    if !key.starts_with(prefix) || after.as_ref().is_some_and(|after| key <= *after)
                    {
                        continue;
                    }
                    if page.items.len() == *limit as usize || bytes >= *bytes_max {
                        page.more = true;
                        break;
                    }
                    bytes += u32::try_from(key.len() + value.len()).unwrap();
                    page.items.push(Item {
                        key,
                        value,
                        version,
                    });
                }
                Ok(Answer::Page(page))
            }
        }
    }

    fn flushed(&self, group: GroupId) -> LogIndex {
        let groups = self.lock();
        groups
            .durable
            .get(&group)
            .map_or(LogIndex(0), |state| state.applied.index)
    }

    fn flush(&self) {
        let mut groups = self.lock();
        groups.durable = groups.live.clone();
    }

    fn maintain(&self, _budget_bytes: u64) -> Result<Maintenance, PortError> {
        Ok(Maintenance::Idle)
    }

    fn pressure(&self) -> Pressure {
        Pressure::None
    }

    fn export(&self, group: GroupId) -> Result<Box<dyn Export>, PortError> {
        let state = self.state(group);
        Ok(Box::new(MemoryExport {
            at: state.applied,
            bytes: postcard::to_allocvec(&state).unwrap().into(),
        }))
    }

    fn stage(&self, group: GroupId) -> Result<Box<dyn Staging>, PortError> {
        Ok(Box::new(MemoryStaging {
            storage: self.clone(),
            group,
            bytes: Vec::new(),
        }))
    }
}

#[derive(Debug)]
struct MemoryExport {
    at: Version,
    bytes: Bytes,
}

impl Export for MemoryExport {
    fn at(&self) -> Version {
        self.at
    }

    fn next_chunk(&mut self, bytes_max: u32) -> Result<Chunk, PortError> {
        let len = self.bytes.len().min(bytes_max as usize);
        let bytes = self.bytes.split_to(len);
        Ok(Chunk {
            bytes,
            last: self.bytes.is_empty(),
        })
    }
}

#[derive(Debug)]
struct MemoryStaging {
    storage: MemoryStorage,
    group: GroupId,
    bytes: Vec<u8>,
}

impl Staging for MemoryStaging {
    fn chunk(&mut self, bytes: &Bytes) -> Result<(), PortError> {
        self.bytes.extend_from_slice(bytes);
        Ok(())
    }

    fn install(self: Box<Self>, at: Version) -> Result<(), PortError> {
        let state: State = postcard::from_bytes(&self.bytes)
            .map_err(|error| PortError::new(PortErrorKind::BadSnapshot, error.to_string()))?;
        assert_eq!(state.applied, at);
        let mut groups = self.storage.lock();
        groups.live.insert(self.group, state.clone());
        groups.durable.insert(self.group, state);
        Ok(())
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
                });
            if let Some(hard_state) = record.hard_state {
                log.hard_state = *hard_state;
            }
            if let Some(at) = record.reset {
                log.entries.clear();
                log.start = at;
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

    fn release(&self, group: GroupId, up_to: LogIndex) -> Result<(), PortError> {
        let mut inner = self.inner.lock().unwrap();
        let log = inner.groups.get_mut(&group).unwrap();
        if let Some(last) = log.entries.iter().find(|entry| entry.index == up_to) {
            log.start = last.version();
        }
        log.entries.retain(|entry| entry.index > up_to);
        Ok(())
    }

    fn report(&self) -> LogReport {
        LogReport::default()
    }
}
