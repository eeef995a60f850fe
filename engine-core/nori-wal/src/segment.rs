//! One segment of the running log.
//!
//! **Invariant: `end` never lies above what was synced**, so whoever reads below it reads records
//! that survive.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::sync::{AtomicU64, Mutex, Ordering};
use nori_env::{BlockObject, IoError};

use crate::walker::Walker;
use crate::{LogId, Lsn};

/// One segment of the running log.
#[derive(Debug)]
pub(crate) struct Segment {
    pub number: u64,
    pub uid: u64,
    pub base: u64,
    pub data_start: u32,
    pub object: Arc<dyn BlockObject>,
    /// Where its frames may reach, as an offset.
    pub capacity: u64,
    end: AtomicU64,
    /// Which logs have records in it, and where the last record of each ends.
    tenants: Mutex<BTreeMap<LogId, u64>>,
    /// The one that wrote last, and where that ended: not in `tenants` yet.
    last: Mutex<(LogId, u64)>,
    /// Positions of frames, a good distance apart: where a read starts to walk.
    marks: Mutex<Vec<u64>>,
}

/// A segment of the log, as [`Wal::segments`](crate::Wal::segments) lists it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct SegmentInfo {
    /// The number in its object's name.
    pub number: u64,
    /// Its first position.
    pub base: Lsn,
    /// The first position behind it.
    pub end: Lsn,
}

impl Segment {
    pub(crate) fn new(
        number: u64,
        uid: u64,
        base: u64,
        data_start: u32,
        object: Arc<dyn BlockObject>,
        capacity: u64,
    ) -> Self {
        Self {
            number,
            uid,
            base,
            data_start,
            object,
            capacity,
            end: AtomicU64::new(base),
            tenants: Mutex::default(),
            last: Mutex::default(),
            marks: Mutex::new(Vec::new()),
        }
    }

    /// Where its durable records end.
    pub(crate) fn end(&self) -> u64 {
        self.end.load(Ordering::Acquire)
    }

    /// Frames up to `end`, of which the last starts at `frame`, are durable.
    pub(crate) fn advance(&self, frame: u64, end: u64) {
        self.mark(frame);
        self.extend(end);
    }

    /// Everything up to `end` is durable.
    pub(crate) fn extend(&self, end: u64) {
        self.end.fetch_max(end, Ordering::AcqRel);
    }

    /// A frame was written at `frame`.
    pub(crate) fn mark(&self, frame: u64) {
        let mut marks = self.marks.lock();
        if marks
            .last()
            .is_none_or(|last| frame - last >= MARK_DISTANCE)
        {
            marks.push(frame);
        }
    }

    /// A record of `log` was staged that ends at `end`.
    pub(crate) fn note(&self, log: LogId, end: u64) {
        let mut last = self.last.lock();
        if last.0 != log {
            self.tenants.lock().insert(last.0, last.1);
        }
        *last = (log, end);
    }

    /// Where the last record of each log in it ends; of some an earlier end, or zero, too.
    pub(crate) fn tenants(&self) -> Vec<(LogId, u64)> {
        let last = *self.last.lock();
        let tenants = self.tenants.lock();
        let others = tenants.iter().map(|(log, end)| (*log, *end));
        others.chain([last]).collect()
    }

    /// Cuts what stands at or above `end`.
    pub(crate) fn cut(&self, end: u64) {
        self.end.fetch_min(end, Ordering::AcqRel);
    }

    /// Where the frame at `lsn` starts.
    pub(crate) fn offset(&self, lsn: u64) -> u64 {
        u64::from(self.data_start) + (lsn - self.base)
    }

    /// A walk that starts at or shortly before `lsn`, over what is durable now: what is written
    /// later must not be looked at before it is whole.
    pub(crate) fn walk_near(&self, lsn: u64, unit: u32) -> Result<Walker, IoError> {
        let end = self.offset(self.end());
        let start = {
            let marks = self.marks.lock();
            let after = marks.partition_point(|mark| *mark <= lsn);
            after.checked_sub(1).and_then(|at| marks.get(at).copied())
        };
        let at = self.offset(start.unwrap_or(self.base));
        let base = Some((self.base, self.data_start));
        let mut walker = Walker::new(&self.object, self.uid, base, at, unit)?;
        walker.stop_at(end);
        Ok(walker)
    }

    pub(crate) fn info(&self) -> SegmentInfo {
        SegmentInfo {
            number: self.number,
            base: Lsn(self.base),
            end: Lsn(self.end()),
        }
    }
}

const MARK_DISTANCE: u64 = 256 << 10;
