use norikv_types::{LogIndex, Term};

use super::*;
use crate::entry::Payload;

fn entry(term: u64, index: u64) -> Entry {
    Entry {
        term: Term(term),
        index: LogIndex(index),
        payload: Payload::Noop,
    }
}

#[test]
fn a_buffer_is_used_again_only_when_nobody_holds_it() {
    let mut batches = Batches::default();
    let first = batches.share([entry(1, 1), entry(1, 2)].into_iter());
    let second = batches.share([entry(1, 3)].into_iter());
    let at = first.as_ptr();
    assert_eq!(*second, [entry(1, 3)]);
    drop(first);
    let third = batches.share([entry(1, 4)].into_iter());
    assert_eq!((third.as_ptr(), batches.buffers.len()), (at, 2));
    let held: Vec<_> = (0..40)
        .map(|at| batches.share([entry(2, at)].into_iter()))
        .collect();
    assert_eq!(batches.buffers.len(), BUFFERS_MAX);
    for (at, entries) in held.iter().enumerate() {
        assert_eq!(**entries, [entry(2, at as u64)]);
    }
}

#[test]
fn the_same_stretch_is_shared_and_another_is_not() {
    let mut batches = Batches::default();
    let stretch = batches.share([entry(1, 1), entry(2, 2)].into_iter());
    let version = |entries: &Entries, at: usize| entries[at].version();
    let (first, last) = (version(&stretch, 0), version(&stretch, 1));
    let again = batches.shared(first, last).unwrap();
    assert_eq!(again.as_ptr(), stretch.as_ptr());
    assert_eq!(batches.shared(last, last), None);
    drop((stretch, again));
    batches.sweep();
    assert_eq!(batches.shared(first, last), None, "what was swept is gone");
}

#[test]
fn entries_are_written_like_a_list_of_them() {
    let list = alloc::vec![entry(1, 1), entry(1, 2)];
    let bytes = postcard::to_allocvec(&list).unwrap();
    assert_eq!(
        postcard::to_allocvec(&Entries::from(list.clone())).unwrap(),
        bytes
    );
    let read: Entries = postcard::from_bytes(&bytes).unwrap();
    assert_eq!(*read, *list);
}
