//! The top index of an open table, and the partitions under it.
//!
//! **Invariant: the handles were read when the table was opened, and a pinned partition is the one
//! that its handle names.** Partitions are pinned as they are first used, as long as that leaves
//! the cache half its budget; others go through the cache.

use alloc::boxed::Box;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Once;

use crate::{Damage, block::Block, handle::BlockHandle};

#[derive(Debug)]
pub(crate) struct TopIndex {
    block: Block,
    offset: u64,
    partitions: Box<[Partition]>,
}

/// A part of the index, and of the filter.
#[derive(Debug)]
pub(crate) struct Partition {
    pub(crate) index: BlockHandle,
    pub(crate) filter: Option<BlockHandle>,
    pub(crate) pinned: Once<Arc<Block>>,
}

impl TopIndex {
    pub(crate) fn new(block: Block, offset: u64) -> Result<Self, Damage> {
        let mut partitions = Vec::new();
        for number in 0..block.restart_count() {
            let value = block.index_value(number)?;
            let (index, rest) = BlockHandle::read_first(value).ok_or(Damage::Handle)?;
            let filter = match rest {
                [] => None,
                rest => Some(BlockHandle::read(rest).ok_or(Damage::Handle)?),
            };
            partitions.push(Partition {
                index,
                filter,
                pinned: Once::new(),
            });
        }
        Ok(Self {
            block,
            offset,
            partitions: partitions.into(),
        })
    }

    /// The number of the partition in which (`user`, `bound`) or what is next behind it lies;
    /// their count if that is behind the table.
    #[inline]
    pub(crate) fn search(&self, user: &[u8], bound: u64) -> Result<u32, Damage> {
        self.block.search_index(user, bound)
    }

    #[inline]
    pub(crate) fn partition(&self, number: u32) -> Option<&Partition> {
        self.partitions.get(number as usize)
    }

    /// The user key of a partition's last separator.
    pub(crate) fn separator(&self, number: u32) -> Result<&[u8], Damage> {
        self.block.restart_key(number)
    }

    /// The number of partitions.
    pub(crate) fn len(&self) -> u32 {
        self.block.restart_count()
    }

    /// Where the top index lies, for errors.
    pub(crate) fn offset(&self) -> u64 {
        self.offset
    }

    /// Where data blocks end: at the first partition.
    pub(crate) fn data_end(&self) -> u64 {
        self.partitions
            .first()
            .map_or(0, |first| first.index.offset)
    }

    /// Bytes that it takes in memory, pinned partitions apart.
    pub(crate) fn weight(&self) -> u64 {
        self.block.weight() + PARTITION_WEIGHT * u64::from(self.len())
    }
}

/// A fixed part for each partition: its handles and the place of its block.
const PARTITION_WEIGHT: u64 = 64;
