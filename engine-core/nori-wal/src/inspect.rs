//! Looking into segments without opening the log, damaged ones too.
//!
//! **Invariant: nothing is written, no lock is taken, and no byte is trusted that does not verify**:
//! what a damaged segment holds is told frame by frame, with the ranges between them that are bad.

use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use nori_env::{BlockObject, BlockStore, IoErrorKind, ObjectId};

use crate::format::{HEADER_LEN, Kind, SegmentHeader, link_target, u64_at};
use crate::record::Records;
use crate::recovery::{Recovery, logs, read_all, read_header};
use crate::walker::Walker;
use crate::{Error, LogId, Lsn, OpenMode, Wal};

/// What stands in a segment, as [`Wal::inspect`] comes by it.
#[derive(Debug)]
#[non_exhaustive]
pub enum Inspected<'a> {
    /// The header verified. Always first; without it `Bad` comes first.
    Header(HeaderInfo),
    /// A frame verified.
    Frame(FrameInfo),
    /// A record of the frame before.
    Record {
        /// Its offset in the segment.
        offset: u64,
        /// Its position in the log.
        lsn: Lsn,
        /// The log that it belongs to.
        log: LogId,
        /// Its bytes.
        payload: &'a [u8],
        /// Its own checksum fits. It was written wrong where only this does not verify.
        verifies: bool,
    },
    /// Bytes that should have been something and do not verify.
    Bad {
        /// First byte.
        start: u64,
        /// First byte behind.
        end: u64,
        /// What they should have been.
        part: BadPart,
    },
    /// What stands behind the last frame; always last.
    Rest {
        /// First byte.
        start: u64,
        /// Where the object ends.
        end: u64,
        /// What it is.
        rest: Rest,
    },
}

/// The header of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct HeaderInfo {
    /// Drawn anew for each life of the object.
    pub uid: u64,
    /// The number in the object's name.
    pub number: u64,
    /// Position of the first frame.
    pub base: Lsn,
    /// Everything below was synced when this was written.
    pub watermark: Lsn,
    /// Number and uid of the segment before.
    pub predecessor: Option<(u64, u64)>,
    /// Where the frames of that one ended.
    pub predecessor_end: Lsn,
    /// Where its torn tail ended; the same: none was cut.
    pub torn_end: Lsn,
    /// Offset of the first frame.
    pub data_start: u32,
    /// Alignment of frames.
    pub align: u32,
    /// Bytes set aside; 0: the object grows.
    pub reserve: u64,
    /// Written by opening.
    pub bridge: bool,
    /// Stale bytes may stand behind the frames.
    pub recycled: bool,
}

/// A frame that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct FrameInfo {
    /// Where it starts in the segment.
    pub offset: u64,
    /// Its length with padding, in bytes.
    pub len: u32,
    /// What it holds.
    pub kind: FrameKind,
    /// Its position.
    pub lsn: Lsn,
    /// Everything below was synced when this was written.
    pub watermark: Lsn,
    /// Records in it.
    pub records: u32,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FrameKind {
    /// Records that were committed together.
    Group,
    /// The table of the segment.
    Table,
    /// Nothing; it proves what stands before it.
    Seal,
    /// The next segment's number and uid.
    Link {
        /// Its number.
        number: u64,
        /// Its uid.
        uid: u64,
    },
    /// Nothing; the log was closed.
    Close,
}

/// What bad bytes should have been.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BadPart {
    /// The header of the segment.
    Header,
    /// The body of a frame whose head verifies.
    Body,
    /// One or more frames: good ones follow.
    Frames,
}

/// What stands behind the last frame that verifies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Rest {
    /// Nothing: zeros, or the object ends there.
    Zeros,
    /// Bytes of an earlier life of the object, or a torn tail.
    Stale,
    /// Bytes that are neither: a torn tail, or frames that were damaged.
    Torn,
}

/// What [`Wal::verify`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Verified {
    /// What opening in salvage mode would find.
    pub recovery: Recovery,
    /// Every object of the log's kind, by number.
    pub segments: Vec<VerifiedSegment>,
}

/// One object of the log's kind.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct VerifiedSegment {
    /// Its name.
    pub object: ObjectId,
    /// Bytes that were read.
    pub bytes: u64,
    /// Its header verifies. A spare has none.
    pub has_header: bool,
    /// Records in the frames that verify.
    pub records: u64,
    /// Records whose own checksum does not fit.
    pub bad_records: u64,
    /// Ranges between frames that do not verify. A torn tail is not among them.
    pub bad: Vec<Range<u64>>,
    /// Units that the device cannot give back.
    pub unreadable: Vec<Range<u64>>,
}

impl Verified {
    /// Whether nothing is wrong. A torn tail is no damage.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.recovery.corrupt.is_empty()
            && (self.segments.iter())
                .all(|segment| segment.bad_records == 0 && segment.unreadable.is_empty())
    }
}

impl Wal {
    /// Walks over the segment `object` and calls `see` with everything in it, front to back. The log
    /// need not open, nor be whole.
    ///
    /// # Errors
    /// `Io` where the object is not there or cannot be read at all, `Version`.
    pub fn inspect(
        store: &dyn BlockStore,
        object: ObjectId,
        see: &mut dyn FnMut(Inspected<'_>),
    ) -> Result<(), Error> {
        let opened = store.open(object)?;
        let header = read_header(&*opened, object)?;
        let mut at = 0;
        if let Some(header) = &header {
            see(Inspected::Header(HeaderInfo::of(header)));
            at = u64::from(header.data_start);
        }
        let uid = match &header {
            Some(header) => header.uid,
            // Nothing vouches for it, but the frames do if it is right.
            None => stated_uid(&*opened)?,
        };
        let base = header.map(|header| (header.base, header.data_start));
        let mut walker = Walker::new(&opened, uid, base, at, store.geometry().unit)?;
        loop {
            let halves = walker.half.len();
            let Some(frame) = walker.next()? else { break };
            let (offset, header) = (frame.offset, frame.header);
            let end = offset + u64::from(header.len);
            let kind = FrameKind::of(header.kind, frame.body);
            let info = FrameInfo {
                offset,
                len: header.len,
                kind,
                lsn: Lsn(header.lsn),
                watermark: Lsn(header.watermark),
                records: header.count,
            };
            let body = Vec::from(frame.body);
            let half: Vec<_> = walker.half.iter().skip(halves).copied().collect();
            tell_bad(&mut at, offset, &half, see);
            see(Inspected::Frame(info));
            if header.kind == Kind::Group {
                for record in Records::new(header.lsn, &body) {
                    see(Inspected::Record {
                        offset: offset + (record.lsn - header.lsn),
                        lsn: Lsn(record.lsn),
                        log: record.log,
                        payload: &record.payload().expect("the frame verified"),
                        verifies: record.verifies(uid),
                    });
                }
            }
            at = end;
        }
        let (start, end) = (at, walker.extent());
        let content = walker.content_end(start)?;
        let recycled = header.is_some_and(|header| header.recycled);
        if header.is_none() && start == 0 && content > 0 {
            let end = content.min(HEADER_LEN as u64);
            let part = BadPart::Header;
            see(Inspected::Bad { start, end, part });
        }
        let rest = match () {
            () if content <= start => Rest::Zeros,
            () if recycled => Rest::Stale,
            () => Rest::Torn,
        };
        see(Inspected::Rest { start, end, rest });
        Ok(())
    }

    /// Reads and checks every byte of every segment of the log in `store`: takes no lock and changes
    /// nothing. Segments of a log that is written to meanwhile may look torn or be gone.
    ///
    /// # Errors
    /// `Io` other than `Media`, `Version`. Damage is no error but part of what is returned.
    pub fn verify(store: &dyn BlockStore) -> Result<Verified, Error> {
        let recovery = match read_all(store, OpenMode::Salvage, &mut |_| {}) {
            Ok(recovery) => Ok(recovery),
            // Too little is left to tell where the log begins; its segments can be looked at.
            Err(Error::Corrupt(range)) => Ok(Recovery::hopeless(range)),
            Err(error) => Err(error),
        }?;
        let mut segments = Vec::new();
        for object in logs(store)? {
            let mut segment = VerifiedSegment {
                object,
                bytes: 0,
                has_header: false,
                records: 0,
                bad_records: 0,
                bad: Vec::new(),
                unreadable: unreadable(&*store.open(object)?, store.geometry().unit)?,
            };
            Self::inspect(store, object, &mut |inspected| match inspected {
                Inspected::Header(_) => segment.has_header = true,
                Inspected::Record { verifies, .. } => {
                    segment.records += 1;
                    segment.bad_records += u64::from(!verifies);
                }
                Inspected::Bad { start, end, part } if part != BadPart::Header => {
                    segment.bad.push(start..end);
                }
                Inspected::Rest { end, .. } => segment.bytes = end,
                _ => {}
            })?;
            segments.push(segment);
        }
        Ok(Verified { recovery, segments })
    }
}

impl HeaderInfo {
    fn of(header: &SegmentHeader) -> Self {
        let before = header.predecessor;
        Self {
            uid: header.uid,
            number: header.number,
            base: Lsn(header.base),
            watermark: Lsn(header.watermark),
            predecessor: before.map(|name| (name.number, name.uid)),
            predecessor_end: Lsn(header.predecessor_end),
            torn_end: Lsn(header.torn_end),
            data_start: header.data_start,
            align: header.align,
            reserve: header.reserve,
            bridge: header.bridge,
            recycled: header.recycled,
        }
    }
}

impl FrameKind {
    fn of(kind: Kind, body: &[u8]) -> Self {
        match kind {
            Kind::Group => Self::Group,
            Kind::Table => Self::Table,
            Kind::Seal => Self::Seal,
            Kind::Link => {
                let name = link_target(body);
                let (number, uid) = (name.number, name.uid);
                Self::Link { number, uid }
            }
            Kind::Close => Self::Close,
        }
    }
}

/// Tells what lies between `at` and the frame at `offset`.
fn tell_bad(at: &mut u64, offset: u64, half: &[(u64, u64)], see: &mut dyn FnMut(Inspected<'_>)) {
    for (start, len) in half {
        tell_gap(*at, *start, see);
        let (start, end) = (*start, start + len);
        let part = BadPart::Body;
        see(Inspected::Bad { start, end, part });
        *at = end;
    }
    tell_gap(*at, offset, see);
}

fn tell_gap(start: u64, end: u64, see: &mut dyn FnMut(Inspected<'_>)) {
    if start < end {
        let part = if start == 0 {
            BadPart::Header
        } else {
            BadPart::Frames
        };
        see(Inspected::Bad { start, end, part });
    }
}

/// The uid that the bytes of a header state, whether they verify or not.
fn stated_uid(object: &dyn BlockObject) -> Result<u64, Error> {
    let mut head = [0; 16];
    match object.read_at(0, &mut head) {
        Ok(()) => Ok(u64_at(&head, 8)),
        Err(error) if matches!(error.kind, IoErrorKind::ShortRead | IoErrorKind::Media) => Ok(0),
        Err(error) => Err(error.into()),
    }
}

/// The units of `object` that the device cannot give back.
fn unreadable(object: &dyn BlockObject, unit: u32) -> Result<Vec<Range<u64>>, Error> {
    let end = object.len()?;
    let mut buffer = vec![0; WINDOW];
    let mut bad: Vec<Range<u64>> = Vec::new();
    let mut at = 0;
    let mut small = 0;
    while at < end {
        // After a failure unit by unit through the rest of the window.
        let step = if at < small {
            u64::from(unit)
        } else {
            WINDOW as u64
        };
        let len = step.min(end - at);
        let dst = buffer.get_mut(..usize::try_from(len).unwrap_or(WINDOW));
        match object.read_at(at, dst.unwrap_or_default()) {
            Ok(()) => {}
            Err(error) if error.kind != IoErrorKind::Media => return Err(error.into()),
            Err(_) if at >= small => {
                small = at + len;
                continue;
            }
            Err(_) => match bad.last_mut() {
                Some(last) if last.end == at => last.end = at + len,
                _ => bad.push(at..at + len),
            },
        }
        at += len;
    }
    Ok(bad)
}

const WINDOW: usize = 256 << 10;
