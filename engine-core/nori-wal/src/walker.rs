//! Reads a segment from front to back and finds every frame that verifies.
//!
//! **Invariant: nothing is returned that does not verify**, and bad bytes never hide a good frame
//! behind them: the walker tries every position where a frame could start.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::{BlockObject, IoError, IoErrorKind};

use crate::format::{FRAME_HEADER_LEN, FrameHeader, Kind, STEP};

/// A walk over the frames of one segment.
#[derive(Debug)]
pub(crate) struct Walker {
    object: Arc<dyn BlockObject>,
    uid: u64,
    /// Readable bytes of the object.
    extent: u64,
    /// Behind this everything is zero; the extent, until a walk has come to the end.
    content: u64,
    /// Position of offset 0, modulo 2⁶⁴; `None` until the first frame tells.
    origin: Option<u64>,
    /// Where the next frame is looked for.
    at: u64,
    window: Vec<u8>,
    window_start: u64,
    /// Bytes that the next read asks for at least: twice as many each time, as few walks go far.
    read_len: u64,
    unit: u32,
    /// Frames whose head verified but whose body did not: offset and length.
    pub half: Vec<(u64, u64)>,
    /// A frame that ends the segment was returned.
    ended: bool,
}

/// A frame that verified.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// Where it starts in the segment.
    pub offset: u64,
    pub header: FrameHeader,
    pub body: &'a [u8],
}

impl Walker {
    /// A walk from `at`. `base` is the position of the frame at `data_start`, if that is known.
    pub(crate) fn new(
        object: &Arc<dyn BlockObject>,
        uid: u64,
        base: Option<(u64, u32)>,
        at: u64,
        unit: u32,
    ) -> Result<Self, IoError> {
        let extent = object.len()?;
        Ok(Self {
            extent,
            content: extent,
            object: Arc::clone(object),
            uid,
            origin: base.map(|(base, data_start)| base.wrapping_sub(u64::from(data_start))),
            at,
            window: Vec::new(),
            window_start: 0,
            read_len: WINDOW_MIN,
            unit,
            half: Vec::new(),
            ended: false,
        })
    }

    /// Looks no further than `offset`.
    pub(crate) fn stop_at(&mut self, offset: u64) {
        self.extent = self.extent.min(offset);
        self.content = self.content.min(offset);
    }

    /// Takes it as known that behind `offset` everything is zero.
    pub(crate) fn zero_behind(&mut self, offset: u64) {
        self.content = self.content.min(offset);
    }

    /// An offset behind which everything is zero, as far as this walk and those before it know.
    pub(crate) const fn content(&self) -> u64 {
        self.content
    }

    /// Readable bytes of the segment.
    pub(crate) const fn extent(&self) -> u64 {
        self.extent
    }

    /// The next frame that verifies. One that does not start where the one before ended stands
    /// behind bad bytes.
    pub(crate) fn next(&mut self) -> Result<Option<Found<'_>>, IoError> {
        while !self.ended && self.seek()? {
            let offset = self.at;
            let mut head = [0; FRAME_HEADER_LEN];
            head.copy_from_slice(self.bytes(offset, FRAME_HEADER_LEN as u64)?);
            let Some(header) = FrameHeader::decode(&head, self.uid, offset) else {
                self.at += u64::from(STEP);
                continue;
            };
            let origin = header.lsn.wrapping_sub(offset);
            let len = u64::from(header.len);
            if self.origin.is_some_and(|known| known != origin) || len > self.extent - offset {
                self.at += u64::from(STEP);
                continue;
            }
            let uid = self.uid;
            let rest_len = len - FRAME_HEADER_LEN as u64;
            let rest = self.bytes(offset + FRAME_HEADER_LEN as u64, rest_len)?;
            let good = header.verifies(rest, uid, offset);
            // The head verified, so its length can be trusted to lead to the next frame.
            self.at = offset + len;
            if good {
                self.origin = Some(origin);
                self.ended = matches!(header.kind, Kind::Link | Kind::Close);
                let from = offset + FRAME_HEADER_LEN as u64;
                let body = self.bytes(from, u64::from(header.body))?;
                return Ok(Some(Found {
                    offset,
                    header,
                    body,
                }));
            }
            self.half.push((offset, len));
        }
        Ok(None)
    }

    /// Moves to the next place that starts like a frame.
    fn seek(&mut self) -> Result<bool, IoError> {
        let mut content = self.at;
        while self.at < self.content && self.extent - self.at >= FRAME_HEADER_LEN as u64 {
            self.bytes(self.at, FRAME_HEADER_LEN as u64)?;
            let skip = usize::try_from(self.at - self.window_start).unwrap_or(usize::MAX);
            let rest = self.window.get(skip..).unwrap_or_default();
            let step = STEP as usize;
            // Most of what is looked through are zeros, by far: those a block at a time.
            let zeros = leading_zeros(rest) / step;
            let found = rest
                .chunks_exact(step)
                .skip(zeros)
                .position(|chunk| Kind::of(chunk).is_some());
            let steps = found.map_or(rest.len() / step, |found| zeros + found);
            if steps > zeros {
                let passed = rest.get(..steps * step).unwrap_or_default();
                content = self.at + (passed.len() - trailing_zeros(passed)) as u64;
            }
            self.at += (steps * step) as u64;
            if found.is_some() {
                return Ok(self.extent - self.at >= FRAME_HEADER_LEN as u64);
            }
        }
        if self.at < self.content {
            // Too short for a frame.
            let (at, len) = (self.at, self.extent - self.at);
            let rest = self.bytes(at, len)?;
            if trailing_zeros(rest) < rest.len() {
                content = self.extent;
            }
        }
        self.content = self.content.min(content);
        Ok(false)
    }

    /// `len` bytes from `offset`; both lie within the extent.
    pub(crate) fn bytes(&mut self, offset: u64, len: u64) -> Result<&[u8], IoError> {
        let held = self.window_start..self.window_start + self.window.len() as u64;
        if offset < held.start || offset + len > held.end {
            let ahead = self.read_len.min(self.content.saturating_sub(offset));
            self.read_len = WINDOW_MAX.min(self.read_len * 2);
            let want = len.max(ahead).min(self.extent - offset);
            let want = usize::try_from(want).unwrap_or(usize::MAX);
            self.window.resize(want, 0);
            self.window_start = offset;
            self.fill()?;
        }
        let from = usize::try_from(offset - self.window_start).unwrap_or(usize::MAX);
        let len = usize::try_from(len).unwrap_or(usize::MAX);
        Ok(&self.window[from..from + len])
    }

    fn fill(&mut self) -> Result<(), IoError> {
        match self.object.read_at(self.window_start, &mut self.window) {
            Err(error) if error.kind == IoErrorKind::Media => {}
            other => return other,
        }
        // Unit by unit, so that only what the device cannot give back counts as bad. What it
        // cannot give back is left as bytes that no checksum is made of.
        let mut at = self.window_start;
        let mut rest = self.window.as_mut_slice();
        while !rest.is_empty() {
            let unit = u64::from(self.unit);
            let piece = usize::try_from(unit - at % unit)
                .unwrap_or(usize::MAX)
                .min(rest.len());
            let (now, later) = rest.split_at_mut(piece);
            match self.object.read_at(at, now) {
                Err(error) if error.kind == IoErrorKind::Media => now.fill(UNREADABLE),
                other => other?,
            }
            at += piece as u64;
            rest = later;
        }
        Ok(())
    }

    /// Whether something between the offsets begins like a group.
    pub(crate) fn names_group(&mut self, from: u64, to: u64) -> Result<bool, IoError> {
        let to = to.min(self.extent);
        if from >= to {
            return Ok(false);
        }
        let bytes = self.bytes(from, to - from)?;
        let mut chunks = bytes.chunks_exact(STEP as usize);
        Ok(chunks.any(|chunk| Kind::of(chunk) == Some(Kind::Group)))
    }

    /// The offset behind the last byte from `from` on that is not zero.
    pub(crate) fn content_end(&mut self, from: u64) -> Result<u64, IoError> {
        let (mut at, mut end) = (from, from);
        while at < self.content {
            let len = WINDOW_MAX.min(self.content - at);
            let bytes = self.bytes(at, len)?;
            let content = bytes.len() - trailing_zeros(bytes);
            if content > 0 {
                end = at + content as u64;
            }
            at += len;
        }
        Ok(end)
    }
}

/// How many bytes at the front are zero, in whole blocks.
fn leading_zeros(bytes: &[u8]) -> usize {
    let blocks = bytes.chunks_exact(BLOCK);
    blocks.take_while(|block| is_zero(block)).count() * BLOCK
}

/// How many bytes at the back are zero.
fn trailing_zeros(bytes: &[u8]) -> usize {
    let blocks = bytes.rchunks_exact(BLOCK);
    let skip = blocks.take_while(|block| is_zero(block)).count() * BLOCK;
    let rest = bytes.get(..bytes.len() - skip).unwrap_or_default();
    skip + rest.iter().rev().take_while(|byte| **byte == 0).count()
}

/// Without a branch in the loop, so that it takes many bytes at a time.
fn is_zero(block: &[u8]) -> bool {
    block.iter().fold(0, |any, byte| any | byte) == 0
}

/// What zeros are skipped by; a multiple of [`STEP`].
const BLOCK: usize = 128;
const WINDOW_MIN: u64 = 16 << 10;
const WINDOW_MAX: u64 = 256 << 10;
const UNREADABLE: u8 = 0xEE;
