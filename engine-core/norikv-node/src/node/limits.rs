//! What is refused before anything is done for it.
//!
//! **Invariant: a call that passes here can be stored**: no command that it becomes is over a bound
//! of the state machine, and all that a transaction names is in one group.

use alloc::collections::BTreeSet;
use alloc::format;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::Write as _;

use bytes::Bytes;
use norikv_types::{ErrorKind, GroupId, LogIndex};

use super::Node;
use crate::{Call, Failure, Step, Transaction};

impl Node {
    pub(super) fn check(&self, call: &Call) -> Result<(), Failure> {
        match call {
            Call::Put {
                key,
                value,
                idempotency,
                ttl_ms,
                ..
            } => {
                self.check_key(key)?;
                self.check_value(value)?;
                check_ttl(*ttl_ms)?;
                self.check_name(idempotency.as_ref())?;
            }
            Call::Delete {
                key, idempotency, ..
            }
            | Call::Increment {
                key, idempotency, ..
            } => {
                self.check_key(key)?;
                self.check_name(idempotency.as_ref())?;
            }
            Call::Transaction {
                transaction,
                idempotency,
            } => {
                self.check_transaction(transaction)?;
                self.check_name(idempotency.as_ref())?;
            }
            Call::Get { key, .. } => self.check_key(key)?,
            Call::Scan { limit: 0, .. } | Call::Watch { limit: 0, .. } => {
                let message = "a page of 0 items was asked for";
                return Err(Failure::refused(ErrorKind::Invalid, message));
            }
            Call::Admin(_) => {}
            Call::Scan { cursor, .. } => {
                self.check_cursor(cursor)?;
                let groups = self.router.groups();
                let named: BTreeSet<GroupId> = cursor.iter().map(|(group, _)| *group).collect();
                if !named.is_empty() && named.len() as u64 != u64::from(groups) {
                    let named = named.len();
                    let message =
                        format!("the cursor of the page before names {named} of {groups} groups");
                    return Err(Failure::refused(ErrorKind::Invalid, message));
                }
            }
            Call::Watch { cursor, .. } => self.check_cursor(cursor)?,
        }
        self.check_load()
    }

    fn check_cursor(&self, cursor: &[(GroupId, LogIndex)]) -> Result<(), Failure> {
        let groups = self.router.groups();
        if let Some((group, _)) = cursor.iter().find(|(group, _)| group.0 >= groups) {
            let message = format!("the cursor names {group}, there are {groups} groups");
            return Err(Failure::refused(ErrorKind::Invalid, message));
        }
        Ok(())
    }

    pub(super) fn check_load(&self) -> Result<(), Failure> {
        let calls = (self.errands.len() + self.watches.len()) as u64;
        if calls >= u64::from(self.config.limits.calls_max) {
            let message = format!("{calls} calls are under way here, which is the limit");
            return Err(Failure::refused(ErrorKind::Overloaded, message));
        }
        Ok(())
    }

    fn check_key(&self, key: &Bytes) -> Result<(), Failure> {
        if key.is_empty() {
            return Err(Failure::refused(ErrorKind::Invalid, "the key is empty"));
        }
        within("a key", key.len(), self.config.limits.key_bytes_max)
    }

    fn check_value(&self, value: &Bytes) -> Result<(), Failure> {
        within("a value", value.len(), self.config.limits.value_bytes_max)
    }

    fn check_name(&self, name: Option<&Bytes>) -> Result<(), Failure> {
        let Some(name) = name else { return Ok(()) };
        if name.is_empty() {
            let message = "the idempotency key is empty";
            return Err(Failure::refused(ErrorKind::Invalid, message));
        }
        let max = self.config.limits.idempotency_bytes_max;
        within("an idempotency key", name.len(), max)
    }

    fn check_transaction(&self, transaction: &Transaction) -> Result<(), Failure> {
        if transaction.is_empty() {
            let message = "the transaction has neither comparisons nor steps";
            return Err(Failure::refused(ErrorKind::Invalid, message));
        }
        let parts = transaction.len() as u64;
        if parts > PARTS_MAX {
            let message =
                format!("a transaction of {parts} parts is over the limit of {PARTS_MAX}");
            return Err(Failure::refused(ErrorKind::TooLarge, message));
        }
        for key in transaction.keys() {
            self.check_key(key)?;
        }
        for step in transaction.steps() {
            if let Step::Put { value, ttl_ms, .. } = step {
                self.check_value(value)?;
                check_ttl(*ttl_ms)?;
            }
        }
        within("a transaction", transaction.bytes(), TRANSACTION_BYTES_MAX)?;
        self.check_together(transaction)
    }

    /// Whether one group has all the keys.
    fn check_together(&self, transaction: &Transaction) -> Result<(), Failure> {
        let mut keys = transaction.keys();
        let first = keys.next().map(|key| self.group_of(key));
        if keys.all(|key| Some(self.group_of(key)) == first) {
            return Ok(());
        }
        let mut shards: Vec<_> = (transaction.keys())
            .map(|key| self.router.shard_of(key))
            .collect();
        shards.sort_unstable();
        shards.dedup();
        let mut message = String::from("the keys are in several groups:");
        for shard in shards {
            let group = self.router.group_of(shard);
            // Writing to a string never fails.
            let _ = write!(message, " {shard} in {group},");
        }
        message.push_str(" keys that share a tag in braces, like {user7}.name, are together");
        Err(Failure::refused(ErrorKind::SeveralGroups, message))
    }
}

fn within(what: &str, len: usize, max: u32) -> Result<(), Failure> {
    if len as u64 <= u64::from(max) {
        return Ok(());
    }
    let message = format!("{what} of {len} bytes is over the limit of {max} bytes");
    Err(Failure::refused(ErrorKind::TooLarge, message))
}

fn check_ttl(ttl_ms: Option<u64>) -> Result<(), Failure> {
    if ttl_ms == Some(0) {
        let message = "a time to live of 0 ms was asked for";
        return Err(Failure::refused(ErrorKind::Invalid, message));
    }
    Ok(())
}

/// Most comparisons and steps of a transaction.
const PARTS_MAX: u64 = 128;
/// Longest keys and values of a transaction, together.
const TRANSACTION_BYTES_MAX: u32 = 2 << 20;

const _: () = assert!(TRANSACTION_BYTES_MAX <= crate::state_machine::VALUE_BYTES_MAX);
