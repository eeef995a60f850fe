use norikv_types::{Prng, Term};

use super::*;
use crate::entry::Payload;

fn entry(index: u64, size: u64) -> Entry {
    let size = usize::try_from(size).unwrap();
    Entry {
        term: Term(1),
        index: LogIndex(index),
        payload: Payload::Command(alloc::vec![7; size].into()),
    }
}

/// Batches that end at these indexes.
fn recent(ends: &[u64]) -> Recent {
    let mut recent = Recent::default();
    let mut next = 1;
    for end in ends {
        (next..=*end).for_each(|index| recent.push(entry(index, 1)));
        recent.close();
        next = end + 1;
    }
    recent
}

fn indexes(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.index.0).collect()
}

#[test]
fn what_was_appended_at_once_is_shared_without_a_copy() {
    let mut recent = recent(&[2, 5]);
    let first = recent.share(LogIndex(3), LogIndex(5));
    let again = recent.share(LogIndex(3), LogIndex(5));
    assert_eq!(indexes(&first), [3, 4, 5]);
    assert_eq!(first.as_ptr(), again.as_ptr());
    let (some, bytes) = recent.share_some(LogIndex(3), LogIndex(5), 51);
    assert_eq!((some.as_ptr(), bytes), (first.as_ptr(), 51));
    let (some, bytes) = recent.share_some(LogIndex(3), LogIndex(5), 50);
    assert_eq!((indexes(&some), bytes), (alloc::vec![3, 4], 34));
    let (some, _) = recent.share_some(LogIndex(1), LogIndex(5), 1);
    assert_eq!(indexes(&some), [1], "one at least");
    assert_eq!(
        indexes(&recent.share(LogIndex(2), LogIndex(4))),
        [2, 3, 4],
        "other pieces are copied"
    );
}

#[test]
fn arrived_entries_are_kept_as_they_are() {
    let mut recent = recent(&[2]);
    let arrived: Entries = alloc::vec![entry(3, 9), entry(4, 9)].into();
    recent.extend(arrived.clone());
    let shared = recent.share(LogIndex(3), LogIndex(4));
    assert_eq!(shared.as_ptr(), arrived.as_ptr());
    drop(shared);
    recent.evict(LogIndex(4), 0);
    assert_eq!(recent.first(), None);
    recent.push(entry(5, 1));
    let own = recent.share(LogIndex(5), LogIndex(5));
    assert_ne!(
        own.as_ptr(),
        arrived.as_ptr(),
        "another's buffer is not used"
    );
}

#[test]
fn batches_leave_as_wholes_once_they_are_settled() {
    let mut recent = recent(&[3, 4, 9]);
    recent.evict(LogIndex(2), 0);
    assert_eq!(recent.first(), Some(LogIndex(1)));
    recent.evict(LogIndex(9), 6 * 17);
    assert_eq!(recent.first(), Some(LogIndex(4)));
    recent.evict(LogIndex(8), 0);
    assert_eq!(recent.first(), Some(LogIndex(5)));
}

#[test]
fn what_is_released_is_here_no_more() {
    let mut recent = recent(&[2]);
    let arrived: Entries = alloc::vec![entry(3, 9), entry(4, 9)].into();
    recent.extend(arrived.clone());
    let part = recent.release(LogIndex(1), LogIndex(1));
    assert_eq!(
        (indexes(&part), recent.first()),
        (alloc::vec![1], Some(LogIndex(1)))
    );
    let own = recent.release(LogIndex(2), LogIndex(2));
    assert_eq!(
        (indexes(&own), recent.first()),
        (alloc::vec![2], Some(LogIndex(3)))
    );
    let others = recent.release(LogIndex(3), LogIndex(4));
    assert_eq!((others.as_ptr(), recent.first()), (arrived.as_ptr(), None));
    assert_eq!(recent.bytes, 0);
}

#[test]
fn what_was_shared_outlives_a_cut() {
    let mut recent = recent(&[3]);
    let held = recent.share(LogIndex(1), LogIndex(3));
    recent.truncate(LogIndex(1));
    recent.push(entry(2, 4));
    assert_eq!(indexes(&held), [1, 2, 3]);
    assert_eq!(held[1].size(), 17);
    let now = recent.share(LogIndex(1), LogIndex(2));
    assert_eq!(now[1].size(), 20);
}

#[test]
fn batches_say_what_a_list_of_entries_says() {
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let mut recent = Recent::default();
        let mut list: Vec<Entry> = Vec::new();
        let mut next = 1;
        for _ in 0..100 {
            let count = 1 + prng.below(5);
            match prng.below(10) {
                0..4 => {
                    for _ in 0..count {
                        let entry = entry(next, prng.below(9));
                        recent.push(entry.clone());
                        list.push(entry);
                        next += 1;
                    }
                }
                4..6 => {
                    let arrived: Vec<_> = (next..next + count)
                        .map(|index| entry(index, prng.below(9)))
                        .collect();
                    recent.extend(arrived.clone().into());
                    list.extend(arrived);
                    next += count;
                }
                6 => {
                    let keep = (next - 1).saturating_sub(count);
                    recent.truncate(LogIndex(keep));
                    list.retain(|entry| entry.index.0 <= keep);
                    next = keep + 1;
                }
                7 => {
                    let settled = LogIndex((next - 1).saturating_sub(count));
                    recent.close();
                    recent.evict(settled, prng.below(300));
                    let first = recent.first().map_or(next, |index| index.0);
                    assert!(list.first().is_none_or(|entry| entry.index.0 <= first));
                    list.retain(|entry| entry.index.0 >= first);
                }
                _ => {
                    let (Some(first), Some(last)) = (list.first(), list.last()) else {
                        continue;
                    };
                    let from = first.index.0 + prng.below(list.len() as u64);
                    let to = from + prng.below(last.index.0 - from + 1);
                    let wanted: Vec<_> = (list.iter())
                        .filter(|entry| (from..=to).contains(&entry.index.0))
                        .cloned()
                        .collect();
                    let (from, to) = (LogIndex(from), LogIndex(to));
                    let commands: u64 = wanted.iter().map(|entry| entry.payload.size()).sum();
                    assert_eq!(recent.command_bytes(from, to), commands, "seed {seed}");
                    let read: Vec<_> = recent.iter(from, to).cloned().collect();
                    assert_eq!(read, wanted, "seed {seed}");
                    assert_eq!(*recent.share(from, to), *wanted, "seed {seed}");
                    let limit = prng.below(200);
                    let (some, bytes) = recent.share_some(from, to, limit);
                    let sizes: u64 = some.iter().map(Entry::size).sum();
                    assert_eq!(*some, wanted[..some.len()], "seed {seed}");
                    assert_eq!(bytes, sizes, "seed {seed}");
                    assert!(bytes <= limit || some.len() == 1, "seed {seed}");
                    let next = wanted.get(some.len());
                    assert!(next.is_none_or(|next| bytes + next.size() > limit));
                }
            }
            let bytes: u64 = list.iter().map(Entry::size).sum();
            assert_eq!(recent.bytes, bytes, "seed {seed}");
        }
    }
}
