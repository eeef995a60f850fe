//! Executes the entries of one group in order.

use core::ops::Range;

use bytes::Bytes;
use nori_raft::{Entry, Payload};
use norikv_placement::shard_of;
use norikv_types::{GroupId, Mutant, ShardId, Version, breaks};

use crate::{Command, Decided, Expect, Operation, Outcome, PortError};

use super::changes::Changes;
use super::records::{Kept, decode_value, encode_applied, encode_configuration, encode_value};
use super::view::StateView;
use super::{KEY_BYTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX, keys};

/// Decides what entries do to a group, over a view that stands still meanwhile.
///
/// **Invariant: `changes` holds all that the executed entries change**; written in one batch with
/// the applied (term, index) that [`finish`](Self::finish) adds, they leave the store as if each
/// entry had been executed alone.
#[derive(Debug)]
pub(crate) struct StateMachine<'a, V> {
    view: &'a V,
    pub(super) group: GroupId,
    shards: Range<ShardId>,
    applied: Version,
    pub(super) changes: Changes,
}

impl<'a, V: StateView> StateMachine<'a, V> {
    /// A machine for `group`, which serves `shards` and has applied everything up to `applied`.
    pub(crate) fn new(
        view: &'a V,
        group: GroupId,
        shards: Range<ShardId>,
        applied: Version,
    ) -> Self {
        Self {
            view,
            group,
            shards,
            applied,
            changes: Changes::default(),
        }
    }

    /// Executes `entry`, or skips it when it was executed before.
    ///
    /// # Errors
    /// What the view reports: the machine is of no use any more, and nothing was written.
    ///
    /// # Panics
    /// When `entry` leaves a gap, or its term goes back.
    pub(crate) fn execute(&mut self, entry: &Entry) -> Result<Decided, PortError> {
        let version = entry.version();
        if breaks(Mutant::RestartAppliesLastAgain) && version == self.applied {
            self.applied.index = version.index.prev();
        }
        if version.index <= self.applied.index {
            return Ok(Decided {
                version,
                outcome: Outcome::Skipped,
            });
        }
        assert_eq!(
            version.index,
            self.applied.index.next(),
            "entries of {} are applied without gaps",
            self.group
        );
        assert!(
            version.term >= self.applied.term,
            "terms in the log of {} never go back",
            self.group
        );
        let outcome = match &entry.payload {
            Payload::Noop => Outcome::Noop,
            Payload::Command(bytes) => match Command::decode(bytes) {
                Ok(command) if self.fits(&command) => self.command(&command, version)?,
                Ok(_) | Err(_) => Outcome::Malformed,
            },
            Payload::Configuration(configuration) => {
                let key = keys::configuration_key(self.group);
                self.changes.put(key, encode_configuration(configuration));
                Outcome::Noop
            }
        };
        self.applied = version;
        Ok(Decided { version, outcome })
    }

    /// The (term, index) of the last executed entry.
    pub(crate) const fn applied(&self) -> Version {
        self.applied
    }

    /// Bytes of what has changed so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.changes.bytes()
    }

    /// Everything that changed, the applied (term, index) included.
    pub(crate) fn finish(mut self) -> Changes {
        self.changes
            .put(keys::applied_key(self.group), encode_applied(self.applied));
        self.changes
    }

    /// What is stored under `key` after the entries executed so far.
    pub(super) fn lookup(&self, key: &[u8]) -> Result<Option<Bytes>, PortError> {
        match self.changes.of(key) {
            Some(changed) => Ok(changed.cloned()),
            None => self.view.get(key),
        }
    }

    /// Whether the command is one that this group can hold. The bounds are the same everywhere.
    fn fits(&self, command: &Command) -> bool {
        let within = |bytes: &[u8], max: u32| bytes.len() as u64 <= u64::from(max);
        let value_fits = match &command.operation {
            Operation::Put(value) => within(value, VALUE_BYTES_MAX),
            Operation::Delete => true,
        };
        value_fits
            && within(&command.key, KEY_BYTES_MAX)
            && command
                .idempotency
                .as_ref()
                .is_none_or(|idempotency| within(&idempotency.key, NAME_BYTES_MAX))
            && self.shards.contains(&shard_of(&command.key))
    }

    fn command(&mut self, command: &Command, version: Version) -> Result<Outcome, PortError> {
        let Some(idempotency) = &command.idempotency else {
            return Ok(self.write(command, version)?.into());
        };
        if let Some(session) = self.session(&idempotency.key)?
            && !breaks(Mutant::SessionsIgnored)
        {
            if breaks(Mutant::RepeatAnsweredAnew) {
                return Ok(Outcome::Written { version });
            }
            return Ok(if session.fingerprint == idempotency.fingerprint {
                session.kept.into()
            } else {
                Outcome::IdempotencyMismatch
            });
        }
        let kept = self.write(command, version)?;
        self.remember(&idempotency.key, idempotency.fingerprint, kept)?;
        Ok(kept.into())
    }

    /// The compare-and-set itself.
    fn write(&mut self, command: &Command, version: Version) -> Result<Kept, PortError> {
        let key = keys::data_key(shard_of(&command.key), &command.key);
        if command.expect != Expect::Any && !breaks(Mutant::CasNotDecidedAtApply) {
            let actual = match self.lookup(&key)? {
                Some(stored) => Some(decode_value(&key, &stored)?.0),
                None => None,
            };
            let holds = match command.expect {
                Expect::Any => true,
                Expect::Absent => actual.is_none(),
                Expect::Version(expected) => actual == Some(expected),
            };
            if !holds {
                return Ok(Kept::PreconditionFailed(actual));
            }
        }
        match &command.operation {
            Operation::Put(value) => self.changes.put(key, encode_value(version, value)),
            Operation::Delete => self.changes.delete(key),
        }
        Ok(Kept::Written(version))
    }
}
