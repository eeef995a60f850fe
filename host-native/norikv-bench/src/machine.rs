//! Where the figures were taken.

use std::fs;
use std::path::Path;

use serde::Serialize;

/// What a reader must know of the machine to judge a figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Machine {
    /// Processors that this process may use.
    pub cpus: u32,
    /// Their model.
    pub cpu_model: String,
    /// Main memory in MiB.
    pub memory_mib: u64,
    /// The kernel.
    pub kernel: String,
    /// Processes that wanted to run in the last minute, this one not yet among them: above 0 others
    /// take their share of the processors, and the rates are lower for it.
    pub load: f64,
    /// File system that the data lies on, and its device.
    pub file_system: String,
    /// Whether assertions for debugging are compiled in: then no figure means anything.
    pub debug_build: bool,
}

impl Machine {
    /// This machine, for data in `folder`. What it does not tell is `unknown` or 0.
    #[must_use]
    pub fn of(folder: &Path) -> Self {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let cpus = std::thread::available_parallelism().map_or(0, |count| count.get());
        let folder = folder
            .canonicalize()
            .unwrap_or_else(|_gone| folder.to_path_buf());
        Self {
            cpus: u32::try_from(cpus).unwrap_or(u32::MAX),
            cpu_model: field(&read("/proc/cpuinfo"), "model name"),
            memory_mib: number(&field(&read("/proc/meminfo"), "MemTotal")) / 1024,
            kernel: or_unknown(read("/proc/sys/kernel/osrelease").trim()),
            load: (read("/proc/loadavg").split(' ').next())
                .and_then(|load| load.parse().ok())
                .unwrap_or(0.0),
            file_system: file_system(&read("/proc/self/mountinfo"), &folder),
            debug_build: cfg!(debug_assertions),
        }
    }
}

/// What stands behind the colon of the first line that begins with `name`.
fn field(text: &str, name: &str) -> String {
    let value = text.lines().find_map(|line| {
        let (key, value) = line.split_once(':')?;
        (key.trim() == name).then_some(value.trim())
    });
    or_unknown(value.unwrap_or_default())
}

/// The digits that `text` begins with.
fn number(text: &str) -> u64 {
    let digits = text.split(' ').next().unwrap_or_default();
    digits.parse().unwrap_or(0)
}

fn or_unknown(text: &str) -> String {
    if text.is_empty() { "unknown" } else { text }.to_owned()
}

/// The mount in `mounts` (as in /proc/self/mountinfo) that holds `folder`: the longest path that is
/// one of its ancestors, the last of two that are equal.
fn file_system(mounts: &str, folder: &Path) -> String {
    let held = mounts.lines().filter_map(|line| {
        let (mount, source) = line.split_once(" - ")?;
        let path = mount.split(' ').nth(4)?;
        let mut source = source.split(' ');
        let (kind, device) = (source.next()?, source.next()?);
        folder
            .starts_with(path)
            .then(|| (path.len(), format!("{kind} on {device}")))
    });
    held.max_by_key(|(length, _)| *length)
        .map_or_else(|| "unknown".to_owned(), |(_, text)| text)
}

#[cfg(test)]
mod tests;
