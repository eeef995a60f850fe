//! A log and a storage whose failures are chosen: what a disk does only once in a while.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicU8, Ordering};

use bytes::Bytes;
use nori_raft::{Configuration, Entry, Payload, Stretch};
use norikv_node::{
    Answer, Command, Decided, Export, GroupLog, LogRecord, LogReport, Operation, Origin, Outcome,
    PortErrorKind, Pressure, Query, ReplicatedLog, Staging,
};
use norikv_types::{GroupId, LogIndex, Version};
use parking_lot::Mutex;

use super::*;
use crate::stores::Stores;
use norikv_node::PortError;

/// What the next operation comes to.
#[derive(Debug, Default)]
pub(super) struct Fault(AtomicU8);

impl Fault {
    pub(super) fn fail_with_no_space(&self) {
        self.0.store(1, Ordering::SeqCst);
    }

    pub(super) fn panic(&self) {
        self.0.store(2, Ordering::SeqCst);
    }

    fn meet(&self) -> Result<(), PortError> {
        match self.0.load(Ordering::SeqCst) {
            0 => Ok(()),
            1 => Err(PortError::new(
                PortErrorKind::NoSpace,
                "append of 1.log at byte 4096",
            )),
            _ => panic!("the test asked for it"),
        }
    }
}

/// Keeps nothing: every start is the first.
#[derive(Debug, Default)]
pub(super) struct Forgetful {
    pub(super) append: Fault,
    pub(super) apply: Fault,
    groups: Mutex<BTreeMap<GroupId, Group>>,
}

#[derive(Debug, Default)]
struct Group {
    applied: Version,
    data: BTreeMap<Bytes, (Bytes, Version)>,
}

pub(super) fn stores(ports: &Arc<Forgetful>, config: &RuntimeConfig) -> Stores {
    let groups = Node::groups_of(&config.node).expect("a plan");
    let (log, storage): (Arc<Forgetful>, Arc<Forgetful>) = (Arc::clone(ports), Arc::clone(ports));
    Stores::of(log, storage, groups, config.data_dir.clone())
}

impl ReplicatedLog for Forgetful {
    fn append(&self, _batch: &[LogRecord<'_>]) -> Result<(), PortError> {
        self.append.meet()
    }

    fn restore(&self, _group: GroupId) -> Result<Option<GroupLog>, PortError> {
        Ok(None)
    }

    fn read(
        &self,
        _group: GroupId,
        _from: LogIndex,
        _up_to: LogIndex,
        _bytes_max: u64,
    ) -> Result<Vec<Entry>, PortError> {
        Ok(Vec::new())
    }

    fn release(
        &self,
        _group: GroupId,
        _up_to: LogIndex,
    ) -> Result<Vec<(GroupId, Stretch)>, PortError> {
        Ok(Vec::new())
    }

    fn begin_behind(&self, _group: GroupId, _at: Version) -> Result<(), PortError> {
        Ok(())
    }

    fn report(&self) -> LogReport {
        LogReport::default()
    }
}

impl Storage for Forgetful {
    fn applied(&self, group: GroupId) -> Result<Version, PortError> {
        Ok(self.groups.lock().entry(group).or_default().applied)
    }

    fn configuration(&self, _group: GroupId) -> Result<Option<Configuration>, PortError> {
        Ok(None)
    }

    fn origin(&self, _group: GroupId) -> Result<Origin, PortError> {
        Ok(Origin::Plan)
    }

    fn clear(&self, group: GroupId, _origin: Origin) -> Result<(), PortError> {
        self.groups.lock().remove(&group);
        Ok(())
    }

    fn apply(&self, group: GroupId, entries: &[Entry]) -> Result<Vec<Decided>, PortError> {
        let mut groups = self.groups.lock();
        let group = groups.entry(group).or_default();
        let mut decided = Vec::new();
        for entry in entries {
            let version = entry.version();
            group.applied = version;
            let outcome = match &entry.payload {
                Payload::Noop | Payload::Configuration(_) | Payload::Elided => Outcome::Noop,
                Payload::Command(bytes) => {
                    self.apply.meet()?;
                    let command = Command::decode(bytes).expect("well-formed");
                    match command.operation {
                        Operation::Put { key, value, .. } => {
                            group.data.insert(key, (value, version))
                        }
                        Operation::Delete { key, .. } => group.data.remove(&key),
                        other => panic!("no test here asks for {other:?}"),
                    };
                    Outcome::Written { version }
                }
            };
            decided.push(Decided { version, outcome });
        }
        Ok(decided)
    }

    fn query(&self, query: &Query) -> Result<Answer, PortError> {
        let Query::Get { key } = query else {
            panic!("no test here scans")
        };
        let groups = self.groups.lock();
        let found = groups.values().find_map(|group| group.data.get(key));
        Ok(
            found.map_or(Answer::Absent, |(value, version)| Answer::Value {
                value: value.clone(),
                version: *version,
                expires_at: None,
            }),
        )
    }

    fn flushed(&self, _group: GroupId) -> LogIndex {
        LogIndex(0)
    }

    fn flush(&self) {}

    fn maintain(&self, _budget_bytes: u64) -> Result<Maintenance, PortError> {
        Ok(Maintenance::Idle)
    }

    fn pressure(&self) -> Pressure {
        Pressure::None
    }

    fn export(&self, _group: GroupId) -> Result<Box<dyn Export>, PortError> {
        Err(PortError::new(
            PortErrorKind::Other,
            "no test here needs a snapshot",
        ))
    }

    fn stage(&self, _group: GroupId) -> Result<Box<dyn Staging>, PortError> {
        Err(PortError::new(
            PortErrorKind::Other,
            "no test here needs a snapshot",
        ))
    }
}
