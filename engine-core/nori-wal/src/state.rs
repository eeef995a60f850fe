//! What changes while a log runs.
//!
//! **Invariant: `durable` ≤ `written` ≤ the position of `open`**, and what lies between the former two
//! stands in the active segment.

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use norikv_types::Mono;

use crate::event::Events;
use crate::format::FrameBuf;
use crate::prepare::Spare;
use crate::segment::Segment;
use crate::{Error, SyncPolicy, Wal};

/// What opening hands to the running log.
#[derive(Debug)]
pub(crate) struct State {
    /// Oldest first; the last one is written to.
    pub segments: VecDeque<Arc<Segment>>,
    /// The group that is being staged.
    pub open: FrameBuf,
    /// A finished frame that found no space; goes before `open`.
    pub refused: Option<FrameBuf>,
    /// The buffer of the last frame, for the next.
    pub idle: Vec<u8>,
    /// Everything below was handed to the store.
    pub written: u64,
    /// Everything below was synced.
    pub durable: u64,
    /// When that was last so because time was up.
    pub synced_at: Mono,
    /// The last frame proves everything before it, or there is nothing to prove.
    pub sealed: bool,
    /// The active segment holds a frame that was written after its predecessor named it.
    pub rooted: bool,
    /// As `rooted`, but that frame may not be synced yet.
    pub grown: bool,
    /// A leader writes.
    pub busy: bool,
    /// Somebody syncs what leaders have written.
    pub syncing: bool,
    /// The active segment is about to change; staging waits.
    pub rolling: bool,
    pub health: Health,
    pub next_number: u64,
    /// Numbers that go first: those below that of the segment which is being set aside.
    pub reserved: Range<u64>,
    pub spares: VecDeque<Spare>,
    /// Somebody sets the next segment aside.
    pub preparing: bool,
    /// That failed since the last rotation.
    pub unprepared: bool,
    pub events: Events,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Health {
    Live,
    Poisoned,
    Closed,
}

impl State {
    /// The segment that is written to.
    pub(crate) fn active(&self) -> &Arc<Segment> {
        self.segments
            .back()
            .expect("there is always an active segment")
    }

    /// A number for an object of the log. Objects that wait have higher ones than all that were ever
    /// part of it: opening takes what is missing behind the lowest for lost.
    pub(crate) fn allot(&mut self) -> u64 {
        self.reserved.next().unwrap_or_else(|| {
            self.next_number += 1;
            self.next_number - 1
        })
    }

    /// Whether nothing can be done for the next rotation.
    pub(crate) fn is_ready(&self) -> bool {
        !self.spares.is_empty() || self.preparing || self.unprepared
    }

    /// Where what was staged ends.
    pub(crate) fn staged_end(&self) -> u64 {
        let room = if self.open.is_empty() {
            0
        } else {
            self.open.len()
        };
        self.open.lsn + room
    }

    pub(crate) fn next_sync(&self, policy: SyncPolicy) -> Option<Mono> {
        let waiting = self.written - self.durable;
        match policy {
            _ if waiting == 0 || self.syncing || self.check_sound().is_err() => None,
            _ if waiting >= Wal::UNSYNCED_BYTES_MAX => Some(Mono::ZERO),
            SyncPolicy::Interval(interval) => Some(self.synced_at + interval),
            SyncPolicy::Always | SyncPolicy::Group | SyncPolicy::Never => None,
        }
    }

    /// Whether no append and no sync has failed.
    pub(crate) const fn check_sound(&self) -> Result<(), Error> {
        match self.health {
            Health::Live | Health::Closed => Ok(()),
            Health::Poisoned => Err(Error::Poisoned),
        }
    }

    /// Whether anything may still be written.
    pub(crate) const fn check(&self) -> Result<(), Error> {
        match self.health {
            Health::Live => Ok(()),
            Health::Poisoned => Err(Error::Poisoned),
            Health::Closed => Err(Error::Closed),
        }
    }
}
