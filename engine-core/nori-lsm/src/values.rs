//! A value file of the live set, open.
//!
//! **Invariant: a value file lives as long as a live table or a reader's view refers to it.** Tables
//! hold the handles of the files that they point into; the last one to let go of a file that left the
//! live set puts it on the list of garbage, which a job empties.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use nori_env::sync::{AtomicBool, Ordering};
use nori_env::{BlockStore, ObjectId};
use nori_sstable::{
    BlockCache, IterOptions, ValueFile, ValueFileMeta, ValueKind, ValuePointer, ValueReader,
};

use crate::expiry::TIME_BYTES;
use crate::table_file::{Garbage, open_object};
use crate::version_edit::LiveSet;
use crate::{Damage, Error};

/// A handle on a live value file.
pub(crate) struct Values {
    pub(crate) number: u64,
    pub(crate) file: Arc<ValueFile>,
    garbage: Arc<Garbage>,
    obsolete: AtomicBool,
}

/// A value file that a table points into.
#[derive(Debug, Clone)]
pub(crate) struct ValueRef {
    pub(crate) values: Arc<Values>,
    /// Bytes of the values that the table points to, as stored.
    pub(crate) bytes: u64,
}

/// Reads values of several files, of each nearly in the order in which they lie.
#[derive(Debug)]
pub(crate) struct ValueReaders {
    options: IterOptions,
    readers: Vec<ValueReader>,
    /// The one that makes room for another.
    oldest: usize,
}

/// Value files by uid, as pointers name them.
#[derive(Debug, Clone, Default)]
pub(crate) struct ValueFiles {
    by_uid: BTreeMap<u64, Arc<Values>>,
}

/// A value as its source has it.
#[derive(Debug, Clone)]
pub(crate) enum Stored {
    Here(Bytes),
    /// The pointer, and the file that it leads into.
    There(Arc<Values>, Bytes),
}

impl Values {
    /// Opens a value file that the manifest names.
    ///
    /// # Errors
    /// `Corrupt` when it is not there; `Table` when it is not the one that the manifest means.
    pub(crate) fn open(
        store: &dyn BlockStore,
        cache: &Arc<BlockCache>,
        garbage: &Arc<Garbage>,
        number: u64,
        meta: &ValueFileMeta,
    ) -> Result<Arc<Self>, Error> {
        let object = open_object(store, ObjectId::values(number))?;
        Ok(Arc::new(Self {
            number,
            file: ValueFile::open(object, meta, Arc::clone(cache))?,
            garbage: Arc::clone(garbage),
            obsolete: AtomicBool::new(false),
        }))
    }

    pub(crate) fn meta(&self) -> &ValueFileMeta {
        self.file.meta()
    }

    pub(crate) const fn id(&self) -> ObjectId {
        ObjectId::values(self.number)
    }

    /// The file left the live set.
    pub(crate) fn retire(&self) {
        self.obsolete.store(true, Ordering::Release);
    }

    /// The value under `pointer`, as a table has it.
    ///
    /// # Errors
    /// `Table`; `Corrupt` when the pointer is none.
    pub(crate) fn read(&self, pointer: &[u8], fill_cache: bool) -> Result<Bytes, Error> {
        Ok(self.file.read(&self.decode(pointer)?, fill_cache)?)
    }

    /// # Errors
    /// `Corrupt` when the pointer is none.
    pub(crate) fn decode(&self, pointer: &[u8]) -> Result<ValuePointer, Error> {
        ValuePointer::decode(pointer).ok_or_else(|| astray(self.id()))
    }
}

impl Drop for Values {
    fn drop(&mut self) {
        if *self.obsolete.get_mut() {
            self.garbage.add(&[self.id()]);
        }
    }
}

impl ValueReaders {
    pub(crate) const fn new(options: IterOptions) -> Self {
        Self {
            options,
            readers: Vec::new(),
            oldest: 0,
        }
    }

    /// The value under `pointer`, which leads into `values`.
    ///
    /// # Errors
    /// As [`Values::read`].
    pub(crate) fn read(&mut self, values: &Values, pointer: &[u8]) -> Result<Bytes, Error> {
        let pointer = values.decode(pointer)?;
        let is_it = |reader: &ValueReader| Arc::ptr_eq(reader.file(), &values.file);
        let at = match self.readers.iter().position(is_it) {
            Some(at) => at,
            None => {
                let reader = values.file.reader(self.options.clone());
                if self.readers.len() < READERS_MAX {
                    self.readers.push(reader);
                    self.readers.len() - 1
                } else {
                    self.oldest = (self.oldest + 1) % READERS_MAX;
                    self.readers[self.oldest] = reader;
                    self.oldest
                }
            }
        };
        Ok(self.readers[at].read(&pointer)?)
    }
}

impl Stored {
    pub(crate) fn read(self) -> Result<Bytes, Error> {
        match self {
            Self::Here(value) => Ok(value),
            Self::There(values, pointer) => values.read(&pointer, true),
        }
    }
}

impl ValueFiles {
    pub(crate) fn of<'a>(refs: impl IntoIterator<Item = &'a ValueRef>) -> Self {
        let mut files = Self::default();
        refs.into_iter().for_each(|known| files.add(&known.values));
        files
    }

    pub(crate) fn add(&mut self, values: &Arc<Values>) {
        let uid = values.meta().uid;
        self.by_uid.insert(uid, Arc::clone(values));
    }

    /// The file that `pointer`, as a table has it, leads into.
    ///
    /// # Errors
    /// `Corrupt` when there is none.
    pub(crate) fn of_pointer(&self, pointer: &[u8]) -> Result<&Arc<Values>, Error> {
        let known = uid_of(pointer).and_then(|uid| self.by_uid.get(&uid));
        known.ok_or_else(|| astray(ObjectId::values(0)))
    }

    /// The value under `pointer`, past the cache.
    pub(crate) fn read(&self, pointer: &[u8]) -> Result<Bytes, Error> {
        self.of_pointer(pointer)?.read(pointer, false)
    }

    pub(crate) fn get(&self, uid: u64) -> Option<&Arc<Values>> {
        self.by_uid.get(&uid)
    }
}

/// The file among `refs`, sorted by uid, that a value of `kind` lies in, if it lies in one.
///
/// # Errors
/// `Corrupt` on `table` when it lies in none of them.
pub(crate) fn file_of(
    refs: &[ValueRef],
    table: u64,
    kind: ValueKind,
    stored: &[u8],
) -> Result<Option<Arc<Values>>, Error> {
    if !kind.is_pointer() {
        return Ok(None);
    }
    let known = uid_of(pointer_in(kind, stored)).and_then(|uid| {
        let at = refs.binary_search_by_key(&uid, |known| known.values.meta().uid);
        refs.get(at.ok()?)
    });
    let known = known.ok_or_else(|| astray(ObjectId::table(table)))?;
    Ok(Some(Arc::clone(&known.values)))
}

/// The pointer in what is stored for a value of `kind`, which is behind its time if it has one.
pub(crate) fn pointer_in(kind: ValueKind, stored: &[u8]) -> &[u8] {
    stored.get(time_bytes(kind)..).unwrap_or(&[])
}

/// Bytes of the time in front of a value of `kind`.
pub(crate) const fn time_bytes(kind: ValueKind) -> usize {
    match kind {
        ValueKind::Expiring | ValueKind::ExpiringPointer => TIME_BYTES,
        ValueKind::Put | ValueKind::Pointer | ValueKind::Tombstone | ValueKind::Merge => 0,
    }
}

/// Opens every value file of `live`.
///
/// # Errors
/// Whatever is wrong with the first that fails.
pub(crate) fn open_all(
    live: &LiveSet,
    mut open: impl FnMut(u64, &ValueFileMeta) -> Result<Arc<Values>, Error>,
) -> Result<BTreeMap<u64, Arc<Values>>, Error> {
    let opened = live.values.iter();
    opened
        .map(|(number, known)| Ok((*number, open(*number, &known.meta)?)))
        .collect()
}

/// The refs that the manifest has of a table, by number, to `opened`; sorted by uid.
pub(crate) fn refs_of(stated: &[(u64, u64)], opened: &BTreeMap<u64, Arc<Values>>) -> Vec<ValueRef> {
    let mut refs: Vec<_> = stated
        .iter()
        .map(|(number, bytes)| ValueRef {
            values: Arc::clone(
                opened
                    .get(number)
                    .expect("a live set names its value files"),
            ),
            bytes: *bytes,
        })
        .collect();
    refs.sort_unstable_by_key(|known| known.values.meta().uid);
    refs
}

fn uid_of(pointer: &[u8]) -> Option<u64> {
    pointer.first_chunk().map(|uid| u64::from_le_bytes(*uid))
}

/// Files that are read at once, each with a range of its own in memory.
const READERS_MAX: usize = 16;

const fn astray(object: ObjectId) -> Error {
    Error::Corrupt {
        object,
        offset: 0,
        what: Damage::Pointer,
    }
}

impl fmt::Debug for Values {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Values")
            .field("number", &self.number)
            .finish_non_exhaustive()
    }
}
