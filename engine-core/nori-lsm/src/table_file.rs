//! A table of the live set, open.
//!
//! **Invariant: a table that left the live set is deleted once nobody reads it any more, and not
//! before.** Whoever reads holds the handle; the last one to let go of an obsolete table puts its
//! number on the list of garbage, which a job empties.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use nori_env::sync::{AtomicBool, Mutex, Ordering, Park};
use nori_env::{BlockObject, BlockStore, IoErrorKind, ObjectId};
use nori_sstable::{BlockCache, Table, TableMeta};
use norikv_types::{Mutant, WallMs, breaks};

use crate::version_edit::LiveTable;
use crate::{Damage, Error};

/// A handle on a live table.
pub(crate) struct TableFile {
    pub(crate) number: u64,
    pub(crate) table: Arc<Table>,
    garbage: Arc<Garbage>,
    obsolete: AtomicBool,
}

/// Numbers of tables that may be deleted.
#[derive(Debug)]
pub(crate) struct Garbage {
    numbers: Mutex<Vec<u64>>,
    /// Who may delete them waits there.
    work: Arc<Park>,
}

impl TableFile {
    /// Opens a table that the manifest names.
    ///
    /// # Errors
    /// `Corrupt` when it is not there, or not the one that the manifest means.
    pub(crate) fn open(
        store: &dyn BlockStore,
        cache: &Arc<BlockCache>,
        garbage: &Arc<Garbage>,
        number: u64,
        meta: &TableMeta,
    ) -> Result<Arc<Self>, Error> {
        let object = open_object(store, number)?;
        Ok(Arc::new(Self {
            number,
            table: Table::open(object, meta, Arc::clone(cache))?,
            garbage: Arc::clone(garbage),
            obsolete: AtomicBool::new(false),
        }))
    }

    pub(crate) fn meta(&self) -> &TableMeta {
        self.table.meta()
    }

    /// The table left the live set.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }

    pub(crate) fn as_live(&self, level: u8, run: u64, born: Option<WallMs>) -> LiveTable {
        LiveTable {
            level,
            run,
            number: self.number,
            meta: self.meta().clone(),
            born,
        }
    }
}

impl Drop for TableFile {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() && !breaks(Mutant::ObsoleteTablesKept) {
            self.garbage.add(&[self.number]);
        }
    }
}

/// The object of a table that a manifest names.
///
/// # Errors
/// `Corrupt` when it is not there.
pub(crate) fn open_object(
    store: &dyn BlockStore,
    number: u64,
) -> Result<Arc<dyn BlockObject>, Error> {
    let id = ObjectId::table(number);
    store.open(id).map_err(|error| match error.kind {
        IoErrorKind::NotFound => Error::Corrupt {
            object: id,
            offset: 0,
            what: Damage::Missing,
        },
        _ => error.into(),
    })
}

impl fmt::Debug for TableFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TableFile")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}

impl Garbage {
    pub(crate) fn new(work: &Arc<Park>) -> Self {
        Self {
            numbers: Mutex::default(),
            work: Arc::clone(work),
        }
    }

    pub(crate) fn add(&self, numbers: &[u64]) {
        self.numbers.lock().extend_from_slice(numbers);
        self.work.wake();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.numbers.lock().is_empty()
    }

    /// Takes all numbers, in ascending order.
    pub(crate) fn take(&self) -> Vec<u64> {
        let mut taken = core::mem::take(&mut *self.numbers.lock());
        taken.sort_unstable();
        taken
    }
}
