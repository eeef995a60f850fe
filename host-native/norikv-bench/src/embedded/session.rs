//! A store under test, together with what it must hold.
//!
//! **Invariant: every answer is checked.** A get that misses a stored key, finds one that is
//! not stored, or shows a value that is not the last one put, ends the run with an error; so does a
//! scan that is short, out of order, leaves a key out or shows a wrong value.

use anyhow::{Result, ensure};

use super::engine::Engine;
use crate::keys::{gather, scatter};
use crate::values::{is_value_of, write_value};

/// A store and the version that each key has in it.
pub(super) struct Session<'a> {
    engine: &'a dyn Engine,
    order: KeyOrder,
    value_bytes: usize,
    /// By index; 0 stands for a key that is not stored.
    versions: Vec<u32>,
    /// The words of the keys that were stored when [`sort`](Self::sort) was called, in order.
    sorted: Vec<u64>,
    value: Vec<u8>,
}

/// How keys follow their indexes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum KeyOrder {
    /// In an order that looks random.
    Scattered,
    /// One after the other.
    Ascending,
}

impl<'a> Session<'a> {
    pub(super) fn new(engine: &'a dyn Engine, order: KeyOrder, value_bytes: usize) -> Self {
        Self {
            engine,
            order,
            value_bytes,
            versions: Vec::new(),
            sorted: Vec::new(),
            value: vec![0; value_bytes],
        }
    }

    /// Keys that were ever put.
    pub(super) fn count(&self) -> u64 {
        self.versions.len() as u64
    }

    /// Keys that are stored.
    pub(super) fn live(&self) -> u64 {
        self.versions.iter().filter(|version| **version > 0).count() as u64
    }

    /// Bytes of a key and its value.
    pub(super) fn entry_bytes(&self) -> u64 {
        (KEY_BYTES + self.value_bytes) as u64
    }

    /// Puts a new version of key `index`.
    pub(super) fn put(&mut self, index: u64) -> Result<()> {
        let version = self.next_version(index);
        write_value(index, version, &mut self.value);
        let key = text(self.order.word(index));
        self.engine.put(&key, &self.value)
    }

    /// Puts a key that was never put.
    pub(super) fn insert(&mut self) -> Result<()> {
        self.put(self.count())
    }

    pub(super) fn delete(&mut self, index: u64) -> Result<()> {
        *slot(&mut self.versions, index) = 0;
        self.engine.delete(&text(self.order.word(index)))
    }

    /// Puts new keys, many in a transaction, until there are `count`.
    pub(super) fn load(&mut self, count: u64) -> Result<()> {
        while self.count() < count {
            let until = count.min(self.count() + LOAD_BATCH);
            let batch: Vec<_> = (self.count()..until)
                .map(|index| {
                    let version = self.next_version(index);
                    write_value(index, version, &mut self.value);
                    (text(self.order.word(index)).to_vec(), self.value.clone())
                })
                .collect();
            self.engine.put_many(&batch)?;
        }
        Ok(())
    }

    /// Gets key `index`, stored or not.
    pub(super) fn get(&self, index: u64) -> Result<()> {
        let version = self.versions.get(usize::try_from(index)?).copied();
        let version = version.unwrap_or(0);
        let mut good = true;
        let found = self
            .engine
            .get(&text(self.order.word(index)), &mut |value| {
                good = is_value_of(index, version, value, self.value_bytes);
            })?;
        ensure!(
            found == (version > 0),
            "key {index} has version {version}, and found is {found}"
        );
        ensure!(
            good,
            "key {index} has a value that is not its version {version}"
        );
        Ok(())
    }

    /// Takes down which keys are stored, for scans that must show all of them.
    pub(super) fn sort(&mut self) {
        let stored = (0_u64..).zip(&self.versions);
        let stored = stored.filter(|(_, version)| **version > 0);
        self.sorted = stored.map(|(index, _)| self.order.word(index)).collect();
        self.sorted.sort_unstable();
    }

    /// Places at which a scan of `limit` keys can begin.
    pub(super) fn scan_starts(&self, limit: u32) -> u64 {
        (self.sorted.len() as u64).saturating_sub(u64::from(limit)) + 1
    }

    /// Scans `limit` keys from the key at place `at` of those taken down; they must be those that
    /// were taken down.
    pub(super) fn scan_exact(&self, at: u64, limit: u32) -> Result<()> {
        let at = usize::try_from(at)?;
        let expected = &self.sorted[at..at + usize::try_from(limit)?];
        let (mut count, mut good) = (0, true);
        self.engine
            .scan(&text(expected[0]), limit, &mut |key, value| {
                let word = expected.get(count).copied().unwrap_or(0);
                good &= *key == text(word) && self.holds(word, value);
                count += 1;
            })?;
        ensure!(count == expected.len(), "a scan gave {count} keys");
        ensure!(good, "a scan gave a wrong key or value");
        Ok(())
    }

    /// Scans up to `limit` keys from key `index` on, which may have new ones among them.
    pub(super) fn scan_from(&self, index: u64, limit: u32) -> Result<()> {
        let from = self.order.word(index);
        let (mut before, mut count, mut good) = (None, 0, true);
        self.engine.scan(&text(from), limit, &mut |key, value| {
            let Some(word) = parse(key) else {
                good = false;
                return;
            };
            good &= before.map_or(word >= from, |before| word > before);
            good &= self.holds(word, value);
            before = Some(word);
            count += 1;
        })?;
        ensure!(good, "a scan gave a wrong key or value");
        ensure!(count <= limit, "a scan gave {count} keys");
        Ok(())
    }

    fn holds(&self, word: u64, value: &[u8]) -> bool {
        let index = self.order.index(word);
        let version = usize::try_from(index)
            .ok()
            .and_then(|at| self.versions.get(at));
        let version = version.copied().unwrap_or(0);
        version > 0 && is_value_of(index, version, value, self.value_bytes)
    }

    fn next_version(&mut self, index: u64) -> u32 {
        let version = slot(&mut self.versions, index);
        *version += 1;
        *version
    }
}

impl KeyOrder {
    pub(super) const fn word(self, index: u64) -> u64 {
        match self {
            Self::Scattered => scatter(index),
            Self::Ascending => index,
        }
    }

    const fn index(self, word: u64) -> u64 {
        match self {
            Self::Scattered => gather(word),
            Self::Ascending => word,
        }
    }
}

/// The version of key `index`, which is at most one behind the last.
fn slot(versions: &mut Vec<u32>, index: u64) -> &mut u32 {
    let at = usize::try_from(index).unwrap_or(usize::MAX);
    if at == versions.len() {
        versions.push(0);
    }
    &mut versions[at]
}

/// The key that is made of `word`: its hexadecimal digits, which sort as the word does.
pub(super) fn text(word: u64) -> [u8; KEY_BYTES] {
    let mut key = [0; KEY_BYTES];
    for (byte, digits) in word.to_be_bytes().iter().zip(key.chunks_exact_mut(2)) {
        digits[0] = DIGITS[usize::from(byte >> 4)];
        digits[1] = DIGITS[usize::from(byte & 0xf)];
    }
    key
}

fn parse(key: &[u8]) -> Option<u64> {
    let key: [u8; KEY_BYTES] = key.try_into().ok()?;
    let mut word = 0;
    for digit in key {
        word = word << 4 | u64::from((digit as char).to_digit(16)?);
    }
    Some(word)
}

const DIGITS: &[u8; 16] = b"0123456789abcdef";
/// Keys of a transaction that loads.
const LOAD_BATCH: u64 = 1_000;
/// Bytes of a key.
pub const KEY_BYTES: usize = 16;

#[cfg(test)]
mod tests;
