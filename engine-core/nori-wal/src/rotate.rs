//! The next segment, and the end of the oldest.
//!
//! **Invariant: a segment receives records only after its predecessor durably names it.** So a
//! segment that is named and does not verify is corruption, and one that nobody names holds nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::{BlockObject, BlockStore, IoError, IoErrorKind, ObjectId};
use norikv_types::{Mutant, breaks};

use crate::commit::append;
use crate::event::Event;
use crate::format::{FRAME_HEADER_LEN, FrameBuf, HEADER_LEN, Kind, Name, SegmentHeader, aligned};
use crate::prepare::Spare;
use crate::segment::Segment;
use crate::state::{Health, State};
use crate::wal::{LINK_LEN, frame_align, tail_reserve};
use crate::{Error, Lsn, Options, Wal};

/// What stands at the head of a new segment.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Head<'a> {
    pub name: Name,
    pub base: u64,
    pub watermark: u64,
    pub predecessor: Option<Name>,
    pub predecessor_end: u64,
    pub table: &'a [u8],
}

/// An object for a new segment.
#[derive(Debug)]
pub(crate) struct Blank {
    pub object: Arc<dyn BlockObject>,
    pub capacity: u64,
    /// Bytes set aside; 0: the object grows.
    pub reserve: u64,
    pub recycled: bool,
}

impl Wal {
    /// Ends the active segment and begins the next, unless `add` more bytes turn out to fit.
    pub(crate) fn roll(&self, table: &[u8], add: Option<u64>) -> Result<(), Error> {
        let mut state = self.stop_staging()?;
        if add.is_some_and(|add| self.fits(&state, add)) {
            self.reopen_staging(state);
            return Ok(());
        }
        let old = Arc::clone(state.active());
        let link_lsn = state.durable;
        let spare = state.spares.pop_front();
        let ready = spare.is_some();
        // Numbers grow along the log. A spare may have got its own before the active segment did.
        let kept = spare
            .as_ref()
            .map(|spare| spare.object.id().number)
            .filter(|number| *number > old.number);
        let number = kept.unwrap_or_else(|| state.allot());
        let leader = self.lead(&mut state);
        drop(state);

        let name = Name {
            number,
            uid: self.entropy.draw(),
        };
        let next = self.begin_after(&old, link_lsn, name, spare, table);
        let mut state = leader.done();
        let result = match next {
            Ok(next) => {
                old.advance(link_lsn, next.base);
                state.durable = next.end();
                state.written = state.durable;
                state.open.lsn = state.durable;
                state.sealed = table.is_empty();
                state.rooted = false;
                state.grown = false;
                state.unprepared = false;
                state.events.push(Event::Rotated {
                    from: ObjectId::log(old.number),
                    to: ObjectId::log(number),
                    base: Lsn(next.base),
                    ready,
                });
                state.segments.push_back(Arc::new(next));
                Ok(())
            }
            Err(error) => {
                state.events.failed(&error);
                if error.kind != IoErrorKind::NoSpace {
                    state.health = Health::Poisoned;
                }
                Err(error.into())
            }
        };
        self.reopen_staging(state);
        result
    }

    /// Writes the next segment's head, then the link that makes it part of the log.
    fn begin_after(
        &self,
        old: &Segment,
        link_lsn: u64,
        name: Name,
        spare: Option<Spare>,
        table: &[u8],
    ) -> Result<Segment, IoError> {
        let offset = old.offset(link_lsn);
        let mut link = FrameBuf::link(link_lsn, name);
        link.finish(old.uid, offset, link_lsn, self.align);
        let head = Head {
            name,
            base: link_lsn + link.len(),
            watermark: link_lsn,
            predecessor: Some(Name {
                number: old.number,
                uid: old.uid,
            }),
            predecessor_end: link_lsn,
            table,
        };
        let bytes = self.options.segment_bytes;
        let next = begin(self.store.as_ref(), &self.options, bytes, spare, head)?;
        let linked = append(old.object.as_ref(), offset, link.bytes());
        let synced = || match breaks(Mutant::RotationUnsynced) {
            true => Ok(()),
            false => old.object.sync(),
        };
        match linked.and_then(|()| synced()) {
            Ok(()) => Ok(next),
            Err(error) => {
                if error.kind == IoErrorKind::NoSpace {
                    // Nobody names it. If it cannot be deleted, opening will.
                    drop(self.store.delete(ObjectId::log(name.number)));
                }
                Err(error)
            }
        }
    }

    /// Puts a frame behind everything that was committed.
    pub(crate) fn prove(&self) -> Result<(), Error> {
        let state = self.stop_staging()?;
        if state.sealed && state.rooted {
            self.reopen_staging(state);
            return Ok(());
        }
        self.mark_and_reopen(state, Kind::Seal)
    }

    /// Writes a mark while staging is stopped, and lets it go on.
    pub(crate) fn mark_and_reopen(
        &self,
        state: nori_env::sync::MutexGuard<'_, State>,
        kind: Kind,
    ) -> Result<(), Error> {
        if !self.mark_fits(&state) {
            self.reopen_staging(state);
            self.roll(&[], None)?;
            return match kind {
                Kind::Close => self.close(),
                _ => self.prove(),
            };
        }
        match self.mark(state, kind) {
            Ok(mut state) => {
                if kind == Kind::Close {
                    state.health = Health::Closed;
                    state.events.push(Event::Closed);
                }
                self.reopen_staging(state);
                Ok(())
            }
            Err(error) => {
                self.reopen_staging(self.state.lock());
                Err(error)
            }
        }
    }
}

/// An object that can hold a segment of `bytes`, and at least a table and a batch.
pub(crate) fn blank(
    store: &dyn BlockStore,
    options: &Options,
    bytes: u64,
    spare: Option<Spare>,
    number: u64,
    table: &[u8],
) -> Result<Blank, IoError> {
    let align = frame_align(store);
    let frame = |body: u64| aligned(FRAME_HEADER_LEN as u64 + body, align);
    let need = aligned(HEADER_LEN as u64, align)
        + frame(table.len() as u64)
        + frame(u64::from(options.batch_bytes_max))
        + tail_reserve(align);
    let size = aligned(bytes.max(need), align);
    if let Some(Spare { object, stale }) = spare {
        let capacity = object.len()?;
        if capacity >= need {
            let id = ObjectId::log(number);
            let object = if object.id() == id {
                object
            } else {
                store.recycle(object.id(), id)?
            };
            // Its new name first: under the old one a crash would give back a segment of the log
            // whose head is overwritten.
            object.sync()?;
            return Ok(Blank {
                object,
                capacity,
                reserve: capacity,
                recycled: stale,
            });
        }
        // Opened with smaller limits before: of no use now.
        store.delete(object.id())?;
    }
    // Where nobody waits for syncs, writing zeros first would only cost.
    let sets_aside = store.geometry().recycle && options.sync.is_durable();
    let reserve = sets_aside.then_some(size);
    Ok(Blank {
        object: store.create(ObjectId::log(number), reserve)?,
        capacity: size,
        reserve: reserve.unwrap_or(0),
        recycled: false,
    })
}

/// Writes and syncs the head of a new segment.
pub(crate) fn begin(
    store: &dyn BlockStore,
    options: &Options,
    bytes: u64,
    spare: Option<Spare>,
    head: Head<'_>,
) -> Result<Segment, IoError> {
    let Name { number, uid } = head.name;
    let blank = blank(store, options, bytes, spare, number, head.table)?;
    let align = frame_align(store);
    let data_start = data_start(align);
    let header = SegmentHeader {
        bridge: false,
        recycled: blank.recycled,
        uid,
        number,
        base: head.base,
        watermark: head.watermark,
        predecessor: head.predecessor,
        predecessor_end: head.predecessor_end,
        torn_end: head.predecessor_end,
        data_start,
        align,
        reserve: blank.reserve,
    };
    let mut bytes = Vec::from(header.encode());
    bytes.resize(data_start as usize, 0);
    let mut end = head.base;
    if !head.table.is_empty() {
        let mut table = FrameBuf::with_body(Kind::Table, head.base, head.table, 0);
        table.finish(uid, u64::from(data_start), head.watermark, align);
        bytes.extend_from_slice(table.bytes());
        end += table.len();
    }
    let written = append(blank.object.as_ref(), 0, &bytes);
    if let Err(error) = written.and_then(|()| blank.object.sync()) {
        if error.kind == IoErrorKind::NoSpace {
            // Nobody names it. If it cannot be deleted, opening will.
            drop(store.delete(ObjectId::log(number)));
        }
        return Err(error);
    }
    let segment = Segment::new(
        number,
        uid,
        head.base,
        data_start,
        blank.object,
        blank.capacity,
    );
    if end > head.base {
        segment.advance(head.base, end);
    }
    Ok(segment)
}

/// Where the first frame of a segment starts.
pub(crate) fn data_start(align: u32) -> u32 {
    u32::try_from(aligned(HEADER_LEN as u64, align)).expect("a unit is below 4 GiB")
}

const _: () = assert!(LINK_LEN > FRAME_HEADER_LEN as u64);
