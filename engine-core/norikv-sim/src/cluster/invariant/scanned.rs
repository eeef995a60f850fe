//! A scan shows of each group what stood there at the position that its cursor says: nothing of
//! what happened later, all of what happened before. So a watch from that cursor on misses nothing,
//! and tells nothing that the scan showed.

use bytes::Bytes;
use norikv_node::{Item, Page};
use norikv_types::{GroupId, LogIndex};
use xxhash_rust::xxh3::xxh3_64;

use super::watched::Changes;
use crate::cluster::Violation;

/// What was scanned.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scanned<'a> {
    pub(crate) prefix: &'a [u8],
    /// The first page, without a cursor of pages before.
    pub(crate) page: &'a Page,
    /// Which keys may be gone since their values end.
    pub(crate) ends: fn(&[u8]) -> bool,
}

impl Scanned<'_> {
    /// Checks the part of the group that was read at `at`; `items` are the page's of this group.
    pub(super) fn check<'a>(
        &self,
        group: GroupId,
        at: LogIndex,
        changes: &Changes,
        items: impl Iterator<Item = &'a Item>,
    ) -> Result<(), Violation> {
        let wrong = |index| Violation::ScannedWrong { group, at, index };
        let mut stands = changes.standing_at(at, self.prefix);
        for item in items {
            let shown = (item.version.index, xxh3_64(&item.value));
            if stands.remove(&item.key) != Some(shown) {
                return Err(wrong(shown.0));
            }
        }
        let missing = |key: &Bytes| self.covers(key) && !(self.ends)(key);
        match stands.into_iter().find(|(key, _)| missing(key)) {
            Some((_, (index, _))) => Err(wrong(index)),
            None => Ok(()),
        }
    }

    /// Whether the page would show the key if it were there.
    fn covers(&self, key: &Bytes) -> bool {
        let last = self.page.items.last();
        !self.page.more || last.is_some_and(|last| *key <= last.key)
    }
}
