//! A read covers every write that was acknowledged before it began (dissertation §6.4).

use norikv_types::Version;

use crate::cluster::Violation;

pub(crate) fn check(key: u32, read: Version, acknowledged: Version) -> Result<(), Violation> {
    if read >= acknowledged {
        return Ok(());
    }
    Err(Violation::StaleRead {
        key,
        read,
        acknowledged,
    })
}
