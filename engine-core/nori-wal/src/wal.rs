//! The running log: staging, group commit, rotation, release.
//!
//! **Invariant: `durable` only ever becomes the end of a frame whose append and sync returned `Ok`,
//! and every frame before it had become durable first.** One leader writes at a time; the frame
//! it writes carries `durable` as its watermark, so a later frame proves the ones that were synced
//! before it. `written` runs ahead of `durable` where the policy does not wait for syncs.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::borrow::Borrow;

use nori_env::sync::{Mutex, Park};
use nori_env::{BlockStore, Entropy};
use norikv_types::Mono;

use crate::event::Event;
use crate::format::{FRAME_HEADER_LEN, Kind, LINK_BODY_LEN, RECORD_HEADER_LEN, STEP, aligned};
use crate::record::{LogId, Outgoing};
use crate::recovery::{Recovery, Replayed};
use crate::segment::{Segment, SegmentInfo};
use crate::state::State;
use crate::{Error, Limit, Lsn, LsnRange, OpenMode, Options, SyncPolicy};

/// A write-ahead log. `&self` everywhere: share it among threads as it is.
#[derive(Debug)]
pub struct Wal {
    pub(crate) store: Arc<dyn BlockStore>,
    pub(crate) entropy: Arc<dyn Entropy>,
    pub(crate) options: Options,
    /// Frames start at multiples of this.
    pub(crate) align: u32,
    pub(crate) state: Mutex<State>,
    pub(crate) park: Park,
    /// Below what each log needs nothing any more.
    pub(crate) released: Mutex<BTreeMap<LogId, u64>>,
    /// One release at a time.
    pub(crate) releasing: Mutex<()>,
}

impl Wal {
    /// Opens the log in `store`, replays what it holds, and begins a new segment.
    ///
    /// `replay` sees the table at the head of each segment that has one and every record, in
    /// order, and at last [`Replayed::End`], where it may give the new segment a table. It may be called before a
    /// corruption is found, so keep what it builds only when opening succeeds. When this returns,
    /// everything replayed is durable.
    ///
    /// # Errors
    /// `Corrupt` (strict mode only), `Version`, `Io`; the log is as it was.
    pub fn open(
        store: Arc<dyn BlockStore>,
        entropy: Arc<dyn Entropy>,
        options: Options,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<(Self, Recovery), Error> {
        let (state, recovery) = crate::recovery::open(&store, entropy.as_ref(), &options, replay)?;
        Ok((Self::new(store, entropy, options, state), recovery))
    }

    /// Replays what the log in `store` holds, as [`open`](Self::open) does, without opening it:
    /// takes no lock and changes nothing. [`Replayed::End`] is not handed out. What nothing proves
    /// durable is replayed, although a power cut may yet take it.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub fn replay(
        store: &dyn BlockStore,
        mode: OpenMode,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<Recovery, Error> {
        crate::recovery::read_all(store, mode, replay)
    }

    fn new(
        store: Arc<dyn BlockStore>,
        entropy: Arc<dyn Entropy>,
        options: Options,
        state: State,
    ) -> Self {
        let align = frame_align(store.as_ref());
        Self {
            store,
            entropy,
            options,
            align,
            state: Mutex::new(state),
            park: Park::new(),
            released: Mutex::default(),
            releasing: Mutex::new(()),
        }
    }

    /// Copies `batch` into the open group. The batch is atomic: after a crash all of its records
    /// are there or none. Returns the end of the batch: durable once
    /// [`durable_lsn`](Self::durable_lsn) reaches it. Record `i` starts at that position minus the
    /// payloads from `i` on and minus [`RECORD_OVERHEAD`](Self::RECORD_OVERHEAD) for each, where
    /// nothing is compressed.
    ///
    /// Does no I/O unless the group or the segment is full; then it commits or rotates first.
    ///
    /// # Errors
    /// `TooLarge`, `Closed`, `Poisoned`, `Io`: nothing was staged.
    pub fn stage(&self, batch: &[&[u8]]) -> Result<Lsn, Error> {
        self.stage_to(LogId::MAIN, batch)
    }

    /// As [`stage`](Self::stage), for `log`. Its records take four bytes more each than those of
    /// [`LogId::MAIN`].
    ///
    /// # Errors
    /// As [`stage`](Self::stage).
    pub fn stage_to(&self, log: LogId, batch: &[&[u8]]) -> Result<Lsn, Error> {
        self.check_batch(log, batch)?;
        if self.options.compress_min.is_none() {
            let records = batch
                .iter()
                .map(|payload| Outgoing::new(log, payload, None));
            return self.stage_records(log, records);
        }
        let min = self.options.compress_min;
        let records: Vec<_> = (batch.iter())
            .map(|payload| Outgoing::new(log, payload, min))
            .collect();
        self.stage_records(log, records.iter())
    }

    fn stage_records<'a, R: Borrow<Outgoing<'a>>>(
        &self,
        log: LogId,
        records: impl Iterator<Item = R> + Clone,
    ) -> Result<Lsn, Error> {
        let lens = records.clone().map(|record| record.borrow().len());
        let add: u64 = lens.sum();
        let mut state = self.state.lock();
        loop {
            state.check()?;
            if add == 0 {
                return Ok(Lsn(state.staged_end()));
            }
            if state.rolling {
                state = self.wait(state);
            } else if !self.groups(&state, add) {
                state = self.lead_or_wait(state)?;
            } else if !self.fits(&state, add) {
                drop(state);
                self.roll(&[], Some(add))?;
                state = self.state.lock();
            } else {
                for record in records {
                    state.open.push(record.borrow());
                }
                let end = state.staged_end();
                state.active().note(log, end);
                return Ok(Lsn(end));
            }
        }
    }

    /// Hands everything staged before the call to the store, in one append for all of it, and makes
    /// it durable where [`SyncPolicy`](crate::SyncPolicy) says so. Callers at the same time share
    /// both. Returns the committed position: everything below is as safe as the policy promises.
    ///
    /// # Errors
    /// `Io` with `NoSpace`: nothing of the group is durable; it stays staged. Any other `Io` and
    /// `Poisoned`: whether the group survives is unknown, and the log accepts nothing more.
    pub fn commit(&self) -> Result<Lsn, Error> {
        let state = self.state.lock();
        let target = state.staged_end();
        self.reach(state, target)
    }

    /// [`stage`](Self::stage) and [`commit`](Self::commit); returns the end of the batch.
    ///
    /// # Errors
    /// As those two.
    pub fn append(&self, batch: &[&[u8]]) -> Result<Lsn, Error> {
        self.append_to(LogId::MAIN, batch)
    }

    /// As [`append`](Self::append), for `log`.
    ///
    /// # Errors
    /// As [`append`](Self::append).
    pub fn append_to(&self, log: LogId, batch: &[&[u8]]) -> Result<Lsn, Error> {
        let end = self.stage_to(log, batch)?;
        self.reach(self.state.lock(), end.0)?;
        Ok(end)
    }

    /// Commits, and makes everything durable whatever the policy. Returns the durable position.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn sync(&self) -> Result<Lsn, Error> {
        let target = self.commit()?;
        let state = self.reach_durable(self.state.lock(), target.0)?;
        Ok(Lsn(state.durable))
    }

    /// When [`sync_due`](Self::sync_due) wants to be called: at once where that lies in the past.
    /// `None` while there is nothing to sync, and while somebody syncs.
    pub fn next_sync(&self) -> Option<Mono> {
        self.state.lock().next_sync(self.options.sync)
    }

    /// Syncs what was written if it is time to; says whether it did. Appends go on meanwhile. The
    /// timer behind [`SyncPolicy::Interval`](crate::SyncPolicy::Interval): whoever drives the log
    /// calls this at [`next_sync`](Self::next_sync), or the tail of a burst is never synced.
    ///
    /// # Errors
    /// `Io`: the log is poisoned, and time counts from the last sync that went well. `Poisoned`.
    pub fn sync_due(&self, now: Mono) -> Result<bool, Error> {
        let state = self.state.lock();
        state.check_sound()?;
        let next = state.next_sync(self.options.sync);
        if next.is_none_or(|at| at > now) {
            return Ok(false);
        }
        self.sync_written(state)?.synced_at = now;
        Ok(true)
    }

    /// Ends the active segment and begins one headed by `table` (if it is not empty); everything
    /// staged becomes durable first. The table is durable when this returns.
    ///
    /// # Errors
    /// `TooLarge`, `Closed`. `Io` with `NoSpace`: the active segment stays. Else as
    /// [`commit`](Self::commit).
    pub fn rotate(&self, table: &[u8]) -> Result<(), Error> {
        let (got, max) = (table.len() as u64, u64::from(self.options.batch_bytes_max));
        if got > max {
            let limit = Limit::TableBytesMax;
            return Err(Error::TooLarge { limit, max, got });
        }
        self.roll(table, None)
    }

    /// Proves the last group: commits, then writes a frame that says so. Call it when the log
    /// falls idle, since damage to the last group can be told from a torn tail only by what
    /// follows it. Does nothing when nothing was committed since the last time.
    ///
    /// # Errors
    /// As [`commit`](Self::commit).
    pub fn seal(&self) -> Result<(), Error> {
        self.prove()
    }

    /// Commits, marks the log as cleanly closed, and accepts nothing more.
    ///
    /// # Errors
    /// As [`commit`](Self::commit); `Closed` when it was closed before.
    pub fn close(&self) -> Result<(), Error> {
        let state = self.stop_staging()?;
        self.mark_and_reopen(state, Kind::Close)
    }

    /// Everything below is durable.
    pub fn durable_lsn(&self) -> Lsn {
        Lsn(self.state.lock().durable)
    }

    /// Everything below was handed to the store.
    pub fn written_lsn(&self) -> Lsn {
        Lsn(self.state.lock().written)
    }

    /// Everything below is staged.
    pub fn end_lsn(&self) -> Lsn {
        Lsn(self.state.lock().staged_end())
    }

    /// The oldest position that is held.
    pub fn first_lsn(&self) -> Lsn {
        let state = self.state.lock();
        Lsn(state
            .segments
            .front()
            .map_or(state.durable, |oldest| oldest.base))
    }

    /// What happened since the last call, oldest first. The log keeps the last 256 events.
    pub fn drain_events(&self) -> Vec<Event> {
        self.state.lock().events.drain()
    }

    /// Bytes that can be staged before the active segment is full.
    pub fn segment_remaining(&self) -> u64 {
        let state = self.state.lock();
        let used = self.frame_end(&state, 0) + self.tail_reserve();
        state.active().capacity.saturating_sub(used)
    }

    /// The segments, oldest first; the last one is being written.
    pub fn segments(&self) -> Vec<SegmentInfo> {
        let state = self.state.lock();
        state
            .segments
            .iter()
            .map(|segment| segment.info())
            .collect()
    }

    /// Written bytes that are synced whatever the policy: a rotation has to wait for the rest.
    pub const UNSYNCED_BYTES_MAX: u64 = 8 << 20;

    /// Bytes that each record takes besides its payload.
    pub const RECORD_OVERHEAD: u64 = RECORD_HEADER_LEN as u64;

    /// What can be read now, and in which segments.
    pub(crate) fn readable(&self) -> (LsnRange, Vec<Arc<Segment>>) {
        let state = self.state.lock();
        let first = state
            .segments
            .front()
            .map_or(state.durable, |oldest| oldest.base);
        (
            LsnRange::new(first, state.durable),
            state.segments.iter().map(Arc::clone).collect(),
        )
    }

    fn check_batch(&self, log: LogId, batch: &[&[u8]]) -> Result<(), Error> {
        let max = u64::from(self.options.batch_bytes_max).min(GROUP_BYTES_MAX);
        let got = (batch.iter()).fold(0u64, |sum, payload| {
            sum.saturating_add(Outgoing::new(log, payload, None).len())
        });
        if got > max {
            let limit = Limit::BatchBytesMax;
            return Err(Error::TooLarge { limit, max, got });
        }
        Ok(())
    }

    /// Whether `add` more bytes keep the open group below its limit.
    fn groups(&self, state: &State, add: u64) -> bool {
        if self.options.sync == SyncPolicy::Always && !state.open.is_empty() {
            return false;
        }
        let max = FRAME_HEADER_LEN as u64 + u64::from(self.options.batch_bytes_max);
        state.open.len() + add <= max
    }

    /// Where the open frame would end in the active segment with `add` more bytes.
    pub(crate) fn frame_end(&self, state: &State, add: u64) -> u64 {
        let len = state.open.len() + add;
        aligned(state.active().offset(state.open.lsn) + len, self.align)
    }

    pub(crate) fn fits(&self, state: &State, add: u64) -> bool {
        self.frame_end(state, add) + self.tail_reserve() <= state.active().capacity
    }

    fn tail_reserve(&self) -> u64 {
        tail_reserve(self.align)
    }
}

/// Room that every segment keeps for its last frames: a seal and a link, or a close.
pub(crate) fn tail_reserve(align: u32) -> u64 {
    aligned(FRAME_HEADER_LEN as u64, align) + aligned(LINK_LEN, align)
}

/// The alignment of frames in `store`: without power-safe overwrite none shares a unit with a
/// later one.
pub(crate) fn frame_align(store: &dyn BlockStore) -> u32 {
    let geometry = store.geometry();
    if geometry.psow {
        STEP
    } else {
        geometry.unit.max(STEP)
    }
}

/// What the lengths of records can say.
const GROUP_BYTES_MAX: u64 = (1 << 30) - 64;
pub(crate) const LINK_LEN: u64 = (FRAME_HEADER_LEN + LINK_BODY_LEN) as u64;
