//! Reads a table.
//!
//! **Invariant: an open table holds a verified footer, top index, filter and properties; every
//! other block is verified against its parent before the first byte of it is used.** Blocks from
//! the cache were verified when they were put there.

use alloc::sync::Arc;
use alloc::vec;

use bytes::Bytes;
use nori_env::{BlockObject, ObjectId};
use norikv_types::{Mutant, breaks};

use crate::{
    BlockCache, Damage, Error, InternalKeyRef, IterOptions, Properties, RangeTombstones, SeqNo,
    TableIter, TableMeta, ValueKind,
    block::Block,
    cache::CacheKey,
    error,
    filter::{self, Filter},
    footer::{FOOTER_BYTES, Footer, Refused},
    frame::{self, BlockKind},
    handle::BlockHandle,
    range_tombstones::codec,
};

/// An open table. Shared by any number of readers; dropping the last handle closes it.
#[derive(Debug)]
pub struct Table {
    object: Arc<dyn BlockObject>,
    cache: Arc<BlockCache>,
    meta: TableMeta,
    properties: Properties,
    /// None if there are no entries.
    top: Option<Block>,
    top_offset: u64,
    filter: Option<Filter>,
    range_tombstones: RangeTombstones,
    /// Where data blocks end and index partitions begin.
    data_end: u64,
}

/// A version that a read found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The place of the write.
    pub seqno: SeqNo,
    /// Whether it put or deleted.
    pub kind: ValueKind,
    /// The value, sharing the memory of its block: while it lives, so does the block.
    pub value: Bytes,
}

impl Table {
    /// Opens the table that `meta` describes. Reads and verifies footer, top index, filter and
    /// properties, which stay in memory ([`resident_bytes`](Self::resident_bytes)).
    ///
    /// # Errors
    /// `Corrupt` when any of them is not what `meta` says; `Unsupported` for another format
    /// version; `Io`. Nothing is kept.
    pub fn open(
        object: Arc<dyn BlockObject>,
        meta: &TableMeta,
        cache: Arc<BlockCache>,
    ) -> Result<Arc<Self>, Error> {
        let id = object.id();
        let corrupt = |offset, what| Error::Corrupt {
            object: id,
            offset,
            what,
        };
        let footer_at = meta
            .size
            .checked_sub(FOOTER_BYTES as u64)
            .ok_or_else(|| corrupt(0, Damage::Truncated))?;
        let mut bytes = [0; FOOTER_BYTES];
        object
            .read_at(footer_at, &mut bytes)
            .map_err(|e| error::from_read(e, id, footer_at))?;
        let footer = Footer::decode(&bytes, meta.uid, meta.size, meta.footer_checksum).map_err(
            |refused| match refused {
                Refused::Damaged(what) => corrupt(footer_at, what),
                Refused::Version(version) => Error::Unsupported {
                    object: id,
                    version,
                },
            },
        )?;
        let same = footer.entries == meta.entries
            && footer.range_tombstones.is_some() == (meta.range_tombstones > 0)
            && footer.top_index.is_some() == (meta.entries > 0);
        if !same {
            return Err(corrupt(footer_at, Damage::NotTheTable));
        }

        let load = |handle: BlockHandle, kind| {
            let framed = read_block(&*object, handle)?;
            frame::open(meta.uid, handle, kind, framed).map_err(|what| corrupt(handle.offset, what))
        };
        let (mut top, mut data_end) = (None, 0);
        if let Some(handle) = footer.top_index {
            let at_top = |what| corrupt(handle.offset, what);
            let block = Block::new(load(handle, BlockKind::TopIndex)?).map_err(at_top)?;
            let first = block.entry(0).map_err(at_top)?;
            data_end = BlockHandle::read(block.bytes(first.value_start..first.value_end))
                .ok_or_else(|| at_top(Damage::Handle))?
                .offset;
            top = Some(block);
        }
        let range_tombstones = match footer.range_tombstones {
            Some(handle) => codec::decode(&load(handle, BlockKind::RangeTombstones)?)
                .map_err(|what| corrupt(handle.offset, what))?,
            None => RangeTombstones::default(),
        };
        let filter = match footer.filter {
            Some(handle) => {
                let payload = load(handle, BlockKind::Filter)?;
                Some(Filter::new(payload).map_err(|what| corrupt(handle.offset, what))?)
            }
            None => None,
        };
        let properties = load(footer.properties, BlockKind::Properties)?;
        let properties = Properties::decode(&properties)
            .map_err(|what| corrupt(footer.properties.offset, what))?;
        Ok(Arc::new(Self {
            cache,
            meta: meta.clone(),
            properties,
            top,
            top_offset: footer.top_index.map_or(0, |handle| handle.offset),
            filter,
            range_tombstones,
            data_end,
            object,
        }))
    }

    /// The newest version of `user_key` that was written at or before `at`, tombstones included.
    /// Range tombstones are not applied: ask [`range_tombstones`](Self::range_tombstones).
    ///
    /// Cost with everything cached: one filter line, one index block, one data block, and no
    /// allocation.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; nothing changed, and other keys may still be read.
    pub fn get(&self, user_key: &[u8], at: SeqNo) -> Result<Option<Found>, Error> {
        if let Some(filter) = &self.filter
            && !filter.may_contain(filter::hash(user_key))
        {
            return Ok(None);
        }
        let bound = at.bound();
        let Some(top) = &self.top else {
            return Ok(None);
        };
        let Some(partition) = self.child(top, user_key, bound, self.top_offset)? else {
            return Ok(None);
        };
        let index = self.block(partition, BlockKind::Index)?;
        let boundary = match breaks(Mutant::BoundaryKeyMissed) {
            true => 0,
            false => bound,
        };
        let Some(handle) = self.child(&index, user_key, boundary, partition.offset)? else {
            return Ok(None);
        };
        let block = self.block(handle, BlockKind::Data)?;
        let hit = block
            .search(user_key, bound)
            .map_err(|what| self.corrupt(handle.offset, what))?;
        // A block's separator may lie behind its last key: then the key is in no block.
        let Some(hit) = hit.filter(|hit| hit.same_user) else {
            return Ok(None);
        };
        let (seqno, kind) = InternalKeyRef::split_trailer(hit.entry.trailer)
            .ok_or_else(|| self.corrupt(handle.offset, Damage::Entry))?;
        Ok(Some(Found {
            seqno,
            kind,
            value: block.slice(hit.entry.value_start..hit.entry.value_end),
        }))
    }

    /// Whether `user_key` may be in the table, by the filter alone.
    #[must_use]
    pub fn may_contain(&self, user_key: &[u8]) -> bool {
        self.filter
            .as_ref()
            .is_none_or(|filter| filter.may_contain(filter::hash(user_key)))
    }

    /// An iterator of its own lifetime, not yet positioned.
    #[must_use]
    pub fn iter(self: &Arc<Self>) -> TableIter {
        self.iter_with(IterOptions::default())
    }

    /// As [`iter`](Self::iter), with other caching and read-ahead.
    #[must_use]
    pub fn iter_with(self: &Arc<Self>, options: IterOptions) -> TableIter {
        TableIter::new(Arc::clone(self), options)
    }

    /// What the manifest stores of it.
    #[must_use]
    pub fn meta(&self) -> &TableMeta {
        &self.meta
    }

    /// Its range tombstones, which stay in memory.
    #[must_use]
    pub fn range_tombstones(&self) -> &RangeTombstones {
        &self.range_tombstones
    }

    /// What was counted while it was built.
    #[must_use]
    pub fn properties(&self) -> &Properties {
        &self.properties
    }

    /// The object it lies in.
    #[must_use]
    pub fn object_id(&self) -> ObjectId {
        self.object.id()
    }

    /// Bytes that the open table holds outside the cache.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        let filter = self.filter.as_ref().map_or(0, Filter::len);
        let top = self.top.as_ref().map_or(0, Block::len);
        (top + filter) as u64 + self.range_tombstones.bytes()
    }

    /// The handle under the first separator of an index block that is not before the target.
    fn child(
        &self,
        index: &Block,
        user: &[u8],
        bound: u64,
        offset: u64,
    ) -> Result<Option<BlockHandle>, Error> {
        let hit = index
            .search(user, bound)
            .map_err(|what| self.corrupt(offset, what))?;
        let Some(hit) = hit else { return Ok(None) };
        BlockHandle::read(index.bytes(hit.entry.value_start..hit.entry.value_end))
            .map(Some)
            .ok_or_else(|| self.corrupt(offset, Damage::Handle))
    }

    /// A block from the cache, or else read, verified and cached.
    #[inline]
    fn block(&self, handle: BlockHandle, kind: BlockKind) -> Result<Block, Error> {
        match self.cached(handle) {
            Some(block) => Ok(block),
            None => self.fetch(handle, kind, true),
        }
    }

    #[inline]
    pub(crate) fn cached(&self, handle: BlockHandle) -> Option<Block> {
        self.cache.find(self.cache_key(handle))
    }

    /// Reads and verifies one block.
    pub(crate) fn fetch(
        &self,
        handle: BlockHandle,
        kind: BlockKind,
        fill_cache: bool,
    ) -> Result<Block, Error> {
        let limit = match kind {
            BlockKind::Data => self.data_end,
            _ => self.meta.size,
        };
        if handle.end().is_none_or(|end| end > limit) {
            return Err(self.corrupt(handle.offset, Damage::Handle));
        }
        let framed = read_block(&*self.object, handle)?;
        let payload = frame::open(self.meta.uid, handle, kind, framed);
        self.admit(handle, payload, fill_cache)
    }

    /// Verifies one data block that was read as part of a larger range.
    pub(crate) fn fetch_from(
        &self,
        handle: BlockHandle,
        framed: &[u8],
        fill_cache: bool,
    ) -> Result<Block, Error> {
        let payload = frame::open_copied(self.meta.uid, handle, BlockKind::Data, framed);
        self.admit(handle, payload, fill_cache)
    }

    fn admit(
        &self,
        handle: BlockHandle,
        payload: Result<Bytes, Damage>,
        fill_cache: bool,
    ) -> Result<Block, Error> {
        let block = payload
            .and_then(Block::new)
            .map_err(|what| self.corrupt(handle.offset, what))?;
        if fill_cache {
            self.cache.insert(self.cache_key(handle), &block);
        }
        Ok(block)
    }

    pub(crate) fn top(&self) -> Option<&Block> {
        self.top.as_ref()
    }

    pub(crate) fn top_offset(&self) -> u64 {
        self.top_offset
    }

    pub(crate) fn data_end(&self) -> u64 {
        self.data_end
    }

    pub(crate) fn object(&self) -> &dyn BlockObject {
        &*self.object
    }

    pub(crate) fn corrupt(&self, offset: u64, what: Damage) -> Error {
        Error::Corrupt {
            object: self.object.id(),
            offset,
            what,
        }
    }

    fn cache_key(&self, handle: BlockHandle) -> CacheKey {
        CacheKey {
            uid: self.meta.uid,
            offset: handle.offset,
        }
    }
}

fn read_block(object: &dyn BlockObject, handle: BlockHandle) -> Result<Bytes, Error> {
    let mut framed = vec![0; handle.length as usize];
    object
        .read_at(handle.offset, &mut framed)
        .map_err(|e| error::from_read(e, object.id(), handle.offset))?;
    Ok(Bytes::from(framed))
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod forged;
