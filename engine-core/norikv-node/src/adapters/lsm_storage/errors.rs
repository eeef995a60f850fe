//! The LSM's errors as the few kinds that a node tells apart.

use alloc::string::ToString;

use nori_env::{IoError, IoErrorKind};
use nori_lsm::Error;

use crate::{PortError, PortErrorKind};

/// Folds an error of the LSM. Its text names object, offset and check.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` wants"
)]
pub(super) fn fold(error: Error) -> PortError {
    let kind = match &error {
        Error::Corrupt { .. }
        | Error::Table(nori_sstable::Error::Corrupt { .. })
        | Error::Log(nori_wal::Error::Corrupt(_)) => PortErrorKind::Corrupt,
        Error::Io(io)
        | Error::Table(nori_sstable::Error::Io(io))
        | Error::Log(nori_wal::Error::Io(io)) => kind_of(io.kind),
        Error::Failed => PortErrorKind::SyncFailed,
        _ => PortErrorKind::Other,
    };
    PortError::new(kind, error.to_string())
}

/// Folds an error of the store below the LSM.
#[expect(
    clippy::needless_pass_by_value,
    reason = "the shape that `map_err` wants"
)]
pub(super) fn fold_io(error: IoError) -> PortError {
    PortError::new(kind_of(error.kind), error.to_string())
}

const fn kind_of(kind: IoErrorKind) -> PortErrorKind {
    match kind {
        IoErrorKind::Media => PortErrorKind::Corrupt,
        IoErrorKind::NoSpace => PortErrorKind::NoSpace,
        IoErrorKind::Fenced => PortErrorKind::Fenced,
        IoErrorKind::SyncFailed => PortErrorKind::SyncFailed,
        _ => PortErrorKind::Other,
    }
}
