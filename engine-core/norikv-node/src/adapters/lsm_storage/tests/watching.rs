//! What watchers are told of what is applied.

use super::*;
use crate::{Change, WatchEvent};

fn watch(replica: &Replica, after: u64, limit: u32) -> Answer {
    let query = Query::Watch {
        positions: vec![(GROUP, LogIndex(after))],
        prefix: Bytes::new(),
        limit,
        bytes_max: u32::MAX,
    };
    replica.storage.query(&query).unwrap()
}

fn watched(replica: &Replica, after: u64) -> Vec<WatchEvent> {
    let (mut after, mut events) = (after, Vec::new());
    loop {
        let Answer::Watched(page) = watch(replica, after, 7) else {
            panic!("the past is gone");
        };
        assert_eq!(page.cursor.len(), 1);
        assert!(
            page.events
                .iter()
                .all(|event| event.version.index.0 > after)
        );
        let seen = page.cursor[0].1.0;
        events.extend(page.events);
        if seen == after || seen == replica.applied().index.0 {
            return events;
        }
        after = seen;
    }
}

/// What the events come to.
fn content(events: &[WatchEvent]) -> Vec<(Bytes, Bytes, Version)> {
    let mut content = alloc::collections::BTreeMap::new();
    for event in events {
        match &event.change {
            Change::Put { value, .. } => {
                content.insert(event.key.clone(), (value.clone(), event.version))
            }
            Change::Delete => content.remove(&event.key),
        };
    }
    let flat = |(key, (value, version))| (key, value, version);
    content.into_iter().map(flat).collect()
}

/// A log in which nothing ends.
fn endless_log(seed: u64, len: u64) -> Vec<Entry> {
    let mut log = random_log(seed, len);
    for entry in &mut log {
        if let Payload::Command(bytes) = &entry.payload {
            let stamped = Command::stamped(bytes.clone(), WallMs(0));
            entry.payload = Payload::Command(stamped);
        }
    }
    log
}

#[test]
fn the_events_of_a_log_come_to_its_content_on_every_replica() {
    let log = endless_log(3, 300);
    let (one, other) = (Replica::new(), Replica::new());
    one.storage.apply(GROUP, &log).unwrap();
    for entries in log.chunks(7) {
        other.storage.apply(GROUP, entries).unwrap();
    }
    let events = watched(&one, 0);
    assert_eq!(events, watched(&other, 0));
    assert!(events.is_sorted_by_key(|event| event.version.index));
    let items = one.scan_all().into_iter();
    let items: Vec<_> = items
        .map(|item| (item.key, item.value, item.version))
        .collect();
    assert_eq!(content(&events), items);
    // A repetition, a refusal and an empty entry make no event.
    assert!(events.len() < 300, "{}", events.len());
}

#[test]
fn a_snapshot_and_a_restart_take_the_past_away_and_say_so() {
    let log = endless_log(4, 200);
    let source = Replica::new();
    source.storage.apply(GROUP, &log[..150]).unwrap();
    let (at, chunks) = source.export();
    let mut target = Replica::new();
    target.storage.apply(GROUP, &log[..20]).unwrap();
    target.install(at, &chunks).unwrap();
    let gone = |replica: &Replica, after| match watch(replica, after, 1) {
        Answer::Compacted { group, oldest } => (group, oldest.0),
        other => panic!("{other:?}"),
    };
    assert_eq!(gone(&target, 10), (GROUP, 150));
    assert_eq!(watched(&target, 150), []);
    target.storage.apply(GROUP, &log[150..]).unwrap();
    source.storage.apply(GROUP, &log[150..]).unwrap();
    assert_eq!(watched(&target, 150), watched(&source, 150));
    target.flush();
    target.reopen();
    assert_eq!(gone(&target, 199), (GROUP, 200));
}

#[test]
fn what_a_crash_took_back_is_told_again_when_it_is_replayed() {
    let log = endless_log(5, 100);
    let mut replica = Replica::new();
    replica.storage.apply(GROUP, &log[..50]).unwrap();
    replica.flush();
    replica.storage.apply(GROUP, &log[50..]).unwrap();
    let before = watched(&replica, 50);
    replica.crash(&mut Prng::new(1));
    assert_eq!(replica.applied().index, LogIndex(50));
    // A watcher that is ahead of this replica waits for it.
    let Answer::Watched(page) = watch(&replica, 80, 9) else {
        panic!("nothing is gone");
    };
    assert_eq!(page.cursor, [(GROUP, LogIndex(80))]);
    replica.storage.apply(GROUP, &log[50..]).unwrap();
    assert_eq!(watched(&replica, 50), before);
}
