//! **Memory is bounded: no more memtables wait than the options allow, and together they are no
//! larger than that many full ones and the batches that overfill them.**

use nori_lsm::Stats;

use crate::storage::model::UNCERTAIN_MAX;
use crate::storage::{StorageConfig, StorageViolation};

/// Looks at the figures of an open store.
pub(in crate::storage) fn check(
    config: &StorageConfig,
    stats: &Stats,
) -> Result<(), StorageViolation> {
    // A commit that makes up for failed ones brings several batches at once, which may rotate more
    // than one memtable.
    let late = UNCERTAIN_MAX as u64;
    let waiting_max = u64::from(config.engine.memtables_waiting_max.max(1)) + late;
    bounded(
        "memtables that wait",
        u64::from(stats.memtables_waiting),
        waiting_max,
    )?;
    let batch =
        u64::from(config.batch_bytes_max()) + 2 * ENTRY_BYTES * u64::from(config.batch_max + 1);
    let each = config.engine.memtable_bytes + batch;
    let max = (u64::from(config.engine.memtables_waiting_max.max(1)) + 1) * each + late * batch;
    bounded("bytes in memtables", stats.memtable_bytes, max)
}

fn bounded(what: &'static str, got: u64, max: u64) -> Result<(), StorageViolation> {
    match got <= max {
        true => Ok(()),
        false => Err(StorageViolation::Memory { what, got, max }),
    }
}

/// More than a memtable counts for an entry besides its key and value.
const ENTRY_BYTES: u64 = 128;
