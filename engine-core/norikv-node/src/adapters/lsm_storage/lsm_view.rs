//! The LSM at one point in time, as the state machine sees it.

use core::fmt;

use bytes::Bytes;
use nori_lsm::{Iter, Lsm, Snapshot};

use crate::PortError;
use crate::state_machine::{Cursor, StateView};

use super::errors::fold;

/// A snapshot with the store it is of.
#[derive(Debug)]
pub(super) struct LsmView {
    lsm: Lsm,
    snapshot: Snapshot,
}

/// A walk through a range of a snapshot.
pub(super) struct LsmCursor(Iter);

impl LsmView {
    /// The store as it is now.
    pub(super) fn new(lsm: &Lsm) -> Self {
        Self {
            lsm: lsm.clone(),
            snapshot: lsm.snapshot(),
        }
    }
}

impl StateView for LsmView {
    type Cursor = LsmCursor;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, PortError> {
        self.lsm.get_at(key, &self.snapshot).map_err(fold)
    }

    fn range(&self, from: Bytes, to: Bytes) -> LsmCursor {
        LsmCursor(self.lsm.iter(from..to, &self.snapshot))
    }
}

impl Cursor for LsmCursor {
    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, PortError> {
        self.0.next().map_err(fold)
    }

    fn behind(&self) -> Option<Bytes> {
        self.0.behind()
    }
}

impl fmt::Debug for LsmCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}
