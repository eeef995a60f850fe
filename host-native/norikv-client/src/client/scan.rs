//! Scanning page by page, and watching what happens from there on.
//!
//! **Invariant: a scan and the watch behind it show everything once.** The pages are read one after
//! the other, so the watch begins where the first was read in each group; what a later page shows
//! already is left out. For that the watch remembers where each page was read, until it has passed
//! all of them.

use bytes::Bytes;
use norikv_api::cursor;
use norikv_node::{Consistency, Item, WatchEvent};
use norikv_types::{GroupId, LogIndex};

use super::{Client, Watch};
use crate::Error;

/// The keys that begin with a prefix, page by page.
#[derive(Debug)]
pub struct Scan {
    client: Client,
    prefix: Vec<u8>,
    consistency: Consistency,
    after: Option<Bytes>,
    more: bool,
    shown: Shown,
}

/// What a scan showed.
#[derive(Debug, Default)]
pub(super) struct Shown {
    /// Ascending by key.
    pages: Vec<Covered>,
}

/// Keys that were read at the same positions: those above the ones before.
#[derive(Debug)]
struct Covered {
    /// The last one; `None`: there is no end.
    last: Option<Bytes>,
    /// Ascending by group.
    read_at: Vec<(GroupId, LogIndex)>,
}

impl Client {
    /// Scans the keys that begin with `prefix`, in byte order. Asks nobody before the first
    /// [`next`](Scan::next).
    #[must_use]
    pub fn scan_all(&self, prefix: &[u8], consistency: Consistency) -> Scan {
        Scan {
            client: self.clone(),
            prefix: prefix.to_vec(),
            consistency,
            after: None,
            more: true,
            shown: Shown::default(),
        }
    }
}

impl Scan {
    /// The next page, of at most `limit` items; `None` when there is none. After an error the same
    /// page may be asked for again.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn next(&mut self, limit: u32) -> Result<Option<Vec<Item>>, Error> {
        if !self.more {
            return Ok(None);
        }
        let page = self
            .client
            .scan(&self.prefix, self.after.as_deref(), limit, self.consistency)
            .await?;
        self.more = page.more;
        // A page behind which there is more is never empty.
        self.after = page.items.last().map(|item| item.key.clone());
        let end = self.after.clone().filter(|_| page.more);
        self.shown.add(end, page.cursor);
        Ok(Some(page.items))
    }

    /// Where a watch may go on that was begun by somebody else; empty before the first page. It
    /// tells some of what later pages show again: an event whose version is not above the item's.
    #[must_use]
    pub fn cursor(&self) -> String {
        match self.shown.lowest() {
            lowest if lowest.is_empty() => String::new(),
            lowest => cursor::format(&lowest),
        }
    }

    /// Watches what the scan does not show: what happened since its pages were read, and all that
    /// happened since the first page to keys behind the last.
    ///
    /// # Panics
    /// Before the first page: there is nothing to go on from.
    #[must_use]
    pub fn watch(self) -> Watch {
        let cursor = self.cursor();
        assert!(!cursor.is_empty(), "a page was read");
        let mut watch = self.client.watch(&self.prefix, &cursor);
        watch.shown = self.shown;
        watch
    }
}

impl Shown {
    /// A page up to `last` was read there.
    fn add(&mut self, last: Option<Bytes>, read_at: Vec<(GroupId, LogIndex)>) {
        match self.pages.last_mut() {
            Some(before) if before.read_at == read_at => before.last = last,
            _ => self.pages.push(Covered { last, read_at }),
        }
    }

    /// The lowest position of each group.
    fn lowest(&self) -> Vec<(GroupId, LogIndex)> {
        self.each_group(LogIndex::min)
    }

    fn each_group(&self, pick: fn(LogIndex, LogIndex) -> LogIndex) -> Vec<(GroupId, LogIndex)> {
        let Some((first, rest)) = self.pages.split_first() else {
            return Vec::new();
        };
        let over_pages = |(group, index): &(GroupId, LogIndex)| {
            let others = rest.iter().filter_map(|page| page.position(*group));
            (*group, others.fold(*index, pick))
        };
        first.read_at.iter().map(over_pages).collect()
    }

    /// Whether a page shows what the event tells, or what came of it later.
    pub(super) fn has(&self, event: &WatchEvent) -> bool {
        let ends_before = |page: &Covered| page.last.as_ref().is_some_and(|last| *last < event.key);
        let page = self.pages.get(self.pages.partition_point(ends_before));
        let read_at = page.and_then(|page| page.position(event.group));
        read_at.is_some_and(|read_at| event.version.index <= read_at)
    }

    /// The watch has come to `cursor`: what lies before it is not told any more.
    pub(super) fn passed(&mut self, cursor: &str) {
        if self.pages.is_empty() {
            return;
        }
        let at = cursor::parse(cursor).unwrap_or_default();
        let passed = |(group, highest): &(GroupId, LogIndex)| {
            let own = at.binary_search_by_key(group, |(group, _)| *group);
            own.is_ok_and(|nth| at[nth].1 >= *highest)
        };
        if self.each_group(LogIndex::max).iter().all(passed) {
            self.pages.clear();
        }
    }
}

impl Covered {
    fn position(&self, group: GroupId) -> Option<LogIndex> {
        let nth = self
            .read_at
            .binary_search_by_key(&group, |(group, _)| *group);
        nth.ok().map(|nth| self.read_at[nth].1)
    }
}

#[cfg(test)]
mod tests;
