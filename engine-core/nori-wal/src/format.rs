//! The bytes of a segment: one header, then frames. `docs/formats/wal.md` has the worked example.
//!
//! **Invariant: every checksum is salted with the segment's uid and the offset in it**, so bytes of
//! an earlier life of the object, or of another place, never verify.

use alloc::vec::Vec;

use crc32fast::Hasher;

use crate::record::{self, Outgoing, Records};

/// The head of a segment: 96 bytes.
///
/// ```text
///  0  4  magic "NWAL"              40  8  predecessor's number, 0: none
///  4  2  format version, 1         48  8  predecessor's uid
///  6  2  flags                     56  8  where the predecessor's frames end (an lsn)
///  8  8  uid                       64  8  end of its torn tail; equal to the former: none
/// 16  8  number                    72  4  offset of the first frame
/// 24  8  base: lsn of that frame   76  4  alignment of frames
/// 32  8  watermark                 80  8  bytes set aside, 0: the object grows
///                                  88  4  zero
///                                  92  4  CRC-32 of bytes 0..92, salted (uid, 0)
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct SegmentHeader {
    /// Written by opening: holds what was above the watermark, and is whole or void.
    pub bridge: bool,
    /// Bytes behind the frames may be those of an earlier life.
    pub recycled: bool,
    pub uid: u64,
    pub number: u64,
    /// Frames of older segments at or above this position are cut.
    pub base: u64,
    pub watermark: u64,
    pub predecessor: Option<Name>,
    pub predecessor_end: u64,
    pub torn_end: u64,
    pub data_start: u32,
    pub align: u32,
    /// Bytes set aside: an object that is shorter was cut by something else than this log.
    pub reserve: u64,
}

/// A segment's number and uid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Name {
    pub number: u64,
    pub uid: u64,
}

/// Why bytes are not a segment header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum NotAHeader {
    Bad,
    Version(u16),
}

/// The head of a frame: 40 bytes.
///
/// ```text
///  0  3  magic "NWF"               24  4  body length
///  3  1  kind                      28  4  records in the body
///  4  4  length with padding       32  4  CRC-32 of bytes 40..length, salted (uid, offset)
///  8  8  lsn                       36  4  CRC-32 of bytes 0..36, salted (uid, offset)
/// 16  8  watermark
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FrameHeader {
    pub kind: Kind,
    /// Header, body and padding.
    pub len: u32,
    pub lsn: u64,
    /// Everything below was durable when the frame was written.
    pub watermark: u64,
    pub body: u32,
    pub count: u32,
    body_crc: u32,
}

/// What a frame holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Kind {
    /// Records.
    Group = b'G',
    /// The table of the segment.
    Table = b'T',
    /// Nothing; its watermark proves what stands before it.
    Seal = b'S',
    /// The successor's number and uid. The last frame of a segment.
    Link = b'L',
    /// Nothing; the log was closed. The last frame of a segment.
    Close = b'C',
}

/// A frame under construction: room for the head, then the body.
#[derive(Debug)]
pub(crate) struct FrameBuf {
    pub kind: Kind,
    pub lsn: u64,
    pub count: u32,
    bytes: Vec<u8>,
    len_min: u64,
    finished: bool,
}

impl SegmentHeader {
    pub(crate) fn encode(&self) -> [u8; HEADER_LEN] {
        let mut out = [0; HEADER_LEN];
        let flag = |set: bool, flag: u16| if set { flag } else { 0 };
        let flags = flag(self.bridge, FLAG_BRIDGE) | flag(self.recycled, FLAG_RECYCLED);
        let (number, uid) = self
            .predecessor
            .map_or((0, 0), |name| (name.number, name.uid));
        out[0..4].copy_from_slice(&HEADER_MAGIC);
        out[4..6].copy_from_slice(&VERSION.to_le_bytes());
        out[6..8].copy_from_slice(&flags.to_le_bytes());
        out[8..16].copy_from_slice(&self.uid.to_le_bytes());
        out[16..24].copy_from_slice(&self.number.to_le_bytes());
        out[24..32].copy_from_slice(&self.base.to_le_bytes());
        out[32..40].copy_from_slice(&self.watermark.to_le_bytes());
        out[40..48].copy_from_slice(&number.to_le_bytes());
        out[48..56].copy_from_slice(&uid.to_le_bytes());
        out[56..64].copy_from_slice(&self.predecessor_end.to_le_bytes());
        out[64..72].copy_from_slice(&self.torn_end.to_le_bytes());
        out[72..76].copy_from_slice(&self.data_start.to_le_bytes());
        out[76..80].copy_from_slice(&self.align.to_le_bytes());
        out[80..88].copy_from_slice(&self.reserve.to_le_bytes());
        let crc = checksum(self.uid, 0, &out[..92]);
        out[92..96].copy_from_slice(&crc.to_le_bytes());
        out
    }

    pub(crate) fn decode(bytes: &[u8; HEADER_LEN], number: u64) -> Result<Self, NotAHeader> {
        let uid = u64_at(bytes, 8);
        if bytes[0..4] != HEADER_MAGIC || u32_at(bytes, 92) != checksum(uid, 0, &bytes[..92]) {
            return Err(NotAHeader::Bad);
        }
        let version = u16_at(bytes, 4);
        if version != VERSION {
            return Err(NotAHeader::Version(version));
        }
        let flags = u16_at(bytes, 6);
        let predecessor = Name {
            number: u64_at(bytes, 40),
            uid: u64_at(bytes, 48),
        };
        let header = Self {
            bridge: flags & FLAG_BRIDGE != 0,
            recycled: flags & FLAG_RECYCLED != 0,
            uid,
            number: u64_at(bytes, 16),
            base: u64_at(bytes, 24),
            watermark: u64_at(bytes, 32),
            predecessor: (predecessor.number != 0).then_some(predecessor),
            predecessor_end: u64_at(bytes, 56),
            torn_end: u64_at(bytes, 64),
            data_start: u32_at(bytes, 72),
            align: u32_at(bytes, 76),
            reserve: u64_at(bytes, 80),
        };
        // A header of another number is one that a recycled object keeps from its earlier life.
        let sane = header.number == number
            && header.base < POSITION_MAX
            && header.watermark < POSITION_MAX
            && header.reserve < POSITION_MAX
            && header.data_start as usize >= HEADER_LEN
            && header.data_start.is_multiple_of(STEP)
            && (predecessor.number < number || predecessor.number == 0);
        if sane {
            Ok(header)
        } else {
            Err(NotAHeader::Bad)
        }
    }
}

impl FrameHeader {
    /// The head of a frame at `offset`, if these bytes are one.
    pub(crate) fn decode(bytes: &[u8; FRAME_HEADER_LEN], uid: u64, offset: u64) -> Option<Self> {
        let kind = Kind::of(bytes)?;
        if u32_at(bytes, 36) != checksum(uid, offset, &bytes[..36]) {
            return None;
        }
        let header = Self {
            kind,
            len: u32_at(bytes, 4),
            lsn: u64_at(bytes, 8),
            watermark: u64_at(bytes, 16),
            body: u32_at(bytes, 24),
            count: u32_at(bytes, 28),
            body_crc: u32_at(bytes, 32),
        };
        let sane = header.len.is_multiple_of(STEP)
            && header.lsn < POSITION_MAX
            && header.watermark <= header.lsn
            && u64::from(header.len) >= FRAME_HEADER_LEN as u64 + u64::from(header.body);
        sane.then_some(header)
    }

    /// Whether `rest`, everything behind the head, is what was written.
    pub(crate) fn verifies(&self, rest: &[u8], uid: u64, offset: u64) -> bool {
        let body = rest.get(..self.body as usize).unwrap_or_default();
        let shape = match self.kind {
            Kind::Group => {
                let mut records = Records::new(self.lsn, body);
                let mut count = 0_u32;
                let whole = records.by_ref().all(|record| {
                    count += 1;
                    record.is_whole()
                });
                whole && count == self.count && records.is_at_end()
            }
            Kind::Link => body.len() == LINK_BODY_LEN && self.count == 0,
            Kind::Table => self.count == 0,
            Kind::Seal | Kind::Close => body.is_empty() && self.count == 0,
        };
        shape && checksum(uid, offset, rest) == self.body_crc
    }

    pub(crate) fn end(&self) -> u64 {
        self.lsn + u64::from(self.len)
    }
}

impl Kind {
    /// The kind that the first bytes of a frame name.
    pub(crate) fn of(bytes: &[u8]) -> Option<Self> {
        let [b'N', b'W', b'F', kind, ..] = bytes else {
            return None;
        };
        [
            Self::Group,
            Self::Table,
            Self::Seal,
            Self::Link,
            Self::Close,
        ]
        .into_iter()
        .find(|known| *known as u8 == *kind)
    }
}

impl FrameBuf {
    /// An empty frame at `lsn`, built in `bytes`.
    pub(crate) fn new(kind: Kind, lsn: u64, mut bytes: Vec<u8>) -> Self {
        bytes.clear();
        bytes.resize(FRAME_HEADER_LEN, 0);
        Self {
            kind,
            lsn,
            count: 0,
            bytes,
            len_min: 0,
            finished: false,
        }
    }

    /// A frame of `kind` with this body.
    pub(crate) fn with_body(kind: Kind, lsn: u64, body: &[u8], count: u32) -> Self {
        let mut frame = Self::new(kind, lsn, Vec::new());
        frame.bytes.extend_from_slice(body);
        frame.count = count;
        frame
    }

    /// The frame that names the successor.
    pub(crate) fn link(lsn: u64, to: Name) -> Self {
        let mut body = [0; LINK_BODY_LEN];
        body[..8].copy_from_slice(&to.number.to_le_bytes());
        body[8..].copy_from_slice(&to.uid.to_le_bytes());
        Self::with_body(Kind::Link, lsn, &body, 0)
    }

    /// Adds a record; its checksum is filled in by [`finish`](Self::finish).
    pub(crate) fn push(&mut self, record: &Outgoing<'_>) {
        record.put(&mut self.bytes);
        self.count += 1;
    }

    /// Bytes so far, without padding.
    pub(crate) fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == FRAME_HEADER_LEN
    }

    /// The finished frame has at least this length: a copy takes as much room as its original.
    pub(crate) const fn pad_to(&mut self, len: u64) {
        self.len_min = len;
    }

    /// Bytes that the finished frame takes at least.
    pub(crate) fn room(&self) -> u64 {
        self.len().max(self.len_min)
    }

    /// Pads to `align`, and fills in head and checksums for this place. Does
    /// nothing when that was done before.
    pub(crate) fn finish(&mut self, uid: u64, offset: u64, watermark: u64, align: u32) {
        if core::mem::replace(&mut self.finished, true) {
            return;
        }
        let body = self.bytes.len() - FRAME_HEADER_LEN;
        if self.kind == Kind::Group {
            record::finish(&mut self.bytes[FRAME_HEADER_LEN..], uid, self.lsn);
        }
        let end = aligned(offset + self.room(), align);
        let len = u32::try_from(end - offset).expect("the batch limit is below 4 GiB");
        self.bytes.resize(len as usize, 0);
        let body_crc = checksum(uid, offset, &self.bytes[FRAME_HEADER_LEN..]);
        let head = &mut self.bytes[..FRAME_HEADER_LEN];
        head[0..3].copy_from_slice(&FRAME_MAGIC);
        head[3] = self.kind as u8;
        head[4..8].copy_from_slice(&len.to_le_bytes());
        head[8..16].copy_from_slice(&self.lsn.to_le_bytes());
        head[16..24].copy_from_slice(&watermark.to_le_bytes());
        head[24..28].copy_from_slice(&u32::try_from(body).unwrap_or(u32::MAX).to_le_bytes());
        head[28..32].copy_from_slice(&self.count.to_le_bytes());
        head[32..36].copy_from_slice(&body_crc.to_le_bytes());
        let crc = checksum(uid, offset, &head[..36]);
        head[36..40].copy_from_slice(&crc.to_le_bytes());
    }

    /// The records so far.
    pub(crate) fn records(&self) -> Records<'_> {
        let body = match self.kind {
            Kind::Group => &self.bytes[FRAME_HEADER_LEN..],
            _ => &[],
        };
        Records::new(self.lsn, body)
    }

    /// The finished frame.
    pub(crate) fn bytes(&self) -> &[u8] {
        debug_assert!(self.finished);
        &self.bytes
    }

    /// Gives the buffer back for the next frame.
    pub(crate) fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }
}

/// The successor that a link frame's body names.
pub(crate) fn link_target(body: &[u8]) -> Name {
    Name {
        number: u64_at(body, 0),
        uid: u64_at(body, 8),
    }
}

/// CRC-32 of `bytes` at `offset` of the file `uid`.
pub(crate) fn checksum(uid: u64, offset: u64, bytes: &[u8]) -> u32 {
    let mut salt = [0; 16];
    salt[..8].copy_from_slice(&uid.to_le_bytes());
    salt[8..].copy_from_slice(&offset.to_le_bytes());
    let mut hasher = Hasher::new();
    hasher.update(&salt);
    hasher.update(bytes);
    hasher.finalize()
}

/// `at`, or the next multiple of `align` above it.
pub(crate) fn aligned(at: u64, align: u32) -> u64 {
    at.next_multiple_of(u64::from(align))
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(array_at(bytes, at))
}

pub(crate) fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(array_at(bytes, at))
}

/// Callers have checked the length.
fn array_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}

pub(crate) const HEADER_LEN: usize = 96;
pub(crate) const FRAME_HEADER_LEN: usize = 40;
pub(crate) const RECORD_HEADER_LEN: usize = 8;
pub(crate) const LINK_BODY_LEN: usize = 16;
/// Frames start at multiples of this, whatever their alignment.
pub(crate) const STEP: u32 = 8;
pub(crate) const VERSION: u16 = 1;
/// Positions stay far below, so that adding lengths to them cannot overflow.
const POSITION_MAX: u64 = 1 << 62;
const HEADER_MAGIC: [u8; 4] = *b"NWAL";
const FRAME_MAGIC: [u8; 3] = *b"NWF";
const FLAG_BRIDGE: u16 = 1;
const FLAG_RECYCLED: u16 = 2;

const _: () = assert!(HEADER_LEN.is_multiple_of(STEP as usize));
const _: () = assert!(FRAME_HEADER_LEN.is_multiple_of(STEP as usize));

#[cfg(test)]
mod tests;
