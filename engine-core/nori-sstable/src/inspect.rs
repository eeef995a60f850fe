//! A table as it lies on disk, for people and tools.
//!
//! [`meta_of`] makes the [`TableMeta`] of a table out of the table alone, so that a single file can
//! be opened; [`blocks`] walks over everything in it.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::{IntoIter, Vec};

use bytes::Bytes;
use nori_env::BlockObject;

use crate::{
    BlockCache, Damage, Error, InternalKey, InternalKeyRef, SeqNo, Table, TableMeta, block::Block,
    cursor::Cursor, frame::HEADER_BYTES, handle::BlockHandle, table::load,
};

pub use crate::frame::BlockKind;

/// A block of a table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockInfo {
    /// What it holds.
    pub kind: BlockKind,
    /// Its first byte.
    pub offset: u64,
    /// Bytes as stored, header included.
    pub stored_bytes: u32,
    /// Bytes of the payload, uncompressed.
    pub payload_bytes: u64,
    /// Whether the payload is stored compressed.
    pub is_compressed: bool,
    /// Its checksum, which its parent has too.
    pub checksum: u32,
    /// Of data blocks and index partitions: the user key under which their parent has them. No
    /// key of theirs is behind it.
    pub separator: Option<Bytes>,
    handle: BlockHandle,
}

/// An entry of a data block.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key.
    pub key: InternalKey,
    /// The value, sharing the memory of its block.
    pub value: Bytes,
}

/// The blocks of a table in the order in which they lie.
#[derive(Debug)]
pub struct Blocks {
    table: Arc<Table>,
    partition: u32,
    /// Behind the last partition the walk goes over the partitions themselves, then over the rest.
    pass: Pass,
    queue: IntoIter<(BlockHandle, BlockKind, Option<Bytes>)>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pass {
    Data,
    Index,
    Rest,
    Done,
}

/// What a manifest would keep of the table in `object`, from its footer and its entries. Nothing
/// proves that it is the table that some manifest means; it is checked against itself only. Where the
/// first or the last block of data is damaged, that end of its range is empty.
///
/// # Errors
/// `Corrupt`, `Unsupported` or `Io` when the table cannot be read.
pub fn meta_of(object: &Arc<dyn BlockObject>) -> Result<TableMeta, Error> {
    let size = object.len()?;
    let mut meta = TableMeta {
        uid: 0,
        size,
        entries: 0,
        tombstones: 0,
        range_tombstones: 0,
        smallest: Bytes::new(),
        largest: Bytes::new(),
        largest_is_exclusive: false,
        seqno_min: SeqNo(0),
        seqno_max: SeqNo(0),
        footer_checksum: 0,
    };
    (meta.uid, meta.footer_checksum) = load::footer_claims(&**object, size)?;
    let footer = load::read_footer(&**object, &meta)?;
    meta.entries = footer.entries;
    meta.range_tombstones = u64::from(footer.range_tombstones.is_some());
    let table = Table::open(Arc::clone(object), &meta, BlockCache::new(0))?;
    let properties = table.properties();
    meta.tombstones = properties.tombstones;
    meta.range_tombstones = properties.range_tombstones;
    (meta.seqno_min, meta.seqno_max) = (properties.seqno_min, properties.seqno_max);
    let mut iter = table.iter();
    // Damage there is for the walk over the blocks to tell.
    let first = iter.seek_to_first().is_ok() && iter.is_valid();
    let first = first.then(|| iter.key().to_owned().user);
    let last = iter.seek_to_last().is_ok() && iter.is_valid();
    let last = last.then(|| iter.key().to_owned().user);
    let ranges = table.range_tombstones().bounds();
    meta.smallest = first
        .into_iter()
        .chain(ranges.map(|(start, _)| start.clone()))
        .min()
        .unwrap_or_default();
    meta.largest_is_exclusive = ranges.is_some_and(|(_, end)| last.as_ref() < Some(end));
    meta.largest = last
        .into_iter()
        .chain(ranges.map(|(_, end)| end.clone()))
        .max()
        .unwrap_or_default();
    Ok(meta)
}

/// Walks over all blocks of `table`, each read from the object and verified.
#[must_use]
pub fn blocks(table: &Arc<Table>) -> Blocks {
    Blocks {
        table: Arc::clone(table),
        partition: 0,
        pass: Pass::Data,
        queue: Vec::new().into_iter(),
    }
}

/// The entries of a data block, in order; of another block none.
///
/// # Errors
/// `Corrupt` or `Io`.
pub fn entries(table: &Table, info: &BlockInfo) -> Result<Vec<Entry>, Error> {
    let mut entries = Vec::new();
    if info.kind != BlockKind::Data {
        return Ok(entries);
    }
    let damage = |what| table.corrupt(info.offset, what);
    let block = Block::new(table.fetch(info.handle, BlockKind::Data)?).map_err(damage)?;
    let mut cursor = Cursor::new();
    cursor.enter(Arc::new(block));
    cursor.seek_to_first().map_err(damage)?;
    while cursor.is_valid() {
        let (seqno, kind) =
            InternalKeyRef::split_trailer(cursor.trailer()).ok_or_else(|| damage(Damage::Entry))?;
        let user = cursor.key();
        entries.push(Entry {
            key: InternalKeyRef { user, seqno, kind }.to_owned(),
            value: cursor.value_bytes(),
        });
        cursor.next().map_err(damage)?;
    }
    Ok(entries)
}

impl Blocks {
    /// Fills the queue with the next blocks; false at the end.
    fn advance(&mut self) -> Result<bool, Error> {
        let table = Arc::clone(&self.table);
        let partition = table
            .top()
            .and_then(|top| Some((top, top.partition(self.partition)?)));
        let next = match (self.pass, partition) {
            (Pass::Data, Some((_, partition))) => {
                let index = table.partition_block(partition, false)?;
                let damage = |what| table.corrupt(partition.index.offset, what);
                let mut children = Vec::new();
                for slot in 0..index.restart_count() {
                    let separator = index.restart_key(slot).map_err(damage)?;
                    let separator = Some(Bytes::copy_from_slice(separator));
                    let child = table.child(&index, slot).map_err(damage)?;
                    children.extend(child.map(|handle| (handle, BlockKind::Data, separator)));
                }
                self.partition += 1;
                children
            }
            (Pass::Index, Some((top, partition))) => {
                let separator = top
                    .separator(self.partition)
                    .map_err(|what| table.corrupt(top.offset(), what))?;
                let separator = Some(Bytes::copy_from_slice(separator));
                self.partition += 1;
                let index = (partition.index, BlockKind::Index, separator);
                let filter = partition
                    .filter
                    .map(|handle| (handle, BlockKind::Filter, None));
                core::iter::once(index).chain(filter).collect()
            }
            (Pass::Data, None) => {
                (self.pass, self.partition) = (Pass::Index, 0);
                Vec::new()
            }
            (Pass::Index, None) => {
                self.pass = Pass::Rest;
                Vec::new()
            }
            (Pass::Rest, _) => {
                self.pass = Pass::Done;
                let footer = table.footer();
                let rest = [
                    (footer.top_index, BlockKind::TopIndex),
                    (footer.filter, BlockKind::Filter),
                    (footer.range_tombstones, BlockKind::RangeTombstones),
                    (Some(footer.properties), BlockKind::Properties),
                ];
                let rest = rest.into_iter();
                rest.filter_map(|(handle, kind)| Some((handle?, kind, None)))
                    .collect()
            }
            (Pass::Done, _) => return Ok(false),
        };
        self.queue = next.into_iter();
        Ok(true)
    }

    fn info(&self, handle: BlockHandle, kind: BlockKind) -> Result<BlockInfo, Error> {
        let payload = self.table.fetch(handle, kind)?;
        let payload_bytes = payload.len() as u64;
        Ok(BlockInfo {
            kind,
            offset: handle.offset,
            stored_bytes: handle.length,
            payload_bytes,
            is_compressed: payload_bytes + HEADER_BYTES as u64 != u64::from(handle.length),
            checksum: handle.checksum,
            separator: None,
            handle,
        })
    }
}

impl Iterator for Blocks {
    type Item = Result<BlockInfo, Error>;

    /// Goes on behind what is damaged; the data under a damaged index partition is passed over.
    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some((handle, kind, separator)) = self.queue.next() {
                let info = self.info(handle, kind);
                return Some(info.map(|info| BlockInfo { separator, ..info }));
            }
            match self.advance() {
                Ok(true) => {}
                Ok(false) => return None,
                Err(error) => {
                    self.partition += 1;
                    self.queue = vec![].into_iter();
                    return Some(Err(error));
                }
            }
        }
    }
}

#[cfg(test)]
mod tests;
