//! The lower level of the index: one entry a data block, cut into partitions.

use alloc::vec::Vec;

use crate::{block_builder::BlockBuilder, frame::HEADER_BYTES, handle::BlockHandle};

#[derive(Debug)]
pub(super) struct IndexBuilder {
    partition_bytes: u32,
    open: BlockBuilder,
    last_user: Vec<u8>,
    last_trailer: u64,
    closed: Vec<Partition>,
    closed_bytes: usize,
    value: Vec<u8>,
}

/// A partition that waits for its place behind the data.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) last_user: Vec<u8>,
    pub(super) last_trailer: u64,
    pub(super) payload: Vec<u8>,
    pub(super) filter: Option<Vec<u8>>,
}

impl IndexBuilder {
    pub(super) fn new(partition_bytes: u32) -> Self {
        Self {
            partition_bytes,
            open: BlockBuilder::new(1),
            last_user: Vec::new(),
            last_trailer: 0,
            closed: Vec::new(),
            closed_bytes: 0,
            value: Vec::new(),
        }
    }

    pub(super) fn add(&mut self, user: &[u8], trailer: u64, handle: BlockHandle) {
        self.value.clear();
        handle.put(&mut self.value);
        self.open.add(user, trailer, &self.value);
        self.last_user.clear();
        self.last_user.extend_from_slice(user);
        self.last_trailer = trailer;
    }

    /// Whether the open partition has its size.
    pub(super) fn is_full(&self) -> bool {
        self.open.len() >= self.partition_bytes as usize
    }

    /// Ends the open partition, if there is one; `filter` is that of the keys of its blocks.
    pub(super) fn close(&mut self, filter: Option<Vec<u8>>) {
        if self.open.is_empty() {
            return;
        }
        let payload = self.open.finish(<[u8]>::to_vec);
        // Its part in the top index: key, trailer, handles, lengths, restart.
        let framed = |bytes: usize| bytes + HEADER_BYTES + 16;
        self.closed_bytes += framed(payload.len()) + self.last_user.len() + 16;
        self.closed_bytes += filter.as_ref().map_or(0, |filter| framed(filter.len()));
        self.closed.push(Partition {
            last_user: self.last_user.clone(),
            last_trailer: self.last_trailer,
            payload,
            filter,
        });
    }

    /// Bytes that it will take, nearly.
    pub(super) fn len(&self) -> usize {
        self.closed_bytes + self.open.len()
    }

    /// The closed partitions.
    pub(super) fn take(&mut self) -> Vec<Partition> {
        core::mem::take(&mut self.closed)
    }
}
