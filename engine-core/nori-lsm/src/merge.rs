//! Several sorted sources as one.
//!
//! **Invariant: forward, the merge stands on the smallest entry of all its sources; backward, on
//! the largest.** Entries ascend by user key, then descend by seqno.

use alloc::vec::Vec;

use nori_sstable::InternalKeyRef;

use crate::Error;
use crate::cursor::Cursor;

/// Goes through all entries of its sources in order. It is positioned by one of the seeks and then
/// moved in that seek's direction only.
#[derive(Debug)]
pub(crate) struct Merge {
    sources: Vec<Cursor>,
    current: Option<usize>,
}

impl Merge {
    /// Of `sources` in any order: no two hold the same version of a key.
    pub(crate) const fn new(sources: Vec<Cursor>) -> Self {
        Self {
            sources,
            current: None,
        }
    }

    /// The source that stands on the current entry.
    pub(crate) fn current(&self) -> Option<&Cursor> {
        self.current.map(|index| &self.sources[index])
    }

    /// To the first entry at or after user key `from`; `None` is the very first.
    pub(crate) fn seek(&mut self, from: Option<&[u8]>) -> Result<(), Error> {
        self.current = None;
        for source in &mut self.sources {
            match from {
                Some(user) => source.seek(user)?,
                None => source.seek_to_first()?,
            }
        }
        self.current = self.pick(|a, b| a < b);
        Ok(())
    }

    /// To the last entry before user key `to`; `None` is the very last.
    pub(crate) fn seek_before(&mut self, to: Option<&[u8]>) -> Result<(), Error> {
        self.current = None;
        for source in &mut self.sources {
            match to {
                Some(user) => source.seek_before(user)?,
                None => source.seek_to_last()?,
            }
        }
        self.current = self.pick(|a, b| a > b);
        Ok(())
    }

    /// To the next entry. Nothing happens behind the last.
    pub(crate) fn next(&mut self) -> Result<(), Error> {
        if let Some(index) = self.current.take() {
            self.sources[index].next()?;
            self.current = self.pick(|a, b| a < b);
        }
        Ok(())
    }

    /// To the entry before. Nothing happens before the first.
    pub(crate) fn prev(&mut self) -> Result<(), Error> {
        if let Some(index) = self.current.take() {
            self.sources[index].prev()?;
            self.current = self.pick(|a, b| a > b);
        }
        Ok(())
    }

    fn pick(
        &self,
        wins: impl Fn(&InternalKeyRef<'_>, &InternalKeyRef<'_>) -> bool,
    ) -> Option<usize> {
        let mut best: Option<(usize, InternalKeyRef<'_>)> = None;
        for (index, source) in self.sources.iter().enumerate() {
            if source.is_valid() {
                let key = source.key();
                if best.as_ref().is_none_or(|(_, best)| wins(&key, best)) {
                    best = Some((index, key));
                }
            }
        }
        best.map(|(index, _)| index)
    }
}
