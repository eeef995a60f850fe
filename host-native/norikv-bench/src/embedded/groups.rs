//! The groups of workloads.

use std::time::Duration;

use anyhow::Result;

use super::engine::{Durability, Engine, Sizes};
use super::group::{Cell, Measured};
use super::session::{KEY_BYTES, KeyOrder, Session};
use super::workload::{self, Draw};
use crate::keys::Choice;
use crate::measure::Figure;

/// Puts each key once, in their order.
pub(super) fn seq(cell: &Cell) -> Result<Measured> {
    let engine = open(cell, Durability::Unsynced, &cell.sizes)?;
    let mut stage = Stage::new(cell, engine.as_ref(), KeyOrder::Ascending, VALUE_BYTES);
    stage.write("fillseq", cell.keys, |session, index| session.put(index))?;
    Ok(stage.measured)
}

/// Puts each key once in an order that looks random; reads the settled store in five ways; puts as
/// often again, any key each time.
pub(super) fn random(cell: &Cell) -> Result<Measured> {
    let engine = open(cell, Durability::Unsynced, &cell.sizes)?;
    let mut stage = Stage::new(cell, engine.as_ref(), KeyOrder::Scattered, VALUE_BYTES);
    let keys = cell.keys;
    stage.write("fillrandom", keys, |session, index| session.put(index))?;
    stage.load(keys)?;
    let uniform = || Choice::uniform(keys, SEED);
    let get = |session: &mut Session<'_>, draw: &mut Draw| session.get(draw.index());
    stage.repeat("readrandom", uniform(), get)?;
    stage.repeat("readhot", Choice::zipf(keys, ZIPF_THETA, SEED), get)?;
    stage.repeat("readmissing", uniform(), |session, draw| {
        session.get(keys + draw.index())
    })?;
    for (name, limit) in [("scan100", 100), ("seek10", 10)] {
        let starts = Choice::uniform(stage.session.scan_starts(limit), SEED);
        stage.repeat(name, starts, |session, draw| {
            session.scan_exact(draw.index(), limit)
        })?;
    }
    stage.overwrite("overwrite", keys)?;
    Ok(stage.measured)
}

/// A queue: puts a key at its end, removes the one at its head, and now and then looks at the head,
/// which lies behind all that was removed.
pub(super) fn delete(cell: &Cell) -> Result<Measured> {
    let engine = open(cell, Durability::Unsynced, &cell.sizes)?;
    let mut stage = Stage::new(cell, engine.as_ref(), KeyOrder::Ascending, VALUE_BYTES);
    stage.load(cell.keys / 10)?;
    stage.write("queue", cell.keys, |session, number| {
        session.insert()?;
        session.delete(number)?;
        if number.is_multiple_of(QUEUE_LOOKS) {
            session.scan_from(0, 10)?;
            session.get(number)?;
            session.get(number + 1)?;
        }
        Ok(())
    })?;
    Ok(stage.measured)
}

/// The workloads of the Yahoo! Cloud Serving Benchmark (Cooper et al. 2010, table 2), in the order
/// that it recommends; E does not get a store of its own.
pub(super) fn ycsb(cell: &Cell) -> Result<Measured> {
    let engine = open(cell, Durability::Unsynced, &cell.sizes)?;
    let mut stage = Stage::new(cell, engine.as_ref(), KeyOrder::Scattered, VALUE_BYTES);
    stage.load(cell.keys)?;
    let choice = || Choice::zipf(cell.keys, ZIPF_THETA, SEED);
    for (name, percent) in [("ycsb-a", 50), ("ycsb-b", 5), ("ycsb-c", 0)] {
        stage.repeat(name, choice(), |session, draw| {
            let index = draw.index();
            match draw.chance(percent) {
                true => session.put(index),
                false => session.get(index),
            }
        })?;
    }
    stage.repeat("ycsb-f", choice(), |session, draw| {
        let index = draw.index();
        session.get(index)?;
        match draw.chance(50) {
            true => session.put(index),
            false => Ok(()),
        }
    })?;
    stage.repeat("ycsb-d", choice(), |session, draw| match draw.chance(5) {
        true => session.insert(),
        false => session.get(session.count() - 1 - draw.index()),
    })?;
    stage.repeat("ycsb-e", choice(), |session, draw| match draw.chance(5) {
        true => session.insert(),
        false => session.scan_from(draw.index(), draw.up_to(100)),
    })?;
    Ok(stage.measured)
}

/// As [`random`], with larger values and as many bytes in all.
pub(super) fn values(cell: &Cell, value_bytes: usize, suffix: &str) -> Result<Measured> {
    let engine = open(cell, Durability::Unsynced, &cell.sizes)?;
    let mut stage = Stage::new(cell, engine.as_ref(), KeyOrder::Scattered, value_bytes);
    let bytes = cell.keys * (KEY_BYTES + VALUE_BYTES) as u64;
    let keys = (bytes / stage.session.entry_bytes()).max(100);
    let name = |workload| format!("{workload}-{suffix}");
    stage.write(&name("fillrandom"), keys, |session, index| {
        session.put(index)
    })?;
    stage.load(keys)?;
    let uniform = Choice::uniform(keys, SEED);
    stage.repeat(&name("readrandom"), uniform, |session, draw| {
        session.get(draw.index())
    })?;
    let starts = Choice::uniform(stage.session.scan_starts(100), SEED);
    stage.repeat(&name("scan100"), starts, |session, draw| {
        session.scan_exact(draw.index(), 100)
    })?;
    stage.overwrite(&name("overwrite"), keys)?;
    Ok(stage.measured)
}

/// Puts new keys, each durable when its put returns.
pub(super) fn sync(cell: &Cell, threads: u32) -> Result<Measured> {
    let mut figures: Vec<Figure> = Vec::new();
    if threads == 1 {
        figures.push(workload::nothing(cell.times, cell.keys)?);
        figures.push(workload::raw_sync(&cell.folder, cell.times)?);
    }
    let engine = open(cell, Durability::Synced, &cell.sizes)?;
    let figure = workload::fill_sync(engine.as_ref(), cell.times, threads, VALUE_BYTES)?;
    figures.push(figure);
    Ok(Measured {
        figures,
        loads: Vec::new(),
    })
}

/// Overwrites ten times as many bytes as memtables and cache may take, over as many stored.
///
/// Everything is small, so that the tree has several levels.
pub(super) fn pressure(cell: &Cell) -> Result<Measured> {
    let quarter = (cell.sizes.memtable_bytes / 4).max(64 << 10);
    let sizes = Sizes {
        memtable_bytes: quarter,
        cache_bytes: quarter,
        table_bytes: quarter,
    };
    let engine = open(cell, Durability::Unsynced, &sizes)?;
    let mut stage = Stage::new(cell, engine.as_ref(), KeyOrder::Scattered, VALUE_BYTES);
    stage.limit *= 8;
    let budget = sizes.memtable_bytes + sizes.cache_bytes;
    let keys = 10 * budget / stage.session.entry_bytes();
    stage.load(keys)?;
    stage.overwrite("overwrite-10x", keys)?;
    for index in (0..keys).step_by(97) {
        stage.session.get(index)?;
    }
    Ok(stage.measured)
}

fn open(cell: &Cell, durability: Durability, sizes: &Sizes) -> Result<Box<dyn Engine>> {
    let folder = cell.folder.join("store");
    cell.engine.open(&folder, durability, sizes)
}

/// A store, and what was measured on it; workloads that nobody asked for are passed over.
struct Stage<'a> {
    cell: &'a Cell,
    engine: &'a dyn Engine,
    session: Session<'a>,
    /// How long a workload of writes may take.
    limit: Duration,
    measured: Measured,
}

impl<'a> Stage<'a> {
    fn new(cell: &'a Cell, engine: &'a dyn Engine, order: KeyOrder, value_bytes: usize) -> Self {
        Self {
            cell,
            engine,
            session: Session::new(engine, order, value_bytes),
            limit: cell.limit,
            measured: Measured::default(),
        }
    }

    /// Puts what is missing of `count` keys, and lets the engine finish its work.
    fn load(&mut self, count: u64) -> Result<()> {
        self.session.load(count)?;
        self.engine.settle()?;
        self.session.sort();
        Ok(())
    }

    fn write(
        &mut self,
        name: &str,
        count: u64,
        put: impl FnMut(&mut Session<'a>, u64) -> Result<()> + Send,
    ) -> Result<()> {
        if self.cell.wants(name) {
            let (engine, session) = (self.engine, &mut self.session);
            let folder = &self.cell.folder;
            let (figure, load) =
                workload::write(name, count, self.limit, folder, engine, session, put)?;
            self.measured.figures.push(figure);
            self.measured.loads.push(load);
        }
        Ok(())
    }

    /// Puts any of the first `keys` keys, as often as there are keys.
    fn overwrite(&mut self, name: &str, keys: u64) -> Result<()> {
        let mut choice = Choice::uniform(keys, SEED);
        self.write(name, keys, |session, _number| session.put(choice.draw()))
    }

    fn repeat(
        &mut self,
        name: &str,
        choice: Choice,
        operation: impl Fn(&mut Session<'a>, &mut Draw) -> Result<()> + Sync,
    ) -> Result<()> {
        if self.cell.wants(name) {
            let session = &mut self.session;
            let figure = workload::repeat(name, self.cell.times, session, choice, operation)?;
            self.measured.figures.push(figure);
        }
        Ok(())
    }
}

/// Bytes of a value, where the name of a workload does not say otherwise.
pub const VALUE_BYTES: usize = 100;
/// Skew of the hot reads, YCSB's.
const ZIPF_THETA: f64 = 0.99;
/// Steps of the queue for each look at its head.
const QUEUE_LOOKS: u64 = 16;
/// Of everything that is drawn.
const SEED: u64 = 4;
