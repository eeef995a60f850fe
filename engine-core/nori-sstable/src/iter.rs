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
    handle::BlockHandle,
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
    /// The number of the index partition entered, and that.
    partition: u32,
    index: Option<Arc<Block>>,
    /// The entry of the partition under which the data block lies.
    slot: u32,
    data: Cursor,
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
        Self {
            table,
            options,
            partition: 0,
            index: None,
            slot: 0,
            data: Cursor::new(),
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
        let Some(top) = self.table.top() else {
            return Ok(());
        };
        let number = top
            .search(user, bound)
            .map_err(|what| self.table.corrupt(top.offset(), what))?;
        if !self.enter_partition(number)? {
            return Ok(());
        }
        let Some(index) = &self.index else {
            return Ok(());
        };
        let slot = index
            .search_index(user, bound)
            .map_err(|what| self.index_damage(what))?;
        if !self.enter_slot(slot, Direction::Forward)? {
            // The partition's last separator is the one above it.
            return Err(self.index_damage(Damage::Index));
        }
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
        if self.enter_partition(0)? {
            self.enter_slot(0, Direction::Forward)?;
            let moved = self.data.seek_to_first();
            self.at(self.data_offset, moved)?;
        }
        Ok(())
    }

    fn seek_to_last_inner(&mut self) -> Result<(), Error> {
        self.data.leave();
        let partitions = self.table.top().map_or(0, |top| top.len());
        match partitions.checked_sub(1) {
            Some(last) => self.enter_last_of(last),
            None => Ok(()),
        }
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
        let entered = self.enter_slot(self.slot + 1, Direction::Forward)?
            || (self.enter_partition(self.partition + 1)?
                && self.enter_slot(0, Direction::Forward)?);
        if !entered {
            self.data.leave();
            return Ok(());
        }
        let moved = self.data.seek_to_first();
        self.at(self.data_offset, moved)
    }

    fn prev_inner(&mut self) -> Result<(), Error> {
        let moved = self.data.prev();
        self.at(self.data_offset, moved)?;
        if self.data.is_valid() {
            return Ok(());
        }
        match (self.slot.checked_sub(1), self.partition.checked_sub(1)) {
            (Some(slot), _) => {
                self.enter_slot(slot, Direction::Backward)?;
                let moved = self.data.seek_to_last();
                self.at(self.data_offset, moved)
            }
            (None, Some(partition)) => self.enter_last_of(partition),
            (None, None) => {
                self.data.leave();
                Ok(())
            }
        }
    }

    /// Moves to the last entry of a partition.
    fn enter_last_of(&mut self, partition: u32) -> Result<(), Error> {
        self.enter_partition(partition)?;
        let slots = self.index.as_ref().map_or(0, |index| index.restart_count());
        self.enter_slot(slots.saturating_sub(1), Direction::Backward)?;
        let moved = self.data.seek_to_last();
        self.at(self.data_offset, moved)
    }

    /// Enters a partition; false if there is none of this number.
    fn enter_partition(&mut self, number: u32) -> Result<bool, Error> {
        if self.index.is_some() && self.partition == number {
            return Ok(true);
        }
        let partition = self.table.top().and_then(|top| top.partition(number));
        let Some(partition) = partition else {
            return Ok(false);
        };
        let block = self
            .table
            .partition_block(partition, self.options.fill_cache)?;
        self.index = Some(block);
        self.partition = number;
        Ok(true)
    }

    /// Enters the data block under an entry of the partition; false if there is none of this number.
    fn enter_slot(&mut self, slot: u32, direction: Direction) -> Result<bool, Error> {
        let Some(index) = &self.index else {
            return Ok(false);
        };
        let handle = self
            .table
            .child(index, slot)
            .map_err(|what| self.index_damage(what))?;
        let Some(handle) = handle else {
            return Ok(false);
        };
        let block = match self.table.cached_block(handle) {
            Some(block) => block,
            None => self.read_block(handle, direction)?,
        };
        self.slot = slot;
        self.data_offset = handle.offset;
        self.data.enter(block);
        Ok(true)
    }

    fn index_damage(&self, what: Damage) -> Error {
        let partition = self
            .table
            .top()
            .and_then(|top| top.partition(self.partition));
        let offset = partition.map_or(0, |partition| partition.index.offset);
        self.table.corrupt(offset, what)
    }

    /// A data block that is not in the cache: from the range read before, or from the device.
    fn read_block(
        &mut self,
        handle: BlockHandle,
        direction: Direction,
    ) -> Result<Arc<Block>, Error> {
        let fill = self.options.fill_cache;
        let ahead = &mut self.ahead;
        let adjacent = ahead.last.is_some_and(|last| match direction {
            Direction::Forward => last.end() == Some(handle.offset),
            Direction::Backward => handle.end() == Some(last.offset),
        });
        ahead.last = Some(handle);
        if let Some(framed) = ahead.find(handle) {
            return self.table.data_block_from(handle, framed, fill);
        }
        if !adjacent {
            ahead.next_bytes = 0;
            return self.table.read_data_block(handle, fill);
        }
        ahead.next_bytes = (ahead.next_bytes * 2)
            .max(READ_AHEAD_FIRST)
            .min(self.options.read_ahead_bytes);
        if ahead.next_bytes <= handle.length || !ahead.load(&self.table, handle, direction) {
            return self.table.read_data_block(handle, fill);
        }
        match ahead.find(handle) {
            Some(framed) => self.table.data_block_from(handle, framed, fill),
            None => self.table.read_data_block(handle, fill),
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
