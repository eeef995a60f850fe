//! **Manifest and files agree: once background work is done and nobody reads, every table and value
//! file on the disk is live and every live one is on the disk, one manifest is left, and the log holds
//! a few segments, however much went through it.**

use nori_env::{ObjectId, ObjectKind};
use nori_lsm::Stats;

use crate::storage::StorageViolation;

/// Counts the objects of a store at rest. Where something failed in this life the log may be longer:
/// what could not be let go of is let go of by the next flush.
pub(in crate::storage) fn check(
    objects: &[ObjectId],
    stats: &Stats,
    calm: bool,
) -> Result<(), StorageViolation> {
    let count = |kind| objects.iter().filter(|id| id.kind == kind).count() as u64;
    let live: u64 = stats
        .levels
        .iter()
        .map(|level| u64::from(level.tables))
        .sum();
    same("tables", count(ObjectKind::Table), live)?;
    let values = u64::from(stats.values.files);
    same("value files", count(ObjectKind::Values), values)?;
    same("manifests", count(ObjectKind::Manifest), 1)?;
    let logs = count(ObjectKind::Log);
    if calm && logs > LOGS_MAX {
        return Err(StorageViolation::Objects {
            what: "segments of the log",
            got: logs,
            expected: LOGS_MAX,
        });
    }
    Ok(())
}

fn same(what: &'static str, got: u64, expected: u64) -> Result<(), StorageViolation> {
    match got == expected {
        true => Ok(()),
        false => Err(StorageViolation::Objects {
            what,
            got,
            expected,
        }),
    }
}

/// The segment of the last flushed batch, the bridge behind it where that batch was recovered, the
/// active one, and two spares.
const LOGS_MAX: u64 = 5;
