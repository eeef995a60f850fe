//! What adaptive compaction gains over leveled and tiered, on a workload whose reads and writes
//! keep to parts of the key space that move: `cargo run --release -p nori-lsm --example ablation`.
//!
//! It runs in memory, in one thread, from a seed: the same figures everywhere. It prints the table
//! that stands in `docs/compaction.md`.
#![expect(clippy::print_stdout, reason = "a program for people")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use nori_env::MemStore;
use nori_lsm::{Compaction, Error, JobState, Log, Lsm, Options, Stats};
use norikv_testkit::{SimEntropy, StoreStep, VirtualClock, WatchedStore};
use norikv_types::{Prng, WallMs};

const KEYS: u64 = 60_000;
const VALUE_BYTES: usize = 100;
const OPERATIONS: u64 = 150_000;
const PHASES: u64 = 4;
/// Parts of the key space; in each phase one is read much and another written much.
const PARTS: u64 = 8;

fn main() -> Result<(), Error> {
    println!(
        "| | write amplification | runs over a key | reads of the store a get | a scan of 10 | \
         space, mean | most | settled |"
    );
    println!("|---|--:|--:|--:|--:|--:|--:|--:|");
    for (name, style) in [
        ("leveled", Compaction::Leveled),
        (
            "tiered, last level leveled",
            Compaction::Tiered { last: false },
        ),
        ("tiered", Compaction::Tiered { last: true }),
        ("**adaptive**", Compaction::Adaptive),
    ] {
        let figures = run(style)?;
        println!("| {name} | {figures} |");
    }
    Ok(())
}

fn run(compaction: Compaction) -> Result<String, Error> {
    let reads = Arc::<Reads>::default();
    let lsm = Lsm::open_in(
        reads.store(),
        Arc::new(VirtualClock::new(WallMs(0))),
        Arc::new(SimEntropy::new(1)),
        Options {
            log: Log::External,
            compaction,
            memtable_bytes: 64 << 10,
            level_base_bytes: 256 << 10,
            table_bytes: 64 << 10,
            cache_bytes: 1 << 20,
            ..Options::default()
        },
    )?;
    let mut prng = Prng::new(7);
    for number in 0..KEYS {
        put(&lsm, number.wrapping_mul(48_271) % KEYS, &mut prng)?;
        work(&lsm)?;
    }
    lsm.compact_range(b"", None)?;
    let logical = space(&lsm.stats());
    let loaded = lsm.stats();

    let (mut gets, mut scans, mut get_reads, mut scan_reads) = (0, 0, 0, 0);
    let (mut mean, mut most) = (0, 0);
    for number in 0..PHASES * OPERATIONS {
        let phase = number / OPERATIONS;
        let part = |hot: u64, prng: &mut Prng| match prng.below(10) {
            0 => prng.below(PARTS),
            _ => hot % PARTS,
        };
        let key = |part: u64, prng: &mut Prng| part * (KEYS / PARTS) + prng.below(KEYS / PARTS);
        match prng.below(100) {
            0..50 => {
                let part = part(2 * phase + 4, &mut prng);
                put(&lsm, key(part, &mut prng), &mut prng)?;
                work(&lsm)?;
            }
            50..95 => {
                let part = part(2 * phase, &mut prng);
                let key = key(part, &mut prng);
                get_reads += reads.during(|| lsm.get(&key.to_be_bytes()))?;
                gets += 1;
            }
            _ => {
                let part = part(2 * phase, &mut prng);
                let from = Bytes::copy_from_slice(&key(part, &mut prng).to_be_bytes());
                scan_reads += reads.during(|| {
                    let mut iter = lsm.iter(from.., &lsm.snapshot());
                    for _ in 0..10 {
                        iter.next()?;
                    }
                    Ok(())
                })?;
                scans += 1;
            }
        }
        let now = match number % 100 {
            0 => space(&lsm.stats()),
            _ => continue,
        };
        mean += now;
        most = most.max(now);
    }
    let stats = lsm.stats();
    let written = stats.flush_bytes + stats.compaction_bytes;
    let written = written - loaded.flush_bytes - loaded.compaction_bytes;
    if std::env::args().any(|arg| arg == "--levels") {
        for (level, figures) in stats.levels.iter().enumerate() {
            println!("{level}: {figures:?}");
        }
    }
    lsm.flush()?;
    lsm.settle()?;
    Ok(format!(
        "{} | {} | {} | {} | {} | {} | {}",
        ratio(written, stats.user_bytes - loaded.user_bytes),
        ratio(
            stats.sampled_runs - loaded.sampled_runs,
            stats.sampled_gets - loaded.sampled_gets,
        ),
        ratio(get_reads, gets),
        ratio(scan_reads, scans),
        ratio(mean / (PHASES * OPERATIONS / 100), logical),
        ratio(most, logical),
        ratio(space(&lsm.stats()), logical),
    ))
}

fn put(lsm: &Lsm, key: u64, prng: &mut Prng) -> Result<(), Error> {
    let mut value = [0; VALUE_BYTES];
    for chunk in value.chunks_mut(8) {
        chunk.copy_from_slice(&prng.next_u64().to_be_bytes()[..chunk.len()]);
    }
    lsm.put(&key.to_be_bytes(), &value).map(drop)
}

fn work(lsm: &Lsm) -> Result<(), Error> {
    while let Some(mut job) = lsm.next_job() {
        while job.step(1 << 20)? == JobState::More {}
    }
    Ok(())
}

fn space(stats: &Stats) -> u64 {
    stats.levels.iter().map(|level| level.bytes).sum()
}

/// `a / b`, with two decimals.
fn ratio(a: u64, b: u64) -> String {
    let hundredths = a * 100 / b.max(1);
    format!("{}.{:02}", hundredths / 100, hundredths % 100)
}

/// Reads of the store, counted while something asks for it.
#[derive(Debug, Default)]
struct Reads {
    count: AtomicU64,
    counts: AtomicBool,
}

impl Reads {
    /// A store in memory whose reads are counted here.
    fn store(self: &Arc<Self>) -> Arc<WatchedStore> {
        let reads = Arc::clone(self);
        WatchedStore::new(MemStore::default(), move |step| {
            if matches!(step, StoreStep::Reading(_)) && reads.counts.load(Ordering::Relaxed) {
                reads.count.fetch_add(1, Ordering::Relaxed);
            }
        })
    }

    /// The reads while `work` runs.
    fn during<T>(&self, work: impl FnOnce() -> Result<T, Error>) -> Result<u64, Error> {
        let before = self.count.load(Ordering::Relaxed);
        self.counts.store(true, Ordering::Relaxed);
        work()?;
        self.counts.store(false, Ordering::Relaxed);
        Ok(self.count.load(Ordering::Relaxed) - before)
    }
}
