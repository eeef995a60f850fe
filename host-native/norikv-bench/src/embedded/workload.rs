//! What is done to a store.
//!
//! **Invariant: a figure measures one thing done over and over by clients that wait for their
//! answers.** Everything is put through a [`Session`], which checks every answer.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use norikv_types::Prng;
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};

use super::engine::Engine;
use super::session::{KEY_BYTES, KeyOrder, Session, text};
use crate::keys::Choice;
use crate::measure::{Figure, Times, counted, timed};
use crate::scratch::space_of;
use crate::usage::Sample;
use crate::values::{is_value_of, write_value};

/// What a workload of writes cost beyond them, and what they take on disk once the store is settled.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Load {
    /// The workload.
    pub name: String,
    /// Bytes of the keys and values that were put.
    pub put_bytes: u64,
    /// How long flushes and compactions went on after the last put.
    pub settle_seconds: f64,
    /// Processor time for one put in microseconds, that of the settling included.
    pub cpu_us: f64,
    /// Bytes handed to write calls until the store was settled.
    pub written_bytes: u64,
    /// The same, divided by the bytes that were put.
    pub write_amplification: f64,
    /// Bytes on disk once settled.
    pub space_bytes: u64,
    /// The same, divided by the bytes of the keys and values that are stored.
    pub space_amplification: f64,
}

/// Puts keys with `put` until there are `count` of them or `limit` has passed, then lets the engine
/// finish its work.
pub(super) fn write<'a>(
    name: &str,
    count: u64,
    limit: Duration,
    folder: &Path,
    engine: &dyn Engine,
    session: &mut Session<'a>,
    mut put: impl FnMut(&mut Session<'a>, u64) -> Result<()> + Send,
) -> Result<(Figure, Load)> {
    let begin = Sample::take();
    let figure = counted(name, count, limit, |number| put(session, number))?;
    let start = Instant::now();
    engine.settle()?;
    let usage = Sample::take().since(&begin);
    let entry_bytes = session.entry_bytes();
    let put_bytes = figure.operations * entry_bytes;
    let space_bytes = space_of(folder)?;
    let load = Load {
        name: name.to_owned(),
        put_bytes,
        settle_seconds: start.elapsed().as_secs_f64(),
        cpu_us: usage.cpu_seconds * 1e6 / figure.operations as f64,
        written_bytes: usage.written_bytes,
        write_amplification: usage.written_bytes as f64 / put_bytes as f64,
        space_bytes,
        space_amplification: space_bytes as f64 / (session.live() * entry_bytes) as f64,
    };
    Ok((figure, load))
}

/// Does `operation` over and over on one thread, with indexes that `choice` draws.
pub(super) fn repeat<'a>(
    name: &str,
    times: Times,
    session: &mut Session<'a>,
    choice: Choice,
    operation: impl Fn(&mut Session<'a>, &mut Draw) -> Result<()> + Sync,
) -> Result<Figure> {
    let prng = Prng::new(SEED);
    let shared = Mutex::new((session, Draw { choice, prng }));
    let (shared, operation) = (&shared, &operation);
    timed(name, 1, times, |_thread| {
        let mut held = shared.lock();
        move || {
            let (session, draw) = &mut *held;
            operation(session, draw)
        }
    })
}

/// What an operation is done to.
pub(super) struct Draw {
    choice: Choice,
    prng: Prng,
}

impl Draw {
    /// The next index.
    pub(super) fn index(&mut self) -> u64 {
        self.choice.draw()
    }

    /// True `percent` times out of 100.
    pub(super) fn chance(&mut self, percent: u64) -> bool {
        self.prng.below(100) < percent
    }

    /// A number from 1 to `max`.
    pub(super) fn up_to(&mut self, max: u32) -> u32 {
        u32::try_from(self.prng.below(u64::from(max))).unwrap_or(0) + 1
    }
}

/// Puts new keys from several threads; `engine` makes each durable before its put returns.
pub(super) fn fill_sync(
    engine: &dyn Engine,
    times: Times,
    threads: u32,
    value_bytes: usize,
) -> Result<Figure> {
    let next = AtomicU64::new(0);
    let next = &next;
    let figure = timed("fillsync", threads, times, |_thread| {
        let mut value = vec![0; value_bytes];
        move || {
            let index = next.fetch_add(1, Ordering::Relaxed);
            write_value(index, 1, &mut value);
            engine.put(&text(KeyOrder::Scattered.word(index)), &value)
        }
    })?;
    let count = next.load(Ordering::Relaxed);
    for index in (0..count).step_by(7) {
        let mut good = false;
        engine.get(&text(KeyOrder::Scattered.word(index)), &mut |value| {
            good = is_value_of(index, 1, value, value_bytes);
        })?;
        ensure!(good, "key {index} was put and is not there");
    }
    Ok(figure)
}

/// Puts `count` new keys from several threads, and measures nothing: somebody outside counts syncs.
pub(super) fn put_synced(
    engine: &dyn Engine,
    count: u64,
    threads: u32,
    value_bytes: usize,
) -> Result<()> {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        let running: Vec<_> = (0..threads)
            .map(|_thread| {
                scope.spawn(|| -> Result<()> {
                    let mut value = vec![0; value_bytes];
                    loop {
                        let index = next.fetch_add(1, Ordering::Relaxed);
                        if index >= count {
                            return Ok(());
                        }
                        write_value(index, 1, &mut value);
                        engine.put(&text(KeyOrder::Scattered.word(index)), &value)?;
                    }
                })
            })
            .collect();
        running
            .into_iter()
            .try_for_each(|thread| match thread.join() {
                Ok(done) => done,
                Err(panic) => std::panic::resume_unwind(panic),
            })
    })
}

/// Overwrites a block of a file in place and syncs it, with no engine in between: what a disk allows
/// a synced put at best.
pub(super) fn raw_sync(folder: &Path, times: Times) -> Result<Figure> {
    let path = folder.join("raw");
    let file = File::create_new(&path)?;
    for _ in 0..RAW_BLOCKS {
        (&file).write_all(&RAW_BLOCK)?;
    }
    file.sync_all()?;
    let figure = timed("rawsync", 1, times, |_thread| {
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

/// Draws a key and makes its text: what the measuring itself costs in each of the other figures.
pub(super) fn nothing(times: Times, keys: u64) -> Result<Figure> {
    timed("nothing", 1, times, |thread| {
        let mut choice = Choice::uniform(keys, u64::from(thread));
        move || {
            std::hint::black_box(text(KeyOrder::Scattered.word(choice.draw())));
            Ok(())
        }
    })
}

/// What a raw sync writes, and how many of them one after the other.
const RAW_BLOCK: [u8; KEY_BYTES * 256] = [7; KEY_BYTES * 256];
const RAW_BLOCKS: u64 = 2_048;
/// Of everything that is drawn.
const SEED: u64 = 4;
