//! What a committed entry does to the replicated state of its group.
//!
//! **Invariant: the same entries give the same bytes.** A decision depends on the entry and on the
//! group's own stored records, on nothing else; so two replicas that applied the same prefix of the
//! log hold byte-identical records, sessions included. The time by which values end and names are
//! forgotten is the highest stamp of the executed commands, no clock of the replica.
//!
//! It decides over a [`StateView`], any ordered map, and gives back [`Changes`], which the storage
//! adapter writes in one atomic batch. [`keys`] and [`records`] say how the state is laid out.

mod apply;
mod changes;
mod keys;
mod operate;
mod records;
mod scan;
mod sessions;
mod view;

pub(crate) use apply::{Executed, StateMachine};
pub(crate) use keys::{
    configuration_key, data_range, group_key, metadata_range, shard_in, slots_range,
};
pub(crate) use records::{GroupRecord, decode_configuration, decode_group, ends_at};
pub(crate) use scan::{ScanQuery, get, group_record, scan};
pub(crate) use sessions::Sessions;
pub(crate) use view::{Cursor, StateView};

/// Longest key of a command, bytes. A longer one is refused on every replica; a node's own limit
/// is lower.
pub(crate) const KEY_BYTES_MAX: u32 = 32 << 10;
/// Longest value of a command, bytes.
pub(crate) const VALUE_BYTES_MAX: u32 = 4 << 20;
/// Longest idempotency key of a command, bytes.
pub(crate) const NAME_BYTES_MAX: u32 = 32 << 10;
/// Longest values that a transaction reads, together, bytes.
pub(crate) const ANSWER_BYTES_MAX: u32 = 1 << 20;

#[cfg(test)]
mod tests;
