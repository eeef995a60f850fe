//! What an operation does.
//!
//! **Invariant: a value that has ended by the replicated time is absent to everything here**,
//! whether or not a compaction has taken it away already.

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;
use norikv_placement::shard_of;
use norikv_types::{Mutant, WallMs, breaks};

use crate::{
    Change, Check, Compare, Expect, Operation, Outcome, PortError, Step, StepAnswer, Transaction,
    WatchEvent,
};

use super::ANSWER_BYTES_MAX;
use super::apply::StateMachine;
use super::keys;
use super::records::{StoredValue, decode_value, encode_value};
use super::view::StateView;

impl<V: StateView> StateMachine<'_, V> {
    /// Carries out an operation as the entry that is being executed.
    pub(super) fn operate(&mut self, operation: Operation) -> Result<Outcome, PortError> {
        let version = self.record.applied;
        match operation {
            Operation::Put {
                key,
                value,
                expect,
                ttl_ms,
            } => {
                if let Some(refused) = self.unmet(&key, expect)? {
                    return Ok(refused);
                }
                self.put(key, value, self.ends(ttl_ms));
                Ok(Outcome::Written { version })
            }
            Operation::Delete { key, expect } => {
                if let Some(refused) = self.unmet(&key, expect)? {
                    return Ok(refused);
                }
                self.delete(key);
                Ok(Outcome::Written { version })
            }
            Operation::Increment { key, by } => self.increment(key, by),
            Operation::Transaction(transaction) => self.transact(transaction),
            Operation::Tick => Ok(Outcome::Written { version }),
        }
    }

    /// What is stored under a client's key and has not ended.
    fn value(&self, key: &[u8]) -> Result<Option<StoredValue>, PortError> {
        let key = keys::data_key(shard_of(key), key);
        let Some(stored) = self.lookup(&key)? else {
            return Ok(None);
        };
        let value = decode_value(&key, &stored)?;
        Ok(Some(value).filter(|value| !value.has_ended(self.record.stamp)))
    }

    /// What a step reads: what the steps before it left.
    fn read(&self, key: &[u8]) -> Result<Option<StoredValue>, PortError> {
        if breaks(Mutant::StepsMissEachOther) {
            let key = keys::data_key(shard_of(key), key);
            let stored = self.view.get(&key)?;
            return stored.map(|stored| decode_value(&key, &stored)).transpose();
        }
        self.value(key)
    }

    /// The refusal, where what is expected does not hold.
    fn unmet(&self, key: &[u8], expect: Expect) -> Result<Option<Outcome>, PortError> {
        if expect == Expect::Any || breaks(Mutant::CasNotDecidedAtApply) {
            return Ok(None);
        }
        let actual = self.value(key)?.map(|value| value.version);
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => actual.is_none(),
            Expect::Version(expected) => actual == Some(expected),
        };
        Ok((!holds).then_some(Outcome::PreconditionFailed { actual }))
    }

    /// When a value that is stored now ends.
    fn ends(&self, ttl_ms: Option<u64>) -> Option<WallMs> {
        ttl_ms.map(|ttl| WallMs(self.record.stamp.0.saturating_add(ttl)))
    }

    fn put(&mut self, key: Bytes, value: Bytes, expires_at: Option<WallMs>) {
        let stored = encode_value(self.record.applied, expires_at, &value);
        self.changes
            .put(keys::data_key(shard_of(&key), &key), stored);
        self.tell(key, Change::Put { value, expires_at });
    }

    fn delete(&mut self, key: Bytes) {
        self.changes.delete(keys::data_key(shard_of(&key), &key));
        self.tell(key, Change::Delete);
    }

    /// Adds an event; of several of one key in one entry the last counts.
    fn tell(&mut self, key: Bytes, change: Change) {
        let version = self.record.applied;
        let own = self
            .events
            .iter()
            .rposition(|event| event.version != version);
        let own = own.map_or(0, |before| before + 1);
        if let Some(at) = self.events[own..].iter().position(|event| event.key == key) {
            self.events.remove(own + at);
        }
        self.events.push(WatchEvent {
            group: self.group,
            key,
            version,
            change,
        });
    }

    fn increment(&mut self, key: Bytes, by: i64) -> Result<Outcome, PortError> {
        let version = self.record.applied;
        let before = self.value(&key)?;
        let number = match &before {
            None => 0,
            Some(stored) => match decimal(&stored.value) {
                Some(number) => number,
                None => {
                    let actual = stored.version;
                    return Ok(Outcome::NotANumber { actual });
                }
            },
        };
        let Some(value) = number.checked_add(by) else {
            let actual = before.map_or(version, |stored| stored.version);
            return Ok(Outcome::Overflow { actual });
        };
        let expires_at = before.and_then(|stored| stored.expires_at);
        self.put(key, value.to_string().into(), expires_at);
        Ok(Outcome::Counted { version, value })
    }

    fn transact(&mut self, transaction: Transaction) -> Result<Outcome, PortError> {
        let version = self.record.applied;
        let mut succeeded = true;
        for compare in &transaction.compares {
            succeeded = succeeded && self.holds(compare)?;
        }
        let steps = match succeeded {
            true => transaction.then,
            false => transaction.otherwise,
        };
        // What is read is looked up first: a refusal changes nothing.
        let bytes = self.read_bytes(&steps)?;
        if bytes > u64::from(ANSWER_BYTES_MAX) {
            return Ok(Outcome::AnswerTooLarge { bytes });
        }
        let mut answers = Vec::with_capacity(steps.len());
        for step in steps {
            answers.push(match step {
                Step::Put { key, value, ttl_ms } => {
                    self.put(key, value, self.ends(ttl_ms));
                    StepAnswer::Done
                }
                Step::Delete { key } => {
                    self.delete(key);
                    StepAnswer::Done
                }
                Step::Get { key } => match self.read(&key)? {
                    Some(stored) => StepAnswer::Value {
                        value: stored.value,
                        version: stored.version,
                        expires_at: stored.expires_at,
                    },
                    None => StepAnswer::Absent,
                },
            });
        }
        Ok(Outcome::Transacted {
            version,
            succeeded,
            answers,
        })
    }

    fn holds(&self, compare: &Compare) -> Result<bool, PortError> {
        let stored = self.value(&compare.key)?;
        Ok(match (&compare.check, stored) {
            (Check::Exists, stored) => stored.is_some(),
            (Check::Absent, stored) => stored.is_none(),
            (Check::Version(_) | Check::Value(_), None) => false,
            (Check::Version(version), Some(stored)) => stored.version == *version,
            (Check::Value(value), Some(stored)) => stored.value == *value,
        })
    }

    /// Bytes of the values that the steps read, as far as they are known before: what the steps
    /// themselves store is bounded with the command.
    fn read_bytes(&self, steps: &[Step]) -> Result<u64, PortError> {
        let mut bytes = 0;
        for (nth, step) in steps.iter().enumerate() {
            let Step::Get { key } = step else { continue };
            let own = steps[..nth]
                .iter()
                .rev()
                .find(|before| !matches!(before, Step::Get { .. }) && before.key() == key);
            bytes += match own {
                Some(own) => own.value().map_or(0, |value| value.len() as u64),
                None => self
                    .value(key)?
                    .map_or(0, |stored| stored.value.len() as u64),
            };
        }
        Ok(bytes)
    }
}

/// The number that a value is: as [`i64`] is written, without a plus sign or leading zeros.
fn decimal(value: &[u8]) -> Option<i64> {
    let text = core::str::from_utf8(value).ok()?;
    let number: i64 = text.parse().ok()?;
    (number.to_string() == text).then_some(number)
}
