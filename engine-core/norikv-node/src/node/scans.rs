//! One page out of every group's.
//!
//! **Invariant: a page never skips a key.** A group gives about its share of the page. Where a
//! group's part ends early, the page ends with the smallest such end, since that group may have
//! keys right behind it. **And its cursor never skips a change**: behind it lies all that the page
//! does not show.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{ErrorKind, GroupId, LogIndex, Mono};

use super::Node;
use super::errand::{Client, FanId};
use super::metrics::CallKind;
use crate::wire::Work;
use crate::{Answer, Failure, Item, Page, RequestId};

/// A scan that waits for its groups.
#[derive(Debug)]
pub(crate) struct Fan {
    request: RequestId,
    started: Mono,
    limit: u32,
    missing: u32,
    /// Of the pages before.
    cursor: Vec<(GroupId, LogIndex)>,
    parts: BTreeMap<GroupId, Page>,
}

impl Node {
    /// Asks every group for a part of so many items.
    pub(super) fn fan_out(
        &mut self,
        request: RequestId,
        deadline: Mono,
        limit: u32,
        cursor: Vec<(GroupId, LogIndex)>,
        part: impl Fn(u32) -> Work,
    ) {
        self.fans_next += 1;
        let fan = FanId(self.fans_next);
        let limit = limit.min(self.config.limits.scan_items_max);
        let groups = self.router.groups();
        self.fans.insert(
            fan,
            Fan {
                request,
                started: self.now,
                limit,
                missing: groups,
                cursor,
                parts: BTreeMap::new(),
            },
        );
        for group in (0..groups).map(GroupId) {
            let work = part(share(limit, groups));
            self.errand(group, work, Client::Fan(fan), deadline);
        }
    }

    /// A group's part is there. The first failure is the scan's.
    pub(super) fn fan_in(&mut self, id: FanId, group: GroupId, result: Result<Answer, Failure>) {
        let Some(fan) = self.fans.get_mut(&id) else {
            return;
        };
        let result = match result {
            Ok(Answer::Page(page)) => {
                fan.parts.insert(group, page);
                fan.missing -= 1;
                if fan.missing > 0 {
                    return;
                }
                let parts = core::mem::take(&mut fan.parts);
                let mut page = merge(parts.into_values(), fan.limit);
                lower(&mut page.cursor, &fan.cursor);
                Ok(Answer::Page(page))
            }
            Ok(_) => Err(Failure::refused(
                ErrorKind::Internal,
                "a scan was answered with something else",
            )),
            Err(failure) => Err(failure),
        };
        if let Some(fan) = self.fans.remove(&id) {
            self.reply_to_host(fan.request, CallKind::Scan, fan.started, result);
        }
    }
}

/// Items that each of so many groups is asked for: keys are spread evenly, so twice its share and a
/// few is rarely all of it. Where it is, the page ends there, and the next one goes on.
pub(super) const fn share(limit: u32, groups: u32) -> u32 {
    let fair = limit / groups * 2 + 16;
    if fair < limit { fair } else { limit }
}

/// Bytes that each of so many groups may answer with.
pub(super) fn share_bytes(bytes_max: u32, groups: u32) -> u32 {
    (bytes_max / groups)
        .saturating_mul(8)
        .clamp(bytes_max.min(64 << 10), bytes_max)
}

/// The first `limit` items of all pages, as far as none of them may be missing one.
fn merge(pages: impl Iterator<Item = Page>, limit: u32) -> Page {
    let mut items: Vec<Item> = Vec::new();
    let mut more = false;
    let mut end: Option<Bytes> = None;
    let mut cursor = Vec::new();
    for page in pages {
        cursor.extend(page.cursor);
        if page.more {
            more = true;
            let last = page.items.last().map(|item| item.key.clone());
            end = match (end, last) {
                (Some(end), Some(last)) => Some(end.min(last)),
                (end, last) => end.or(last),
            };
        }
        items.extend(page.items);
    }
    items.sort_unstable_by(|a, b| a.key.cmp(&b.key));
    if let Some(end) = end {
        items.retain(|item| item.key <= end);
    }
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    if items.len() > limit {
        items.truncate(limit);
        more = true;
    }
    Page {
        items,
        more,
        cursor,
    }
}

/// Takes the lower position of each group.
fn lower(cursor: &mut [(GroupId, LogIndex)], before: &[(GroupId, LogIndex)]) {
    let before: BTreeMap<GroupId, LogIndex> = before.iter().copied().collect();
    for (group, index) in cursor {
        if let Some(earlier) = before.get(group) {
            *index = (*index).min(*earlier);
        }
    }
}

#[cfg(test)]
mod tests;
