//! What every measured engine can do.

use std::path::Path;

use anyhow::Result;

use super::Sizes;

/// An ordered key-value engine in this process. One implementation an engine; the workloads know
/// nothing else of it.
pub trait Engine: Sync + Sized {
    /// What the tables call it.
    const NAME: &str;

    /// A new store in the empty folder `folder`.
    ///
    /// # Errors
    /// The engine's.
    fn open(folder: &Path, durability: Durability, sizes: &Sizes) -> Result<Self>;

    /// Sets `key` to `value`.
    ///
    /// # Errors
    /// The engine's.
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()>;

    /// Shows `seen` the value of `key`, copied as little as the engine allows; false when there is
    /// none.
    ///
    /// # Errors
    /// The engine's.
    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool>;

    /// Shows `seen` the first `limit` keys at or after `from` with their values, as of one moment.
    ///
    /// # Errors
    /// The engine's.
    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()>;

    /// Writes everything to tables (or whatever the engine has) and waits until no background
    /// work is left.
    ///
    /// # Errors
    /// The engine's, also of background work since the store was opened.
    fn settle(&self) -> Result<()>;
}

/// What a put that has returned survives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// Nothing in particular: no put waits for a disk. An engine that can do without a log has none.
    Unsynced,
    /// The loss of power: a log is written and synced before a put returns.
    Synced,
}
