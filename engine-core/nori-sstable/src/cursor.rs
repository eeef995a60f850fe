//! A position in one block.
//!
//! **Invariant: while a cursor is valid, `key` is the whole user key of the entry it stands on.**
//! Going forward puts each key together from the one before; going back decodes the run since the
//! restart point once and then steps through it.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::{Damage, block::Block, block::Entry, key};

#[derive(Debug)]
pub(crate) struct Cursor {
    block: Option<Arc<Block>>,
    /// The entry stood on; `None`: before the first, behind the last, or no block.
    entry: Option<Entry>,
    /// First byte of that entry.
    at: usize,
    key: Vec<u8>,
    /// The entries from the restart point up to `at`, if the last step went back.
    run: Vec<RunEntry>,
    run_keys: Vec<u8>,
}

#[derive(Debug, Clone, Copy)]
struct RunEntry {
    entry: Entry,
    at: usize,
    /// Where its key begins in `run_keys`; it ends where the next begins.
    key_start: usize,
}

impl Cursor {
    /// A cursor without a block.
    pub(crate) const fn new() -> Self {
        Self {
            block: None,
            entry: None,
            at: 0,
            key: Vec::new(),
            run: Vec::new(),
            run_keys: Vec::new(),
        }
    }

    /// Moves into another block, standing nowhere.
    pub(crate) fn enter(&mut self, block: Arc<Block>) {
        self.leave();
        self.block = Some(block);
    }

    /// Lets go of the block.
    pub(crate) fn leave(&mut self) {
        self.block = None;
        self.stand_nowhere();
    }

    pub(crate) fn is_valid(&self) -> bool {
        self.entry.is_some()
    }

    /// The user key stood on.
    pub(crate) fn key(&self) -> &[u8] {
        &self.key
    }

    /// The trailer stood on.
    pub(crate) fn trailer(&self) -> u64 {
        self.entry.map_or(0, |entry| entry.trailer)
    }

    /// Bytes that the user key stood on takes over from the one before it.
    pub(crate) fn shared(&self) -> usize {
        self.entry.map_or(0, |entry| entry.shared)
    }

    /// Where the entry stood on begins.
    pub(crate) fn offset(&self) -> u32 {
        u32::try_from(self.at).unwrap_or(u32::MAX)
    }

    /// Where its value ends.
    pub(crate) fn value_end(&self) -> Option<usize> {
        self.entry.map(|entry| entry.value_end)
    }

    pub(crate) fn value(&self) -> &[u8] {
        match (&self.block, self.entry) {
            (Some(block), Some(entry)) => block.bytes(entry.value_start..entry.value_end),
            _ => &[],
        }
    }

    /// The value, sharing the block's memory.
    pub(crate) fn value_bytes(&self) -> Bytes {
        match (&self.block, self.entry) {
            (Some(block), Some(entry)) => block.slice(entry.value_start..entry.value_end),
            _ => Bytes::new(),
        }
    }

    pub(crate) fn seek_to_first(&mut self) -> Result<(), Damage> {
        self.stand_nowhere();
        self.step_to(0)
    }

    pub(crate) fn seek_to_last(&mut self) -> Result<(), Damage> {
        self.stand_nowhere();
        let Some(block) = &self.block else {
            return Ok(());
        };
        let end = block.entries_end();
        let last = block.restart_count().saturating_sub(1);
        let start = block.restart(last)? as usize;
        self.fill_run(start, end)?;
        self.pop_run();
        Ok(())
    }

    /// Stands on the first entry that is not before (`user`, `bound`); nowhere if there is none.
    pub(crate) fn seek(&mut self, user: &[u8], bound: u64) -> Result<(), Damage> {
        self.stand_nowhere();
        let Some(block) = &self.block else {
            return Ok(());
        };
        let restart = block.last_restart_before(user, bound)?;
        let start = block.restart(restart)? as usize;
        self.step_to(start)?;
        while let Some(entry) = self.entry {
            if key::compare(&self.key, entry.trailer, user, bound).is_ge() {
                break;
            }
            self.step_to(entry.value_end)?;
        }
        Ok(())
    }

    /// Steps forward; nowhere behind the last.
    pub(crate) fn next(&mut self) -> Result<(), Damage> {
        self.run.clear();
        self.run_keys.clear();
        match self.entry {
            Some(entry) => self.step_to(entry.value_end),
            None => Ok(()),
        }
    }

    /// Steps back; nowhere before the first.
    pub(crate) fn prev(&mut self) -> Result<(), Damage> {
        let (Some(block), Some(_)) = (&self.block, self.entry) else {
            return Ok(());
        };
        if self.run.is_empty() && self.at > 0 {
            let start = restart_below(block, self.at)?;
            self.fill_run(start, self.at)?;
        }
        self.pop_run();
        Ok(())
    }

    fn stand_nowhere(&mut self) {
        self.entry = None;
        self.at = 0;
        self.key.clear();
        self.run.clear();
        self.run_keys.clear();
    }

    /// Stands on the entry at `at`, whose predecessor's key is in `key`.
    fn step_to(&mut self, at: usize) -> Result<(), Damage> {
        self.entry = None;
        let Some(block) = &self.block else {
            return Ok(());
        };
        if at >= block.entries_end() {
            return Ok(());
        }
        let entry = block.entry(at)?;
        if entry.shared > self.key.len() {
            return Err(Damage::Entry);
        }
        self.key.truncate(entry.shared);
        self.key
            .extend_from_slice(block.bytes(entry.rest_start..entry.rest_end));
        self.entry = Some(entry);
        self.at = at;
        Ok(())
    }

    /// Decodes the entries in `start..end` into the run.
    fn fill_run(&mut self, start: usize, end: usize) -> Result<(), Damage> {
        self.run.clear();
        self.run_keys.clear();
        let Some(block) = &self.block else {
            return Ok(());
        };
        let mut at = start;
        let mut previous = 0;
        while at < end {
            let entry = block.entry(at)?;
            let key_start = self.run_keys.len();
            if entry.shared > key_start - previous {
                return Err(Damage::Entry);
            }
            self.run_keys
                .extend_from_within(previous..previous + entry.shared);
            self.run_keys
                .extend_from_slice(block.bytes(entry.rest_start..entry.rest_end));
            self.run.push(RunEntry {
                entry,
                at,
                key_start,
            });
            previous = key_start;
            at = entry.value_end;
        }
        if at != end {
            return Err(Damage::Entry);
        }
        Ok(())
    }

    /// Stands on the last entry of the run; nowhere if it is empty.
    fn pop_run(&mut self) {
        self.entry = None;
        let Some(last) = self.run.pop() else { return };
        self.key.clear();
        self.key
            .extend_from_slice(self.run_keys.get(last.key_start..).unwrap_or(&[]));
        self.run_keys.truncate(last.key_start);
        self.entry = Some(last.entry);
        self.at = last.at;
    }
}

/// The largest restart point below `at`, which is above 0.
fn restart_below(block: &Block, at: usize) -> Result<usize, Damage> {
    let (mut low, mut high) = (0, block.restart_count());
    while low < high {
        let middle = low + (high - low) / 2;
        if (block.restart(middle)? as usize) < at {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    Ok(block.restart(low.saturating_sub(1))? as usize)
}
