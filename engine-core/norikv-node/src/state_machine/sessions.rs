//! Writes that bear a client's name happen once.
//!
//! **Invariant: a group remembers its last 4,096 named writes, no fewer and no more.** The n-th one
//! takes slot n mod 4,096; the name that the slot held before is forgotten in the same batch.
//! Repeating a remembered name changes nothing, so it does not move in the ring either.

use crate::PortError;

use super::apply::StateMachine;
use super::keys;
use super::records::{
    Kept, Session, decode_count, decode_session, decode_slot, encode_count, encode_session,
    encode_slot,
};
use super::view::StateView;

/// Named writes that a group remembers.
pub(crate) const SESSIONS_MAX: u16 = 4_096;

impl<V: StateView> StateMachine<'_, V> {
    /// What became of the write called `name`, if it is remembered.
    pub(super) fn session(&self, name: &[u8]) -> Result<Option<Session>, PortError> {
        let key = keys::session_key(self.group, name);
        match self.lookup(&key)? {
            Some(stored) => Ok(Some(decode_session(&key, &stored)?)),
            None => Ok(None),
        }
    }

    /// Remembers the write called `name`, which is not remembered yet, and forgets the oldest one
    /// where the ring is full.
    pub(super) fn remember(
        &mut self,
        name: &[u8],
        fingerprint: u64,
        kept: Kept,
    ) -> Result<(), PortError> {
        let count_key = keys::named_count_key(self.group);
        let count = match self.lookup(&count_key)? {
            Some(stored) => decode_count(&count_key, &stored)?,
            None => 0,
        };
        let slot = u16::try_from(count % u64::from(SESSIONS_MAX)).unwrap_or(0);
        let slot_key = keys::slot_key(self.group, slot);
        if count >= u64::from(SESSIONS_MAX)
            && let Some(stored) = self.lookup(&slot_key)?
        {
            let oldest = decode_slot(&slot_key, &stored)?;
            self.changes.delete(keys::session_key(self.group, &oldest));
        }
        self.changes.put(slot_key, encode_slot(name));
        self.changes.put(
            keys::session_key(self.group, name),
            encode_session(&Session { fingerprint, kept }),
        );
        self.changes.put(count_key, encode_count(count + 1));
        Ok(())
    }
}
