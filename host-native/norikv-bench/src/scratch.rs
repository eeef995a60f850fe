//! Where the data of a run lies.
//!
//! **Invariant: a run begins with an empty folder of its own, and removes it at its end.**

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use tempfile::TempDir;

/// A fresh folder, removed when this is dropped.
#[derive(Debug)]
pub struct Scratch(TempDir);

impl Scratch {
    /// A fresh folder inside `parent`, which is made if need be; without one, inside the system's
    /// folder for temporary files.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make(parent: Option<&Path>) -> Result<Self> {
        let mut named = tempfile::Builder::new();
        named.prefix("norikv-bench-");
        let made = match parent {
            None => named.tempdir(),
            Some(parent) => fs::create_dir_all(parent).and_then(|()| named.tempdir_in(parent)),
        };
        let where_to = parent.map_or_else(std::env::temp_dir, Path::to_path_buf);
        let folder = made.with_context(|| format!("making a folder in {}", where_to.display()))?;
        Ok(Self(folder))
    }

    /// Its path.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// The path of something inside it.
    #[must_use]
    pub fn join(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Removes it now.
    ///
    /// # Errors
    /// When something in it cannot be removed; it stays.
    pub fn remove(self) -> Result<()> {
        self.0.close().context("removing the data folder")
    }
}

/// Bytes that the files below `folder` take on its disk.
///
/// # Errors
/// When it cannot be read.
pub fn space_of(folder: &Path) -> io::Result<u64> {
    let mut bytes = 0;
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let metadata = entry.metadata()?;
        bytes += match metadata.is_dir() {
            true => space_of(&entry.path())?,
            false => metadata.blocks() * 512,
        };
    }
    Ok(bytes)
}
