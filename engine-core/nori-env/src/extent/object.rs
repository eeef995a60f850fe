//! One opening of an object on a device.
//!
//! **Invariant: a block that is written again holds the same bytes below the last append.** So a
//! tear harms nothing that was synced, as far as the device is power-safe.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::allocator::Extent;
use super::store::{Disk, Node};
use crate::sync::Mutex;
use crate::{BlockObject, IoError, IoErrorKind, IoOp, ObjectId};

#[derive(Debug)]
pub(super) struct ExtentObject {
    disk: Arc<Disk>,
    id: ObjectId,
    node: Arc<Node>,
    writer: Mutex<Writer>,
}

/// Where this opening appends.
#[derive(Debug)]
struct Writer {
    /// Where the last append ended.
    end: u64,
    /// The bytes of the last block up to `end`, if this opening wrote them.
    tail: Option<Vec<u8>>,
}

impl ExtentObject {
    pub(super) const fn new(disk: Arc<Disk>, id: ObjectId, node: Arc<Node>, end: u64) -> Self {
        let writer = Mutex::new(Writer { end, tail: None });
        Self {
            disk,
            id,
            node,
            writer,
        }
    }

    /// Gives the new object `bytes` of zeros.
    pub(super) fn set_aside(&self, bytes: u64) -> Result<(), IoError> {
        let failed = |kind| self.id.error(kind, IoOp::Create, 0);
        self.disk.reach(&self.node, bytes).map_err(failed)?;
        self.zeros(&mut self.writer.lock(), 0, bytes)?;
        *self.writer.lock() = Writer { end: 0, tail: None };
        let mut map = self.node.map.write();
        (map.len, map.synced) = (bytes, bytes);
        Ok(())
    }

    fn zeros(&self, writer: &mut Writer, from: u64, to: u64) -> Result<(), IoError> {
        let zeros = vec![0; usize::try_from((to - from).min(ZEROS)).unwrap_or(0)];
        let mut at = from;
        while at < to {
            let more = usize::try_from(to - at).map_or(zeros.len(), |left| left.min(zeros.len()));
            self.put(writer, at, &[&zeros[..more]])?;
            at += more as u64;
        }
        Ok(())
    }

    /// Writes `bufs` to byte `at`; the object has the blocks.
    fn put(&self, writer: &mut Writer, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        let unit = u64::from(self.disk.layout.unit);
        let (first, skip) = (at / unit, at % unit);
        let more: usize = bufs.iter().map(|buf| buf.len()).sum();
        let mut image = match writer.tail.take() {
            Some(tail) if writer.end == at => tail,
            _ if skip == 0 => Vec::new(),
            _ => {
                let mut block = self.block(first, IoOp::Append)?;
                block.truncate(usize::try_from(skip).unwrap_or(0));
                block
            }
        };
        debug_assert_eq!(image.len() as u64, skip, "the tail is what the block holds");
        let unit = self.disk.layout.unit as usize;
        image.reserve_exact((more + unit).next_multiple_of(unit));
        for buf in bufs {
            image.extend_from_slice(buf);
        }
        let tail = image[image.len() - image.len() % unit..].to_vec();
        image.resize(image.len().next_multiple_of(unit), 0);
        let mut rest = image.as_slice();
        for run in self.runs(first, image.len()) {
            let (now, behind) = rest.split_at(self.bytes(run));
            rest = behind;
            let written = self.disk.device.write(run.start, now);
            written.map_err(|error| self.id.error(error.kind, IoOp::Append, at))?;
        }
        writer.end = at + more as u64;
        writer.tail = Some(tail);
        Ok(())
    }

    fn block(&self, block: u64, op: IoOp) -> Result<Vec<u8>, IoError> {
        let mut bytes = vec![0; self.disk.layout.unit as usize];
        self.blocks(block, &mut bytes, op)?;
        Ok(bytes)
    }

    /// Fills `dst`, whole blocks, from block `first` of the object.
    fn blocks(&self, first: u64, dst: &mut [u8], op: IoOp) -> Result<(), IoError> {
        let mut rest = &mut *dst;
        for run in self.runs(first, rest.len()) {
            let (now, behind) = rest.split_at_mut(self.bytes(run));
            rest = behind;
            let read = self.disk.device.read(run.start, now);
            let offset = first * u64::from(self.disk.layout.unit);
            read.map_err(|error| self.id.error(error.kind, op, offset))?;
        }
        Ok(())
    }

    /// The runs of the device under `bytes`, whole blocks, from block `first` of the object. Nobody
    /// waits for the device while it works.
    fn runs(&self, first: u64, bytes: usize) -> Vec<Extent> {
        let count = bytes as u64 / u64::from(self.disk.layout.unit);
        self.node.map.read().runs(first, count)
    }

    fn bytes(&self, run: Extent) -> usize {
        let bytes = run.blocks * u64::from(self.disk.layout.unit);
        usize::try_from(bytes).expect("no longer than a buffer")
    }
}

impl BlockObject for ExtentObject {
    fn id(&self) -> ObjectId {
        self.id
    }

    fn len(&self) -> Result<u64, IoError> {
        Ok(self.node.map.read().len)
    }

    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        let failed = |kind| self.id.error(kind, IoOp::Append, at);
        self.disk.check_usable().map_err(failed)?;
        let mut writer = self.writer.lock();
        assert!(at >= writer.end, "an append never goes back");
        let more: u64 = bufs.iter().map(|buf| buf.len() as u64).sum();
        let end = at.checked_add(more).filter(|end| *end < LEN_MAX);
        let end = end.ok_or_else(|| failed(IoErrorKind::NoSpace))?;
        self.disk.reach(&self.node, end).map_err(failed)?;
        let before = (writer.end, writer.tail.clone());
        let len = self.node.map.read().len;
        // What nobody wrote reads as zero, not as what another object left there. The rest of the
        // last block is zero already, and writing it again might harm what is acknowledged.
        let blank = len.next_multiple_of(u64::from(self.disk.layout.unit));
        let done = match blank < at {
            true => self.zeros(&mut writer, blank, at),
            false => Ok(()),
        };
        if let Err(error) = done.and_then(|()| self.put(&mut writer, at, bufs)) {
            (writer.end, writer.tail) = before;
            return Err(error);
        }
        let mut map = self.node.map.write();
        map.len = map.len.max(end);
        Ok(())
    }

    fn sync(&self) -> Result<(), IoError> {
        let failed = |kind| self.id.error(kind, IoOp::Sync, 0);
        let grown = {
            let map = self.node.map.read();
            map.len > map.synced
        };
        let synced = match grown || !self.disk.is_named(&self.node) {
            true => self.disk.commit(Some(&self.node)),
            false => self.disk.flush(),
        };
        synced.map_err(failed)
    }

    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError> {
        let end = offset.checked_add(dst.len() as u64);
        if end.is_none_or(|end| end > self.node.map.read().len) {
            return Err(self.id.error(IoErrorKind::ShortRead, IoOp::Read, offset));
        }
        let unit = self.disk.layout.unit as usize;
        let (mut at, mut rest) = (offset, dst);
        while !rest.is_empty() {
            let block = at / unit as u64;
            let skip = usize::try_from(at % unit as u64).expect("less than a block");
            let whole = rest.len() - rest.len() % unit;
            let now = if skip == 0 && whole > 0 {
                self.blocks(block, &mut rest[..whole], IoOp::Read)?;
                whole
            } else {
                let bytes = self.block(block, IoOp::Read)?;
                let now = (unit - skip).min(rest.len());
                rest[..now].copy_from_slice(&bytes[skip..skip + now]);
                now
            };
            rest = &mut rest[now..];
            at += now as u64;
        }
        Ok(())
    }
}

/// Zeros that are written at once.
const ZEROS: u64 = 1 << 20;
/// No device is as large.
const LEN_MAX: u64 = 1 << 62;
