//! What the clients asked and heard, in epochs with keys of their own.
//!
//! **Invariant: what the history says of an operation is what its client can know.** An operation
//! without an answer may have taken effect and may yet; only a refusal that covers every attempt
//! makes it one that did nothing. An epoch is judged once nothing of it is under way.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use bytes::Bytes;
use norikv_client::{Expect, Page};
use norikv_placement::{Placement, shard_of};
use norikv_testkit as testkit;
use norikv_testkit::{History, OperationId, ValueId, VersionedKey};
use norikv_types::{GroupId, Mono, Prng, Version};
use parking_lot::Mutex;
use serde::Serialize;

use crate::op::{Op, OpKind, VALUE_BYTES_MAX, key_number, key_text, prefix};
use crate::violation::{Findings, Violation};

/// What the checker reads of an epoch.
pub type KeyHistory = History<u32, Input, Output>;
pub(crate) type Input = testkit::VersionedInput<ValueId, Version>;
pub(crate) type Output = testkit::VersionedOutput<ValueId, Version>;
pub(crate) type KeyModel = VersionedKey<ValueId, Version>;

/// Keys of an epoch.
pub(crate) const KEYS: u32 = 32;

/// Everything that clients asked and heard in a run.
#[derive(Debug)]
pub struct Record {
    started: Instant,
    placement: Placement,
    findings: Arc<Findings>,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    epochs: Vec<Epoch>,
    next_write: u64,
    /// The version with which each value was seen.
    seen: BTreeMap<ValueId, Version>,
    /// Which acknowledged write has a version of a group.
    owners: BTreeMap<(GroupId, Version), ValueId>,
    counters: BTreeMap<OpKind, OpCounters>,
}

#[derive(Debug, Default)]
struct Epoch {
    history: KeyHistory,
    under_way: u32,
    judged: bool,
    /// The last version that anybody saw of each key.
    versions: BTreeMap<u32, Version>,
}

/// How the operations of a kind ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct OpCounters {
    /// Done.
    pub answered: u64,
    /// Writes whose condition did not hold.
    pub conflicts: u64,
    /// Surely without effect.
    pub refused: u64,
    /// Nobody knows.
    pub unknown: u64,
}

/// An operation under way.
#[derive(Debug)]
pub struct Begun {
    /// What is asked.
    pub op: Op,
    /// The number of the write, and of the value it stores.
    pub write: ValueId,
    epoch: usize,
    operations: Vec<OperationId>,
}

/// What a client heard in the end.
#[derive(Debug, Clone)]
pub enum Heard {
    /// The write took place.
    Written(Version),
    /// The key holds this.
    Value(Option<(Bytes, Version)>),
    /// The keys of a scan.
    Page(Page),
    /// The condition did not hold; with the version met, where it was told.
    Conflict(Option<Version>),
    /// It surely did nothing.
    Refused,
    /// It may have taken effect, and may yet.
    Unknown,
}

impl Record {
    /// A run in which nothing happened yet, in a cluster placed like this.
    #[must_use]
    pub fn new(placement: Placement, findings: Arc<Findings>) -> Self {
        Self {
            started: Instant::now(),
            placement,
            findings,
            state: Mutex::new(State {
                epochs: vec![Epoch::default()],
                next_write: 1,
                ..State::default()
            }),
        }
    }

    /// From now on, operations have fresh keys.
    pub fn turn(&self) {
        self.state.lock().epochs.push(Epoch::default());
    }

    /// A client draws an operation and is about to ask.
    pub fn begin(&self, client: u64, prng: &mut Prng) -> Begun {
        let mut state = self.state.lock();
        let epoch = state.epochs.len() - 1;
        let versions = &state.epochs[epoch].versions;
        let op = Op::draw(prng, KEYS, |key| versions.get(&key).copied());
        self.begin_op(&mut state, client, epoch, op)
    }

    /// A client is about to read a key of an epoch.
    pub fn begin_get(&self, client: u64, epoch: usize, key: u32) -> Begun {
        let consistency = norikv_client::Consistency::Linearizable;
        let op = Op::Get { key, consistency };
        self.begin_op(&mut self.state.lock(), client, epoch, op)
    }

    /// The number of the group that `key` belongs to.
    pub(crate) fn group_of(&self, key: &[u8]) -> u32 {
        self.placement.group_of(shard_of(key)).0
    }

    /// A number for a write that no epoch knows.
    pub fn draw_write(&self) -> ValueId {
        self.state.lock().draw_write()
    }

    /// A client heard what came of its operation.
    pub fn end(&self, begun: Begun, heard: Heard) {
        let mut state = self.state.lock();
        let counters = state.counters.entry(begun.op.kind()).or_default();
        match heard {
            Heard::Written(_) | Heard::Value(_) | Heard::Page(_) => counters.answered += 1,
            Heard::Conflict(_) => counters.conflicts += 1,
            Heard::Refused => counters.refused += 1,
            Heard::Unknown => counters.unknown += 1,
        }
        let seen = self.settle(&mut state, &begun, heard);
        for (key, value, version) in seen {
            state.epochs[begun.epoch].versions.insert(key, version);
            if let Some(value) = value
                && let Some(other) = state.seen.insert(value, version)
                && other != version
            {
                self.findings.add(Violation::Twice {
                    write: value.0,
                    versions: [other, version],
                });
            }
        }
        state.epochs[begun.epoch].under_way -= 1;
    }

    /// The history of an epoch that is over and was not given before.
    pub fn next_settled(&self) -> Option<(usize, KeyHistory)> {
        let mut state = self.state.lock();
        let current = state.epochs.len() - 1;
        let mut epochs = state.epochs.iter_mut().take(current).enumerate();
        let (number, epoch) = epochs.find(|(_, epoch)| !epoch.judged && epoch.under_way == 0)?;
        epoch.judged = true;
        Some((number, epoch.history.clone()))
    }

    /// Epochs begun.
    #[must_use]
    pub fn epochs(&self) -> usize {
        self.state.lock().epochs.len()
    }

    /// The history of an epoch as it is now.
    ///
    /// # Panics
    /// When there is no such epoch.
    #[must_use]
    pub fn history(&self, epoch: usize) -> KeyHistory {
        self.state.lock().epochs[epoch].history.clone()
    }

    /// How the operations of each kind ended.
    #[must_use]
    pub fn counters(&self) -> BTreeMap<OpKind, OpCounters> {
        self.state.lock().counters.clone()
    }

    fn now(&self) -> Mono {
        let nanos = self.started.elapsed().as_nanos();
        Mono::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn begin_op(&self, state: &mut State, client: u64, epoch: usize, op: Op) -> Begun {
        let now = self.now();
        let write = if op.is_write() {
            state.draw_write()
        } else {
            ValueId(0)
        };
        let own = &mut state.epochs[epoch];
        own.under_way += 1;
        let mut begin = |key, input| own.history.invoke(client, key, input, now);
        let operations = match op {
            _ if !op.is_judged() => Vec::new(),
            Op::Put { key, expect } => {
                let expect = model_expect(expect);
                let value = write;
                vec![begin(key, Input::Put { value, expect })]
            }
            Op::Delete { key, expect } => {
                let expect = model_expect(expect);
                vec![begin(key, Input::Delete { expect })]
            }
            Op::Get { key, .. } => vec![begin(key, Input::Get)],
            Op::Scan { .. } => (0..KEYS).map(|key| begin(key, Input::Get)).collect(),
        };
        Begun {
            op,
            write,
            epoch,
            operations,
        }
    }

    /// Writes an answer into the history; gives the versions it tells of.
    fn settle(
        &self,
        state: &mut State,
        begun: &Begun,
        heard: Heard,
    ) -> Vec<(u32, Option<ValueId>, Version)> {
        let now = self.now();
        let history = &mut state.epochs[begun.epoch].history;
        let mut seen = Vec::new();
        match (begun.op, heard) {
            (_, Heard::Unknown) => {}
            (_, Heard::Refused) => {
                for id in &begun.operations {
                    history.refused(*id);
                }
            }
            (_, Heard::Conflict(met)) => {
                for id in &begun.operations {
                    history.returned(*id, Output::Conflict(met), now);
                }
            }
            (Op::Put { key, .. } | Op::Delete { key, .. }, Heard::Written(version)) => {
                for id in &begun.operations {
                    history.returned(*id, Output::Written(version), now);
                }
                let value = matches!(begun.op, Op::Put { .. }).then_some(begun.write);
                seen.push((key, value, version));
                self.owned(state, begun, key, version);
            }
            (Op::Get { key, .. }, Heard::Value(held)) => {
                let output = match held {
                    None => Output::Absent,
                    Some((bytes, version)) => {
                        let Some(value) = self.known(begun.epoch, key, &bytes) else {
                            return seen;
                        };
                        seen.push((key, Some(value), version));
                        Output::Value(value, version)
                    }
                };
                for id in &begun.operations {
                    history.returned(*id, output.clone(), now);
                }
            }
            (Op::Scan { .. }, Heard::Page(page)) => {
                let mut items = BTreeMap::new();
                for item in &page.items {
                    let Some(key) = key_number(begun.epoch, &item.key) else {
                        let key = String::from_utf8_lossy(&item.key).into_owned();
                        self.findings.add(Violation::UnknownValue { key });
                        continue;
                    };
                    if let Some(value) = self.known(begun.epoch, key, &item.value) {
                        items.insert(key, (value, item.version));
                        seen.push((key, Some(value), item.version));
                    }
                }
                let last = items.keys().next_back().copied();
                for (key, id) in (0..).zip(&begun.operations) {
                    match items.get(&key) {
                        Some((value, version)) => {
                            history.returned(*id, Output::Value(*value, *version), now);
                        }
                        None if !page.more || last.is_some_and(|last| key <= last) => {
                            history.returned(*id, Output::Absent, now);
                        }
                        None => history.refused(*id),
                    }
                }
            }
            (op, heard) => {
                let message = format!("{op:?} was answered with {heard:?}");
                self.findings.add(Violation::Failure { message });
            }
        }
        seen
    }

    /// The value that these bytes are, or a violation.
    fn known(&self, epoch: usize, key: u32, bytes: &[u8]) -> Option<ValueId> {
        let value = ValueId::parse(bytes, VALUE_BYTES_MAX);
        if value.is_none() {
            let key = key_text(epoch, key);
            self.findings.add(Violation::UnknownValue { key });
        }
        value
    }

    /// No other write of the group may have the version.
    fn owned(&self, state: &mut State, begun: &Begun, key: u32, version: Version) {
        let text = key_text(begun.epoch, key);
        let group = self.placement.group_of(shard_of(text.as_bytes()));
        if let Some(other) = state.owners.insert((group, version), begun.write) {
            self.findings.add(Violation::SharedVersion {
                group: group.0,
                version,
                writes: [other.0, begun.write.0],
            });
        }
    }
}

impl State {
    const fn draw_write(&mut self) -> ValueId {
        let write = ValueId(self.next_write);
        self.next_write += 1;
        write
    }
}

impl Begun {
    /// The key, where it is about one.
    #[must_use]
    pub fn key(&self) -> Option<String> {
        match self.op {
            Op::Put { key, .. } | Op::Delete { key, .. } | Op::Get { key, .. } => {
                Some(key_text(self.epoch, key))
            }
            Op::Scan { .. } => None,
        }
    }

    /// What the keys of its epoch begin with.
    #[must_use]
    pub fn prefix(&self) -> String {
        prefix(self.epoch)
    }
}

const fn model_expect(expect: Expect) -> testkit::Expect<Version> {
    match expect {
        Expect::Any => testkit::Expect::Any,
        Expect::Absent => testkit::Expect::Absent,
        Expect::Version(version) => testkit::Expect::Version(version),
    }
}

#[cfg(test)]
mod tests;
