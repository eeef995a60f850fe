//! Everything a reader needs, at one moment.
//!
//! **Invariant: a view together with a seqno that was visible when, or after, the view was taken
//! shows one state of the store, whatever is flushed, compacted or deleted meanwhile.** A view
//! holds its memtables and tables itself. Flush and compaction keep only the newest version of
//! each key, and may do so: what they write is seen only through later views, whose readers
//! have later seqnos.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_sstable::{Found, IterOptions, SeqNo};
use norikv_types::{Mutant, WallMs, breaks};

use crate::Error;
use crate::levels::Levels;
use crate::memtable::Memtable;
use crate::resolve::{Base, Raw, Resolve, Versioned};
use crate::rules::Rules;
use crate::source::{Source, Within};
use crate::values::{Stored, Values};

/// The memtables and tables at one moment.
#[derive(Debug, Clone)]
pub(crate) struct View {
    pub(crate) active: Arc<Memtable>,
    /// Rotated memtables that wait for their flush, the newest first.
    pub(crate) waiting: Vec<Arc<Memtable>>,
    pub(crate) levels: Arc<Levels>,
    pub(crate) rules: Arc<Rules>,
    /// What a transaction has written itself: newer than all else, and numbered from
    /// [`OWN_SEQNO_MIN`] on.
    pub(crate) own: Option<Arc<Memtable>>,
}

impl View {
    /// What `key` (of the tree) reads as at `at`.
    pub(crate) fn get(
        &self,
        key: &[u8],
        at: SeqNo,
        now: impl Fn() -> WallMs,
    ) -> Result<Option<Versioned>, Error> {
        let Some((version, value)) = self.find(key, at, now)? else {
            return Ok(None);
        };
        let value = value.read()?;
        Ok(Some(Versioned { version, value }))
    }

    /// As [`get`](Self::get), but a value that lies in a file is not read yet.
    pub(crate) fn find(
        &self,
        key: &[u8],
        at: SeqNo,
        now: impl Fn() -> WallMs,
    ) -> Result<Option<(SeqNo, Stored)>, Error> {
        let at = match breaks(Mutant::SnapshotSeesLater) {
            true => SeqNo::MAX,
            false => at,
        };
        let mut resolve = Resolve::default();
        let own = self.own.iter().map(|own| (own, SeqNo::MAX));
        for (memtable, at) in own.chain(self.memtables().map(|memtable| (memtable, at))) {
            if breaks(Mutant::WaitingMemtablesNotSearched) && memtable.id < self.active.id {
                continue;
            }
            resolve.cover(memtable.ranges().covering(key, at));
            let get = |at| Ok(memtable.get(key, at).map(|found| raw(found, None)));
            if let Some(base) = versions(&mut resolve, at, get, &now)? {
                return resolve.finish(&self.rules, key, base);
            }
        }
        let mut found = None;
        self.levels.search(key, |file| {
            if file.meta().range_tombstones > 0 {
                resolve.cover(file.table.range_tombstones().covering(key, at));
            }
            let get = |at| match file.table.get(key, at) {
                Err(_) if breaks(Mutant::DamagedReadAsAbsent) => Ok(None),
                read => {
                    let Some(found) = read? else { return Ok(None) };
                    let values = file.file_of(found.kind, &found.value)?;
                    Ok(Some(raw(found, values)))
                }
            };
            found = versions(&mut resolve, at, get, &now)?;
            Ok(found.is_some())
        })?;
        resolve.finish(&self.rules, key, found.unwrap_or(Base::Nothing))
    }

    /// Every source, the newest first; only keys in `within` are wanted.
    pub(crate) fn sources(&self, within: Option<&Within>) -> Vec<Source> {
        let memtables = self
            .own
            .iter()
            .chain(self.memtables().filter(|memtable| !memtable.is_empty()))
            .map(|memtable| Source::memtable(Arc::clone(memtable)));
        let runs = self.levels.runs().filter(|run| !run.tables.is_empty());
        memtables
            .chain(
                runs.map(|run| {
                    Source::run(Arc::clone(run), IterOptions::default(), within.cloned())
                }),
            )
            .collect()
    }

    /// All memtables, the newest first.
    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        core::iter::once(&self.active).chain(&self.waiting)
    }
}

/// Offers the versions of a key in one source, from `at` down, until nothing older says anything.
fn versions(
    resolve: &mut Resolve,
    at: SeqNo,
    get: impl Fn(SeqNo) -> Result<Option<Raw>, Error>,
    now: &impl Fn() -> WallMs,
) -> Result<Option<Base>, Error> {
    let mut from = at;
    while let Some(raw) = get(from)? {
        let seqno = raw.seqno;
        if let Some(base) = resolve.offer(raw, now) {
            return Ok(Some(base));
        }
        from = SeqNo(seqno.0 - 1);
    }
    // Older sources hold nothing newer than a tombstone of this one.
    Ok(resolve.is_covered().then_some(Base::Nothing))
}

fn raw(found: Found, values: Option<Arc<Values>>) -> Raw {
    Raw {
        seqno: found.seqno,
        kind: found.kind,
        value: found.value,
        values,
    }
}

/// Numbers from here on are those of a transaction's own writes, which nobody else sees.
pub(crate) const OWN_SEQNO_MIN: SeqNo = SeqNo(1 << 55);
