//! What an operation sees covers every write that was acknowledged before it began (dissertation
//! §6.4): what it reads, what a scan lists, and what its condition met.

use alloc::collections::BTreeMap;

use norikv_types::Version;

use crate::cluster::Violation;

/// Checks the version that was seen of a key against what had been acknowledged, key by key.
pub(crate) fn check(
    key: u32,
    seen: Version,
    acknowledged: &BTreeMap<u32, Version>,
) -> Result<(), Violation> {
    match acknowledged.get(&key) {
        Some(acknowledged) if seen < *acknowledged => Err(Violation::StaleRead {
            key,
            read: seen,
            acknowledged: *acknowledged,
        }),
        _ => Ok(()),
    }
}
