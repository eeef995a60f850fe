//! `FILE.progress`: how far an import got.
//!
//! **Invariant: the file on disk is always a whole one:** it is written beside and renamed over.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::{Counts, Watermark};

/// How far an import of one file got.
#[derive(Debug)]
pub(super) struct Checkpoint {
    path: PathBuf,
    hash: u64,
    /// Every line below this byte is acknowledged or refused.
    pub(super) offset: u64,
    /// What those lines came to.
    pub(super) counts: Counts,
}

#[derive(Serialize, Deserialize)]
struct OnDisk {
    /// xxh3-64 of the imported file, 16 hexadecimal digits.
    file_hash: String,
    offset: u64,
    written: u64,
    refused: u64,
}

impl Checkpoint {
    /// Where an earlier import of `file` stopped, or its beginning.
    ///
    /// # Errors
    /// When the file is not the one that the earlier import read.
    pub(super) fn load_or_new(file: &Path, hash: u64) -> Result<Self> {
        let mut path = file.as_os_str().to_owned();
        path.push(".progress");
        let path = PathBuf::from(path);
        let text = match fs::read_to_string(&path) {
            Ok(text) => text,
            Err(why) if why.kind() == io::ErrorKind::NotFound => {
                return Ok(Self {
                    path,
                    hash,
                    offset: 0,
                    counts: Counts::default(),
                });
            }
            Err(why) => return Err(why).with_context(|| format!("reading {}", path.display())),
        };
        let advice = || {
            format!(
                "delete {} to import the file from its beginning",
                path.display()
            )
        };
        let on_disk: OnDisk = serde_json::from_str(&text).with_context(advice)?;
        if on_disk.file_hash != format!("{hash:016x}") {
            bail!(
                "{} changed since its import began; {}",
                file.display(),
                advice()
            );
        }
        let counts = Counts {
            written: on_disk.written,
            refused: on_disk.refused,
        };
        Ok(Self {
            path,
            hash,
            offset: on_disk.offset,
            counts,
        })
    }

    /// Records how far `watermark` got.
    ///
    /// # Errors
    /// When the progress file cannot be written.
    pub(super) fn advance(&mut self, watermark: &Watermark) -> Result<()> {
        self.offset = watermark.offset();
        self.counts = watermark.counts();
        let on_disk = OnDisk {
            file_hash: format!("{:016x}", self.hash),
            offset: self.offset,
            written: self.counts.written,
            refused: self.counts.refused,
        };
        let beside = self.path.with_extension("progress-new");
        fs::write(&beside, serde_json::to_vec(&on_disk)?)
            .and_then(|()| fs::rename(&beside, &self.path))
            .with_context(|| format!("writing {}", self.path.display()))
    }

    /// The import is complete: there is nothing to go on with.
    ///
    /// # Errors
    /// When the progress file is there and cannot be removed.
    pub(super) fn remove(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(why) if why.kind() != io::ErrorKind::NotFound => {
                Err(why).with_context(|| format!("removing {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
