//! Operations that report success and did not do it.

use alloc::vec::Vec;

use nori_env::ObjectId;

use super::{Scope, SimDisk};

/// A lie that waits for the operation it fits. Unlike fail points, lies outlive crashes and
/// restarts: the device is at fault, not the moment.
///
/// ```
/// use nori_env::{BlockStore, ObjectKind};
/// use norikv_testkit::{Lie, Scope, SimDisk};
///
/// let disk = SimDisk::new(Default::default());
/// disk.lie(Lie::empty_sync().on(Scope::Kind(ObjectKind::Log)).always());
/// disk.lie(Lie::misdirected_write(7).after(3));
/// disk.tell_truth();
/// # assert_eq!(disk.counters().faults().map(|(_, fired)| fired).sum::<u64>(), 0);
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Lie {
    /// What is not done.
    pub kind: LieKind,
    /// Only on these objects.
    pub scope: Scope,
    /// Fitting operations that are still done before it.
    pub skip: u64,
    /// Fitting operations that are not done then.
    pub times: u64,
}

/// The kinds of [`Lie`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LieKind {
    /// A sync makes nothing durable, neither bytes nor the name. A later honest one makes up for it;
    /// a power cut before that takes what it likes.
    EmptySync,
    /// An append reaches the platter nowhere: its range stays zero or stale, for good.
    LostWrite,
    /// An append lands at another place of the same or another object, durable at once, and its own
    /// range stays zero or stale. `seed` draws the place; where there is none, the write is lost.
    MisdirectedWrite {
        /// For the place.
        seed: u64,
    },
}

/// Every lie in wait.
#[derive(Debug, Clone, Default)]
pub(super) struct Lies(Vec<Lie>);

impl Lie {
    /// The next sync does nothing.
    #[must_use]
    pub const fn empty_sync() -> Self {
        Self::next(LieKind::EmptySync)
    }

    /// The next append is lost.
    #[must_use]
    pub const fn lost_write() -> Self {
        Self::next(LieKind::LostWrite)
    }

    /// The next append lands elsewhere.
    #[must_use]
    pub const fn misdirected_write(seed: u64) -> Self {
        Self::next(LieKind::MisdirectedWrite { seed })
    }

    const fn next(kind: LieKind) -> Self {
        Self {
            kind,
            scope: Scope::Any,
            skip: 0,
            times: 1,
        }
    }

    /// The same on objects of `scope` only.
    #[must_use]
    pub const fn on(self, scope: Scope) -> Self {
        Self { scope, ..self }
    }

    /// The same after `skip` more operations that are done.
    #[must_use]
    pub const fn after(self, skip: u64) -> Self {
        Self { skip, ..self }
    }

    /// The same for `times` operations in a row.
    #[must_use]
    pub const fn times(self, times: u64) -> Self {
        Self { times, ..self }
    }

    /// The same until [`SimDisk::tell_truth`].
    #[must_use]
    pub const fn always(self) -> Self {
        self.times(u64::MAX)
    }
}

impl LieKind {
    const fn is_about_sync(self) -> bool {
        matches!(self, Self::EmptySync)
    }
}

impl SimDisk {
    /// Lets coming syncs or appends report what they do not do.
    pub fn lie(&self, lie: Lie) {
        self.platter.lock().lies.0.push(lie);
    }

    /// Takes back every lie. What was lost stays lost; what is unsynced, the next sync makes durable.
    pub fn tell_truth(&self) {
        self.platter.lock().lies = Lies::default();
    }
}

impl Lies {
    /// Whether the sync or append of `id` is a lie; counts it.
    pub(super) fn meet(&mut self, sync: bool, id: ObjectId) -> Option<LieKind> {
        if self.0.is_empty() {
            return None;
        }
        let mut told = None;
        for lie in &mut self.0 {
            if lie.kind.is_about_sync() != sync || !lie.scope.covers(id) {
                continue;
            }
            if lie.skip > 0 {
                lie.skip -= 1;
            } else if told.is_none() && lie.times > 0 {
                lie.times -= u64::from(lie.times < u64::MAX);
                told = Some(lie.kind);
            }
        }
        self.0.retain(|lie| lie.times > 0);
        told
    }
}
