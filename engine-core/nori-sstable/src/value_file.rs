//! Values that lie outside of the tables that have their keys.
//!
//! **Invariant: a read gives the value that the pointer means or a typed error.** A value's checksum
//! stands in the pointer and in the file's index (value ← index ← footer ← the manifest's
//! [`ValueFileMeta`]), salted with the file's uid and the value's offset.
//!
//! ```text
//! value file := value+  index  footer       value, index := block (see `frame`)
//! index      := (varint length of the value's block  u32 checksum)+
//! ```

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use bytes::Bytes;
use nori_env::{BlockObject, ObjectId};
use serde::{Deserialize, Serialize};

use self::footer::{FOOTER_BYTES, Footer};
use crate::cache::{CacheKey, Cached};
use crate::footer::Refused;
use crate::frame::{self, BlockKind};
use crate::handle::BlockHandle;
use crate::table::load::read_block;
use crate::{BlockCache, Damage, Error, IterOptions, error, varint};

pub use self::builder::ValueFileBuilder;
pub use self::pointer::ValuePointer;
pub use self::reader::ValueReader;
pub use self::verify::ValueFileVerifier;

mod builder;
mod footer;
mod pointer;
mod reader;
mod verify;

/// An open value file. Shared by any number of readers; dropping the last handle closes it.
pub struct ValueFile {
    object: Arc<dyn BlockObject>,
    cache: Arc<BlockCache>,
    meta: ValueFileMeta,
}

/// What the manifest stores of a value file: enough to verify its footer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ValueFileMeta {
    /// The random number that salts every checksum of the file, and that pointers name it by.
    pub uid: u64,
    /// Bytes of the whole object.
    pub size: u64,
    /// Bytes of its values as stored.
    pub data_bytes: u64,
    /// Its values.
    pub values: u64,
    /// The checksum that its footer has to carry.
    pub footer_checksum: u32,
}

/// A value as it lies on disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ValueInfo {
    /// Its first byte.
    pub offset: u64,
    /// Bytes as stored, header included.
    pub stored_bytes: u32,
    /// Its checksum, as its pointer has it.
    pub checksum: u32,
}

impl ValueFileMeta {
    /// What a manifest would keep of the value file in `object`, from its footer. Nothing proves that
    /// it is the file that some manifest means; it is checked against itself only.
    ///
    /// # Errors
    /// `Corrupt`, `Unsupported` or `Io` when the footer cannot be read.
    pub fn of(object: &dyn BlockObject) -> Result<Self, Error> {
        let size = object.len()?;
        let claimed = Self {
            size,
            ..Footer::claims(&footer_bytes(object, size)?)
        };
        read_footer(object, &claimed)?;
        Ok(claimed)
    }
}

impl ValueFile {
    /// Opens the value file that `meta` describes. Reads and verifies its footer.
    ///
    /// # Errors
    /// `Corrupt` when it is not what `meta` says; `Unsupported` for another format version; `Io`.
    pub fn open(
        object: Arc<dyn BlockObject>,
        meta: &ValueFileMeta,
        cache: Arc<BlockCache>,
    ) -> Result<Arc<Self>, Error> {
        read_footer(&*object, meta)?;
        Ok(Arc::new(Self {
            object,
            cache,
            meta: *meta,
        }))
    }

    /// The value under `pointer`: cached, or else read and verified, and cached if `fill_cache` says
    /// so. It shares the memory of the cache.
    ///
    /// # Errors
    /// `Corrupt` or `Io`; nothing changed, and other values may still be read.
    pub fn read(&self, pointer: &ValuePointer, fill_cache: bool) -> Result<Bytes, Error> {
        let handle = self.check(pointer)?;
        if let Some(value) = self.cached(pointer) {
            return Ok(value);
        }
        let framed = read_block(&*self.object, handle)?;
        let value = frame::open(self.meta.uid, handle, BlockKind::Value, framed)
            .map_err(|what| self.corrupt(handle.offset, what))?;
        self.keep(pointer, &value, fill_cache);
        Ok(value)
    }

    /// Reads values in the order in which they lie: a range at once, as `options` say.
    #[must_use]
    pub fn reader(self: &Arc<Self>, options: IterOptions) -> ValueReader {
        ValueReader::new(Arc::clone(self), options)
    }

    /// What the manifest stores of it.
    #[must_use]
    pub fn meta(&self) -> &ValueFileMeta {
        &self.meta
    }

    /// The object it lies in.
    #[must_use]
    pub fn object_id(&self) -> ObjectId {
        self.object.id()
    }

    /// Every value in the order in which they lie, from the index.
    ///
    /// # Errors
    /// `Corrupt` or `Io`.
    pub fn index(&self) -> Result<Vec<ValueInfo>, Error> {
        let handle = read_footer(&*self.object, &self.meta)?.index;
        let corrupt = |what| self.corrupt(handle.offset, what);
        let framed = read_block(&*self.object, handle)?;
        let index = frame::open(self.meta.uid, handle, BlockKind::ValueIndex, framed);
        let index = decode_index(&index.map_err(corrupt)?).ok_or_else(|| corrupt(Damage::Index))?;
        let end = index.last().map(|last| last.end());
        match end == Some(Some(self.meta.data_bytes)) && index.len() as u64 == self.meta.values {
            true => Ok(index),
            false => Err(corrupt(Damage::Counts)),
        }
    }

    /// A check of all of it, in steps.
    #[must_use]
    pub fn verifier(self: &Arc<Self>) -> ValueFileVerifier {
        ValueFileVerifier::new(Arc::clone(self))
    }

    fn cached(&self, pointer: &ValuePointer) -> Option<Bytes> {
        match self.cache.find(self.cache_key(pointer)) {
            Some(Cached::Value(value)) => Some(value),
            _ => None,
        }
    }

    fn keep(&self, pointer: &ValuePointer, value: &Bytes, fill_cache: bool) {
        if fill_cache {
            let cached = Cached::Value(value.clone());
            self.cache.insert(self.cache_key(pointer), cached);
        }
    }

    /// Verifies a value that was read as part of a larger range.
    fn admit(
        &self,
        pointer: &ValuePointer,
        framed: &[u8],
        fill_cache: bool,
    ) -> Result<Bytes, Error> {
        let handle = pointer.handle();
        let value = frame::open_copied(self.meta.uid, handle, BlockKind::Value, framed)
            .map_err(|what| self.corrupt(handle.offset, what))?;
        self.keep(pointer, &value, fill_cache);
        Ok(value)
    }

    /// Where the value lies, if it lies in this file.
    fn check(&self, pointer: &ValuePointer) -> Result<BlockHandle, Error> {
        let handle = pointer.handle();
        let is_inside = pointer.uid == self.meta.uid
            && handle.end().is_some_and(|end| end <= self.meta.data_bytes);
        match is_inside {
            true => Ok(handle),
            false => Err(self.corrupt(handle.offset, Damage::Handle)),
        }
    }

    const fn cache_key(&self, pointer: &ValuePointer) -> CacheKey {
        CacheKey {
            uid: self.meta.uid,
            offset: pointer.offset,
        }
    }

    fn corrupt(&self, offset: u64, what: Damage) -> Error {
        Error::Corrupt {
            object: self.object.id(),
            offset,
            what,
        }
    }
}

impl ValueInfo {
    fn end(&self) -> Option<u64> {
        self.handle().end()
    }

    const fn handle(&self) -> BlockHandle {
        BlockHandle {
            offset: self.offset,
            length: self.stored_bytes,
            checksum: self.checksum,
        }
    }
}

/// The values of an index; `None` when it is malformed.
fn decode_index(payload: &[u8]) -> Option<Vec<ValueInfo>> {
    let mut index = Vec::new();
    let (mut at, mut offset) = (0, 0_u64);
    while at < payload.len() {
        let (stored_bytes, checksum_at) = varint::read_u32(payload, at)?;
        let checksum = payload.get(checksum_at..)?.first_chunk()?;
        index.push(ValueInfo {
            offset,
            stored_bytes,
            checksum: u32::from_le_bytes(*checksum),
        });
        offset = offset.checked_add(u64::from(stored_bytes))?;
        at = checksum_at + checksum.len();
    }
    Some(index)
}

fn read_footer(object: &dyn BlockObject, meta: &ValueFileMeta) -> Result<Footer, Error> {
    let bytes = footer_bytes(object, meta.size)?;
    Footer::decode(&bytes, meta).map_err(|refused| match refused {
        Refused::Damaged(what) => Error::Corrupt {
            object: object.id(),
            offset: meta.size.saturating_sub(FOOTER_BYTES as u64),
            what,
        },
        Refused::Version(version) => Error::Unsupported {
            object: object.id(),
            version,
        },
    })
}

fn footer_bytes(object: &dyn BlockObject, size: u64) -> Result<[u8; FOOTER_BYTES], Error> {
    let at = size.checked_sub(FOOTER_BYTES as u64);
    let at = at.ok_or_else(|| Error::Corrupt {
        object: object.id(),
        offset: 0,
        what: Damage::Truncated,
    })?;
    let mut bytes = [0; FOOTER_BYTES];
    object
        .read_at(at, &mut bytes)
        .map_err(|failed| error::from_read(failed, object.id(), at))?;
    Ok(bytes)
}

impl fmt::Debug for ValueFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ValueFile")
            .field("object", &self.object.id())
            .field("meta", &self.meta)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
