//! A disk in memory that loses what was not synced, and, told to, lies and rots.
//!
//! **Invariant: what a crash takes away is exactly what the contract of `BlockStore` does not
//! promise.** Each unit of an unsynced append is old, new or torn; a created object that was never
//! synced may be gone; a deleted one may be back, unless a barrier and a later durable change stand
//! between. Everything is drawn from the generator handed in, so a run repeats.

mod crash;
mod damage;
mod fault;
mod inode;
mod lie;
mod names;
mod object;
mod store;

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::fmt;

use nori_env::sync::Mutex;
use nori_env::{IoError, IoOp, ObjectId, Owner};
use norikv_types::Prng;
use xxhash_rust::xxh3::xxh3_64_with_seed;

pub use self::crash::CrashReport;
pub use self::damage::{Damage, DamageKind, Scope};
pub use self::fault::FailPoint;
use self::fault::{Fate, Faults};
use self::inode::InodeRef;
use self::lie::Lies;
pub use self::lie::{Lie, LieKind};
use self::names::Names;
use self::object::SimObject;
use crate::counters::counters;

/// A [`BlockStore`](nori_env::BlockStore) in memory with faults. A clone is another handle on the same disk, so that the
/// test keeps one while the store under test holds the other.
///
/// ```
/// use nori_env::{BlockStore, ObjectId};
/// use norikv_testkit::{DiskOptions, SimDisk};
/// use norikv_types::Prng;
///
/// let disk = SimDisk::new(DiskOptions::default());
/// let object = disk.create(ObjectId::log(1), None)?;
/// object.append(0, &[b"kept"])?;
/// object.sync()?;
/// disk.crash(&mut Prng::new(7));
/// let mut bytes = [0; 4];
/// disk.open(ObjectId::log(1))?.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"kept");
/// # Ok::<(), nori_env::IoError>(())
/// ```
#[derive(Clone)]
pub struct SimDisk {
    options: DiskOptions,
    platter: Arc<Mutex<Platter>>,
}

/// How a [`SimDisk`] behaves when nothing is wrong.
#[derive(Debug, Clone, Copy)]
pub struct DiskOptions {
    /// Tearing unit in bytes, a power of two.
    pub unit: u32,
    /// Whether a write harms only bytes in its range. Without it a crash may tear acknowledged
    /// bytes that share a unit with unsynced ones.
    pub psow: bool,
    /// Whether objects can be recycled.
    pub recycle: bool,
    /// Bytes that fit at first.
    pub capacity: Option<u64>,
}

counters! {
    /// What a disk has done and suffered since it was made.
    pub struct DiskCounters {
        work {
            /// Appends asked for.
            appends,
            /// Bytes in them.
            appended_bytes,
            /// Syncs asked for.
            syncs,
            /// Reads asked for.
            reads,
            /// Bytes in them.
            read_bytes,
            /// Operations that change the disk: create, recycle, delete, link, barrier, append, sync.
            mutations,
            /// Unsynced units that survived a crash whole.
            units_kept,
        }
        faults {
            /// Operations that failed because a fail point said so or the power was off.
            injected_failures,
            /// Syncs among them that poisoned their object.
            syncs_failed,
            /// Crashes.
            crashes,
            /// Unsynced units that a crash undid.
            units_lost,
            /// Unsynced units that a crash left torn or zeroed.
            units_torn,
            /// Unsynced creates, recycles, links and deletes that a crash undid.
            names_lost,
            /// Syncs that said yes and did nothing.
            syncs_lied,
            /// Appends that said yes and wrote nothing.
            writes_lost,
            /// Appends that said yes and wrote elsewhere.
            writes_misdirected,
            /// Bits that flipped.
            bits_flipped,
            /// Sectors that became unreadable.
            sectors_broken,
            /// Reads that such a sector failed.
            media_errors,
            /// Operations refused because the disk was full.
            refused_full,
            /// Times the disk was replaced by an empty one.
            wipes,
        }
    }
}

/// Everything behind the lock of one disk.
struct Platter {
    /// Grows at each crash or restart; a handle from before is fenced.
    generation: u64,
    owner: Option<Owner>,
    names: Names,
    used: u64,
    /// Bytes that fit now.
    capacity: Option<u64>,
    faults: Faults,
    lies: Lies,
    damage: Vec<Damage>,
    counters: DiskCounters,
}

impl SimDisk {
    /// An empty disk.
    ///
    /// # Panics
    /// When `options.unit` is not a power of two.
    #[must_use]
    pub fn new(options: DiskOptions) -> Self {
        assert!(
            options.unit.is_power_of_two(),
            "a unit is a power of two bytes"
        );
        Self {
            options,
            platter: Arc::new(Mutex::new(Platter {
                generation: 0,
                owner: None,
                names: Names::default(),
                used: 0,
                capacity: options.capacity,
                faults: Faults::default(),
                lies: Lies::default(),
                damage: Vec::new(),
                counters: DiskCounters::default(),
            })),
        }
    }

    /// Cuts the power and brings it back: unsynced bytes and names survive as `prng` draws. Every
    /// handle on an object from before is fenced, the owner's lock is free, and fail points are gone.
    pub fn crash(&self, prng: &mut Prng) -> CrashReport {
        let mut platter = self.platter.lock();
        let report = crash::crash(&mut platter, self.options, prng);
        platter.begin_generation();
        report
    }

    /// Ends the process that held the disk, power on: nothing is lost, and nothing that was not
    /// synced is durable yet either. Handles are fenced, the owner's lock is free, and a poisoned
    /// object can be opened anew, as a file can: whoever reads it back reads what may be lost.
    pub fn restart(&self) {
        let mut platter = self.platter.lock();
        for (_, inode) in platter.names.iter() {
            inode.lock().poisoned = false;
        }
        platter.begin_generation();
    }

    /// Forgets everything, as a replaced disk has: lies and damage too.
    pub fn wipe(&self) {
        let mut platter = self.platter.lock();
        platter.names = Names::default();
        platter.used = 0;
        platter.lies = Lies::default();
        platter.damage.clear();
        platter.counters.wipes += 1;
        platter.begin_generation();
    }

    /// A disk of its own with the same content, unsynced state, fail points, lies and damage.
    #[must_use]
    pub fn fork(&self) -> Self {
        let platter = self.platter.lock();
        Self {
            options: self.options,
            platter: Arc::new(Mutex::new(Platter {
                generation: platter.generation,
                owner: None,
                names: platter.names.fork(),
                used: platter.used,
                capacity: platter.capacity,
                faults: platter.faults.clone(),
                lies: platter.lies.clone(),
                damage: platter.damage.clone(),
                counters: platter.counters,
            })),
        }
    }

    /// Lets coming operations fail.
    pub fn fail(&self, point: FailPoint) {
        self.platter.lock().faults.add(point);
    }

    /// Takes back every fail point and turns the power on.
    pub fn clear_failures(&self) {
        self.platter.lock().faults = Faults::default();
    }

    /// Cuts the power in the middle of the mutation (see [`DiskCounters::mutations`]) that comes
    /// after `mutations` more: that one and every operation after it fail until
    /// [`crash`](Self::crash). Walking `mutations` up from 0 visits every crash point of a workload.
    pub fn power_off_after(&self, mutations: u64) {
        self.platter.lock().faults.power_off_after(mutations);
    }

    /// Cuts the power now: every operation fails until [`crash`](Self::crash), or until
    /// [`restart`](Self::restart), which makes of it a process that died between two operations.
    pub fn power_off(&self) {
        self.platter.lock().faults.power_off();
    }

    /// Whether the power is off.
    #[must_use]
    pub fn is_off(&self) -> bool {
        self.platter.lock().faults.is_off()
    }

    /// Lets so many bytes fit from now on; `None`: no bound. Below what is taken, nothing can grow
    /// any more until enough is deleted.
    pub fn set_capacity(&self, capacity: Option<u64>) {
        self.platter.lock().capacity = capacity;
    }

    /// What the disk has done and suffered.
    #[must_use]
    pub fn counters(&self) -> DiskCounters {
        self.platter.lock().counters
    }

    /// Bytes taken.
    #[must_use]
    pub fn used(&self) -> u64 {
        self.platter.lock().used
    }

    /// How many objects there are.
    #[must_use]
    pub fn objects(&self) -> u32 {
        let count = self.platter.lock().names.iter().count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// A number that two disks share only if they went through the same appends since their last
    /// crash and hold the same names. Cheap: it is kept up as bytes are written.
    #[must_use]
    pub fn digest(&self) -> u64 {
        let platter = self.platter.lock();
        let mut digest = platter.used;
        for (id, inode) in platter.names.iter() {
            let inode = inode.lock();
            let mut row = [0; 25];
            row[0] = id.kind as u8;
            row[1..9].copy_from_slice(&id.number.to_le_bytes());
            row[9..17].copy_from_slice(&inode.extent.to_le_bytes());
            row[17..25].copy_from_slice(&inode.digest.to_le_bytes());
            digest = xxh3_64_with_seed(&row, digest);
        }
        digest
    }

    fn handle(&self, platter: &Platter, id: ObjectId, inode: InodeRef, floor: u64) -> SimObject {
        let life = inode.lock().life;
        SimObject {
            disk: self.clone(),
            id,
            generation: platter.generation,
            life,
            floor,
            inode,
        }
    }
}

impl Platter {
    fn begin_generation(&mut self) {
        self.generation += 1;
        self.owner = None;
        self.faults = Faults::default();
    }

    /// Whether `more` bytes fit; counts when they do not.
    fn fits(&mut self, more: u64) -> bool {
        let fits = more == 0
            || self
                .capacity
                .is_none_or(|capacity| self.used.saturating_add(more) <= capacity);
        self.counters.refused_full += u64::from(!fits);
        fits
    }

    /// Counts the operation and asks the fail points about it.
    fn enter(&mut self, op: IoOp, id: Option<ObjectId>, offset: u64) -> Result<Fate, IoError> {
        let fate = self.faults.meet(op, id);
        if fault::mutates(op) {
            self.counters.mutations += 1;
        }
        if !matches!(fate, Fate::Proceed) {
            self.counters.injected_failures += 1;
        }
        match fate {
            Fate::Refuse(kind) => Err(IoError {
                kind,
                op,
                object: id,
                offset,
            }),
            Fate::Proceed | Fate::ProceedThenFail(_) => Ok(fate),
        }
    }
}

impl Fate {
    /// The operation took place; now says what its caller hears.
    fn finish<T>(
        self,
        value: T,
        op: IoOp,
        id: Option<ObjectId>,
        offset: u64,
    ) -> Result<T, IoError> {
        match self {
            Self::Proceed => Ok(value),
            Self::ProceedThenFail(kind) | Self::Refuse(kind) => Err(IoError {
                kind,
                op,
                object: id,
                offset,
            }),
        }
    }
}

impl Default for DiskOptions {
    /// 4 KiB units, power-safe overwrite, recycling, no bound.
    fn default() -> Self {
        Self {
            unit: 4096,
            psow: true,
            recycle: true,
            capacity: None,
        }
    }
}

impl fmt::Debug for SimDisk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let platter = self.platter.lock();
        f.debug_struct("SimDisk")
            .field("options", &self.options)
            .field("used", &platter.used)
            .field("counters", &platter.counters)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
