//! Lookups in the state of one group.

use core::cmp::{Ordering, Reverse};
use core::ops::Range;

use alloc::collections::BinaryHeap;
use alloc::vec::Vec;

use norikv_placement::shard_of;
use norikv_types::{GroupId, LogIndex, Mutant, ShardId, WallMs, breaks};

use crate::{Answer, Item, Page, PortError};

use super::keys::{data_key, group_key, shard_in, successor, user_key};
use super::records::{GroupRecord, decode_group, decode_value};
use super::view::{Cursor, StateView};

/// A scan of one group.
#[derive(Debug, Clone)]
pub(crate) struct ScanQuery<'a> {
    /// The group.
    pub(crate) group: GroupId,
    /// Its shards.
    pub(crate) shards: Range<ShardId>,
    /// Only keys that begin with it.
    pub(crate) prefix: &'a [u8],
    /// Only keys above it.
    pub(crate) after: Option<&'a [u8]>,
    /// Most items; 0 is taken as 1, so that a page with `more` is never empty.
    pub(crate) limit: u32,
    /// Key and value bytes that a page does not exceed, unless its first item alone does.
    pub(crate) bytes_max: u32,
}

/// Where `group` stands; at zero where it has applied nothing.
///
/// # Errors
/// What the view reports; `Corrupt` when what is stored is no record of a group.
pub(crate) fn group_record<V: StateView>(
    view: &V,
    group: GroupId,
) -> Result<GroupRecord, PortError> {
    let key = group_key(group);
    match view.get(&key)? {
        Some(stored) => decode_group(&key, &stored),
        None => Ok(GroupRecord::default()),
    }
}

/// The value of `key`, which `group` serves.
///
/// # Errors
/// What the view reports; `Corrupt` when what is stored is no value.
pub(crate) fn get<V: StateView>(view: &V, group: GroupId, key: &[u8]) -> Result<Answer, PortError> {
    let stored_key = data_key(shard_of(key), key);
    let Some(stored) = view.get(&stored_key)? else {
        return Ok(Answer::Absent);
    };
    let stored = decode_value(&stored_key, &stored)?;
    if stored.expires_at.is_some() && stored.has_ended(group_record(view, group)?.stamp) {
        return Ok(Answer::Absent);
    }
    Ok(Answer::Value {
        value: stored.value,
        version: stored.version,
        expires_at: stored.expires_at,
    })
}

/// The page that `query` asks for: a merge of its shards, each in order already.
///
/// Costs a seek a shard, and a step an item. Of shards without a key between two with keys only
/// the first is looked into.
///
/// # Errors
/// As [`get`].
pub(crate) fn scan<V: StateView>(view: &V, query: &ScanQuery<'_>) -> Result<Page, PortError> {
    let record = group_record(view, query.group)?;
    let now = record.stamp;
    let mut page = Page {
        cursor: alloc::vec![(query.group, position(record.applied.index))],
        ..Page::default()
    };
    let Some((from, to)) = bounds(query.prefix, query.after) else {
        return Ok(page);
    };
    let mut cursors = Vec::new();
    let mut heads = BinaryHeap::new();
    let mut next = query.shards.start.0;
    while next < query.shards.end.0 {
        let shard = next;
        next += 1;
        let end = match &to {
            Some(to) => data_key(ShardId(shard), to),
            None => data_key(ShardId(shard + 1), &[]),
        };
        let mut cursor = view.range(data_key(ShardId(shard), &from), end);
        if let Some(head) = Head::take(&mut cursor, cursors.len(), now)? {
            heads.push(Reverse(head));
            cursors.push(cursor);
        } else {
            match cursor.behind().as_deref().and_then(shard_in) {
                Some(behind) => next = next.max(behind.0),
                None => break,
            }
        }
    }

    let limit = usize::try_from(query.limit.max(1)).unwrap_or(usize::MAX);
    let mut bytes = 0;
    while let Some(Reverse(head)) = heads.pop() {
        bytes += (head.item.key.len() + head.item.value.len()) as u64;
        let full = page.items.len() >= limit || bytes > u64::from(query.bytes_max);
        if full && !page.items.is_empty() {
            page.more = true;
            break;
        }
        page.items.push(head.item);
        if let Some(cursor) = cursors.get_mut(head.cursor)
            && let Some(next) = Head::take(cursor, head.cursor, now)?
        {
            heads.push(Reverse(next));
        }
    }
    Ok(page)
}

/// Where a scan says that it was read.
fn position(applied: LogIndex) -> LogIndex {
    match breaks(Mutant::ScanCursorAhead) {
        true => applied.next(),
        false => applied,
    }
}

/// The lowest key of a scan and the first one behind it (`None`: no key is); `None` when nothing
/// can be found.
fn bounds(prefix: &[u8], after: Option<&[u8]>) -> Option<(Vec<u8>, Option<Vec<u8>>)> {
    let to = successor(prefix);
    let from = match after {
        Some(after) if after >= prefix => {
            let mut from = Vec::with_capacity(after.len() + 1);
            from.extend_from_slice(after);
            from.push(0);
            from
        }
        _ => prefix.to_vec(),
    };
    let empty = to.as_ref().is_some_and(|to| from >= *to);
    (!empty).then_some((from, to))
}

/// The next item of a shard.
struct Head {
    item: Item,
    cursor: usize,
}

impl Head {
    /// The next item that has not ended at `now`.
    fn take<C: Cursor>(
        cursor: &mut C,
        number: usize,
        now: WallMs,
    ) -> Result<Option<Self>, PortError> {
        while let Some((stored_key, stored)) = cursor.next()? {
            let stored = decode_value(&stored_key, &stored)?;
            if stored.has_ended(now) {
                continue;
            }
            let item = Item {
                key: user_key(&stored_key),
                value: stored.value,
                version: stored.version,
                expires_at: stored.expires_at,
            };
            return Ok(Some(Self {
                item,
                cursor: number,
            }));
        }
        Ok(None)
    }
}

impl Ord for Head {
    /// By key; no two shards have a key in common.
    fn cmp(&self, other: &Self) -> Ordering {
        self.item.key.cmp(&other.item.key)
    }
}

impl PartialOrd for Head {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Head {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Head {}

#[cfg(test)]
mod tests;
