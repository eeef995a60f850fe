//! Reading everything to see whether it is what was written.

use nori_env::BlockStore;
use nori_sstable::{BlockCache, IterOptions, Table, TableMeta};

use crate::{Error, table_file};

/// Reads every byte of table `number` of `store`.
///
/// # Errors
/// `Corrupt` when it is missing; `Table` names the place.
pub(crate) fn table(
    store: &dyn BlockStore,
    number: u64,
    meta: &TableMeta,
    mut advance: impl FnMut(u64),
) -> Result<(), Error> {
    let object = table_file::open_object(store, number)?;
    let table = Table::open(object, meta, BlockCache::new(0))?;
    let options = IterOptions {
        fill_cache: false,
        ..IterOptions::default()
    };
    let mut iter = table.iter_with(options);
    iter.seek_to_first()?;
    let mut pending = 0;
    let mut left = meta.size;
    while iter.is_valid() {
        pending += (iter.key().user.len() + iter.value_ref().len()) as u64;
        if pending >= ADVANCE_BYTES {
            let bytes = pending.min(left);
            advance(bytes);
            (left, pending) = (left - bytes, 0);
        }
        iter.next()?;
    }
    advance(left);
    Ok(())
}

const ADVANCE_BYTES: u64 = 1 << 20;
