//! Checks all of a table.
//!
//! **Invariant: what passes is whole.** Every byte lies in a block whose checksum its parent keeps,
//! keys ascend over all blocks, each is found by the index, the hash index and the filter, and the
//! counts are those of the properties and of the [`TableMeta`](crate::TableMeta). Nothing is taken
//! from the cache, and nothing put there.

use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::{
    Damage, Error, InternalKeyRef, Properties, SeqNo, Table,
    block::Block,
    block_builder::common_prefix,
    cursor::Cursor,
    filter::{self, Filter},
    footer::FOOTER_BYTES,
    frame::BlockKind,
    handle::BlockHandle,
    key,
    range_tombstones::codec,
    table::top::TopIndex,
};

/// What was read and found whole.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Verified {
    /// Bytes of the table, each of which was read.
    pub bytes: u64,
    /// Blocks.
    pub blocks: u64,
    /// Entries.
    pub entries: u64,
}

/// A check of a table in steps, for a scrub in the background.
#[derive(Debug)]
pub struct Verifier {
    table: Arc<Table>,
    verified: Verified,
    /// The filter of the whole table, as read just now.
    filter: Option<Filter>,
    partition: Option<PartitionCheck>,
    next_partition: u32,
    /// Where the next data block and the next index block have to begin.
    data_at: u64,
    index_at: u64,
    last: Option<(Vec<u8>, u64)>,
    /// The separator of the block before.
    separator: Option<(Vec<u8>, u64)>,
    counted: Properties,
    seqnos: Option<(SeqNo, SeqNo)>,
    smallest: Vec<u8>,
    /// A block is damaged: what is counted means nothing.
    is_damaged: bool,
    /// Damage was met behind which nothing can be found.
    is_over: bool,
}

#[derive(Debug)]
struct PartitionCheck {
    block: Block,
    handle: BlockHandle,
    filter: Option<Filter>,
    slot: u32,
}

impl Table {
    /// Reads every byte and checks everything that can be checked.
    ///
    /// # Errors
    /// `Corrupt` with the first damage that is met, or `Io`.
    pub fn verify(self: &Arc<Self>) -> Result<Verified, Error> {
        let mut verifier = self.verifier();
        loop {
            if let Some(verified) = verifier.step(u64::MAX)? {
                return Ok(verified);
            }
        }
    }

    /// As [`verify`](Self::verify), in steps.
    #[must_use]
    pub fn verifier(self: &Arc<Self>) -> Verifier {
        Verifier {
            index_at: self.data_end(),
            table: Arc::clone(self),
            verified: Verified::default(),
            filter: None,
            partition: None,
            next_partition: 0,
            data_at: 0,
            last: None,
            separator: None,
            counted: Properties::default(),
            seqnos: None,
            smallest: Vec::new(),
            is_damaged: false,
            is_over: false,
        }
    }
}

impl Verifier {
    /// Checks blocks of about `budget` bytes, one at least; gives the sum once all is done.
    ///
    /// # Errors
    /// `Corrupt` with the damage that is met, or `Io`. Called again it goes on behind a data block that
    /// is damaged; behind anything else that is, the check is over.
    pub fn step(&mut self, budget: u64) -> Result<Option<Verified>, Error> {
        if self.is_over {
            return Ok(Some(self.verified));
        }
        self.is_over = true;
        let stepped = self.step_on(budget);
        if matches!(stepped, Ok(None)) {
            self.is_over = false;
        }
        stepped
    }

    fn step_on(&mut self, budget: u64) -> Result<Option<Verified>, Error> {
        let enough = self.verified.bytes.saturating_add(budget);
        let table = Arc::clone(&self.table);
        if self.verified.blocks == 0
            && let Some(handle) = table.footer().filter
        {
            self.filter = Some(self.read_filter(handle)?);
        }
        loop {
            if self.partition.is_none() && !self.enter_partition(&table)? {
                return self.finish(&table).map(Some);
            }
            self.check_slot(&table)?;
            if self.verified.bytes >= enough {
                return Ok(None);
            }
        }
    }

    fn enter_partition(&mut self, table: &Table) -> Result<bool, Error> {
        let partition = table
            .top()
            .and_then(|top| top.partition(self.next_partition));
        let Some(partition) = partition else {
            return Ok(false);
        };
        let handle = partition.index;
        self.expect_at(self.index_at, handle)?;
        let payload = self.read(handle, BlockKind::Index)?;
        let block = Block::new(payload).map_err(|what| table.corrupt(handle.offset, what))?;
        self.index_at = handle.offset + u64::from(handle.length);
        let filter = match partition.filter {
            Some(handle) => {
                self.expect_at(self.index_at, handle)?;
                self.index_at = handle.offset + u64::from(handle.length);
                self.verified.bytes += u64::from(handle.length);
                self.verified.blocks += 1;
                Some(self.read_filter(handle)?)
            }
            None => None,
        };
        self.verified.bytes += u64::from(handle.length);
        self.verified.blocks += 1;
        self.counted.index_partitions += 1;
        self.next_partition += 1;
        self.partition = Some(PartitionCheck {
            block,
            handle,
            filter,
            slot: 0,
        });
        Ok(true)
    }

    /// Checks the data block under the next entry of the partition; leaves it behind the last.
    fn check_slot(&mut self, table: &Table) -> Result<(), Error> {
        let Some(mut partition) = self.partition.take() else {
            return Ok(());
        };
        let at_index = |what| table.corrupt(partition.handle.offset, what);
        let child = table
            .child(&partition.block, partition.slot)
            .map_err(at_index)?;
        let Some(handle) = child else {
            self.leave_partition(table, &partition)?;
            return Ok(());
        };
        let separator = partition
            .block
            .restart_key(partition.slot)
            .map_err(at_index)?;
        let trailer = partition
            .block
            .restart_trailer(partition.slot)
            .map_err(at_index)?;
        let above = self.separator.as_ref();
        if above.is_some_and(|(user, above)| key::compare(user, *above, separator, trailer).is_ge())
        {
            return Err(at_index(Damage::Order));
        }
        let checked = self.check_block(table, handle, partition.filter.as_ref());
        if checked.is_err() {
            self.is_damaged = true;
            self.is_over = false;
            self.last = None;
            self.data_at = handle.offset + u64::from(handle.length);
            self.verified.bytes += u64::from(handle.length);
        }
        let last = self.last.as_ref();
        if checked.is_ok()
            && last.is_none_or(|(user, last)| key::compare(user, *last, separator, trailer).is_gt())
        {
            return Err(at_index(Damage::Order));
        }
        self.separator = Some((separator.to_vec(), trailer));
        partition.slot += 1;
        self.partition = Some(partition);
        checked
    }

    /// The partition's entry in the top index has to be its last separator.
    fn leave_partition(&self, table: &Table, partition: &PartitionCheck) -> Result<(), Error> {
        let at_index = |what| table.corrupt(partition.handle.offset, what);
        let Some(top) = table.top() else {
            return Ok(());
        };
        let above = top
            .separator(self.next_partition - 1)
            .map_err(|what| table.corrupt(top.offset(), what))?;
        let last = partition
            .block
            .restart_key(partition.block.restart_count() - 1)
            .map_err(at_index)?;
        match last == above {
            true => Ok(()),
            false => Err(at_index(Damage::Order)),
        }
    }

    fn check_block(
        &mut self,
        table: &Table,
        handle: BlockHandle,
        filter: Option<&Filter>,
    ) -> Result<(), Error> {
        self.expect_at(self.data_at, handle)?;
        let damage = |what| table.corrupt(handle.offset, what);
        let payload = self.read(handle, BlockKind::Data)?;
        self.counted.raw_bytes += payload.len() as u64;
        let block = Arc::new(Block::new(payload).map_err(damage)?);
        let mut cursor = Cursor::new();
        cursor.enter(Arc::clone(&block));
        cursor.seek_to_first().map_err(damage)?;
        let mut restart = 0;
        let mut before: Option<Vec<u8>> = None;
        while cursor.is_valid() {
            let (user, trailer) = (cursor.key(), cursor.trailer());
            let (seqno, kind) =
                InternalKeyRef::split_trailer(trailer).ok_or_else(|| damage(Damage::Entry))?;
            self.check_order(user, trailer).map_err(damage)?;
            let shared = cursor.shared();
            let is_restart = block.restart(restart).ok() == Some(cursor.offset());
            restart += u32::from(is_restart);
            let most = before
                .as_deref()
                .map_or(0, |before| common_prefix(before, user));
            if shared != (if is_restart { 0 } else { most }) {
                return Err(damage(Damage::Entry));
            }
            let hash = filter::hash(user);
            let found = block.find(user, hash, trailer).map_err(damage)?;
            if found.map(|entry| entry.value_end) != cursor.value_end() {
                return Err(damage(Damage::HashIndex));
            }
            for filter in filter.iter().copied().chain(&self.filter) {
                let prefix = table.properties().prefix_extractor;
                let prefix = prefix.and_then(|extractor| extractor.extract(user));
                if !filter.may_contain(hash)
                    || prefix.is_some_and(|p| !filter.may_contain(filter::prefix_hash(p)))
                {
                    return Err(damage(Damage::FilterDenies));
                }
            }
            let new_user = self.last.as_ref().is_none_or(|(last, _)| *last != user);
            self.counted.user_keys += u64::from(new_user);
            let key = InternalKeyRef { user, seqno, kind };
            self.counted.count(&key, cursor.value());
            self.note_seqno(seqno);
            if self.counted.entries == 1 {
                self.smallest = user.to_vec();
            }
            let user = user.to_vec();
            before = Some(user.clone());
            self.last = Some((user, trailer));
            cursor.next().map_err(damage)?;
        }
        if restart != block.restart_count() {
            return Err(damage(Damage::Restarts));
        }
        self.data_at = handle.offset + u64::from(handle.length);
        self.counted.data_blocks += 1;
        self.verified.bytes += u64::from(handle.length);
        self.verified.blocks += 1;
        Ok(())
    }

    /// An entry follows the one before it, and the separator before it.
    fn check_order(&self, user: &[u8], trailer: u64) -> Result<(), Damage> {
        let follows = |other: &Option<(Vec<u8>, u64)>| {
            other
                .as_ref()
                .is_none_or(|(before, t)| key::compare(before, *t, user, trailer).is_lt())
        };
        match follows(&self.last) && follows(&self.separator) {
            true => Ok(()),
            false => Err(Damage::Order),
        }
    }

    /// Checks what lies behind the index, and the counts.
    fn finish(&mut self, table: &Table) -> Result<Verified, Error> {
        let footer = table.reread_footer()?;
        let tail = [
            (footer.top_index, BlockKind::TopIndex),
            (footer.filter, BlockKind::Filter),
            (footer.range_tombstones, BlockKind::RangeTombstones),
            (Some(footer.properties), BlockKind::Properties),
        ];
        let mut at = self.index_at;
        for (handle, kind) in tail {
            let Some(handle) = handle else { continue };
            self.expect_at(at, handle)?;
            let payload = self.read(handle, kind)?;
            let damage = |what| table.corrupt(handle.offset, what);
            match kind {
                BlockKind::RangeTombstones => {
                    let set = codec::decode(&payload).map_err(damage)?;
                    for fragment in set.fragments() {
                        for seqno in fragment.seqnos() {
                            self.note_seqno(*seqno);
                        }
                    }
                    self.counted.range_tombstones = set.len();
                }
                BlockKind::TopIndex => {
                    let block = Block::new(payload).map_err(damage)?;
                    TopIndex::new(block, handle.offset).map_err(damage)?;
                }
                BlockKind::Properties => {
                    Properties::decode(&payload).map_err(damage)?;
                }
                _ => {}
            }
            at = handle.offset + u64::from(handle.length);
            self.verified.bytes += u64::from(handle.length);
            self.verified.blocks += 1;
        }
        self.counted.data_bytes = self.data_at;
        let footer_at = table.meta().size - FOOTER_BYTES as u64;
        if at != footer_at || self.data_at != table.data_end() {
            return Err(table.corrupt(at, Damage::Gap));
        }
        if !self.is_damaged {
            self.check_counts(table)
                .map_err(|what| table.corrupt(footer.properties.offset, what))?;
        }
        self.verified.bytes += FOOTER_BYTES as u64;
        self.verified.entries = self.counted.entries;
        Ok(self.verified)
    }

    fn check_counts(&mut self, table: &Table) -> Result<(), Damage> {
        let (meta, properties) = (table.meta(), table.properties());
        let counted = Properties {
            seqno_min: self.seqnos.unwrap_or_default().0,
            seqno_max: self.seqnos.unwrap_or_default().1,
            index_bytes: properties.index_bytes,
            filter_bytes: properties.filter_bytes,
            filter_kind: properties.filter_kind,
            compression: properties.compression,
            prefix_extractor: properties.prefix_extractor,
            user: properties.user.clone(),
            ..core::mem::take(&mut self.counted)
        };
        let last = self.last.as_ref().map_or(&[][..], |(user, _)| user);
        let ranges = table.range_tombstones().bounds();
        let starts =
            |key: &[u8]| *meta.smallest == *key && (counted.entries > 0 || ranges.is_some());
        let smallest = match ranges {
            Some((start, _)) if counted.entries == 0 || **start < *self.smallest => &**start,
            _ => &self.smallest,
        };
        let (largest, exclusive) = match ranges {
            Some((_, end)) if counted.entries == 0 || **end > *last => (&**end, true),
            _ => (last, false),
        };
        let fits = counted == *properties
            && counted.entries == meta.entries
            && counted.tombstones == meta.tombstones
            && counted.range_tombstones == meta.range_tombstones
            && (counted.seqno_min, counted.seqno_max) == (meta.seqno_min, meta.seqno_max)
            && starts(smallest)
            && (*meta.largest == *largest && meta.largest_is_exclusive == exclusive);
        self.counted.entries = counted.entries;
        match fits {
            true => Ok(()),
            false => Err(Damage::Counts),
        }
    }

    fn expect_at(&self, at: u64, handle: BlockHandle) -> Result<(), Error> {
        match handle.offset == at {
            true => Ok(()),
            false => Err(self.table.corrupt(at, Damage::Gap)),
        }
    }

    fn read(&self, handle: BlockHandle, kind: BlockKind) -> Result<bytes::Bytes, Error> {
        self.table.fetch(handle, kind)
    }

    fn read_filter(&self, handle: BlockHandle) -> Result<Filter, Error> {
        let payload = self.read(handle, BlockKind::Filter)?;
        Filter::new(payload).map_err(|what| self.table.corrupt(handle.offset, what))
    }

    fn note_seqno(&mut self, seqno: SeqNo) {
        let (oldest, newest) = self.seqnos.unwrap_or((seqno, seqno));
        self.seqnos = Some((oldest.min(seqno), newest.max(seqno)));
    }
}

#[cfg(test)]
mod tests;
