//! Iterates over a table, in both directions.
//!
//! **Invariant: a valid iterator stands on an entry of a verified block; after an error it stands
//! nowhere until the next seek.** Blocks are loaded when the position enters them. From the second
//! block on that is not cached, in the same direction, a growing range is read at once.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::{
    Damage, Error, InternalKeyRef, SeqNo, Table, ValueKind, block::Block, cursor::Cursor,
    frame::BlockKind, handle::BlockHandle,
};

/// How an iterator treats the cache and the device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IterOptions {
    /// Whether blocks that were read go into the cache; compactions say no.
    pub fill_cache: bool,
    /// Bytes to read at once at most, once the iteration is seen to be sequential.
    pub read_ahead_bytes: u32,
}

/// A position in a table. Owns what it needs, so it may outlive every other handle.
#[derive(Debug)]
pub struct TableIter {
    table: Arc<Table>,
    options: IterOptions,
    top: Cursor,
    index: Cursor,
    data: Cursor,
    /// Where the block under `index` lies, for errors.
    index_offset: u64,
    data_offset: u64,
    kind: ValueKind,
    ahead: ReadAhead,
}

/// A range of data blocks that was read at once.
#[derive(Debug, Default)]
struct ReadAhead {
    start: u64,
    bytes: Vec<u8>,
    /// Bytes to read the next time; 0 until two blocks in a row were not cached.
    next_bytes: u32,
    /// The block that was read last, on its own or in a range.
    last: Option<BlockHandle>,
}

const READ_AHEAD_FIRST: u32 = 16 << 10;

impl Default for IterOptions {
    fn default() -> Self {
        Self {
            fill_cache: true,
            read_ahead_bytes: 128 << 10,
        }
    }
}

impl TableIter {
    pub(crate) fn new(table: Arc<Table>, options: IterOptions) -> Self {
        let mut top = Cursor::new();
        if let Some(block) = table.top() {
            top.enter(block.clone());
        }
        Self {
            table,
            options,
            top,
            index: Cursor::new(),
            data: Cursor::new(),
            index_offset: 0,
            data_offset: 0,
            kind: ValueKind::Put,
            ahead: ReadAhead::default(),
        }
    }

    /// Moves to the first entry that is not before (`user_key`, `at`): the newest version of
    /// `user_key` visible at `at`, or else the newest of the next user key.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; the iterator stands nowhere.
    pub fn seek(&mut self, user_key: &[u8], at: SeqNo) -> Result<(), Error> {
        let result = self.seek_inner(user_key, at.bound());
        self.settle(result)
    }

    /// Moves to the last entry before (`user_key`, `at`).
    ///
    /// # Errors
    /// `Corrupt` or `Io`; the iterator stands nowhere.
    pub fn seek_before(&mut self, user_key: &[u8], at: SeqNo) -> Result<(), Error> {
        self.seek(user_key, at)?;
        if self.is_valid() {
            self.prev()
        } else {
            self.seek_to_last()
        }
    }

    /// Moves to the first entry.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; the iterator stands nowhere.
    pub fn seek_to_first(&mut self) -> Result<(), Error> {
        let result = self.seek_to_first_inner();
        self.settle(result)
    }

    /// Moves to the last entry.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; the iterator stands nowhere.
    pub fn seek_to_last(&mut self) -> Result<(), Error> {
        let result = self.seek_to_last_inner();
        self.settle(result)
    }

    /// Moves to the next entry; behind the last the iterator stands nowhere.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; the iterator stands nowhere.
    ///
    /// # Panics
    /// When the iterator stands nowhere.
    #[expect(
        clippy::should_implement_trait,
        reason = "a cursor that moves both ways and can fail is no Iterator"
    )]
    pub fn next(&mut self) -> Result<(), Error> {
        assert!(self.is_valid(), "next of an iterator that stands nowhere");
        let result = self.next_inner();
        self.settle(result)
    }

    /// Moves to the entry before; before the first the iterator stands nowhere.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; the iterator stands nowhere.
    ///
    /// # Panics
    /// When the iterator stands nowhere.
    pub fn prev(&mut self) -> Result<(), Error> {
        assert!(self.is_valid(), "prev of an iterator that stands nowhere");
        let result = self.prev_inner();
        self.settle(result)
    }

    /// Whether the iterator stands on an entry.
    #[must_use]
    pub fn is_valid(&self) -> bool {
        self.data.is_valid()
    }

    /// The key of the entry.
    ///
    /// # Panics
    /// When the iterator stands nowhere.
    #[must_use]
    pub fn key(&self) -> InternalKeyRef<'_> {
        assert!(self.is_valid(), "key of an iterator that stands nowhere");
        InternalKeyRef {
            user: self.data.key(),
            seqno: SeqNo(self.data.trailer() >> 8),
            kind: self.kind,
        }
    }

    /// The value of the entry, sharing the memory of its block.
    ///
    /// # Panics
    /// When the iterator stands nowhere.
    #[must_use]
    pub fn value(&self) -> Bytes {
        assert!(self.is_valid(), "value of an iterator that stands nowhere");
        self.data.value_bytes()
    }

    /// The value of the entry, borrowed.
    ///
    /// # Panics
    /// When the iterator stands nowhere.
    #[must_use]
    pub fn value_ref(&self) -> &[u8] {
        assert!(self.is_valid(), "value of an iterator that stands nowhere");
        self.data.value()
    }

    /// The table it iterates over.
    #[must_use]
    pub fn table(&self) -> &Arc<Table> {
        &self.table
    }

    fn seek_inner(&mut self, user: &[u8], bound: u64) -> Result<(), Error> {
        self.data.leave();
        let top_offset = self.table.top_offset();
        let moved = self.top.seek(user, bound);
        self.at(top_offset, moved)?;
        if !self.top.is_valid() {
            return Ok(());
        }
        self.enter_partition()?;
        let moved = self.index.seek(user, bound);
        self.at(self.index_offset, moved)?;
        if !self.index.is_valid() {
            // The partition's last separator is the one above it.
            return Err(self.table.corrupt(self.index_offset, Damage::Index));
        }
        self.enter_block(Direction::Forward)?;
        let moved = self.data.seek(user, bound);
        self.at(self.data_offset, moved)?;
        if self.data.is_valid() {
            return Ok(());
        }
        // The target lies between the block's last key and its separator.
        self.next_block()
    }

    fn seek_to_first_inner(&mut self) -> Result<(), Error> {
        self.data.leave();
        let moved = self.top.seek_to_first();
        self.at(self.table.top_offset(), moved)?;
        if !self.top.is_valid() {
            return Ok(());
        }
        self.enter_partition()?;
        let moved = self.index.seek_to_first();
        self.at(self.index_offset, moved)?;
        self.enter_block(Direction::Forward)?;
        let moved = self.data.seek_to_first();
        self.at(self.data_offset, moved)
    }

    fn seek_to_last_inner(&mut self) -> Result<(), Error> {
        self.data.leave();
        let moved = self.top.seek_to_last();
        self.at(self.table.top_offset(), moved)?;
        if !self.top.is_valid() {
            return Ok(());
        }
        self.enter_partition()?;
        let moved = self.index.seek_to_last();
        self.at(self.index_offset, moved)?;
        self.enter_block(Direction::Backward)?;
        let moved = self.data.seek_to_last();
        self.at(self.data_offset, moved)
    }

    fn next_inner(&mut self) -> Result<(), Error> {
        let moved = self.data.next();
        self.at(self.data_offset, moved)?;
        if self.data.is_valid() {
            return Ok(());
        }
        self.next_block()
    }

    /// Moves to the first entry of the next block, if there is one.
    fn next_block(&mut self) -> Result<(), Error> {
        let moved = self.index.next();
        self.at(self.index_offset, moved)?;
        if !self.index.is_valid() {
            let moved = self.top.next();
            self.at(self.table.top_offset(), moved)?;
            if !self.top.is_valid() {
                self.data.leave();
                return Ok(());
            }
            self.enter_partition()?;
            let moved = self.index.seek_to_first();
            self.at(self.index_offset, moved)?;
        }
        self.enter_block(Direction::Forward)?;
        let moved = self.data.seek_to_first();
        self.at(self.data_offset, moved)
    }

    fn prev_inner(&mut self) -> Result<(), Error> {
        let moved = self.data.prev();
        self.at(self.data_offset, moved)?;
        if self.data.is_valid() {
            return Ok(());
        }
        let moved = self.index.prev();
        self.at(self.index_offset, moved)?;
        if !self.index.is_valid() {
            let moved = self.top.prev();
            self.at(self.table.top_offset(), moved)?;
            if !self.top.is_valid() {
                self.data.leave();
                return Ok(());
            }
            self.enter_partition()?;
            let moved = self.index.seek_to_last();
            self.at(self.index_offset, moved)?;
        }
        self.enter_block(Direction::Backward)?;
        let moved = self.data.seek_to_last();
        self.at(self.data_offset, moved)
    }

    /// Enters the partition under the top cursor.
    fn enter_partition(&mut self) -> Result<(), Error> {
        let handle = BlockHandle::read(self.top.value())
            .ok_or_else(|| self.table.corrupt(self.table.top_offset(), Damage::Handle))?;
        let block = match self.table.cached(handle) {
            Some(block) => block,
            None => self
                .table
                .fetch(handle, BlockKind::Index, self.options.fill_cache)?,
        };
        self.index_offset = handle.offset;
        self.index.enter(block);
        Ok(())
    }

    /// Enters the data block under the index cursor.
    fn enter_block(&mut self, direction: Direction) -> Result<(), Error> {
        let handle = BlockHandle::read(self.index.value())
            .ok_or_else(|| self.table.corrupt(self.index_offset, Damage::Handle))?;
        let block = match self.table.cached(handle) {
            Some(block) => block,
            None => self.read_block(handle, direction)?,
        };
        self.data_offset = handle.offset;
        self.data.enter(block);
        Ok(())
    }

    /// A data block that is not in the cache: from the range read before, or from the device.
    fn read_block(&mut self, handle: BlockHandle, direction: Direction) -> Result<Block, Error> {
        let fill = self.options.fill_cache;
        let ahead = &mut self.ahead;
        let adjacent = ahead.last.is_some_and(|last| match direction {
            Direction::Forward => last.end() == Some(handle.offset),
            Direction::Backward => handle.end() == Some(last.offset),
        });
        ahead.last = Some(handle);
        if let Some(framed) = ahead.find(handle) {
            return self.table.fetch_from(handle, framed, fill);
        }
        if !adjacent {
            ahead.next_bytes = 0;
            return self.table.fetch(handle, BlockKind::Data, fill);
        }
        ahead.next_bytes = (ahead.next_bytes * 2)
            .max(READ_AHEAD_FIRST)
            .min(self.options.read_ahead_bytes);
        if ahead.next_bytes <= handle.length || !ahead.load(&self.table, handle, direction) {
            return self.table.fetch(handle, BlockKind::Data, fill);
        }
        match ahead.find(handle) {
            Some(framed) => self.table.fetch_from(handle, framed, fill),
            None => self.table.fetch(handle, BlockKind::Data, fill),
        }
    }

    /// Names the block in which a cursor failed.
    fn at(&self, offset: u64, moved: Result<(), Damage>) -> Result<(), Error> {
        moved.map_err(|what| self.table.corrupt(offset, what))
    }

    /// Ends every move: stands on an entry of a known kind, or nowhere.
    fn settle(&mut self, result: Result<(), Error>) -> Result<(), Error> {
        let settled = result.and_then(|()| {
            if !self.data.is_valid() {
                return Ok(());
            }
            let (_, kind) = InternalKeyRef::split_trailer(self.data.trailer())
                .ok_or_else(|| self.table.corrupt(self.data_offset, Damage::Entry))?;
            self.kind = kind;
            Ok(())
        });
        if settled.is_err() {
            self.data.leave();
        }
        settled
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Forward,
    Backward,
}

impl ReadAhead {
    /// The framed bytes of a block, if it lies in the range whole.
    fn find(&self, handle: BlockHandle) -> Option<&[u8]> {
        let from = usize::try_from(handle.offset.checked_sub(self.start)?).ok()?;
        self.bytes
            .get(from..from.checked_add(handle.length as usize)?)
    }

    /// Reads the range that begins (or, going back, ends) with `handle`. False if that fails: then
    /// the block is read on its own, and its own error counts.
    fn load(&mut self, table: &Table, handle: BlockHandle, direction: Direction) -> bool {
        let Some(block_end) = handle.end() else {
            return false;
        };
        let bytes = u64::from(self.next_bytes);
        let (start, end) = match direction {
            Direction::Forward => (
                handle.offset,
                (handle.offset.saturating_add(bytes)).min(table.data_end()),
            ),
            Direction::Backward => (block_end.saturating_sub(bytes), block_end),
        };
        let length = usize::try_from(end.saturating_sub(start)).unwrap_or(0);
        self.start = start;
        if self.bytes.len() < length {
            self.bytes = vec![0; length];
        }
        self.bytes.truncate(length);
        let read = table.object().read_at(start, &mut self.bytes).is_ok();
        if !read {
            self.bytes.clear();
        }
        read
    }
}

#[cfg(test)]
mod tests;
