//! Writes a table front to back.
//!
//! **Invariant: entries arrive in strictly ascending internal order, and a table that has a
//! [`TableMeta`] is durable.** Data blocks are appended as they fill; index partitions wait in
//! memory (well under 1 % of the table), so that data lies in one run.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_env::BlockObject;

use crate::{
    Error, InternalKeyRef, KEY_BYTES_MAX, Properties, RangeTombstone, RangeTombstones, SeqNo,
    TableMeta, TableOptions, VALUE_BYTES_MAX,
    block_builder::{BlockBuilder, common_prefix},
    builder::index::IndexBuilder,
    filter::FilterBuilder,
    footer::{FOOTER_BYTES, Footer},
    frame::{BlockKind, Framer, HEADER_BYTES},
    handle::BlockHandle,
    range_tombstones::codec,
};

mod index;

/// Builds one table into an empty object. Dropped before [`finish`](Self::finish), it leaves debris
/// that no manifest names.
#[derive(Debug)]
pub struct TableBuilder {
    object: Arc<dyn BlockObject>,
    uid: u64,
    options: TableOptions,
    framer: Framer,
    data: BlockBuilder,
    index: IndexBuilder,
    filter: FilterBuilder,
    /// Whether the filter under construction has no key yet: then the last one's versions that
    /// follow count as new to it.
    filter_is_fresh: bool,
    properties: Properties,
    range_tombstones: Vec<RangeTombstone>,
    range_bytes: u64,
    /// The oldest and the newest write so far.
    seqnos: Option<(SeqNo, SeqNo)>,
    smallest: Bytes,
    last_user: Vec<u8>,
    last_trailer: u64,
    /// The block whose separator waits for the first key behind it.
    closed: Option<BlockHandle>,
    /// Framed bytes on their way to the object.
    pending: Vec<u8>,
    /// Bytes that the object holds.
    appended: u64,
}

/// Bytes that are gathered before an append.
const APPEND_BYTES: usize = 256 << 10;

impl TableBuilder {
    /// A builder into `object`, which has to be empty. `uid` is drawn at random for each table.
    #[must_use]
    pub fn new(object: Arc<dyn BlockObject>, uid: u64, options: TableOptions) -> Self {
        Self {
            framer: Framer::new(uid, options.compression),
            data: match options.hash_index {
                true => BlockBuilder::with_hash_index(options.restart_interval),
                false => BlockBuilder::new(options.restart_interval),
            },
            index: IndexBuilder::new(options.index_block_bytes),
            filter: FilterBuilder::new(&options),
            filter_is_fresh: true,
            properties: Properties::of(&options),
            range_tombstones: Vec::new(),
            range_bytes: 0,
            seqnos: None,
            smallest: Bytes::new(),
            last_user: Vec::new(),
            last_trailer: 0,
            closed: None,
            pending: Vec::new(),
            appended: 0,
            object,
            uid,
            options,
        }
    }

    /// Appends an entry. The value of a tombstone is kept as given, usually empty.
    ///
    /// # Errors
    /// `OutOfOrder`, `KeyTooLarge`, `ValueTooLarge`: the entry was not added and the builder goes
    /// on. `Io`: the table cannot be finished; drop it.
    ///
    /// # Panics
    /// When the sequence number is above [`SeqNo::MAX`].
    pub fn add(&mut self, key: &InternalKeyRef<'_>, value: &[u8]) -> Result<(), Error> {
        assert!(key.seqno <= SeqNo::MAX, "a sequence number has 56 bits");
        if key.user.len() > KEY_BYTES_MAX as usize {
            return Err(Error::KeyTooLarge {
                bytes: key.user.len() as u64,
                max: KEY_BYTES_MAX,
            });
        }
        if value.len() > VALUE_BYTES_MAX as usize {
            return Err(Error::ValueTooLarge {
                bytes: value.len() as u64,
                max: VALUE_BYTES_MAX,
            });
        }
        let first = self.properties.entries == 0;
        let order = key.user.cmp(&self.last_user);
        let new_user = first || order.is_gt();
        let older = order.is_eq() && key.trailer() >> 8 < self.last_trailer >> 8;
        if !(new_user || older) {
            return Err(Error::OutOfOrder {
                index: self.properties.entries,
            });
        }
        if !self.data.is_empty()
            && self.data.len_with(key.user.len(), value.len()) > self.options.block_bytes as usize
        {
            self.close_block()?;
        }
        if let Some(handle) = self.closed.take() {
            self.index_block(handle, key.user);
            if self.index.is_full() {
                self.close_partition();
            }
        }
        if first {
            self.smallest = Bytes::copy_from_slice(key.user);
        }
        if new_user || self.filter_is_fresh {
            self.filter.add(key.user);
            self.filter_is_fresh = false;
        }
        self.data.add(key.user, key.trailer(), value);
        self.last_user.clear();
        self.last_user.extend_from_slice(key.user);
        self.last_trailer = key.trailer();

        self.note_seqno(key.seqno);
        self.properties.user_keys += u64::from(new_user);
        self.properties.count(key, value);
        Ok(())
    }

    /// Adds a range tombstone, in any order and before or behind any entry; an empty range deletes
    /// nothing and is left out. It deletes nothing from this table: readers apply it, here and to
    /// older tables.
    ///
    /// # Errors
    /// `KeyTooLarge`: it was not added and the builder goes on.
    ///
    /// # Panics
    /// When the sequence number is above [`SeqNo::MAX`].
    pub fn add_range_tombstone(&mut self, tombstone: &RangeTombstone) -> Result<(), Error> {
        assert!(
            tombstone.seqno <= SeqNo::MAX,
            "a sequence number has 56 bits"
        );
        let bytes = tombstone.start.len().max(tombstone.end.len()) as u64;
        if bytes > u64::from(KEY_BYTES_MAX) {
            let max = KEY_BYTES_MAX;
            return Err(Error::KeyTooLarge { bytes, max });
        }
        if tombstone.start < tombstone.end {
            self.range_bytes += (tombstone.start.len() + tombstone.end.len()) as u64 + 16;
            self.range_tombstones.push(tombstone.clone());
            self.note_seqno(tombstone.seqno);
        }
        Ok(())
    }

    /// Adds a pair to the table's [`Properties::user`], or replaces the value of its name.
    ///
    /// # Errors
    /// `ValueTooLarge` when name or value is over 64 KiB: it was not added and the builder goes on.
    pub fn set_property(&mut self, name: &[u8], value: &[u8]) -> Result<(), Error> {
        let bytes = name.len().max(value.len()) as u64;
        if bytes > u64::from(KEY_BYTES_MAX) {
            let max = KEY_BYTES_MAX;
            return Err(Error::ValueTooLarge { bytes, max });
        }
        let user = &mut self.properties.user;
        let value = Bytes::copy_from_slice(value);
        match user.binary_search_by(|(known, _)| (**known).cmp(name)) {
            Ok(at) => {
                if let Some(pair) = user.get_mut(at) {
                    pair.1 = value;
                }
            }
            Err(at) => user.insert(at, (Bytes::copy_from_slice(name), value)),
        }
        Ok(())
    }

    /// Bytes the table would have if it were finished now; open blocks count uncompressed.
    #[must_use]
    pub fn size_estimate(&self) -> u64 {
        let open = if self.data.is_empty() {
            0
        } else {
            self.data.len() + HEADER_BYTES
        };
        self.offset()
            + (open + self.index.len() + FOOTER_BYTES) as u64
            + self.filter.len()
            + self.range_bytes
    }

    /// Entries so far, range tombstones apart.
    #[must_use]
    pub fn entries(&self) -> u64 {
        self.properties.entries
    }

    /// Writes the rest and syncs the object.
    ///
    /// # Errors
    /// `Empty`: nothing was added and nothing written. `Io`: the object is debris.
    pub fn finish(mut self) -> Result<TableMeta, Error> {
        if self.properties.entries == 0 && self.range_tombstones.is_empty() {
            return Err(Error::Empty);
        }
        self.close_block()?;
        self.properties.data_bytes = self.offset();
        if let Some(handle) = self.closed.take() {
            self.index.add(&self.last_user, self.last_trailer, handle);
        }

        self.close_partition();
        let top_index = self.put_index()?;
        let filter = match self.filter.finish() {
            Some(payload) => Some(self.put_filter(&payload)?),
            None => None,
        };
        let range_tombstones = RangeTombstones::new(core::mem::take(&mut self.range_tombstones));
        let bounds = self.bounds(&range_tombstones);
        self.properties.range_tombstones = range_tombstones.len();
        if let Some((oldest, newest)) = self.seqnos {
            (self.properties.seqno_min, self.properties.seqno_max) = (oldest, newest);
        }
        let range_tombstones = match range_tombstones.is_empty() {
            true => None,
            false => Some(self.put(
                BlockKind::RangeTombstones,
                &codec::encode(&range_tombstones),
            )?),
        };
        let properties = self.put(BlockKind::Properties, &self.properties.encode())?;
        let size = self.offset() + FOOTER_BYTES as u64;
        let footer = Footer {
            uid: self.uid,
            size,
            top_index,
            filter,
            range_tombstones,
            properties,
            entries: self.properties.entries,
        };
        let (bytes, footer_checksum) = footer.encode();
        self.pending.extend_from_slice(&bytes);
        self.append()?;
        self.object.sync()?;
        Ok(TableMeta {
            uid: self.uid,
            size,
            entries: self.properties.entries,
            tombstones: self.properties.tombstones,
            range_tombstones: self.properties.range_tombstones,
            smallest: bounds.smallest,
            largest: bounds.largest,
            largest_is_exclusive: bounds.largest_is_exclusive,
            seqno_min: self.properties.seqno_min,
            seqno_max: self.properties.seqno_max,
            footer_checksum,
        })
    }

    fn close_partition(&mut self) {
        let filter = match self.options.partition_filters {
            true => self.filter.finish(),
            false => None,
        };
        self.filter_is_fresh |= self.options.partition_filters;
        self.index.close(filter);
    }

    /// Writes the partitions, each with its filter behind it, and the top index over them.
    fn put_index(&mut self) -> Result<Option<BlockHandle>, Error> {
        let partitions = self.index.take();
        self.properties.index_partitions = partitions.len() as u64;
        let mut top = BlockBuilder::new(1);
        for partition in &partitions {
            let mut value = Vec::new();
            let handle = self.put(BlockKind::Index, &partition.payload)?;
            self.properties.index_bytes += u64::from(handle.length);
            handle.put(&mut value);
            if let Some(filter) = &partition.filter {
                self.put_filter(filter)?.put(&mut value);
            }
            top.add(&partition.last_user, partition.last_trailer, &value);
        }
        if top.is_empty() {
            return Ok(None);
        }
        let top = top.finish(<[u8]>::to_vec);
        let handle = self.put(BlockKind::TopIndex, &top)?;
        self.properties.index_bytes += u64::from(handle.length);
        Ok(Some(handle))
    }

    fn put_filter(&mut self, payload: &[u8]) -> Result<BlockHandle, Error> {
        let handle = self.put(BlockKind::Filter, payload)?;
        self.properties.filter_bytes += u64::from(handle.length);
        self.properties.filter_kind = payload.first().copied().map_or(0, u64::from);
        self.properties.prefix_extractor = self.options.prefix_extractor;
        Ok(handle)
    }

    /// The range of keys that entries and range tombstones span.
    fn bounds(&self, range_tombstones: &RangeTombstones) -> Bounds {
        let entries = (self.properties.entries > 0).then(|| Bounds {
            smallest: self.smallest.clone(),
            largest: Bytes::copy_from_slice(&self.last_user),
            largest_is_exclusive: false,
        });
        let ranges = range_tombstones.bounds().map(|(start, end)| Bounds {
            smallest: start.clone(),
            largest: end.clone(),
            largest_is_exclusive: true,
        });
        match (entries, ranges) {
            (Some(entries), Some(ranges)) => {
                let smallest = entries.smallest.clone().min(ranges.smallest.clone());
                let wider = match ranges.largest > entries.largest {
                    true => ranges,
                    false => entries,
                };
                Bounds { smallest, ..wider }
            }
            (Some(bounds), None) | (None, Some(bounds)) => bounds,
            (None, None) => unreachable!("a table is not empty"),
        }
    }

    fn note_seqno(&mut self, seqno: SeqNo) {
        let (oldest, newest) = self.seqnos.unwrap_or((seqno, seqno));
        self.seqnos = Some((oldest.min(seqno), newest.max(seqno)));
    }

    /// Frames the open data block, if there is one.
    fn close_block(&mut self) -> Result<(), Error> {
        if self.data.is_empty() {
            return Ok(());
        }
        let offset = self.offset();
        let (framer, pending) = (&mut self.framer, &mut self.pending);
        let raw = &mut self.properties.raw_bytes;
        let handle = self.data.finish(|payload| {
            *raw += payload.len() as u64;
            framer.put(pending, offset, BlockKind::Data, payload)
        });
        self.closed = Some(handle);
        self.properties.data_blocks += 1;
        self.append_if_large()
    }

    /// Indexes a closed block, under a key that is not before its last and before `next_user`'s.
    fn index_block(&mut self, handle: BlockHandle, next_user: &[u8]) {
        let shared = common_prefix(&self.last_user, next_user);
        // `next_user[..=shared]` is greater than the last key if it is shorter than `next_user`.
        match next_user.get(..=shared) {
            Some(short) if short.len() < next_user.len() && short.len() < self.last_user.len() => {
                self.index.add(short, u64::MAX, handle);
            }
            _ => self.index.add(&self.last_user, self.last_trailer, handle),
        }
    }

    fn put(&mut self, kind: BlockKind, payload: &[u8]) -> Result<BlockHandle, Error> {
        let offset = self.offset();
        let handle = self.framer.put(&mut self.pending, offset, kind, payload);
        self.append_if_large()?;
        Ok(handle)
    }

    /// Where the next block goes.
    fn offset(&self) -> u64 {
        self.appended + self.pending.len() as u64
    }

    fn append_if_large(&mut self) -> Result<(), Error> {
        if self.pending.len() < APPEND_BYTES {
            return Ok(());
        }
        self.append()
    }

    fn append(&mut self) -> Result<(), Error> {
        self.object.append(self.appended, &[&self.pending])?;
        self.appended += self.pending.len() as u64;
        self.pending.clear();
        Ok(())
    }
}

#[derive(Debug, Clone)]
struct Bounds {
    smallest: Bytes,
    largest: Bytes,
    largest_is_exclusive: bool,
}

#[cfg(test)]
mod tests;
