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
use nori_sstable::{BlockCache, Table, TableMeta, ValueKind};
use norikv_types::{Mutant, WallMs, breaks};

use crate::values::{self, ValueRef, Values};
use crate::version_edit::LiveTable;
use crate::{Damage, Error};

/// A handle on a live table.
pub(crate) struct TableFile {
    pub(crate) number: u64,
    pub(crate) table: Arc<Table>,
    /// The value files that it points into, sorted by uid.
    pub(crate) refs: Vec<ValueRef>,
    garbage: Arc<Garbage>,
    obsolete: AtomicBool,
}

/// Tables and value files that may be deleted.
#[derive(Debug)]
pub(crate) struct Garbage {
    objects: Mutex<Vec<ObjectId>>,
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
        refs: Vec<ValueRef>,
    ) -> Result<Arc<Self>, Error> {
        let object = open_object(store, ObjectId::table(number))?;
        Ok(Arc::new(Self {
            number,
            refs,
            table: Table::open(object, meta, Arc::clone(cache))?,
            garbage: Arc::clone(garbage),
            obsolete: AtomicBool::new(false),
        }))
    }

    pub(crate) fn meta(&self) -> &TableMeta {
        self.table.meta()
    }

    /// Its bytes and those of the values that it points to.
    pub(crate) fn bytes(&self) -> u64 {
        let values: u64 = self.refs.iter().map(|known| known.bytes).sum();
        self.meta().size + values
    }

    /// The value file that a value of `kind` lies in, if it lies in one.
    ///
    /// # Errors
    /// `Corrupt` when the table points into none.
    #[inline]
    pub(crate) fn file_of(
        &self,
        kind: ValueKind,
        stored: &[u8],
    ) -> Result<Option<Arc<Values>>, Error> {
        values::file_of(&self.refs, self.number, kind, stored)
    }

    /// The table left the live set.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }

    pub(crate) fn as_live(&self, level: u8, run: u64, born: Option<WallMs>) -> LiveTable {
        let refs = self.refs.iter();
        let mut refs: Vec<_> = refs
            .map(|known| (known.values.number, known.bytes))
            .collect();
        refs.sort_unstable();
        LiveTable {
            level,
            run,
            number: self.number,
            meta: self.meta().clone(),
            born,
            refs,
        }
    }
}

impl Drop for TableFile {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() && !breaks(Mutant::ObsoleteTablesKept) {
            self.garbage.add(&[ObjectId::table(self.number)]);
        }
    }
}

/// An object that a manifest names.
///
/// # Errors
/// `Corrupt` when it is not there.
pub(crate) fn open_object(
    store: &dyn BlockStore,
    id: ObjectId,
) -> Result<Arc<dyn BlockObject>, Error> {
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
            objects: Mutex::default(),
            work: Arc::clone(work),
        }
    }

    pub(crate) fn add(&self, objects: &[ObjectId]) {
        self.objects.lock().extend_from_slice(objects);
        self.work.wake();
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.objects.lock().is_empty()
    }

    /// Takes all, in order.
    pub(crate) fn take(&self) -> Vec<ObjectId> {
        let mut taken = core::mem::take(&mut *self.objects.lock());
        taken.sort_unstable();
        taken
    }
}
