//! Copying the tables and value files of one store into another.
//!
//! **Invariant: what was copied is durable, and every byte of the copy was read back and
//! verified.** The numbers may differ; the uid that salts every checksum does not.

use alloc::vec;
use alloc::vec::Vec;

use nori_env::{BlockStore, ObjectId};
use nori_sstable::{TableMeta, ValueFileMeta};

use crate::Error;
use crate::verify;

/// How far a long operation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// What it works on.
    pub object: ObjectId,
    /// Bytes that were read, copied or verified.
    pub done: u64,
    /// Bytes in all, as far as they are known.
    pub total: u64,
}

/// Copies from one store to another.
pub(crate) struct Transfer<'a> {
    from: &'a dyn BlockStore,
    to: &'a dyn BlockStore,
    done: u64,
    total: u64,
    progress: &'a mut dyn FnMut(Progress),
    /// What was made in the target.
    made: Vec<ObjectId>,
}

impl<'a> Transfer<'a> {
    /// A transfer of `bytes`.
    pub(crate) fn new(
        from: &'a dyn BlockStore,
        to: &'a dyn BlockStore,
        bytes: u64,
        progress: &'a mut dyn FnMut(Progress),
    ) -> Self {
        Self {
            from,
            to,
            done: 0,
            // Each is copied and read back.
            total: 2 * bytes,
            progress,
            made: Vec::new(),
        }
    }

    /// Copies table `number` to `copy`.
    ///
    /// # Errors
    /// `Table` names the table of the source if that is damaged, else the copy.
    pub(crate) fn table(&mut self, number: u64, copy: u64, meta: &TableMeta) -> Result<(), Error> {
        self.copy(ObjectId::table(number), ObjectId::table(copy), meta.size)?;
        let advance = |bytes| {
            self.done += bytes;
            (self.progress)(Progress {
                object: ObjectId::table(number),
                done: self.done,
                total: self.total,
            });
        };
        let copied = verify::table(self.to, copy, meta, advance);
        match copied {
            Err(Error::Table(_)) => verify::table(self.from, number, meta, |_| ()).and(copied),
            copied => copied,
        }
    }

    /// Copies value file `number` to `copy`.
    ///
    /// # Errors
    /// `Table` names the file of the source if that is damaged, else the copy.
    pub(crate) fn values(
        &mut self,
        number: u64,
        copy: u64,
        meta: &ValueFileMeta,
    ) -> Result<(), Error> {
        self.copy(ObjectId::values(number), ObjectId::values(copy), meta.size)?;
        let advance = |bytes| {
            self.done += bytes;
            (self.progress)(Progress {
                object: ObjectId::values(number),
                done: self.done,
                total: self.total,
            });
        };
        let copied = verify::values(self.to, copy, meta, advance);
        match copied {
            Err(Error::Table(_)) => verify::values(self.from, number, meta, |_| ()).and(copied),
            copied => copied,
        }
    }

    /// Counts an object that needs no copying, since `to` is linked to it.
    pub(crate) fn linked(&mut self, to: ObjectId, size: u64) {
        self.made.push(to);
        self.done += 2 * size;
        (self.progress)(Progress {
            object: to,
            done: self.done,
            total: self.total,
        });
    }

    fn copy(&mut self, from: ObjectId, to: ObjectId, size: u64) -> Result<(), Error> {
        let source = self.from.open(from)?;
        let target = self.to.create(to, None)?;
        self.made.push(to);
        let chunk = size.min(CHUNK_BYTES);
        let mut buffer = vec![0; usize::try_from(chunk).expect("a chunk fits in memory")];
        let mut at = 0;
        while at < size {
            let len = buffer
                .len()
                .min(usize::try_from(size - at).unwrap_or(usize::MAX));
            source.read_at(at, &mut buffer[..len])?;
            target.append(at, &[&buffer[..len]])?;
            at += len as u64;
            self.done += len as u64;
            (self.progress)(Progress {
                object: from,
                done: self.done,
                total: self.total,
            });
        }
        Ok(target.sync()?)
    }

    /// Takes back what was made. What cannot be deleted is debris that no manifest names.
    pub(crate) fn undo(self) {
        for id in self.made {
            let _ = self.to.delete(id);
        }
    }
}

const CHUNK_BYTES: u64 = 1 << 20;
