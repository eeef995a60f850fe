//! Opening: what is the log, where does it end, and is anything of it damaged?
//!
//! **Invariant: bytes below the highest watermark that anything verified carries were synced once,
//! so where they do not verify, they are reported and never cut. Bytes at or above it were never
//! proven: the first of them that does not verify ends the log.** What verified above the
//! watermark was only read back, so it is rewritten and synced before opening returns.
//!
//! 1. [`Inventory`] reads every header and finds the newest segment that counts.
//! 2. [`Replay`] walks the chain that ends there, hands out its records, and decides where it ends.
//! 3. [`bridge`] writes two segments: the one that will be written to, and before it in the chain a
//!    bridge that holds what is rewritten and names the former. The bridge comes last and is whole
//!    or void: its sync is the moment at which the new end of the log holds.
//! 4. What is not part of the log any more is deleted, before anything of the log can be released.

mod bridge;
mod inventory;
mod replay;

use alloc::collections::VecDeque;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::{BlockStore, Entropy, ObjectId, ObjectKind, Owner};
use norikv_types::Mono;

use crate::event::{Event, Events};
use crate::format::{FrameBuf, Kind};
use crate::prepare::Spare;
use crate::release::free;
use crate::state::{Health, State};
use crate::{CorruptRange, Damage, Error, LogId, Lsn, LsnRange, OpenMode, Options};

use inventory::Inventory;
pub(crate) use inventory::read_header;
use replay::Replay;

/// What opening found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// The torn tail that was cut: nothing in it had been proven durable. Whoever was told that
    /// something in it was durable met the one kind of damage that cannot be told from a crash.
    pub uncertain: Option<LsnRange>,
    /// What was synced once and does not verify now; only in salvage mode.
    pub corrupt: Vec<CorruptRange>,
    /// The log was closed, or never written to.
    pub clean: bool,
    /// Records that were replayed.
    pub records: u64,
    /// Bytes of frames that were rewritten because nothing proved them durable.
    pub rewritten: u64,
    /// The oldest position that is held.
    pub first: Lsn,
    /// Where the log goes on.
    pub end: Lsn,
}

impl Recovery {
    /// Of a log that opens in no mode.
    pub(crate) fn hopeless(range: CorruptRange) -> Self {
        Self {
            uncertain: None,
            corrupt: Vec::from([range]),
            clean: false,
            records: 0,
            rewritten: 0,
            first: range.lsns.start,
            end: range.lsns.start,
        }
    }

    /// Whether the log holds everything from `from` on; 0 asks for nothing.
    ///
    /// # Errors
    /// `Corrupt`: segments are missing at its beginning, or all of it.
    pub fn holds_from(&self, from: Lsn) -> Result<(), Error> {
        match lacks(self.first.0, self.end.0, from) {
            Some(range) => Err(Error::Corrupt(range)),
            None => Ok(()),
        }
    }
}

/// What a log from `first` to `end` lacks of what stands at `from` and behind.
fn lacks(first: u64, end: u64, from: Lsn) -> Option<CorruptRange> {
    let is_held = first <= from.0 && from.0 <= end;
    (from.0 > 0 && !is_held).then(|| CorruptRange {
        object: ObjectId::log(0),
        start: 0,
        end: 0,
        lsns: LsnRange::new(from.0, first.max(from.0)),
        damage: Damage::Missing,
    })
}

/// What opening hands out.
#[derive(Debug)]
pub enum Replayed<'a> {
    /// The table at the head of a segment. What it tells holds where it stands in the log.
    Table(&'a [u8]),
    /// One record.
    Record {
        /// Its position.
        lsn: Lsn,
        /// The log that it belongs to.
        log: LogId,
        /// Its bytes.
        payload: &'a [u8],
    },
    /// Bytes that were synced once do not verify; only in salvage mode. What was in them is not
    /// known, and what comes next stood behind them.
    Corrupt(CorruptRange),
    /// Everything was handed out. What is put here becomes the table of the new segment.
    End {
        /// Empty: no table.
        table: &'a mut Vec<u8>,
    },
}

pub(crate) fn open(
    store: &Arc<dyn BlockStore>,
    entropy: &dyn Entropy,
    options: &Options,
    replay: &mut dyn FnMut(Replayed<'_>),
) -> Result<(State, Recovery), Error> {
    let owner = options.owner.unwrap_or_else(|| Owner(entropy.draw()));
    store.acquire(owner)?;
    let inventory = Inventory::take(store.as_ref())?;
    let newest = inventory.newest()?;
    let chain = inventory.chain(newest)?;
    let mut found = Replay::new(&inventory, options.mode, inventory.watermark(newest)?);
    found.run(chain, replay)?;
    let first = found.first();
    match lacks(first, found.at, options.from) {
        Some(range) if options.mode == OpenMode::Strict => return Err(Error::Corrupt(range)),
        lacks => found.corrupt.extend(lacks),
    }
    let mut table = Vec::new();
    replay(Replayed::End { table: &mut table });

    let new = bridge::write(
        store.as_ref(),
        entropy,
        options,
        &inventory,
        &mut found,
        &table,
    )?;
    let mut segments: VecDeque<_> = found.kept().collect();
    let mut next_number = new.next_number;
    let mut spares = VecDeque::new();
    let mut freed = false;
    for item in inventory.items() {
        if !segments
            .iter()
            .any(|segment| segment.number == item.id.number)
        {
            let keep = store.geometry().recycle
                && options.sync.is_durable()
                && spares.len() < options.spares_max as usize
                && item.object.len()? >= options.segment_bytes;
            let spare = keep.then_some(next_number);
            let object = free(store.as_ref(), item.id.number, spare)?;
            let stale = true;
            spares.extend(object.map(|object| Spare { object, stale }));
            next_number += u64::from(keep);
            freed = true;
        }
    }
    if freed {
        // Before anything is released: what a crash gave back of this would stand before the
        // oldest segment, and make what was released look missing.
        store.barrier()?;
    }
    segments.extend([Arc::new(new.bridge), Arc::new(new.active)]);
    let durable = segments.back().map_or(0, |active| active.end());
    let recovery = Recovery {
        uncertain: found.uncertain,
        clean: found.clean,
        records: found.records,
        rewritten: found.at - found.watermark,
        first: Lsn(segments.front().map_or(0, |oldest| oldest.base)),
        end: Lsn(durable),
        corrupt: found.corrupt,
    };
    let mut events = Events::default();
    for range in &recovery.corrupt {
        events.push(Event::Corrupt(*range));
    }
    if let Some(range) = recovery.uncertain {
        events.push(Event::Torn(range));
    }
    let state = State {
        segments,
        open: FrameBuf::new(Kind::Group, durable, Vec::new()),
        refused: None,
        idle: Vec::new(),
        written: durable,
        durable,
        synced_at: Mono::ZERO,
        sealed: table.is_empty(),
        rooted: false,
        grown: false,
        busy: false,
        syncing: false,
        rolling: false,
        health: Health::Live,
        next_number,
        reserved: 0..0,
        spares,
        preparing: false,
        unprepared: false,
        events,
    };
    Ok((state, recovery))
}

/// Hands out what the log in `store` holds, and changes nothing.
pub(crate) fn read_all(
    store: &dyn BlockStore,
    mode: OpenMode,
    replay: &mut dyn FnMut(Replayed<'_>),
) -> Result<Recovery, Error> {
    let inventory = Inventory::take(store)?;
    let newest = inventory.newest()?;
    let chain = inventory.chain(newest)?;
    let mut found = Replay::new(&inventory, mode, inventory.watermark(newest)?);
    found.run(chain, replay)?;
    let first = found.first();
    Ok(Recovery {
        uncertain: found.uncertain,
        clean: found.clean,
        records: found.records,
        rewritten: 0,
        first: Lsn(first),
        end: Lsn(found.at),
        corrupt: found.corrupt,
    })
}

pub(crate) fn logs(store: &dyn BlockStore) -> Result<Vec<ObjectId>, Error> {
    let mut ids = store.list()?;
    ids.retain(|id| id.kind == ObjectKind::Log);
    Ok(ids)
}
