//! Replicas that have applied the same hold the same bytes: data, sessions and whatever else a
//! snapshot of the group carries.

use alloc::collections::BTreeMap;

use norikv_node::{PortError, Storage};
use norikv_types::{GroupId, LogIndex, NodeId, Version};
use xxhash_rust::xxh3::xxh3_64_with_seed;

use crate::cluster::Violation;

/// Whether a look is taken at what a replica holds after this index. Taking one at each costs more
/// than it finds: what differs once differs on.
pub(crate) const fn is_due(index: LogIndex) -> bool {
    index.0.is_multiple_of(LOOK_EVERY)
}

/// What a replica holds, and the (term, index) up to which it has applied.
pub(crate) fn digest(storage: &dyn Storage, group: GroupId) -> Result<(Version, u64), PortError> {
    let mut export = storage.export(group)?;
    let mut digest = 0;
    loop {
        let chunk = export.next_chunk(CHUNK_BYTES)?;
        digest = xxh3_64_with_seed(&chunk.bytes, digest);
        if chunk.last {
            return Ok((export.at(), digest));
        }
    }
}

/// What the first replica held that was looked at, by what it had applied.
#[derive(Debug, Default)]
pub(super) struct Contents(BTreeMap<Version, (NodeId, u64)>);

impl Contents {
    pub(super) fn check(
        &mut self,
        node: NodeId,
        group: GroupId,
        at: Version,
        digest: u64,
    ) -> Result<(), Violation> {
        let (first, own) = *self.0.entry(at).or_insert((node, digest));
        if own == digest {
            return Ok(());
        }
        Err(Violation::ReplicasDiffer {
            group,
            first,
            second: node,
        })
    }
}

const LOOK_EVERY: u64 = 16;
const CHUNK_BYTES: u32 = 1 << 20;
