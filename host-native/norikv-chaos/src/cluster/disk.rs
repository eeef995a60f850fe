//! A small file system for each node's store, that can be filled and freed.

use std::fs::{self, File};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use rustix::fs::{FallocateFlags, fallocate, statvfs};

use super::run;

/// The file systems of all nodes; unmounted when this is dropped.
#[derive(Debug)]
pub(crate) struct Disks {
    file_system: FileSystem,
    mounts: Vec<PathBuf>,
}

/// What the nodes' stores lie on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileSystem {
    /// ext4 in a file.
    Ext4,
    /// Memory with a limit.
    Tmpfs,
}

/// Bytes of each node's file system.
const BYTES: u64 = 192 << 20;
/// Bytes left free when it is full: too few for a segment, enough for a directory entry.
const LEFT: u64 = 16 << 10;
const BALLAST: &str = "ballast";

impl Disks {
    /// Mounts one file system in each node's folder and has the folder's `store` lie on it: ext4 in
    /// a loop file where that is allowed, memory otherwise.
    ///
    /// # Errors
    /// When neither can be mounted; nothing stays mounted.
    pub(crate) fn mount(folders: &[&Path]) -> Result<Self> {
        let ext4 = Self::mount_as(FileSystem::Ext4, folders);
        ext4.or_else(|_not_allowed| Self::mount_as(FileSystem::Tmpfs, folders))
    }

    /// What they are.
    #[must_use]
    pub(crate) const fn file_system(&self) -> FileSystem {
        self.file_system
    }

    /// Leaves no room on a node's file system; again and again, as long as it is to be full.
    ///
    /// # Errors
    /// When what fills it cannot be written.
    pub(crate) fn fill(&self, node: u64) -> Result<()> {
        let mount = self.of(node);
        let room = statvfs(mount)?;
        let room = (room.f_bavail * room.f_frsize).saturating_sub(LEFT);
        if room == 0 {
            return Ok(());
        }
        let file = File::options()
            .create(true)
            .append(true)
            .open(mount.join(BALLAST))?;
        let len = file.metadata()?.len();
        // The file system wants some of the room for itself; less will fit then.
        for part in [room, room - room / 50, room / 2] {
            if part > 0 && fallocate(&file, FallocateFlags::empty(), len, part).is_ok() {
                break;
            }
        }
        Ok(())
    }

    /// Makes room again.
    ///
    /// # Errors
    /// When what fills it cannot be removed.
    pub(crate) fn free(&self, node: u64) -> Result<()> {
        match fs::remove_file(self.of(node).join(BALLAST)) {
            Err(why) if why.kind() != std::io::ErrorKind::NotFound => {
                Err(why).context("freeing a disk")
            }
            _ => Ok(()),
        }
    }

    fn of(&self, node: u64) -> &Path {
        let nth = usize::try_from(node - 1).unwrap_or(usize::MAX);
        &self.mounts[nth]
    }

    fn mount_as(file_system: FileSystem, folders: &[&Path]) -> Result<Self> {
        let mut disks = Self {
            file_system,
            mounts: Vec::new(),
        };
        for folder in folders {
            let mount = folder.join("disk");
            fs::create_dir_all(&mount)?;
            match file_system {
                FileSystem::Ext4 => {
                    let image = folder.join("disk.img");
                    File::create(&image)?.set_len(BYTES)?;
                    run(Command::new("mkfs.ext4")
                        .args(["-q", "-F", "-m", "0"])
                        .arg(&image))?;
                    run(Command::new("mount")
                        .args(["-o", "loop"])
                        .args([&image, &mount]))?;
                }
                FileSystem::Tmpfs => {
                    let size = format!("size={BYTES}");
                    run(Command::new("mount")
                        .args(["-t", "tmpfs", "-o", &size, "none"])
                        .arg(&mount))?;
                }
            }
            disks.mounts.push(mount.clone());
            fs::create_dir_all(mount.join("store"))?;
            let store = folder.join("store");
            if !store.is_symlink() {
                symlink("disk/store", store)?;
            }
        }
        Ok(disks)
    }
}

impl Drop for Disks {
    fn drop(&mut self) {
        for mount in &self.mounts {
            // Lazily, since a node that was just killed may hold it for a moment. Failing that, it
            // goes with the namespace.
            let _gone = run(Command::new("umount").arg("--lazy").arg(mount));
        }
    }
}

impl FileSystem {
    /// In words.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Ext4 => "ext4 on a loop file of 192 MiB",
            Self::Tmpfs => "tmpfs of 192 MiB",
        }
    }
}
