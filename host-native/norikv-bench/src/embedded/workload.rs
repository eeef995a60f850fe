//! What is done to an engine.
//!
//! **Invariant: every read that is counted was checked.** A get that misses a stored key, finds
//! one that is not stored, or shows a wrong value ends the run with an error, and so does a
//! scan that is short or out of order.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Result, ensure};

use super::{Durability, Engine, Load, Settings};
use crate::keys::{Choice, scatter, write_key};
use crate::measure::{Figure, counted, timed};
use crate::scratch::space_of;
use crate::usage::Sample;
use crate::values::{is_value_of, write_value};

/// Keys of a scan.
pub const SCAN_KEYS: u32 = 100;

/// Nothing at all: what the measuring itself costs in each of the other figures.
pub(super) fn nothing(settings: &Settings) -> Result<Figure> {
    timed("nothing", 1, settings.times, |thread| {
        let mut keys = Keys::new(Choice::uniform(settings.keys, u64::from(thread)));
        move || {
            std::hint::black_box(keys.next());
            Ok(())
        }
    })
}

/// Overwrites a block of a file in place and syncs it, with no engine in between: what a disk allows
/// a synced put at best.
pub(super) fn raw_sync(folder: &Path, settings: &Settings) -> Result<Figure> {
    let path = folder.join("raw");
    let file = File::create_new(&path)?;
    for _ in 0..RAW_BLOCKS {
        (&file).write_all(&RAW_BLOCK)?;
    }
    file.sync_all()?;
    let figure = timed("rawsync", 1, settings.times, |_thread| {
        let (file, mut at) = (&file, 0);
        move || {
            file.write_all_at(&RAW_BLOCK, at * RAW_BLOCK.len() as u64)?;
            at = (at + 1) % RAW_BLOCKS;
            Ok(file.sync_data()?)
        }
    })?;
    std::fs::remove_file(&path)?;
    Ok(figure)
}

/// Puts every key once, in an order that looks random, then lets the engine finish its work.
pub(super) fn fill_random<E: Engine>(
    engine: &E,
    folder: &Path,
    settings: &Settings,
) -> Result<(Figure, Load)> {
    let begin = Sample::take();
    let mut key = vec![0; KEY_BYTES];
    let mut value = vec![0; VALUE_BYTES];
    let figure = counted("fillrandom", settings.keys, |index| {
        write_key(index, &mut key);
        write_value(index, &mut value);
        engine.put(&key, &value)
    })?;
    let (filled, start) = (Sample::take(), Instant::now());
    engine.settle()?;
    let settled = Sample::take();
    let logical_bytes = settings.keys * (KEY_BYTES + VALUE_BYTES) as u64;
    let written_bytes = settled.since(&begin).written_bytes;
    let space_bytes = space_of(folder)?;
    let load = Load {
        logical_bytes,
        settle_seconds: start.elapsed().as_secs_f64(),
        settle_cpu_us: settled.since(&filled).cpu_seconds * 1e6 / settings.keys as f64,
        written_bytes,
        write_amplification: written_bytes as f64 / logical_bytes as f64,
        space_bytes,
        space_amplification: space_bytes as f64 / logical_bytes as f64,
    };
    Ok((figure, load))
}

/// Gets stored keys, each as likely as any other.
pub(super) fn read_random<E: Engine>(engine: &E, settings: &Settings) -> Result<Figure> {
    read(engine, settings, "readrandom", &|seed| {
        Choice::uniform(settings.keys, seed)
    })
}

/// Gets stored keys, few of them most of the time.
pub(super) fn read_hot<E: Engine>(engine: &E, settings: &Settings) -> Result<Figure> {
    read(engine, settings, "readhot", &|seed| {
        Choice::zipf(settings.keys, ZIPF_THETA, seed)
    })
}

fn read<E: Engine>(
    engine: &E,
    settings: &Settings,
    name: &str,
    choice: &(dyn Fn(u64) -> Choice + Sync),
) -> Result<Figure> {
    timed(name, 1, settings.times, |thread| {
        let mut keys = Keys::new(choice(u64::from(thread)));
        move || {
            let (index, key) = keys.next();
            let mut good = false;
            let found = engine.get(key, &mut |value| {
                good = is_value_of(index, value, VALUE_BYTES);
            })?;
            ensure!(found, "key {index} is stored and was not found");
            ensure!(good, "key {index} has a value that nobody wrote");
            Ok(())
        }
    })
}

/// Gets keys that are not stored and lie between those that are.
pub(super) fn read_missing<E: Engine>(engine: &E, settings: &Settings) -> Result<Figure> {
    timed("readmissing", 1, settings.times, |thread| {
        let mut keys = Keys::new(Choice::uniform(settings.keys, u64::from(thread)));
        keys.offset = settings.keys;
        move || {
            let (index, key) = keys.next();
            ensure!(
                !engine.get(key, &mut |_value| {})?,
                "key {index} was found and is not stored"
            );
            Ok(())
        }
    })
}

/// Seeks a stored key and reads it and the following ones.
pub(super) fn scan<E: Engine>(engine: &E, settings: &Settings) -> Result<Figure> {
    // Behind this one there are not enough keys for a scan.
    let mut words: Vec<u64> = (0..settings.keys).map(scatter).collect();
    let last = words.len() - usize::try_from(SCAN_KEYS)?;
    let last = *words.select_nth_unstable(last).1;
    timed("scan100", 1, settings.times, |thread| {
        let mut keys = Keys::new(Choice::uniform(settings.keys, u64::from(thread)));
        let mut before: Vec<u8> = Vec::with_capacity(KEY_BYTES);
        move || {
            while scatter(keys.pick()) > last {}
            let from = keys.text();
            let (mut count, mut ascending) = (0, true);
            before.clear();
            engine.scan(from, SCAN_KEYS, &mut |key, value| {
                ascending &= *key > *before && value.len() == VALUE_BYTES && key >= from;
                before.clear();
                before.extend_from_slice(key);
                count += 1;
            })?;
            ensure!(count == SCAN_KEYS, "a scan gave {count} keys");
            ensure!(ascending, "a scan was out of order");
            Ok(())
        }
    })
}

/// Puts keys that are new, each durable when its put returns.
pub(super) fn fill_sync<E: Engine>(
    engine: &E,
    settings: &Settings,
    threads: u32,
) -> Result<Figure> {
    let next = AtomicU64::new(0);
    let next = &next;
    timed("fillsync", threads, settings.times, |_thread| {
        let mut key = vec![0; KEY_BYTES];
        let mut value = vec![0; VALUE_BYTES];
        move || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            write_key(index, &mut key);
            write_value(index, &mut value);
            engine.put(&key, &value)
        }
    })
}

/// Opens a fresh store for each number of threads and fills it with synced puts.
pub(super) fn fill_sync_each<E: Engine>(folder: &Path, settings: &Settings) -> Result<Vec<Figure>> {
    let mut figures = Vec::new();
    for threads in SYNC_THREADS {
        let folder = folder.join(format!("sync-{threads}"));
        std::fs::create_dir(&folder)?;
        let engine = E::open(&folder, Durability::Synced, &settings.sizes)?;
        figures.push(fill_sync(&engine, settings, threads)?);
        engine.settle()?;
        drop(engine);
        std::fs::remove_dir_all(&folder)?;
    }
    Ok(figures)
}

/// Draws keys and makes their text in place.
struct Keys {
    choice: Choice,
    offset: u64,
    index: u64,
    text: Vec<u8>,
}

impl Keys {
    fn new(choice: Choice) -> Self {
        Self {
            choice,
            offset: 0,
            index: 0,
            text: vec![0; KEY_BYTES],
        }
    }

    fn pick(&mut self) -> u64 {
        self.index = self.offset + self.choice.draw();
        self.index
    }

    fn text(&mut self) -> &[u8] {
        write_key(self.index, &mut self.text);
        &self.text
    }

    fn next(&mut self) -> (u64, &[u8]) {
        let index = self.pick();
        (index, self.text())
    }
}

/// What a raw sync writes, and how many of them one after the other.
const RAW_BLOCK: [u8; 4096] = [7; 4096];
const RAW_BLOCKS: u64 = 4_096;
/// Bytes of a key.
pub const KEY_BYTES: usize = 16;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 100;
/// Threads that put at once under sync.
const SYNC_THREADS: [u32; 2] = [1, 16];
/// Skew of the hot reads, YCSB's.
const ZIPF_THETA: f64 = 0.99;
