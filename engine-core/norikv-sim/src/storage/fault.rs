//! What goes wrong with the disk, and before which operation.

use alloc::vec::Vec;

use nori_env::ObjectKind;
use norikv_types::Prng;
use serde::{Deserialize, Serialize};

use super::config::{draw, pick};

/// One fault of a run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StorageFault {
    /// The number of the operation before which it is armed.
    pub before: u32,
    /// What it is.
    pub fault: StorageFaultKind,
}

/// What goes wrong. Of those that wait for an operation of the disk only the last one waits.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum StorageFaultKind {
    /// The power goes in the middle of a change of the disk: unsynced writes are lost or torn.
    PowerCut {
        /// Changes of the disk that still succeed.
        after: u32,
        /// The same for each of the next openings, which are cut off too.
        #[serde(default)]
        recovery: Vec<u32>,
    },
    /// The process dies there; what was not synced stays readable, and may still be lost later.
    ProcessDeath {
        /// Changes of the disk that still succeed.
        after: u32,
        /// The same for each of the next openings, which are cut off too.
        #[serde(default)]
        recovery: Vec<u32>,
    },
    /// A sync fails.
    SyncFails {
        /// Syncs that still succeed.
        after: u32,
    },
    /// An append fails half way.
    AppendFails {
        /// Appends that still succeed.
        after: u32,
    },
    /// Appends are interrupted before anything happened.
    Interrupted {
        /// Appends that still succeed.
        after: u32,
        /// How many are interrupted.
        times: u32,
    },
    /// There is no room for appends.
    FullForAppends {
        /// Appends that still succeed.
        after: u32,
        /// How many are refused.
        times: u32,
    },
    /// There is no room for new objects.
    FullForObjects {
        /// Creations that still succeed.
        after: u32,
        /// How many are refused.
        times: u32,
    },
    /// The device cannot read, and can again later.
    ReadFails {
        /// Reads that still succeed.
        after: u32,
        /// How many fail.
        times: u32,
    },
    /// From now on the device cannot read one unit.
    BadSector(ObjectPick),
    /// A bit flips.
    BitRot(ObjectPick),
    /// The disk is replaced by an empty one while the store is closed.
    Wipe,
    /// Syncs say yes and make nothing durable; what they covered may be lost with the power.
    LyingSync {
        /// Syncs that are still honest.
        after: u32,
        /// How many lie.
        times: u32,
    },
    /// An append says yes and reaches the platter nowhere.
    LostWrite {
        /// Appends that are still written.
        after: u32,
    },
    /// An append says yes and lands at another place, over what stands there.
    MisdirectedWrite {
        /// Appends that still land where they should.
        after: u32,
    },
    /// The disk has little room for a while.
    SmallDisk {
        /// Bytes that are free.
        free: u32,
        /// For how many operations.
        operations: u32,
    },
}

/// A place on the disk, relative to what is there when the fault strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectPick {
    /// What kind of object.
    pub object: PickedKind,
    /// Which of them, counted round from the newest.
    pub nth: u32,
    /// Where in it, in millionths of its length.
    pub at_ppm: u32,
}

/// A kind of object that can be harmed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(missing_docs, reason = "each is the `ObjectKind` of the same name")]
pub enum PickedKind {
    Log,
    Table,
    Manifest,
    Values,
}

/// A kind of fault, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each is the `StorageFaultKind` of the same name"
)]
pub enum FaultKind {
    PowerCut,
    ProcessDeath,
    /// An opening was cut off.
    RecoveryCut,
    SyncFails,
    AppendFails,
    Interrupted,
    FullForAppends,
    FullForObjects,
    ReadFails,
    BadSector,
    BitRot,
    Wipe,
    LyingSync,
    LostWrite,
    MisdirectedWrite,
    SmallDisk,
}

impl FaultKind {
    /// Every kind.
    pub const ALL: [Self; 16] = [
        Self::PowerCut,
        Self::ProcessDeath,
        Self::RecoveryCut,
        Self::SyncFails,
        Self::AppendFails,
        Self::Interrupted,
        Self::FullForAppends,
        Self::FullForObjects,
        Self::ReadFails,
        Self::BadSector,
        Self::BitRot,
        Self::Wipe,
        Self::LyingSync,
        Self::LostWrite,
        Self::MisdirectedWrite,
        Self::SmallDisk,
    ];
}

impl StorageFaultKind {
    /// How it is counted.
    #[must_use]
    pub const fn kind(&self) -> FaultKind {
        match self {
            Self::PowerCut { .. } => FaultKind::PowerCut,
            Self::ProcessDeath { .. } => FaultKind::ProcessDeath,
            Self::SyncFails { .. } => FaultKind::SyncFails,
            Self::AppendFails { .. } => FaultKind::AppendFails,
            Self::Interrupted { .. } => FaultKind::Interrupted,
            Self::FullForAppends { .. } => FaultKind::FullForAppends,
            Self::FullForObjects { .. } => FaultKind::FullForObjects,
            Self::ReadFails { .. } => FaultKind::ReadFails,
            Self::BadSector(_) => FaultKind::BadSector,
            Self::BitRot(_) => FaultKind::BitRot,
            Self::Wipe => FaultKind::Wipe,
            Self::LyingSync { .. } => FaultKind::LyingSync,
            Self::LostWrite { .. } => FaultKind::LostWrite,
            Self::MisdirectedWrite { .. } => FaultKind::MisdirectedWrite,
            Self::SmallDisk { .. } => FaultKind::SmallDisk,
        }
    }
}

impl PickedKind {
    pub(super) const fn kind(self) -> ObjectKind {
        match self {
            Self::Log => ObjectKind::Log,
            Self::Table => ObjectKind::Table,
            Self::Manifest => ObjectKind::Manifest,
            Self::Values => ObjectKind::Values,
        }
    }
}

/// The faults of a run of `operations`. What harms bytes for good comes only in some runs, since
/// from then on less is judged.
pub(super) fn draw_all(prng: &mut Prng, operations: u32) -> Vec<StorageFault> {
    let harmful = draw(prng, 3) == 0;
    let mut weights = [0; KINDS];
    for (nth, weight) in weights.iter_mut().enumerate() {
        let on = nth < 2 || draw(prng, 2) == 0;
        if on && (nth < HARMLESS || harmful) {
            *weight = 1 + draw(prng, 8);
        }
    }
    let total: u32 = weights.iter().sum();
    let pause = 30 + draw(prng, 400);
    let mut faults = Vec::new();
    let mut before = draw(prng, pause);
    while before < operations {
        let mut left = draw(prng, total);
        let mut chosen = 0;
        for (nth, weight) in weights.iter().enumerate() {
            if left < *weight {
                chosen = nth;
                break;
            }
            left -= weight;
        }
        faults.push(StorageFault {
            before,
            fault: draw_one(prng, chosen),
        });
        before += 1 + draw(prng, pause);
    }
    faults
}

fn draw_one(prng: &mut Prng, kind: usize) -> StorageFaultKind {
    // Near ones hit what stands at the beginning of an operation, far ones what is rare.
    let after = |prng: &mut Prng| {
        let bound = pick(prng, [1, 4, 30, 300]);
        draw(prng, bound)
    };
    let times = |prng: &mut Prng| 1 + draw(prng, 6);
    let recovery = |prng: &mut Prng| {
        let count = pick(prng, [0, 0, 1, 3]);
        (0..count).map(|_| draw(prng, 14)).collect()
    };
    match kind {
        0 => StorageFaultKind::PowerCut {
            after: after(prng),
            recovery: recovery(prng),
        },
        1 => StorageFaultKind::ProcessDeath {
            after: after(prng),
            recovery: recovery(prng),
        },
        2 => StorageFaultKind::SyncFails { after: after(prng) },
        3 => StorageFaultKind::AppendFails { after: after(prng) },
        4 => StorageFaultKind::Interrupted {
            after: after(prng),
            times: times(prng),
        },
        5 => StorageFaultKind::FullForAppends {
            after: after(prng),
            times: times(prng),
        },
        6 => StorageFaultKind::FullForObjects {
            after: draw(prng, 6),
            times: times(prng),
        },
        7 => StorageFaultKind::ReadFails {
            after: after(prng),
            times: times(prng),
        },
        8 => StorageFaultKind::SmallDisk {
            free: pick(prng, [0, 500, 5_000, 40_000]),
            operations: 1 + draw(prng, 200),
        },
        9 => StorageFaultKind::BadSector(ObjectPick::draw(prng)),
        10 => StorageFaultKind::BitRot(ObjectPick::draw(prng)),
        11 => StorageFaultKind::LyingSync {
            after: after(prng),
            times: pick(prng, [1, 5, 100]),
        },
        12 => StorageFaultKind::LostWrite { after: after(prng) },
        13 => StorageFaultKind::MisdirectedWrite { after: after(prng) },
        _ => StorageFaultKind::Wipe,
    }
}

/// Half of what would strike tables strikes value files.
pub(super) fn strike_values(faults: &mut [StorageFault]) {
    for fault in faults {
        if let StorageFaultKind::BadSector(pick) | StorageFaultKind::BitRot(pick) = &mut fault.fault
            && pick.object == PickedKind::Table
            && pick.at_ppm.is_multiple_of(2)
        {
            pick.object = PickedKind::Values;
        }
    }
}

impl ObjectPick {
    fn draw(prng: &mut Prng) -> Self {
        Self {
            object: pick(
                prng,
                [PickedKind::Log, PickedKind::Table, PickedKind::Manifest],
            ),
            nth: draw(prng, 8),
            at_ppm: draw(prng, 1_000_000),
        }
    }
}

const KINDS: usize = 15;
/// Kinds that take nothing away that was durable.
const HARMLESS: usize = 9;
