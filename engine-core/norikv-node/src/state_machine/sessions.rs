//! Writes that bear a client's name happen once.
//!
//! **Invariant: what a group remembers depends on the entries it executed alone.** The n-th named
//! write takes slot n mod the most that are kept, so the oldest one goes without a write of its own.
//! One is forgotten earlier when it is older than [`SESSION_AGE_MS`] by the replicated time, or when
//! what is remembered takes more than [`SESSION_BYTES_MAX`]. Repeating a remembered name changes
//! nothing, so it does not stay longer for it.
//!
//! Which names there are is held in memory, 16 bytes of hash each; what became of them is read from
//! their slot when a name comes back. A name whose hash is another's is refused as another request,
//! since the fingerprint covers the name.

use alloc::collections::{BTreeMap, VecDeque};

use norikv_types::{GroupId, WallMs};
use xxhash_rust::xxh3::xxh3_128;

use crate::{Outcome, PortError};

use super::apply::StateMachine;
use super::keys;
use super::records::{Session, decode_session, encode_session};
use super::view::{Cursor, StateView};

/// How long a group remembers a named write, in milliseconds of its replicated time.
pub(crate) const SESSION_AGE_MS: u64 = 600_000;
/// Bytes of what a group remembers, above which the oldest go.
pub(crate) const SESSION_BYTES_MAX: u64 = 16 << 20;

/// The named writes that a group remembers.
#[derive(Debug)]
pub(crate) struct Sessions {
    count_max: u32,
    /// `None` until the slots were read.
    known: Option<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// Oldest first.
    order: VecDeque<Remembered>,
    /// The number of each name's write.
    numbers: BTreeMap<u128, u64>,
    /// The number of the next named write.
    next: u64,
    /// Of all that is remembered.
    bytes: u64,
}

#[derive(Debug, Clone, Copy)]
struct Remembered {
    name: u128,
    number: u64,
    stamp: WallMs,
    bytes: u64,
}

impl Sessions {
    /// The sessions of a group that remembers at most `count_max` named writes, not read yet.
    pub(crate) const fn new(count_max: u32) -> Self {
        assert!(count_max > 0, "a group remembers something");
        Self {
            count_max,
            known: None,
        }
    }

    /// Has them read anew: what is stored may be another group's content now.
    pub(crate) fn forget(&mut self) {
        self.known = None;
    }

    /// The hash that stands for a name.
    pub(crate) fn name(name: &[u8]) -> u128 {
        xxh3_128(name)
    }

    /// The slot of the `number`-th named write.
    fn slot(&self, number: u64) -> u32 {
        u32::try_from(number % u64::from(self.count_max)).unwrap_or(0)
    }

    fn known<V: StateView>(
        &mut self,
        view: &V,
        group: GroupId,
        now: WallMs,
    ) -> Result<&mut Known, PortError> {
        let known = match self.known.take() {
            Some(known) => known,
            None => Known::read(view, group, now)?,
        };
        Ok(self.known.insert(known))
    }
}

impl Known {
    fn read<V: StateView>(view: &V, group: GroupId, now: WallMs) -> Result<Self, PortError> {
        let range = keys::slots_range(group);
        let mut slots = view.range(range.start, range.end);
        let mut by_number = BTreeMap::new();
        while let Some((key, stored)) = slots.next()? {
            let session = decode_session(&key, &stored)?;
            let remembered = Remembered {
                name: session.name,
                number: session.number,
                stamp: session.stamp,
                bytes: stored.len() as u64,
            };
            by_number.insert(session.number, remembered);
        }
        let mut known = Self {
            next: by_number.last_key_value().map_or(0, |(last, _)| last + 1),
            ..Self::default()
        };
        for remembered in by_number.into_values() {
            if !is_old(remembered.stamp, now) {
                known.push(remembered);
            }
        }
        Ok(known)
    }

    fn push(&mut self, remembered: Remembered) {
        self.bytes += remembered.bytes;
        self.numbers.insert(remembered.name, remembered.number);
        self.order.push_back(remembered);
    }

    fn pop(&mut self) -> Option<Remembered> {
        let oldest = self.order.pop_front()?;
        self.bytes -= oldest.bytes;
        // A name that came back after its time has a later number.
        if self.numbers.get(&oldest.name) == Some(&oldest.number) {
            self.numbers.remove(&oldest.name);
        }
        Some(oldest)
    }
}

impl<V: StateView> StateMachine<'_, V> {
    /// What became of the write of that name, if it is remembered.
    pub(super) fn session(&mut self, name: u128) -> Result<Option<Session>, PortError> {
        let (group, now) = (self.group, self.record.stamp);
        let known = self.sessions.known(self.view, group, now)?;
        while known
            .order
            .front()
            .is_some_and(|oldest| is_old(oldest.stamp, now))
        {
            known.pop();
        }
        let Some(&number) = known.numbers.get(&name) else {
            return Ok(None);
        };
        let key = keys::slot_key(group, self.sessions.slot(number));
        match self.lookup(&key)? {
            Some(stored) => Ok(Some(decode_session(&key, &stored)?)),
            None => Err(super::records::corrupt(&key, &[])),
        }
    }

    /// Remembers the write of that name, which [`session`](Self::session) has just not found.
    pub(super) fn remember(&mut self, name: u128, fingerprint: u64, outcome: &Outcome) {
        let stamp = self.record.stamp;
        let count_max = self.sessions.count_max as usize;
        let Some(known) = &mut self.sessions.known else {
            unreachable!("the sessions were just looked at");
        };
        let number = known.next;
        known.next += 1;
        let stored = encode_session(&Session {
            number,
            name,
            fingerprint,
            stamp,
            outcome: outcome.clone(),
        });
        if known.order.len() >= count_max {
            // Its slot is the one that is written now.
            known.pop();
        }
        let bytes = stored.len() as u64;
        known.push(Remembered {
            name,
            number,
            stamp,
            bytes,
        });
        while self.sessions.known.as_ref().is_some_and(Known::is_heavy)
            && let Some(oldest) = self.sessions.known.as_mut().and_then(Known::pop)
        {
            let key = keys::slot_key(self.group, self.sessions.slot(oldest.number));
            self.changes.delete(key);
        }
        let key = keys::slot_key(self.group, self.sessions.slot(number));
        self.changes.put(key, stored);
    }
}

impl Known {
    /// Whether it takes too much, and more than its newest write alone.
    fn is_heavy(&self) -> bool {
        self.bytes > SESSION_BYTES_MAX && self.order.len() > 1
    }
}

/// Whether a named write of `stamp` is forgotten at `now`.
fn is_old(stamp: WallMs, now: WallMs) -> bool {
    stamp.0.saturating_add(SESSION_AGE_MS) <= now.0
}
