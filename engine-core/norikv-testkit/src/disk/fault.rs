//! Operations that fail because the test wants them to.

use alloc::vec::Vec;

use nori_env::{IoErrorKind, IoOp, ObjectId, ObjectKind};

/// A failure that waits for the operation it fits.
///
/// A refused operation has no effect, except where the error is none of `NoSpace`, `Interrupted`
/// and `Fenced`: then an `append` leaves its range unsynced, and a `sync` poisons its object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FailPoint {
    /// Only this operation; `None` fits any.
    pub op: Option<IoOp>,
    /// Only objects of this kind; `None` fits any, and operations on the store too.
    pub kind: Option<ObjectKind>,
    /// Fitting operations that still succeed before it strikes.
    pub skip: u64,
    /// Fitting operations that fail then; afterwards the point is gone.
    pub times: u64,
    /// What the caller hears.
    pub error: IoErrorKind,
}

/// Every failure in wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Faults {
    points: Vec<FailPoint>,
    power: Power,
}

#[derive(Debug, Clone, Copy, Default)]
enum Power {
    #[default]
    On,
    OffAfter(u64),
    Off,
}

/// What becomes of an operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// It takes place.
    Proceed,
    /// It takes place, unsynced, and its caller hears of a failure: the power went in its middle.
    ProceedThenFail(IoErrorKind),
    /// It does not take place.
    Refuse(IoErrorKind),
}

impl FailPoint {
    /// The next `op` fails with `error`.
    #[must_use]
    pub const fn next(op: IoOp, error: IoErrorKind) -> Self {
        Self::nth(op, 0, error)
    }

    /// The `op` after `skip` more fails with `error`.
    #[must_use]
    pub const fn nth(op: IoOp, skip: u64, error: IoErrorKind) -> Self {
        Self {
            op: Some(op),
            kind: None,
            skip,
            times: 1,
            error,
        }
    }

    /// The same for objects of `kind` only.
    #[must_use]
    pub const fn on(self, kind: ObjectKind) -> Self {
        Self {
            kind: Some(kind),
            ..self
        }
    }

    /// The same for `times` operations in a row.
    #[must_use]
    pub const fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    fn fits(&self, op: IoOp, id: Option<ObjectId>) -> bool {
        self.op.is_none_or(|own| own == op)
            && self
                .kind
                .is_none_or(|own| id.is_some_and(|id| id.kind == own))
    }
}

impl Faults {
    pub(super) fn add(&mut self, point: FailPoint) {
        self.points.push(point);
    }

    pub(super) const fn power_off_after(&mut self, mutations: u64) {
        self.power = Power::OffAfter(mutations);
    }

    pub(super) const fn power_off(&mut self) {
        self.power = Power::Off;
    }

    pub(super) const fn is_off(&self) -> bool {
        matches!(self.power, Power::Off)
    }

    /// What becomes of the operation; counts it.
    pub(super) fn meet(&mut self, op: IoOp, id: Option<ObjectId>) -> Fate {
        match self.power {
            Power::On => {}
            Power::Off => return Fate::Refuse(IoErrorKind::Other),
            Power::OffAfter(0) if mutates(op) => {
                self.power = Power::Off;
                return Fate::ProceedThenFail(IoErrorKind::Other);
            }
            Power::OffAfter(left) if mutates(op) => self.power = Power::OffAfter(left - 1),
            Power::OffAfter(_) => {}
        }
        let mut fate = Fate::Proceed;
        for point in &mut self.points {
            if !point.fits(op, id) {
                continue;
            }
            if point.skip > 0 {
                point.skip -= 1;
            } else if point.times > 0 && fate == Fate::Proceed {
                point.times -= 1;
                fate = if op == IoOp::Append && !harmless(point.error) {
                    Fate::ProceedThenFail(point.error)
                } else {
                    Fate::Refuse(point.error)
                };
            }
        }
        self.points.retain(|point| point.times > 0);
        fate
    }
}

/// Whether an operation that fails so had no effect at all.
pub(super) const fn harmless(error: IoErrorKind) -> bool {
    matches!(
        error,
        IoErrorKind::NoSpace | IoErrorKind::Interrupted | IoErrorKind::Fenced
    )
}

/// Whether the operation changes the disk.
pub(super) const fn mutates(op: IoOp) -> bool {
    matches!(
        op,
        IoOp::Create
            | IoOp::Recycle
            | IoOp::Delete
            | IoOp::Link
            | IoOp::Barrier
            | IoOp::Append
            | IoOp::Sync
    )
}
