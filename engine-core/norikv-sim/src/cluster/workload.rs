//! What clients ask, and what they were told, in the words of the checker.

mod histories;

use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;
use norikv_node::{Answer, Call, Check, Compare, Consistency, Expect, Failure, Page, StepAnswer};
use norikv_testkit as testkit;
use norikv_testkit::{
    CounterInput, CounterOutput, MortalInput, OperationId, TransactionOutput, ValueId,
    VersionedInput, VersionedOutput,
};
use norikv_types::{ErrorKind, GroupId, Mono, Version};

pub(crate) use self::histories::{Histories, Judged, Space};
use crate::cluster::plan::Deal;

/// One operation of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Op {
    Put {
        key: u32,
        value: ValueId,
        expect: Expect,
        /// Without a name, so that nobody can tell a repetition from another write.
        once: bool,
    },
    Delete {
        key: u32,
        expect: Expect,
    },
    Get {
        key: u32,
        consistency: Consistency,
    },
    /// Every key.
    Scan {
        consistency: Consistency,
    },
    Lend {
        key: u32,
        value: ValueId,
        ttl_ms: u64,
        expect: Expect,
    },
    TakeBack {
        key: u32,
    },
    Look {
        key: u32,
        consistency: Consistency,
    },
    Add {
        key: u32,
        by: i64,
    },
    Count {
        key: u32,
        consistency: Consistency,
    },
    Transact {
        tag: u32,
        deal: Deal,
        values: [ValueId; 2],
        seen: Option<ValueId>,
    },
}

/// The keys that transactions take together, three a tag, all of one group.
#[derive(Debug)]
pub(crate) struct Tags(Vec<[Bytes; 3]>);

impl Tags {
    pub(crate) fn new(group_of: impl Fn(&[u8]) -> GroupId) -> Self {
        let of_tag = |tag: u32| {
            let first = Bytes::from(format!("t/{tag}/0"));
            let group = group_of(&first);
            let mut others = (1..)
                .map(|nth| Bytes::from(format!("t/{tag}/{nth}")))
                .filter(|key| group_of(key) == group);
            let mut next = || others.next().unwrap_or_default();
            [first, next(), next()]
        };
        Self((0..TAGS).map(of_tag).collect())
    }

    fn key(&self, tag: u32, key: u8) -> Bytes {
        let tag = self.0.get((tag % TAGS) as usize);
        let key = tag.and_then(|keys| keys.get(usize::from(key)));
        key.cloned().unwrap_or_default()
    }
}

/// Of what an operation sees the last version.
pub(crate) enum Sees {
    Key(u32),
    Everything,
    /// What it sees may be older, or is not looked at so closely.
    MaybeOld,
}

/// A value that was read but that nobody wrote there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) key: u32,
}

impl Op {
    /// What is asked; `tags` names the keys of transactions.
    pub(crate) fn call(&self, name: Bytes, value_bytes_max: u32, tags: &Tags) -> Call {
        let bytes = |value: ValueId| value.bytes(value_bytes_max);
        match *self {
            Self::Put {
                key,
                value,
                expect,
                once,
            } => Call::Put {
                key: key_bytes(key),
                value: bytes(value),
                expect,
                idempotency: (!once).then_some(name),
                ttl_ms: None,
            },
            Self::Delete { key, expect } => Call::Delete {
                key: key_bytes(key),
                expect,
                idempotency: Some(name),
            },
            Self::Get { key, consistency } => Call::Get {
                key: key_bytes(key),
                consistency,
            },
            Self::Scan { consistency } => Call::Scan {
                prefix: Bytes::from_static(PREFIX),
                after: None,
                limit: 10_000,
                consistency,
                cursor: Vec::new(),
            },
            Self::Lend {
                key,
                value,
                ttl_ms,
                expect,
            } => Call::Put {
                key: mortal_bytes(key),
                value: bytes(value),
                expect,
                idempotency: Some(name),
                ttl_ms: Some(ttl_ms),
            },
            Self::TakeBack { key } => Call::Delete {
                key: mortal_bytes(key),
                expect: Expect::Any,
                idempotency: Some(name),
            },
            Self::Look { key, consistency } => Call::Get {
                key: mortal_bytes(key),
                consistency,
            },
            Self::Add { key, by } => Call::Increment {
                key: number_bytes(key),
                by,
                idempotency: Some(name),
            },
            Self::Count { key, consistency } => Call::Get {
                key: number_bytes(key),
                consistency,
            },
            Self::Transact { tag, .. } => {
                let model = self.transaction();
                let compare = |(key, comparison): &(u8, testkit::Comparison<ValueId>)| Compare {
                    key: tags.key(tag, *key),
                    check: match comparison {
                        testkit::Comparison::Absent => Check::Absent,
                        testkit::Comparison::Present => Check::Exists,
                        testkit::Comparison::Equals(value) => Check::Value(bytes(*value)),
                    },
                };
                let step = |action: &testkit::Action<u8, ValueId>| match action {
                    testkit::Action::Get(key) => norikv_node::Step::Get {
                        key: tags.key(tag, *key),
                    },
                    testkit::Action::Put(key, value) => norikv_node::Step::Put {
                        key: tags.key(tag, *key),
                        value: bytes(*value),
                        ttl_ms: None,
                    },
                    testkit::Action::Delete(key) => norikv_node::Step::Delete {
                        key: tags.key(tag, *key),
                    },
                };
                Call::Transaction {
                    transaction: norikv_node::Transaction {
                        compares: model.compare.iter().map(compare).collect(),
                        then: model.then.iter().map(step).collect(),
                        otherwise: model.otherwise.iter().map(step).collect(),
                    },
                    idempotency: Some(name),
                }
            }
        }
    }

    pub(crate) const fn is_write(&self) -> bool {
        match self {
            Self::Put { .. }
            | Self::Delete { .. }
            | Self::Lend { .. }
            | Self::TakeBack { .. }
            | Self::Add { .. }
            | Self::Transact { .. } => true,
            Self::Get { .. } | Self::Scan { .. } | Self::Look { .. } | Self::Count { .. } => false,
        }
    }

    /// Whether asking twice could take effect twice.
    pub(crate) const fn is_once(&self) -> bool {
        matches!(self, Self::Put { once: true, .. })
    }

    /// Which keys it is about.
    pub(crate) const fn space(&self) -> Space {
        match self {
            Self::Put { .. } | Self::Delete { .. } | Self::Get { .. } | Self::Scan { .. } => {
                Space::Keys
            }
            Self::Lend { .. } | Self::TakeBack { .. } | Self::Look { .. } => Space::Mortals,
            Self::Add { .. } | Self::Count { .. } => Space::Numbers,
            Self::Transact { .. } => Space::Tags,
        }
    }

    /// The key that it is about, by a number that no key of another space has.
    pub(crate) const fn key(&self) -> Option<u32> {
        let (Self::Put { key, .. }
        | Self::Delete { key, .. }
        | Self::Get { key, .. }
        | Self::Lend { key, .. }
        | Self::TakeBack { key }
        | Self::Look { key, .. }
        | Self::Add { key, .. }
        | Self::Count { key, .. }) = *self
        else {
            return None;
        };
        Some(self.space().first_key() + key)
    }

    const fn consistency(&self) -> Consistency {
        match *self {
            Self::Get { consistency, .. }
            | Self::Scan { consistency }
            | Self::Look { consistency, .. }
            | Self::Count { consistency, .. } => consistency,
            _ => Consistency::Linearizable,
        }
    }

    /// What it sees the last version of.
    pub(crate) const fn sees(&self) -> Sees {
        match (self.consistency(), self, self.key()) {
            (Consistency::StaleOk, ..) => Sees::MaybeOld,
            (_, Self::Scan { .. }, _) => Sees::Everything,
            (.., Some(key)) => Sees::Key(key),
            (.., None) => Sees::MaybeOld,
        }
    }

    /// Whether the history judges it: reads that may be stale are not.
    const fn is_judged(&self) -> bool {
        !matches!(self.consistency(), Consistency::StaleOk)
    }

    /// What a transaction does, in the words of the model.
    fn transaction(&self) -> testkit::Transaction<u8, ValueId> {
        use testkit::Action::{Delete, Get, Put};
        use testkit::Comparison::{Absent, Equals, Present};
        let Self::Transact {
            deal, values, seen, ..
        } = *self
        else {
            return testkit::Transaction::always([]);
        };
        let all = || alloc::vec![Get(0), Get(1), Get(2)];
        let [one, other] = values;
        let (compare, then, otherwise) = match (deal, seen) {
            (Deal::Fill, _) => (
                alloc::vec![(0, Absent)],
                alloc::vec![Put(0, one), Get(0), Put(1, other)],
                alloc::vec![Get(0), Get(1)],
            ),
            (Deal::Move, _) => (
                alloc::vec![(0, Present)],
                alloc::vec![Get(0), Delete(0), Put(1, one), Get(0)],
                alloc::vec![Put(0, other)],
            ),
            (Deal::Exchange, Some(seen)) => (
                alloc::vec![(0, Equals(seen))],
                alloc::vec![Put(0, one), Put(2, other)],
                all(),
            ),
            (Deal::Exchange | Deal::Read, _) => (Vec::new(), all(), Vec::new()),
        };
        testkit::Transaction {
            compare,
            then,
            otherwise,
        }
    }

    /// Writes its beginning into the history: one operation, or one for each key of a scan.
    pub(crate) fn invoke(
        &self,
        histories: &mut Histories,
        client: u64,
        keys: u32,
        at: Mono,
    ) -> Vec<OperationId> {
        if !self.is_judged() {
            return Vec::new();
        }
        let history = &mut histories.keys;
        let mut begin = |key, input| history.invoke(client, key, input, at);
        let begun = match *self {
            Self::Put {
                key, value, expect, ..
            } => {
                let expect = model_expect(expect);
                begin(key, VersionedInput::Put { value, expect })
            }
            Self::Delete { key, expect } => {
                let expect = model_expect(expect);
                begin(key, VersionedInput::Delete { expect })
            }
            Self::Get { key, .. } => begin(key, VersionedInput::Get),
            Self::Scan { .. } => {
                return (0..keys)
                    .map(|key| begin(key, VersionedInput::Get))
                    .collect();
            }
            Self::Lend {
                key, value, expect, ..
            } => {
                let expect = model_expect(expect);
                let asked = VersionedInput::Put { value, expect };
                let input = MortalInput { asked, ends: true };
                histories.mortals.invoke(client, key, input, at)
            }
            Self::TakeBack { key } => {
                let expect = testkit::Expect::Any;
                let asked = VersionedInput::Delete { expect };
                let input = MortalInput { asked, ends: false };
                histories.mortals.invoke(client, key, input, at)
            }
            Self::Look { key, .. } => {
                let asked = VersionedInput::Get;
                let input = MortalInput { asked, ends: false };
                histories.mortals.invoke(client, key, input, at)
            }
            Self::Add { key, by } => {
                let history = &mut histories.numbers;
                history.invoke(client, key, CounterInput::Add(by), at)
            }
            Self::Count { key, .. } => {
                let history = &mut histories.numbers;
                history.invoke(client, key, CounterInput::Read, at)
            }
            Self::Transact { tag, .. } => {
                let history = &mut histories.tags;
                history.invoke(client, tag, self.transaction(), at)
            }
        };
        alloc::vec![begun]
    }

    /// Writes its answer into the history.
    pub(crate) fn answered(
        &self,
        histories: &mut Histories,
        operations: &[OperationId],
        answer: &Answer,
        value_bytes_max: u32,
        at: Mono,
    ) -> Result<(), Unknown> {
        let parse =
            |key: u32, value: &Bytes| ValueId::parse(value, value_bytes_max).ok_or(Unknown { key });
        if let (Self::Scan { .. }, Answer::Page(page)) = (self, answer) {
            return scanned(histories, operations, page, value_bytes_max, at);
        }
        let Some(id) = operations.first() else {
            return Ok(());
        };
        let versioned = |key: u32| match answer {
            Answer::Value { value, version, .. } => {
                Ok(VersionedOutput::Value(parse(key, value)?, *version))
            }
            Answer::Written { version } => Ok(VersionedOutput::Written(*version)),
            // An answer to another question is judged as the impossible answer that it is.
            _ => Ok(VersionedOutput::Absent),
        };
        match *self {
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Get { key, .. } => {
                histories.keys.returned(*id, versioned(key)?, at);
            }
            Self::Scan { .. } => {}
            Self::Lend { key, .. } | Self::TakeBack { key } | Self::Look { key, .. } => {
                histories.mortals.returned(*id, versioned(key)?, at);
            }
            Self::Add { key, .. } | Self::Count { key, .. } => {
                let number = match answer {
                    Answer::Counted { value, .. } => *value,
                    Answer::Value { value, .. } => decimal(value).ok_or(Unknown { key })?,
                    _ => 0,
                };
                let output = CounterOutput(number);
                histories.numbers.returned(*id, output, at);
            }
            Self::Transact { tag, .. } => {
                let Answer::Transacted {
                    succeeded, answers, ..
                } = answer
                else {
                    return Err(Unknown { key: tag });
                };
                let got = answers.iter().filter_map(|answer| match answer {
                    StepAnswer::Done => None,
                    StepAnswer::Value { value, .. } => Some(parse(tag, value).map(Some)),
                    StepAnswer::Absent => Some(Ok(None)),
                });
                let output = TransactionOutput {
                    held: *succeeded,
                    got: got.collect::<Result<_, _>>()?,
                };
                histories.tags.returned(*id, output, at);
            }
        }
        Ok(())
    }

    /// Writes into the history that a condition did not hold.
    pub(crate) fn conflicted(
        &self,
        histories: &mut Histories,
        operations: &[OperationId],
        failure: &Failure,
        at: Mono,
    ) {
        debug_assert_eq!(failure.kind, ErrorKind::PreconditionFailed);
        for id in operations {
            let output = VersionedOutput::Conflict(failure.actual);
            match self.space() {
                Space::Keys => histories.keys.returned(*id, output, at),
                Space::Mortals => histories.mortals.returned(*id, output, at),
                // Neither has a condition that refuses.
                Space::Numbers | Space::Tags => {}
            }
        }
    }

    /// The value of the first key of its tag that a transaction left or found there, if one.
    pub(crate) fn seen_first(&self, answer: &Answer, value_bytes_max: u32) -> Option<ValueId> {
        let (
            Self::Transact { deal, values, .. },
            Answer::Transacted {
                succeeded, answers, ..
            },
        ) = (self, answer)
        else {
            return None;
        };
        match (deal, succeeded, answers.first()) {
            (Deal::Fill | Deal::Exchange, true, _) => Some(values[0]),
            (_, _, Some(StepAnswer::Value { value, .. })) => ValueId::parse(value, value_bytes_max),
            _ => None,
        }
    }
}

/// Writes a page of every key into the history.
fn scanned(
    histories: &mut Histories,
    operations: &[OperationId],
    page: &Page,
    value_bytes_max: u32,
    at: Mono,
) -> Result<(), Unknown> {
    let history = &mut histories.keys;
    let items = page.items.iter();
    let items = items.filter_map(|item| Some((key_number(&item.key)?, item)));
    let mut seen = Vec::new();
    for (key, item) in items {
        let value = ValueId::parse(&item.value, value_bytes_max).ok_or(Unknown { key })?;
        seen.push((key, value, item.version));
    }
    for (key, id) in (0..).zip(operations) {
        match seen.iter().find(|(own, ..)| *own == key) {
            Some((_, value, version)) => {
                history.returned(*id, VersionedOutput::Value(*value, *version), at);
            }
            None if covers(page, key) => history.returned(*id, VersionedOutput::Absent, at),
            None => history.refused(*id),
        }
    }
    Ok(())
}

pub(crate) fn key_bytes(key: u32) -> Bytes {
    Bytes::from(format!("k/{key:05}"))
}

/// Keys whose values end.
pub(crate) fn mortal_bytes(key: u32) -> Bytes {
    Bytes::from(format!("m/{key:05}"))
}

/// Whether it is a key whose values end.
pub(crate) fn is_mortal(key: &[u8]) -> bool {
    key.starts_with(b"m/")
}

/// Keys that hold numbers.
fn number_bytes(key: u32) -> Bytes {
    Bytes::from(format!("n/{key:05}"))
}

pub(crate) fn key_number(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(PREFIX)?;
    core::str::from_utf8(digits).ok()?.parse().ok()
}

fn decimal(bytes: &[u8]) -> Option<i64> {
    let number: i64 = core::str::from_utf8(bytes).ok()?.parse().ok()?;
    (number.to_string().as_bytes() == bytes).then_some(number)
}

/// Whether a page would show the key if it were there.
fn covers(page: &Page, key: u32) -> bool {
    let last = page.items.last().and_then(|item| key_number(&item.key));
    !page.more || last.is_some_and(|last| key <= last)
}

const fn model_expect(expect: Expect) -> testkit::Expect<Version> {
    match expect {
        Expect::Any => testkit::Expect::Any,
        Expect::Absent => testkit::Expect::Absent,
        Expect::Version(version) => testkit::Expect::Version(version),
    }
}

pub(crate) const PREFIX: &[u8] = b"k/";
/// Tags that transactions take together; one above is one of them again.
pub(crate) const TAGS: u32 = 3;
