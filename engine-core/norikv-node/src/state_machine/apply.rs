//! Executes the entries of one group in order.

use core::ops::Range;

use alloc::vec::Vec;

use bytes::Bytes;
use nori_raft::{Entry, Payload};
use norikv_placement::shard_of;
use norikv_types::{GroupId, Mutant, ShardId, breaks};

use crate::{Command, Decided, Outcome, PortError, WatchEvent};

use super::changes::Changes;
use super::records::{GroupRecord, encode_configuration, encode_group};
use super::sessions::Sessions;
use super::view::StateView;
use super::{KEY_BYTES_MAX, NAME_BYTES_MAX, VALUE_BYTES_MAX, keys};

/// Decides what entries do to a group, over a view that stands still meanwhile.
///
/// **Invariant: `changes` holds all that the executed entries change**; written in one batch with
/// the group's record that [`finish`](Self::finish) adds, they leave the store as if each entry had
/// been executed alone.
#[derive(Debug)]
pub(crate) struct StateMachine<'a, V> {
    pub(super) view: &'a V,
    pub(super) group: GroupId,
    shards: Range<ShardId>,
    /// The applied (term, index), and the replicated time: the highest stamp of any command so
    /// far. It alone says what has ended.
    pub(super) record: GroupRecord,
    /// The names that the group remembers; read from the view when first needed.
    pub(super) sessions: &'a mut Sessions,
    pub(super) changes: Changes,
    pub(super) events: Vec<WatchEvent>,
}

/// What executed entries come to.
#[derive(Debug)]
pub(crate) struct Executed {
    /// To be written in one batch.
    pub(crate) changes: Changes,
    /// Where the group stands then.
    pub(crate) record: GroupRecord,
    /// What a watcher sees of it, in order.
    pub(crate) events: Vec<WatchEvent>,
}

impl<'a, V: StateView> StateMachine<'a, V> {
    /// A machine for `group`, which serves `shards` and stands at `record`.
    pub(crate) fn new(
        view: &'a V,
        group: GroupId,
        shards: Range<ShardId>,
        record: GroupRecord,
        sessions: &'a mut Sessions,
    ) -> Self {
        Self {
            view,
            group,
            shards,
            record,
            sessions,
            changes: Changes::default(),
            events: Vec::new(),
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
        let applied = &mut self.record.applied;
        if breaks(Mutant::RestartAppliesLastAgain) && version == *applied {
            applied.index = version.index.prev();
        }
        if version.index <= applied.index {
            return Ok(Decided {
                version,
                outcome: Outcome::Skipped,
            });
        }
        assert_eq!(
            version.index,
            applied.index.next(),
            "entries of {} are applied without gaps",
            self.group
        );
        assert!(
            version.term >= applied.term,
            "terms in the log of {} never go back",
            self.group
        );
        *applied = version;
        let outcome = match &entry.payload {
            Payload::Noop | Payload::Elided => Outcome::Noop,
            Payload::Command(bytes) => match Command::decode(bytes) {
                Ok(command) if self.fits(&command) => self.command(command, bytes)?,
                Ok(_) | Err(_) => Outcome::Malformed,
            },
            Payload::Configuration(configuration) => {
                let key = keys::configuration_key(self.group);
                self.changes.put(key, encode_configuration(configuration));
                Outcome::Noop
            }
        };
        Ok(Decided { version, outcome })
    }

    /// Where the group stands after the entries executed so far.
    pub(crate) const fn record(&self) -> GroupRecord {
        self.record
    }

    /// Bytes of what has changed so far.
    pub(crate) const fn bytes(&self) -> u64 {
        self.changes.bytes()
    }

    /// Everything that changed, the group's record included.
    pub(crate) fn finish(mut self) -> Executed {
        self.changes
            .put(keys::group_key(self.group), encode_group(self.record));
        Executed {
            changes: self.changes,
            record: self.record,
            events: self.events,
        }
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
        let within = |len: usize, max: u32| len as u64 <= u64::from(max);
        let name = command.idempotency.as_ref();
        within(
            command.operation.bytes(),
            VALUE_BYTES_MAX.saturating_add(KEY_BYTES_MAX),
        ) && name.is_none_or(|name| within(name.len(), NAME_BYTES_MAX))
            && command
                .operation
                .keys()
                .all(|key| within(key.len(), KEY_BYTES_MAX) && self.shards.contains(&shard_of(key)))
    }

    fn command(&mut self, command: Command, encoded: &Bytes) -> Result<Outcome, PortError> {
        self.record.stamp = match breaks(Mutant::StampGoesBack) {
            true => command.stamp,
            false => self.record.stamp.max(command.stamp),
        };
        let Some(name) = command.idempotency else {
            return self.operate(command.operation);
        };
        let name = Sessions::name(&name);
        let fingerprint = Command::fingerprint(encoded);
        if let Some(session) = self.session(name)?
            && !breaks(Mutant::SessionsIgnored)
        {
            if breaks(Mutant::RepeatAnsweredAnew) {
                let version = self.record.applied;
                return Ok(Outcome::Written { version });
            }
            let same = session.fingerprint == fingerprint || breaks(Mutant::NameBoundToNoRequest);
            return Ok(if same {
                session.outcome
            } else {
                Outcome::IdempotencyMismatch
            });
        }
        let outcome = self.operate(command.operation)?;
        self.remember(name, fingerprint, &outcome);
        Ok(outcome)
    }
}
