//! Values that end at a time.
//!
//! **Invariant: an expired value reads as deleted; it never uncovers an older one.** The time is
//! part of the value, so it survives the log, flushes, compactions and restarts.

use norikv_types::WallMs;

/// Whose time says what is expired.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Expiry {
    /// The wall clock's.
    #[default]
    Wall,
    /// The host's: what it last gave to [`Lsm::advance_expiry`](crate::Lsm::advance_expiry); 0 after
    /// an open.
    Stamp,
}

/// The time as it stands in front of the value.
pub(crate) const fn time(at: WallMs) -> [u8; TIME_BYTES] {
    at.0.to_le_bytes()
}

/// When an expiring value ends. One that is too short to say when has ended.
pub(crate) fn ends_at(stored: &[u8]) -> WallMs {
    let at = stored.first_chunk::<TIME_BYTES>();
    WallMs(at.map_or(0, |at| u64::from_le_bytes(*at)))
}

/// Whether an expiring value has ended at `now`.
pub(crate) fn is_expired(stored: &[u8], now: WallMs) -> bool {
    ends_at(stored) <= now
}

/// Bytes of the time in front of the value.
pub(crate) const TIME_BYTES: usize = 8;
