//! Puts large values into value files while tables are written.
//!
//! **Invariant: when tables are finished, so is every value file that they point into**: it is durable
//! before the manifest can name either. Until then it is known to nobody; whoever gives up hands it to
//! the garbage.
//!
//! Values that lie in files already stay where they are, and only their pointers are copied; those in
//! files that are to be given back come along.

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::ObjectId;
use nori_sstable::{InternalKeyRef, IterOptions, ValueFileBuilder, ValueFileMeta, ValueKind};

use crate::Error;
use crate::engine::Engine;
use crate::values::{ValueFiles, ValueReaders, ValueRef, time_bytes};

/// Value files under construction, and what tables point into.
#[derive(Debug)]
pub(crate) struct ValueWriter {
    /// Those that the sources point into.
    files: Arc<ValueFiles>,
    /// Uids of those whose values are to lie elsewhere.
    given_back: BTreeSet<u64>,
    readers: ValueReaders,
    builder: Option<Box<ValueFileBuilder>>,
    /// Of every file so far, the one under construction included.
    numbers: Vec<u64>,
    done: Vec<(u64, ValueFileMeta)>,
    /// What the table under construction points into: bytes by uid.
    refs: Refs,
    /// What stands in the table for the value at hand.
    stored: Vec<u8>,
    /// Bytes of values that came from other files.
    relocated_bytes: u64,
}

/// What a table points into: bytes by uid.
pub(crate) type Refs = BTreeMap<u64, u64>;

impl Default for ValueWriter {
    fn default() -> Self {
        Self::new(Arc::default(), BTreeSet::new())
    }
}

impl ValueWriter {
    /// Values of the sources lie in `files`; those in `given_back` are to lie elsewhere.
    pub(crate) fn new(files: Arc<ValueFiles>, given_back: BTreeSet<u64>) -> Self {
        Self {
            files,
            given_back,
            readers: ValueReaders::new(IterOptions {
                fill_cache: false,
                ..IterOptions::default()
            }),
            builder: None,
            numbers: Vec::new(),
            done: Vec::new(),
            refs: Refs::new(),
            stored: Vec::new(),
            relocated_bytes: 0,
        }
    }

    /// What is to stand in the table under construction for an entry.
    pub(crate) fn place<'a>(
        &'a mut self,
        engine: &Engine,
        key: InternalKeyRef<'a>,
        value: &'a [u8],
    ) -> Result<(InternalKeyRef<'a>, &'a [u8]), Error> {
        let (time, rest) = value.split_at(time_bytes(key.kind).min(value.len()));
        if !key.kind.is_pointer() {
            return match self.takes(engine, key.kind, rest.len()) {
                true => self.separate(engine, key, time, rest),
                false => Ok((key, value)),
            };
        }
        let pointer = rest;
        let values = self.files.of_pointer(pointer)?;
        let uid = values.meta().uid;
        if !self.given_back.contains(&uid) {
            let length = values.decode(pointer)?.length;
            *self.refs.entry(uid).or_default() += u64::from(length);
            return Ok((key, value));
        }
        let moved = self.readers.read(values, pointer)?;
        self.relocated_bytes += moved.len() as u64;
        let kind = match key.kind {
            ValueKind::ExpiringPointer => ValueKind::Expiring,
            _ => ValueKind::Put,
        };
        let key = InternalKeyRef { kind, ..key };
        if self.takes(engine, kind, moved.len()) {
            return self.separate(engine, key, time, &moved);
        }
        self.stored.clear();
        self.stored.extend_from_slice(time);
        self.stored.extend_from_slice(&moved);
        Ok((key, &self.stored))
    }

    /// Whether a value of so many bytes is to lie in a file.
    fn takes(&self, engine: &Engine, kind: ValueKind, bytes: usize) -> bool {
        matches!(kind, ValueKind::Put | ValueKind::Expiring)
            && (engine.options.value_separation)
                .is_some_and(|least| bytes as u64 >= u64::from(least))
    }

    fn separate<'a>(
        &'a mut self,
        engine: &Engine,
        key: InternalKeyRef<'a>,
        time: &[u8],
        value: &[u8],
    ) -> Result<(InternalKeyRef<'a>, &'a [u8]), Error> {
        let pointer = self.builder(engine)?.add(value)?;
        *self.refs.entry(pointer.uid).or_default() += u64::from(pointer.length);
        self.stored.clear();
        self.stored.extend_from_slice(time);
        pointer.encode_into(&mut self.stored);
        let kind = match key.kind {
            ValueKind::Expiring => ValueKind::ExpiringPointer,
            _ => ValueKind::Pointer,
        };
        Ok((InternalKeyRef { kind, ..key }, &self.stored))
    }

    fn builder(&mut self, engine: &Engine) -> Result<&mut ValueFileBuilder, Error> {
        let is_full =
            |builder: &ValueFileBuilder| builder.data_bytes() >= engine.options.table_bytes;
        if self.builder.as_deref().is_some_and(is_full) {
            self.cut()?;
        }
        let builder = match self.builder.take() {
            Some(builder) => builder,
            None => {
                let number = engine.next_table_number();
                self.numbers.push(number);
                let object = engine.store.create(ObjectId::values(number), None)?;
                let uid = engine.entropy.draw();
                let compression = engine.options.table.compression;
                Box::new(ValueFileBuilder::new(object, uid, compression))
            }
        };
        Ok(self.builder.insert(builder))
    }

    fn cut(&mut self) -> Result<(), Error> {
        if let Some(builder) = self.builder.take() {
            let number = *self.numbers.last().expect("a builder has a number");
            self.done.push((number, builder.finish()?));
        }
        Ok(())
    }

    /// What the table that was just finished points into.
    pub(crate) fn take_refs(&mut self) -> Refs {
        core::mem::take(&mut self.refs)
    }

    /// Finishes and opens all files; they are durable now. Gives them and those of the sources.
    pub(crate) fn finish(&mut self, engine: &Engine) -> Result<ValueFiles, Error> {
        self.cut()?;
        let mut files = (*self.files).clone();
        for (number, meta) in &self.done {
            files.add(&engine.open_values(*number, meta)?);
        }
        Ok(files)
    }

    /// Bytes of all files that were finished.
    pub(crate) fn bytes(&self) -> u64 {
        self.done.iter().map(|(_, meta)| meta.size).sum()
    }

    /// Bytes of values that were moved here from files that are to be given back.
    pub(crate) const fn relocated_bytes(&self) -> u64 {
        self.relocated_bytes
    }

    /// The files so far.
    pub(crate) fn objects(&self) -> impl Iterator<Item = ObjectId> {
        self.numbers.iter().map(|number| ObjectId::values(*number))
    }

    /// One that writes other tables which point into the files of this one, and owns them from now on.
    pub(crate) fn successor(&mut self, refs: impl IntoIterator<Item = ValueRef>) -> Self {
        let refs: Vec<_> = refs.into_iter().collect();
        Self {
            files: Arc::new(ValueFiles::of(&refs)),
            numbers: core::mem::take(&mut self.numbers),
            ..Self::default()
        }
    }
}

/// `refs` as handles, sorted by uid.
pub(crate) fn resolve(refs: &Refs, files: &ValueFiles) -> Vec<ValueRef> {
    let known = refs.iter().map(|(uid, bytes)| ValueRef {
        values: Arc::clone(
            files
                .get(*uid)
                .expect("tables point into files that are open"),
        ),
        bytes: *bytes,
    });
    known.collect()
}
