//! The bytes of one object, and what of them a crash may take.
//!
//! **Invariant: `content` is what a reader sees; undoing `unsynced` from the last to the first
//! gives what the platter surely holds.**

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use nori_env::sync::Mutex;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub(super) type InodeRef = Arc<Mutex<Inode>>;

#[derive(Debug, Clone)]
pub(super) struct Inode {
    /// What readers see; bytes from its end to `extent` are zero.
    pub(super) content: Vec<u8>,
    /// Readable length.
    pub(super) extent: u64,
    /// Length that survives a crash.
    pub(super) durable_extent: u64,
    /// End of the last append of this life.
    pub(super) end: u64,
    /// End of what was written in this life; less than `end` after a crash with a reserve.
    pub(super) written: u64,
    /// Grows when the object is recycled.
    pub(super) life: u64,
    /// Names that point here.
    pub(super) links: u32,
    pub(super) poisoned: bool,
    pub(super) unsynced: Vec<Unsynced>,
    /// Ranges that the device cannot read.
    pub(super) bad: Vec<Range<u64>>,
    /// Folds every append in; starts anew from the content after a crash.
    pub(super) digest: u64,
}

/// A range that was written since the last sync.
#[derive(Debug, Clone)]
pub(super) struct Unsynced {
    pub(super) range: Range<u64>,
    pub(super) old: Old,
}

/// What a range held before.
#[derive(Debug, Clone)]
pub(super) enum Old {
    Zero,
    Bytes(Vec<u8>),
}

impl Inode {
    pub(super) const fn new(reserve: Option<u64>) -> Self {
        Self {
            content: Vec::new(),
            extent: match reserve {
                Some(size) => size,
                None => 0,
            },
            durable_extent: 0,
            end: 0,
            written: 0,
            life: 0,
            links: 0,
            poisoned: false,
            unsynced: Vec::new(),
            bad: Vec::new(),
            digest: 0,
        }
    }

    /// The object gets a new name and starts over; its bytes are stale.
    pub(super) const fn begin_life(&mut self) {
        self.life += 1;
        self.end = 0;
        self.written = 0;
    }

    /// Bytes by which an append of `len` at `at` lets the object grow.
    pub(super) const fn growth(&self, at: u64, len: u64) -> u64 {
        (at + len).saturating_sub(self.extent)
    }

    /// Writes, unsynced. `shared_unit` is the unit whose earlier bytes the write may harm.
    pub(super) fn append(&mut self, at: u64, bufs: &[&[u8]], shared_unit: Option<u32>) {
        let len: u64 = bufs.iter().map(|buf| buf.len() as u64).sum();
        let start = shared_unit.map_or(at, |unit| at / u64::from(unit) * u64::from(unit));
        self.remember(start..at + len);
        let (from, to) = (index(at), index(at + len));
        if self.content.len() < from {
            self.content.resize(from, 0);
        }
        let mut place = from;
        for buf in bufs {
            let overlap = buf.len().min(self.content.len() - place);
            self.content[place..place + overlap].copy_from_slice(&buf[..overlap]);
            self.content.extend_from_slice(&buf[overlap..]);
            place += buf.len();
            self.digest = xxh3_64_with_seed(buf, self.digest);
        }
        debug_assert_eq!(place, to);
        self.remap(at..at + len);
        self.digest ^= at;
        self.move_end(at + len);
    }

    /// Takes note of an append that reached the platter nowhere.
    pub(super) fn skip(&mut self, at: u64, len: u64) {
        self.digest = xxh3_64_with_seed(&at.to_le_bytes(), self.digest);
        self.move_end(at + len);
    }

    /// Lets bytes that were meant for another place replace what is here, as far as the object
    /// reaches: durably, so that what a crash would bring back is replaced too.
    pub(super) fn stamp(&mut self, at: u64, bytes: &[u8]) {
        let to = at + bytes.len() as u64;
        debug_assert!(to <= self.extent);
        if self.content.len() < index(to) {
            self.content.resize(index(to), 0);
        }
        self.content[index(at)..index(to)].copy_from_slice(bytes);
        for piece in &mut self.unsynced {
            let (from, end) = (at.max(piece.range.start), to.min(piece.range.end));
            if from >= end {
                continue;
            }
            let len = piece.range.end - piece.range.start;
            let part = index(from - piece.range.start)..index(end - piece.range.start);
            let part_of_bytes = &bytes[index(from - at)..index(end - at)];
            piece.old.bytes(len)[part].copy_from_slice(part_of_bytes);
        }
        self.digest = xxh3_64_with_seed(bytes, self.digest) ^ at;
    }

    pub(super) fn sync(&mut self) {
        self.unsynced.clear();
        self.durable_extent = self.extent;
    }

    pub(super) fn read(&self, offset: u64, dst: &mut [u8]) {
        let from = index(offset).min(self.content.len());
        let have = (self.content.len() - from).min(dst.len());
        dst[..have].copy_from_slice(&self.content[from..from + have]);
        dst[have..].fill(0);
    }

    pub(super) fn is_bad(&self, range: &Range<u64>) -> bool {
        self.bad
            .iter()
            .any(|bad| bad.start < range.end && range.start < bad.end)
    }

    /// What is written anew gets sound ground.
    fn remap(&mut self, written: Range<u64>) {
        if self.bad.is_empty() {
            return;
        }
        for bad in core::mem::take(&mut self.bad) {
            let before = bad.start..bad.end.min(written.start);
            let behind = bad.start.max(written.end)..bad.end;
            let left = [before, behind].into_iter();
            self.bad.extend(left.filter(|part| part.start < part.end));
        }
    }

    pub(super) fn flip_bit(&mut self, bit: u64) -> bool {
        let Some(byte) = self.content.get_mut(index(bit / 8)) else {
            return false;
        };
        *byte ^= 1 << (bit % 8);
        true
    }

    fn move_end(&mut self, end: u64) {
        self.end = end;
        self.written = end;
        self.extent = self.extent.max(end);
    }

    /// Keeps what `range` holds now, joined to the range before where the two touch.
    fn remember(&mut self, range: Range<u64>) {
        let fresh = index(range.start) >= self.content.len();
        match self.unsynced.last_mut() {
            Some(Unsynced {
                range: last,
                old: Old::Zero,
            }) if fresh && last.end == range.start => last.end = range.end,
            Some(Unsynced {
                range: last,
                old: Old::Bytes(bytes),
            }) if !fresh && last.end == range.start => {
                last.end = range.end;
                copy_padded(&self.content, range, bytes);
            }
            _ => {
                let old = if fresh {
                    Old::Zero
                } else {
                    let mut bytes = Vec::new();
                    copy_padded(&self.content, range.clone(), &mut bytes);
                    Old::Bytes(bytes)
                };
                self.unsynced.push(Unsynced { range, old });
            }
        }
    }
}

impl Old {
    /// The bytes, spelt out.
    fn bytes(&mut self, len: u64) -> &mut Vec<u8> {
        if matches!(self, Self::Zero) {
            *self = Self::Bytes(vec![0; index(len)]);
        }
        match self {
            Self::Bytes(bytes) => bytes,
            Self::Zero => unreachable!("they were just spelt out"),
        }
    }
}

fn copy_padded(content: &[u8], range: Range<u64>, into: &mut Vec<u8>) {
    let (from, to) = (index(range.start), index(range.end));
    let have = to.min(content.len());
    into.extend_from_slice(&content[from..have]);
    into.resize(into.len() + (to - have), 0);
}

pub(super) fn index(offset: u64) -> usize {
    usize::try_from(offset).expect("an object in memory fits in memory")
}
