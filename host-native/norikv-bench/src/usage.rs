//! What the processors and the disks did for it.
//!
//! **Invariant: a difference of two samples counts the processor time of every thread of this
//! process between them**, also of threads that have ended; the share of each thread name counts
//! those that were alive at both samples or began in between.

use std::collections::BTreeMap;
use std::fs;

use rustix::time::{ClockId, clock_gettime};

/// What this process has used so far.
#[derive(Debug, Clone, Default)]
pub struct Sample {
    process_ns: u64,
    /// By thread id.
    threads: BTreeMap<u64, (String, u64)>,
    written_bytes: u64,
}

/// What was used between two samples.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Usage {
    /// Processor time of the whole process, in seconds.
    pub cpu_seconds: f64,
    /// Processor time of the threads of each name, in seconds.
    pub cpu_by_thread: BTreeMap<String, f64>,
    /// Bytes that the process handed to write calls: to files, and to sockets if it has any. 0 where
    /// the system does not tell. (The kernel's count of bytes that reach a disk would be the better
    /// one, but it charges a whole folio, up to some MiB, for each byte written into it.)
    pub written_bytes: u64,
}

impl Sample {
    /// Takes a sample. The threads' times are empty where the system does not tell them.
    #[must_use]
    pub fn take() -> Self {
        let threads = fs::read_dir("/proc/self/task")
            .map(|tasks| {
                tasks
                    .filter_map(|task| {
                        let path = task.ok()?.path();
                        let id = path.file_name()?.to_str()?.parse().ok()?;
                        let name = fs::read_to_string(path.join("comm")).ok()?;
                        let times = fs::read_to_string(path.join("schedstat")).ok()?;
                        let on_cpu = times.split(' ').next()?.parse().ok()?;
                        Some((id, (role(name.trim_end()).to_owned(), on_cpu)))
                    })
                    .collect()
            })
            .unwrap_or_default();
        let time = clock_gettime(ClockId::ProcessCPUTime);
        let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
        let nanos = u64::try_from(time.tv_nsec).unwrap_or(0);
        Self {
            process_ns: seconds * 1_000_000_000 + nanos,
            threads,
            written_bytes: written_bytes(),
        }
    }

    /// What was used from `before` until this sample.
    #[must_use]
    pub fn since(&self, before: &Self) -> Usage {
        let mut by_thread = BTreeMap::new();
        for (id, (role, now_ns)) in &self.threads {
            let then_ns = before.threads.get(id).map_or(0, |(_, then_ns)| *then_ns);
            *by_thread.entry(role.clone()).or_insert(0.0) +=
                now_ns.saturating_sub(then_ns) as f64 / 1e9;
        }
        Usage {
            cpu_seconds: self.process_ns.saturating_sub(before.process_ns) as f64 / 1e9,
            cpu_by_thread: by_thread,
            written_bytes: self.written_bytes.saturating_sub(before.written_bytes),
        }
    }
}

fn written_bytes() -> u64 {
    let io = fs::read_to_string("/proc/self/io").unwrap_or_default();
    let line = io.lines().find_map(|line| line.strip_prefix("wchar: "));
    line.and_then(|bytes| bytes.parse().ok()).unwrap_or(0)
}

/// The most memory that this process ever held, in bytes; 0 where the system does not tell.
#[must_use]
pub fn peak_memory_bytes() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok());
    kib.unwrap_or(0_u64) * 1024
}

/// The name of a thread without the number of it: `norikv-read-2` is a `norikv-read`.
fn role(name: &str) -> &str {
    match name.rsplit_once('-') {
        Some((role, number)) if number.bytes().all(|digit| digit.is_ascii_digit()) => role,
        _ => name,
    }
}

#[cfg(test)]
mod tests;
