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

fn fill(buffers: &mut Buffers, count: u64) -> Entries {
    buffers.fill(
        usize::try_from(count).unwrap(),
        (0..count).map(|at| entry(1, at)),
    )
}

#[test]
fn a_buffer_is_used_again_only_when_nobody_holds_it() {
    let mut buffers = Buffers::default();
    let first = fill(&mut buffers, 2);
    let at = first.as_ptr();
    buffers.give_back(first.clone());
    let second = fill(&mut buffers, 2);
    assert_ne!(second.as_ptr(), at);
    assert_eq!(*first, [entry(1, 0), entry(1, 1)]);
    drop(first);
    assert_eq!(fill(&mut buffers, 1).as_ptr(), at);
    assert_ne!(fill(&mut buffers, 1).as_ptr(), at, "it is in use");
}

#[test]
fn a_few_entries_do_not_keep_the_room_of_many() {
    let mut buffers = Buffers::default();
    let many = fill(&mut buffers, 100);
    let at = many.as_ptr();
    buffers.give_back(many);
    assert_ne!(fill(&mut buffers, 3).as_ptr(), at);
    assert_ne!(fill(&mut buffers, 101).as_ptr(), at);
    assert_eq!(fill(&mut buffers, 30).as_ptr(), at);
}

#[test]
fn so_many_buffers_are_kept_and_no_more() {
    let mut buffers = Buffers::default();
    let held: Vec<_> = (0..40).map(|_| fill(&mut buffers, 1)).collect();
    for entries in &held {
        buffers.give_back(entries.clone());
    }
    assert_eq!(buffers.spare.len(), SPARE_MAX);
    let count = |held: &[Entries]| {
        let buffers = held.iter().filter_map(|entries| entries.buffer.as_ref());
        buffers
            .filter(|buffer| Arc::strong_count(buffer) > 1)
            .count()
    };
    assert_eq!(count(&held), SPARE_MAX);
    drop(held);
    buffers.sweep();
    assert!(buffers.spare.iter().all(|buffer| buffer.is_empty()));
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
