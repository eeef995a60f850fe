//! Reads a table.
//!
//! **Invariant: an open table holds a verified footer, top index, filter and properties; every
//! other block is verified against its parent before the first byte of it is used.** Blocks from
//! the cache were verified when they were put there.

use alloc::sync::Arc;
use core::fmt;

use bytes::Bytes;
use nori_env::sync::{AtomicU64, Ordering};
use nori_env::{BlockObject, ObjectId};
use norikv_types::{Mutant, breaks};

use crate::{
    BlockCache, Damage, Error, InternalKeyRef, IterOptions, Properties, RangeTombstones, SeqNo,
    TableIter, TableMeta, ValueKind,
    block::Block,
    cache::CacheKey,
    filter::{self, Filter},
    footer::{FOOTER_BYTES, Footer},
    frame::{self, BlockKind},
    handle::BlockHandle,
    range_tombstones::codec,
    table::top::TopIndex,
};

pub(crate) mod load;
pub(crate) mod top;

/// An open table. Shared by any number of readers; dropping the last handle closes it.
pub struct Table {
    object: Arc<dyn BlockObject>,
    cache: Arc<BlockCache>,
    meta: TableMeta,
    properties: Properties,
    footer: Footer,
    /// None if there are no entries.
    top: Option<TopIndex>,
    /// That of the whole table.
    filter: Option<Filter>,
    range_tombstones: RangeTombstones,
    /// Bytes taken off the cache's budget.
    pinned: AtomicU64,
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
        let footer = load::read_footer(&*object, meta)?;
        let same = footer.entries == meta.entries
            && footer.range_tombstones.is_some() == (meta.range_tombstones > 0)
            && footer.top_index.is_some() == (meta.entries > 0);
        if !same {
            return Err(corrupt(
                meta.size - FOOTER_BYTES as u64,
                Damage::NotTheTable,
            ));
        }

        let load = |handle: BlockHandle, kind| {
            let framed = load::read_block(&*object, handle)?;
            frame::open(meta.uid, handle, kind, framed).map_err(|what| corrupt(handle.offset, what))
        };
        let at = |handle: BlockHandle| move |what| corrupt(handle.offset, what);
        let top = match footer.top_index {
            Some(handle) => Some(
                Block::new(load(handle, BlockKind::TopIndex)?)
                    .and_then(|block| TopIndex::new(block, handle.offset))
                    .map_err(at(handle))?,
            ),
            None => None,
        };
        let range_tombstones = match footer.range_tombstones {
            Some(handle) => {
                codec::decode(&load(handle, BlockKind::RangeTombstones)?).map_err(at(handle))?
            }
            None => RangeTombstones::default(),
        };
        let filter = match footer.filter {
            Some(handle) => {
                Some(Filter::new(load(handle, BlockKind::Filter)?).map_err(at(handle))?)
            }
            None => None,
        };
        let properties = Properties::decode(&load(footer.properties, BlockKind::Properties)?)
            .map_err(at(footer.properties))?;
        let pinned = top.as_ref().map_or(0, TopIndex::weight)
            + filter.as_ref().map_or(0, |filter| filter.len() as u64)
            + range_tombstones.bytes();
        cache.pin(pinned);
        Ok(Arc::new(Self {
            cache,
            meta: meta.clone(),
            properties,
            footer,
            top,
            filter,
            range_tombstones,
            pinned: AtomicU64::new(pinned),
            object,
        }))
    }

    /// The newest version of `user_key` that was written at or before `at`, tombstones included.
    /// Range tombstones are not applied: ask [`range_tombstones`](Self::range_tombstones).
    ///
    /// Cost with everything cached: one filter look-up, two searches in memory, one data block,
    /// and no allocation.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; nothing changed, and other keys may still be read.
    pub fn get(&self, user_key: &[u8], at: SeqNo) -> Result<Option<Found>, Error> {
        let hash = filter::hash(user_key);
        if let Some(filter) = &self.filter
            && !filter.may_contain(hash)
        {
            return Ok(None);
        }
        let Some(top) = &self.top else {
            return Ok(None);
        };
        let bound = at.bound();
        let number = top
            .search(user_key, bound)
            .map_err(|what| self.corrupt(top.offset(), what))?;
        let Some(partition) = top.partition(number) else {
            return Ok(None);
        };
        if let Some(filter) = partition.filter
            && !self.filter_block(filter)?.may_contain(hash)
        {
            return Ok(None);
        }
        let boundary = match breaks(Mutant::BoundaryKeyMissed) {
            true => 0,
            false => bound,
        };
        let fill_cache = true;
        let index = self.partition_block(partition, fill_cache)?;
        let handle = index
            .search_index(user_key, boundary)
            .and_then(|slot| self.child(&index, slot))
            .map_err(|what| self.corrupt(partition.index.offset, what))?;
        let Some(handle) = handle else {
            return Ok(None);
        };
        let block = self.data_block(handle, fill_cache)?;
        // A block's separator may lie behind its last key: then the key is in no block.
        let entry = block
            .find(user_key, hash, bound)
            .map_err(|what| self.corrupt(handle.offset, what))?;
        let Some(entry) = entry else {
            return Ok(None);
        };
        let (seqno, kind) = InternalKeyRef::split_trailer(entry.trailer)
            .ok_or_else(|| self.corrupt(handle.offset, Damage::Entry))?;
        Ok(Some(Found {
            seqno,
            kind,
            value: block.slice(entry.value_start..entry.value_end),
        }))
    }

    /// Whether `user_key` may be in the table, by the filter alone. What cannot be read says yes.
    #[must_use]
    pub fn may_contain(&self, user_key: &[u8]) -> bool {
        let hash = filter::hash(user_key);
        let whole = self.filter.as_ref();
        whole.is_none_or(|filter| filter.may_contain(hash))
            && self
                .partitions_may_contain(user_key, hash, |separator| separator > user_key)
                .unwrap_or(true)
    }

    /// Whether a user key that begins with `prefix` may be in the table, by the filter alone: no is
    /// certain. A table without a [`prefix_extractor`](crate::TableOptions::prefix_extractor), or
    /// one that takes nothing off `prefix`, says yes, and so does what cannot be read.
    #[must_use]
    pub fn may_contain_prefix(&self, prefix: &[u8]) -> bool {
        let extractor = self.properties.prefix_extractor;
        let Some(known) = extractor.and_then(|extractor| extractor.extract(prefix)) else {
            return true;
        };
        let hash = filter::prefix_hash(known);
        let whole = self.filter.as_ref();
        whole.is_none_or(|filter| filter.may_contain(hash))
            && self
                .partitions_may_contain(prefix, hash, |separator| {
                    separator > prefix && !separator.starts_with(prefix)
                })
                .unwrap_or(true)
    }

    /// Asks the filters of the partitions from that of `from` on, up to the first whose last
    /// separator is behind everything that is looked for.
    fn partitions_may_contain(
        &self,
        from: &[u8],
        hash: u64,
        is_behind: impl Fn(&[u8]) -> bool,
    ) -> Result<bool, Error> {
        let Some(top) = &self.top else {
            return Ok(false);
        };
        let at_top = |what| self.corrupt(top.offset(), what);
        let mut number = top.search(from, u64::MAX).map_err(at_top)?;
        while let Some(partition) = top.partition(number) {
            match partition.filter {
                None => return Ok(true),
                Some(filter) if self.filter_block(filter)?.may_contain(hash) => return Ok(true),
                Some(_) => {}
            }
            if is_behind(top.separator(number).map_err(at_top)?) {
                break;
            }
            number += 1;
        }
        Ok(false)
    }

    /// About how many bytes of data, as stored, lie before `user_key`: where the block begins in
    /// which it is or would be. Reads one index partition at most.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; nothing changed.
    pub fn offset_of(&self, user_key: &[u8]) -> Result<u64, Error> {
        let Some(top) = &self.top else {
            return Ok(0);
        };
        let number = top
            .search(user_key, u64::MAX)
            .map_err(|what| self.corrupt(top.offset(), what))?;
        let Some(partition) = top.partition(number) else {
            return Ok(top.data_end());
        };
        let index = self.partition_block(partition, true)?;
        let handle = index
            .search_index(user_key, u64::MAX)
            .and_then(|slot| self.child(&index, slot))
            .map_err(|what| self.corrupt(partition.index.offset, what))?;
        Ok(handle.map_or_else(|| top.data_end(), |handle| handle.offset))
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

    /// Bytes that the open table holds outside the cache now, taken off its budget.
    #[must_use]
    pub fn resident_bytes(&self) -> u64 {
        self.pinned.load(Ordering::Relaxed)
    }

    pub(crate) fn footer(&self) -> &Footer {
        &self.footer
    }

    /// The footer as it is on disk now.
    pub(crate) fn reread_footer(&self) -> Result<Footer, Error> {
        load::read_footer(&*self.object, &self.meta)
    }

    pub(crate) fn top(&self) -> Option<&TopIndex> {
        self.top.as_ref()
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

impl Drop for Table {
    fn drop(&mut self) {
        self.cache.unpin(*self.pinned.get_mut());
    }
}

impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Table")
            .field("object", &self.object.id())
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;

#[cfg(test)]
mod forged;
