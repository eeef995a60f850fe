//! Where the state of a group stands in the store.
//!
//! **Invariant: a group's records are two contiguous ranges that hold nothing else**, so that a
//! whole group can be exported, and replaced by one edit.
//!
//! | key | record |
//! |---|---|
//! | `01 ‖ group u32 ‖ 00` | the group's record: the applied (term, index), the replicated time |
//! | `01 ‖ group u32 ‖ 01 ‖ slot u32` | a named write and what became of it |
//! | `01 ‖ group u32 ‖ 02` | the newest configuration |
//! | `02 ‖ shard u16 ‖ key` | a client's key |
//!
//! Integers are big-endian, so that the order of bytes is the order of numbers.

use core::ops::Range;

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{GroupId, ShardId};

/// The group's record.
pub(crate) fn group_key(group: GroupId) -> Bytes {
    metadata(group, GROUP, &[])
}

/// The record of the named write in `slot`.
pub(crate) fn slot_key(group: GroupId, slot: u32) -> Bytes {
    metadata(group, SLOT, &slot.to_be_bytes())
}

/// The record of who belongs to the group.
pub(crate) fn configuration_key(group: GroupId) -> Bytes {
    metadata(group, CONFIGURATION, &[])
}

/// Every record of a named write.
pub(crate) fn slots_range(group: GroupId) -> Range<Bytes> {
    metadata(group, SLOT, &[])..metadata(group, SLOT + 1, &[])
}

/// The record of a client's key.
pub(crate) fn data_key(shard: ShardId, key: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(DATA_PREFIX_BYTES + key.len());
    bytes.push(DATA);
    bytes.extend_from_slice(&shard.0.to_be_bytes());
    bytes.extend_from_slice(key);
    bytes.into()
}

/// The client's key in a stored one that [`data_key`] made.
pub(crate) fn user_key(stored: &Bytes) -> Bytes {
    stored.slice(DATA_PREFIX_BYTES.min(stored.len())..)
}

/// The shard of a stored key that [`data_key`] made; `None`: of another record.
pub(crate) fn shard_in(stored: &[u8]) -> Option<ShardId> {
    match stored {
        [DATA, high, low, ..] => Some(ShardId(u16::from_be_bytes([*high, *low]))),
        _ => None,
    }
}

/// Every metadata record of `group`.
pub(crate) fn metadata_range(group: GroupId) -> Range<Bytes> {
    let start = metadata(group, 0, &[]).slice(..METADATA_PREFIX_BYTES);
    let end = match group.0.checked_add(1) {
        Some(next) => metadata(GroupId(next), 0, &[]).slice(..METADATA_PREFIX_BYTES),
        None => Bytes::from_static(&[METADATA + 1]),
    };
    start..end
}

/// Every client's key of the shards.
pub(crate) fn data_range(shards: &Range<ShardId>) -> Range<Bytes> {
    data_key(shards.start, &[])..data_key(shards.end, &[])
}

/// The lowest key above every key that begins with `prefix`; `None` when there is none, since the
/// prefix is empty or nothing but `ff`.
pub(crate) fn successor(prefix: &[u8]) -> Option<Vec<u8>> {
    let last = prefix.iter().rposition(|byte| *byte != u8::MAX)?;
    let mut successor = prefix.get(..=last)?.to_vec();
    *successor.last_mut()? += 1;
    Some(successor)
}

fn metadata(group: GroupId, kind: u8, rest: &[u8]) -> Bytes {
    let mut bytes = Vec::with_capacity(METADATA_PREFIX_BYTES + 1 + rest.len());
    bytes.push(METADATA);
    bytes.extend_from_slice(&group.0.to_be_bytes());
    bytes.push(kind);
    bytes.extend_from_slice(rest);
    bytes.into()
}

const METADATA: u8 = 1;
const DATA: u8 = 2;

const GROUP: u8 = 0;
const SLOT: u8 = 1;
const CONFIGURATION: u8 = 2;

const METADATA_PREFIX_BYTES: usize = 5;
const DATA_PREFIX_BYTES: usize = 3;

#[cfg(test)]
mod tests;
