//! The segment after the next one, ready before it is needed.
//!
//! **Invariant: what is set aside here holds nothing, and nothing names it**: a crash may keep it or
//! not.

use alloc::sync::Arc;

use nori_env::{BlockObject, BlockStore, ObjectId};

use crate::event::Event;
use crate::format::aligned;
use crate::wal::frame_align;
use crate::{Error, Lsn, Options, Wal};

/// An object that waits to become a segment.
#[derive(Debug)]
pub(crate) struct Spare {
    pub object: Arc<dyn BlockObject>,
    /// It holds bytes of an earlier life.
    pub stale: bool,
}

impl Wal {
    /// From which position on [`wants_segment`](Self::wants_segment) should be asked again; `None`
    /// where segments are not set aside.
    pub fn wants_segment_at(&self) -> Option<Lsn> {
        let state = self.state.lock();
        self.sets_aside().then(|| {
            let active = state.active();
            let half_way = active.base + active.capacity / 2;
            let next_half = active.capacity / 2 + self.options.segment_bytes / 2;
            Lsn(half_way + if state.is_ready() { next_half } else { 0 })
        })
    }

    /// Whether the active segment is half full and no other is ready to follow it:
    /// [`prepare`](Self::prepare) then spares the next rotation the wait for a new one.
    pub fn wants_segment(&self) -> bool {
        let state = self.state.lock();
        let active = state.active();
        let is_half_full = state.written >= active.base + active.capacity / 2;
        self.sets_aside() && is_half_full && !state.is_ready() && state.check().is_ok()
    }

    /// Sets the next segment aside, with zeros written over it, if it is wanted; says whether it did.
    /// Takes long; appends go on meanwhile.
    ///
    /// # Errors
    /// `Io`: the log is as it was, and asks for a segment again after the next rotation.
    pub fn prepare(&self) -> Result<bool, Error> {
        if !self.wants_segment() {
            return Ok(false);
        }
        let number = {
            let mut state = self.state.lock();
            if core::mem::replace(&mut state.preparing, true) {
                return Ok(false);
            }
            // What rotates or is released meanwhile gets a lower number.
            let number = state.next_number + RESERVED;
            state.reserved = state.next_number..number;
            state.next_number = number + 1;
            number
        };
        let bytes = segment_size(self.store.as_ref(), &self.options);
        let created = self.store.create(ObjectId::log(number), Some(bytes));
        let mut state = self.state.lock();
        state.preparing = false;
        state.reserved = 0..0;
        if let Err(error) = &created {
            state.unprepared = true;
            state.events.push(Event::Unprepared(error.clone()));
        }
        let (object, stale) = (created?, false);
        if number < state.active().number {
            // More rotations than there were numbers.
            drop(state);
            self.store.delete(ObjectId::log(number))?;
            self.store.barrier()?;
            return Ok(false);
        }
        state.spares.push_back(Spare { object, stale });
        state.events.push(Event::Prepared(ObjectId::log(number)));
        Ok(true)
    }

    /// Whether what a commit waits for is quicker in a segment that was set aside.
    fn sets_aside(&self) -> bool {
        self.options.sync.is_durable() && self.store.geometry().recycle
    }
}

/// Numbers for what happens while a segment is set aside, which takes less than a rotation.
const RESERVED: u64 = 16;

/// Bytes of a segment with an ordinary table.
fn segment_size(store: &dyn BlockStore, options: &Options) -> u64 {
    aligned(options.segment_bytes, frame_align(store))
}
