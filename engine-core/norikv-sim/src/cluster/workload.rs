//! What clients ask, and what they were told, in the words of the checker.

use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;

use bytes::Bytes;
use norikv_node::{Answer, Call, Consistency, Expect, Failure, Page};
use norikv_testkit as testkit;
use norikv_testkit::{History, Model, OperationId, Outcome, ValueId, VersionedKey, Violation};
use norikv_types::{ErrorKind, Mono, Version};

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
}

/// Of what an operation sees the last version.
pub(crate) enum Sees {
    Key(u32),
    Everything,
    /// What it sees may be older.
    MaybeOld,
}

pub(crate) type Input = testkit::VersionedInput<ValueId, Version>;
pub(crate) type Output = testkit::VersionedOutput<ValueId, Version>;
pub(crate) type KeyModel = VersionedKey<ValueId, Version>;
pub(crate) type OpHistory = History<u32, Input, Output>;

/// A value that was read but that nobody wrote there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Unknown {
    pub(crate) key: u32,
}

impl Op {
    pub(crate) fn call(&self, name: Bytes, value_bytes_max: u32) -> Call {
        match *self {
            Self::Put {
                key,
                value,
                expect,
                once,
            } => Call::Put {
                key: key_bytes(key),
                value: value.bytes(value_bytes_max),
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
            },
        }
    }

    pub(crate) const fn is_write(&self) -> bool {
        matches!(self, Self::Put { .. } | Self::Delete { .. })
    }

    /// Whether asking twice could take effect twice.
    pub(crate) const fn is_once(&self) -> bool {
        matches!(self, Self::Put { once: true, .. })
    }

    /// What it sees the last version of.
    pub(crate) const fn sees(&self) -> Sees {
        match *self {
            Self::Get {
                consistency: Consistency::StaleOk,
                ..
            }
            | Self::Scan {
                consistency: Consistency::StaleOk,
            } => Sees::MaybeOld,
            Self::Put { key, .. } | Self::Delete { key, .. } | Self::Get { key, .. } => {
                Sees::Key(key)
            }
            Self::Scan { .. } => Sees::Everything,
        }
    }

    /// Whether the history judges it: reads that may be stale are not.
    const fn is_judged(&self) -> bool {
        !matches!(self.sees(), Sees::MaybeOld)
    }

    /// Writes its beginning into the history: one operation, or one for each key of a scan.
    pub(crate) fn invoke(
        &self,
        history: &mut OpHistory,
        client: u64,
        keys: u32,
        at: Mono,
    ) -> Vec<OperationId> {
        if !self.is_judged() {
            return Vec::new();
        }
        let mut begin = |key, input| history.invoke(client, key, input, at);
        match *self {
            Self::Put {
                key, value, expect, ..
            } => alloc::vec![begin(
                key,
                Input::Put {
                    value,
                    expect: model_expect(expect),
                }
            )],
            Self::Delete { key, expect } => alloc::vec![begin(
                key,
                Input::Delete {
                    expect: model_expect(expect),
                }
            )],
            Self::Get { key, .. } => alloc::vec![begin(key, Input::Get)],
            Self::Scan { .. } => (0..keys).map(|key| begin(key, Input::Get)).collect(),
        }
    }

    /// Writes its answer into the history.
    pub(crate) fn answered(
        &self,
        history: &mut OpHistory,
        operations: &[OperationId],
        answer: &Answer,
        value_bytes_max: u32,
        at: Mono,
    ) -> Result<(), Unknown> {
        let parse =
            |key: u32, value: &Bytes| ValueId::parse(value, value_bytes_max).ok_or(Unknown { key });
        match (self, answer) {
            (Self::Scan { .. }, Answer::Page(page)) => {
                let items = page
                    .items
                    .iter()
                    .filter_map(|item| Some((key_number(&item.key)?, item)));
                let mut seen = Vec::new();
                for (key, item) in items {
                    seen.push((key, parse(key, &item.value)?, item.version));
                }
                for (key, id) in (0..).zip(operations) {
                    match seen.iter().find(|(own, ..)| *own == key) {
                        Some((_, value, version)) => {
                            history.returned(*id, Output::Value(*value, *version), at);
                        }
                        None if covers(page, key) => history.returned(*id, Output::Absent, at),
                        None => history.refused(*id),
                    }
                }
            }
            (Self::Get { key, .. }, Answer::Value { value, version, .. }) => {
                let value = parse(*key, value)?;
                for id in operations {
                    history.returned(*id, Output::Value(value, *version), at);
                }
            }
            (_, Answer::Absent) => {
                for id in operations {
                    history.returned(*id, Output::Absent, at);
                }
            }
            (_, Answer::Written { version }) => {
                for id in operations {
                    history.returned(*id, Output::Written(*version), at);
                }
            }
            // An answer to another question: judged as the impossible answer that it is.
            (
                _,
                Answer::Value { .. }
                | Answer::Page(_)
                | Answer::Counted { .. }
                | Answer::Transacted { .. }
                | Answer::Watched(_)
                | Answer::Compacted { .. },
            ) => {
                for id in operations {
                    history.returned(*id, Output::Absent, at);
                }
            }
        }
        Ok(())
    }

    /// Writes into the history that a condition did not hold.
    pub(crate) fn conflicted(
        history: &mut OpHistory,
        operations: &[OperationId],
        failure: &Failure,
        at: Mono,
    ) {
        debug_assert_eq!(failure.kind, ErrorKind::PreconditionFailed);
        for id in operations {
            history.returned(*id, Output::Conflict(failure.actual), at);
        }
    }
}

/// What a violation says, for people: one operation a line.
pub(crate) fn describe(
    history: &OpHistory,
    violation: &Violation<u32, <KeyModel as Model>::State>,
) -> String {
    let mut text = format!("key {}", violation.key);
    if !violation.states.is_empty() {
        text.push_str("\n  possible before:");
        for state in &violation.states {
            let version = state.version.unwrap_or_default();
            let relation = if state.exact { "at" } else { "above" };
            text.push_str(&format!("\n    {:?} {relation} {version}", state.value));
        }
    }
    for id in &violation.window {
        let operation = history.operation(*id);
        let mark = if *id == violation.unexplained {
            "=>"
        } else {
            "  "
        };
        let (end, output) = match &operation.outcome {
            Outcome::Returned { output, at } => (format!("{}", at.at), format!("{output:?}")),
            Outcome::Unknown => (String::from("…"), String::from("unknown")),
            Outcome::Refused => (String::from("-"), String::from("refused")),
        };
        text.push_str(&format!(
            "\n{mark} client {} [{}, {end}] {:?} -> {output}",
            operation.process, operation.invoked.at, operation.input
        ));
    }
    text
}

pub(crate) fn key_bytes(key: u32) -> Bytes {
    Bytes::from(format!("k/{key:05}"))
}

pub(crate) fn key_number(bytes: &[u8]) -> Option<u32> {
    let digits = bytes.strip_prefix(PREFIX)?;
    core::str::from_utf8(digits).ok()?.parse().ok()
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

const PREFIX: &[u8] = b"k/";
