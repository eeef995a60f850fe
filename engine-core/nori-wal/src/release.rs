//! Letting go of the oldest segments.
//!
//! **Invariant: segments go from the oldest on, each durably before the next**, so that what is left
//! has no gap; and the active one stands on its own before the one that names it goes.

use alloc::sync::Arc;

use nori_env::{BlockObject, BlockStore, IoError, IoErrorKind, ObjectId};
use norikv_types::{Mutant, breaks};

use crate::event::Event;
use crate::prepare::Spare;
use crate::segment::Segment;
use crate::{Error, LogId, Lsn, Wal};

impl Wal {
    /// Frees the segments that lie wholly below `lsn`, oldest first: they are set aside for reuse
    /// or deleted. The active one stays. Durable when this returns.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); those freed before the failure stay freed.
    pub fn release_before(&self, lsn: Lsn) -> Result<(), Error> {
        self.release(|oldest| oldest.end() <= lsn.0)
    }

    /// `log` needs none of its records below `lsn` any more. Frees the oldest segments as long as
    /// every log that has records in them has said so; those that have none are not asked. This is
    /// not remembered over an opening: each log says it again.
    ///
    /// # Errors
    /// As [`release_before`](Self::release_before).
    pub fn release_log(&self, log: LogId, lsn: Lsn) -> Result<(), Error> {
        let released = {
            let mut released = self.released.lock();
            let known = released.entry(log).or_default();
            *known = lsn.0.max(*known);
            released.clone()
        };
        self.release(|oldest| {
            let done = |log, end| released.get(&log).is_some_and(|below| end <= *below);
            let tenants = oldest.tenants();
            (tenants.into_iter()).all(|(log, end)| end == 0 || done(log, end))
        })
    }

    /// Frees segments that nobody needs, oldest first.
    fn release(&self, is_free: impl Fn(&Segment) -> bool) -> Result<(), Error> {
        let _one = self.releasing.lock();
        loop {
            let mut state = self.state.lock();
            state.check()?;
            let oldest = match state.segments.front() {
                Some(oldest) if state.segments.len() > 1 && is_free(oldest) => Arc::clone(oldest),
                _ => return Ok(()),
            };
            if !state.rooted {
                // The active segment must stand on its own when the one that names it is gone.
                drop(state);
                self.prove()?;
                continue;
            }
            // Where nobody waits for syncs a spare saves nothing, and is shorter than it would have
            // to be: the rotation that found that out would delete it in front of a writer.
            let keep = self.store.geometry().recycle
                && self.options.sync.is_durable()
                && oldest.capacity >= self.options.segment_bytes
                && state.spares.len() < self.options.spares_max as usize;
            let spare = keep.then(|| state.allot());
            drop(state);
            let spare = free(self.store.as_ref(), oldest.number, spare)?;
            // Before anything fails: a spare that nobody knows of would stand before what is
            // released later.
            let from = ObjectId::log(oldest.number);
            let mut state = self.state.lock();
            state.events.push(match &spare {
                Some(object) => Event::Recycled {
                    from,
                    to: object.id(),
                },
                None => Event::Deleted(from),
            });
            let stale = true;
            let spare = spare.map(|object| Spare { object, stale });
            state.spares.extend(spare);
            drop(state);
            // Each before the next: a gap in the middle means loss.
            if !breaks(Mutant::ReleaseWithoutBarrier) {
                self.store.barrier()?;
            }
            self.state.lock().segments.pop_front();
        }
    }
}

/// Sets the object aside as `spare`, or deletes it.
pub(crate) fn free(
    store: &dyn BlockStore,
    number: u64,
    spare: Option<u64>,
) -> Result<Option<Arc<dyn BlockObject>>, IoError> {
    let old = ObjectId::log(number);
    if let Some(spare) = spare {
        match store.recycle(old, ObjectId::log(spare)) {
            Ok(object) => return Ok(Some(object)),
            Err(error) if error.kind == IoErrorKind::Unsupported => {}
            Err(error) if error.kind == IoErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        }
    }
    match store.delete(old) {
        Err(error) if error.kind != IoErrorKind::NotFound => Err(error),
        _ => Ok(None),
    }
}
