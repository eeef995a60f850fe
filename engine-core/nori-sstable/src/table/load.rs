//! Reads blocks: from the cache, or from the object and verified.

use alloc::sync::Arc;
use alloc::vec;

use bytes::Bytes;
use nori_env::BlockObject;
use nori_env::sync::Ordering;

use crate::{
    Damage, Error, Table, TableMeta,
    block::Block,
    cache::Cached,
    error,
    filter::Filter,
    footer::{FOOTER_BYTES, Footer, Refused},
    frame::{self, BlockKind},
    handle::BlockHandle,
    table::top::Partition,
};

impl Table {
    /// The handle in entry `slot` of an index partition; `None` behind its last.
    #[inline]
    pub(crate) fn child(&self, index: &Block, slot: u32) -> Result<Option<BlockHandle>, Damage> {
        if slot >= index.restart_count() {
            return Ok(None);
        }
        let handle = BlockHandle::read(index.index_value(slot)?).ok_or(Damage::Handle)?;
        Ok(Some(handle))
    }

    /// An index partition: pinned, cached, or else read, verified and kept.
    #[inline]
    pub(crate) fn partition_block(
        &self,
        partition: &Partition,
        fill_cache: bool,
    ) -> Result<Arc<Block>, Error> {
        match partition.pinned.get() {
            Some(block) => Ok(Arc::clone(block)),
            None => self.load_partition(partition, fill_cache),
        }
    }

    #[cold]
    fn load_partition(&self, partition: &Partition, fill_cache: bool) -> Result<Arc<Block>, Error> {
        let handle = partition.index;
        if let Some(Cached::Block(block)) = self.cache.find(self.cache_key(handle)) {
            return Ok(block);
        }
        let block = self.parse(handle, self.fetch(handle, BlockKind::Index))?;
        let weight = block.weight();
        if fill_cache && self.cache.try_pin(weight) {
            let mut is_first = false;
            partition.pinned.call_once(|| {
                is_first = true;
                Arc::clone(&block)
            });
            match is_first {
                true => {
                    self.pinned.fetch_add(weight, Ordering::Relaxed);
                }
                false => self.cache.unpin(weight),
            }
        } else if fill_cache {
            let cached = Cached::Block(Arc::clone(&block));
            self.cache.insert(self.cache_key(handle), cached);
        }
        Ok(block)
    }

    /// A data block: cached, or else read, verified and cached.
    #[inline]
    pub(crate) fn data_block(
        &self,
        handle: BlockHandle,
        fill_cache: bool,
    ) -> Result<Arc<Block>, Error> {
        match self.cached_block(handle) {
            Some(block) => Ok(block),
            None => self.read_data_block(handle, fill_cache),
        }
    }

    #[inline]
    pub(crate) fn cached_block(&self, handle: BlockHandle) -> Option<Arc<Block>> {
        match self.cache.find(self.cache_key(handle)) {
            Some(Cached::Block(block)) => Some(block),
            _ => None,
        }
    }

    /// Reads and verifies one data block.
    pub(crate) fn read_data_block(
        &self,
        handle: BlockHandle,
        fill_cache: bool,
    ) -> Result<Arc<Block>, Error> {
        self.admit(handle, self.fetch(handle, BlockKind::Data), fill_cache)
    }

    /// Verifies one data block that was read as part of a larger range.
    pub(crate) fn data_block_from(
        &self,
        handle: BlockHandle,
        framed: &[u8],
        fill_cache: bool,
    ) -> Result<Arc<Block>, Error> {
        let payload = frame::open_copied(self.meta.uid, handle, BlockKind::Data, framed);
        let payload = payload.map_err(|what| self.corrupt(handle.offset, what));
        self.admit(handle, payload, fill_cache)
    }

    /// The filter of a partition: cached, or else read, verified and cached.
    pub(crate) fn filter_block(&self, handle: BlockHandle) -> Result<Arc<Filter>, Error> {
        if let Some(Cached::Filter(filter)) = self.cache.find(self.cache_key(handle)) {
            return Ok(filter);
        }
        let payload = self.fetch(handle, BlockKind::Filter)?;
        let filter = Filter::new(payload).map_err(|what| self.corrupt(handle.offset, what))?;
        let filter = Arc::new(filter);
        let cached = Cached::Filter(Arc::clone(&filter));
        self.cache.insert(self.cache_key(handle), cached);
        Ok(filter)
    }

    /// Reads one block and verifies it against its handle.
    pub(crate) fn fetch(&self, handle: BlockHandle, kind: BlockKind) -> Result<Bytes, Error> {
        let limit = match kind {
            BlockKind::Data => self.data_end(),
            _ => self.meta.size,
        };
        if handle.end().is_none_or(|end| end > limit) {
            return Err(self.corrupt(handle.offset, Damage::Handle));
        }
        let framed = read_block(&*self.object, handle)?;
        frame::open(self.meta.uid, handle, kind, framed)
            .map_err(|what| self.corrupt(handle.offset, what))
    }

    /// Where data blocks end.
    pub(crate) fn data_end(&self) -> u64 {
        self.top.as_ref().map_or(0, |top| top.data_end())
    }

    fn parse(
        &self,
        handle: BlockHandle,
        payload: Result<Bytes, Error>,
    ) -> Result<Arc<Block>, Error> {
        let block = Block::new(payload?).map_err(|what| self.corrupt(handle.offset, what))?;
        Ok(Arc::new(block))
    }

    fn admit(
        &self,
        handle: BlockHandle,
        payload: Result<Bytes, Error>,
        fill_cache: bool,
    ) -> Result<Arc<Block>, Error> {
        let block = self.parse(handle, payload)?;
        if fill_cache {
            let cached = Cached::Block(Arc::clone(&block));
            self.cache.insert(self.cache_key(handle), cached);
        }
        Ok(block)
    }
}

/// The uid and the checksum that the footer of an object of `size` bytes states, unchecked.
pub(crate) fn footer_claims(object: &dyn BlockObject, size: u64) -> Result<(u64, u32), Error> {
    Ok(Footer::claims(&footer_bytes(object, size)?.1))
}

/// Where the footer lies, and its bytes.
fn footer_bytes(object: &dyn BlockObject, size: u64) -> Result<(u64, [u8; FOOTER_BYTES]), Error> {
    let object_id = object.id();
    let at = size
        .checked_sub(FOOTER_BYTES as u64)
        .ok_or(Error::Corrupt {
            object: object_id,
            offset: 0,
            what: Damage::Truncated,
        })?;
    let mut bytes = [0; FOOTER_BYTES];
    object
        .read_at(at, &mut bytes)
        .map_err(|e| error::from_read(e, object_id, at))?;
    Ok((at, bytes))
}

/// Reads and checks the footer of the table that `meta` describes.
pub(crate) fn read_footer(object: &dyn BlockObject, meta: &TableMeta) -> Result<Footer, Error> {
    let object_id = object.id();
    let (offset, bytes) = footer_bytes(object, meta.size)?;
    Footer::decode(&bytes, meta.uid, meta.size, meta.footer_checksum).map_err(|refused| {
        match refused {
            Refused::Damaged(what) => Error::Corrupt {
                object: object_id,
                offset,
                what,
            },
            Refused::Version(version) => Error::Unsupported {
                object: object_id,
                version,
            },
        }
    })
}

pub(crate) fn read_block(object: &dyn BlockObject, handle: BlockHandle) -> Result<Bytes, Error> {
    let mut framed = vec![0; handle.length as usize];
    object
        .read_at(handle.offset, &mut framed)
        .map_err(|e| error::from_read(e, object.id(), handle.offset))?;
    Ok(Bytes::from(framed))
}
