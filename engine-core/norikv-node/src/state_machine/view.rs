//! What the state machine needs of a store.

use bytes::Bytes;

use crate::PortError;

/// An ordered map from stored keys to stored values, at one point in time.
pub(crate) trait StateView {
    /// Goes through a range.
    type Cursor: Cursor;

    /// The value of `key`.
    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, PortError>;

    /// The keys at or above `from` and below `to`, ascending. Does nothing before its first step.
    fn range(&self, from: Bytes, to: Bytes) -> Self::Cursor;
}

/// A walk through a range of a [`StateView`].
pub(crate) trait Cursor {
    /// The next key and value; `None` behind the last.
    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, PortError>;

    /// When [`next`](Self::next) has given `None`: a key behind the range such that no stored key
    /// lies between the range and it; `None`: no stored key lies behind the range.
    fn behind(&self) -> Option<Bytes>;
}
