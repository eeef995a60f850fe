//! How much a range takes, without reading it.

use core::ops::RangeBounds;

use bytes::Bytes;

use crate::space::Space;
use crate::table_file::TableFile;
use crate::{Error, Keyspace, Lsm, keyspace};

impl Lsm {
    /// About how many bytes of tables and value files the keys of `range` take in the default keyspace: all that
    /// lies there, what is deleted or overwritten included; nothing of memtables. Of each table on a
    /// border of the range it reads two index blocks.
    ///
    /// # Errors
    /// `Table`
    pub fn approximate_size(&self, range: impl RangeBounds<Bytes>) -> Result<u64, Error> {
        Space::new(self, keyspace::DEFAULT).approximate_size(&range)
    }
}

impl Keyspace {
    /// As [`Lsm::approximate_size`].
    ///
    /// # Errors
    /// `Table`
    pub fn approximate_size(&self, range: impl RangeBounds<Bytes>) -> Result<u64, Error> {
        self.space().approximate_size(&range)
    }
}

impl Space<'_> {
    fn approximate_size(self, range: &impl RangeBounds<Bytes>) -> Result<u64, Error> {
        let (start, end) = keyspace::tree_range(self.id, range);
        let levels = &self.lsm.engine.view().levels;
        let mut bytes = 0;
        for table in levels.runs().flat_map(|run| &run.tables) {
            bytes += size_between(table, &start, &end)?;
        }
        Ok(bytes)
    }
}

/// The share of `table` that lies at or behind `start` and before `end`.
fn size_between(table: &TableFile, start: &[u8], end: &[u8]) -> Result<u64, Error> {
    let meta = table.meta();
    if start >= end || meta.ends_before(start) || *meta.smallest >= *end {
        return Ok(0);
    }
    let data = table.table.properties().data_bytes;
    let from = match *meta.smallest >= *start {
        true => 0,
        false => table.table.offset_of(start)?,
    };
    let to = match meta.ends_before(end) {
        true => data,
        false => table.table.offset_of(end)?,
    };
    // A range within one block takes a part of it.
    let share = to.saturating_sub(from).max(1).min(data.max(1));
    Ok(
        u64::try_from(u128::from(table.bytes()) * u128::from(share) / u128::from(data.max(1)))
            .unwrap_or_else(|_| table.bytes()),
    )
}
