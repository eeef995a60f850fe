//! Values that end by the replicated time.

use super::*;

fn tick(index: u64, stamp: u64) -> Entry {
    let command = Command {
        stamp: WallMs(stamp),
        ..Command::new(Operation::Tick, None)
    };
    entry(index, Payload::Command(command.encode()))
}

/// Everything that the store holds of the group, ended or not.
fn stored(replica: &Replica) -> usize {
    let inner = &replica.storage.inner;
    let [_, data] = inner.ranges(GROUP);
    let mut items = inner.lsm.iter(data, &inner.lsm.snapshot());
    let mut count = 0;
    while items.next().unwrap().is_some() {
        count += 1;
    }
    count
}

#[test]
fn a_value_ends_by_the_stamps_of_the_log_and_by_no_clock() {
    let replica = Replica::new();
    let keys = keys(2);
    let put = put_until(1, 1_000, &keys[0], b"v", Some(500));
    replica.storage.apply(GROUP, &[put]).unwrap();
    let there = Answer::Value {
        value: Bytes::from_static(b"v"),
        version: entry(1, Payload::Noop).version(),
        expires_at: Some(WallMs(1_500)),
    };
    replica.clock.jump_wall(10_000_000);
    assert_eq!(replica.get(&keys[0]), there);
    replica.storage.apply(GROUP, &[tick(2, 1_499)]).unwrap();
    assert_eq!(replica.get(&keys[0]), there);
    assert_eq!(replica.scan_all().len(), 1);
    // A leader whose clock is behind does not bring time back.
    replica
        .storage
        .apply(GROUP, &[tick(3, 1_500), tick(4, 3)])
        .unwrap();
    assert_eq!(replica.get(&keys[0]), Answer::Absent);
    assert_eq!(replica.scan_all(), []);
    let operation = Operation::Put {
        key: keys[0].clone(),
        value: Bytes::from_static(b"w"),
        expect: Expect::Absent,
        ttl_ms: None,
    };
    let again = Payload::Command(Command::new(operation, None).encode());
    let decided = replica.storage.apply(GROUP, &[entry(5, again)]).unwrap();
    assert!(matches!(decided[0].outcome, Outcome::Written { .. }));
}

#[test]
fn replicas_with_other_clocks_hold_the_same() {
    let log = random_log(9, 300);
    let (one, other) = (Replica::new(), Replica::new());
    other.clock.jump_wall(3_600_000);
    let decided = one.storage.apply(GROUP, &log).unwrap();
    for entries in log.chunks(10) {
        other.storage.apply(GROUP, entries).unwrap();
        other.clock.jump_wall(77_000);
        other.flush();
    }
    assert_eq!(one.export(), other.export());
    assert_eq!(decided.len(), 300);
}

#[test]
fn compactions_take_what_has_ended_by_the_flushed_time_only() {
    let mut replica = Replica::new();
    let keys = keys(40);
    for (index, key) in (1..).zip(&keys) {
        let put = put_until(index, 1_000, key, &[7; 200], Some(500));
        replica.storage.apply(GROUP, &[put]).unwrap();
    }
    replica.flush();
    let settle = |replica: &Replica| {
        let [_, data] = replica.storage.inner.ranges(GROUP);
        let lsm = &replica.storage.inner.lsm;
        lsm.compact_range(&data.start, Some(&data.end)).unwrap();
    };
    replica.storage.apply(GROUP, &[tick(41, 2_000)]).unwrap();
    settle(&replica);
    // `compact_range` flushes first, but nobody has asked how far that went: nothing may go that an
    // entry which is replayed after a crash could still meet.
    assert_eq!(stored(&replica), 40);
    assert_eq!(replica.scan_all(), [], "ended all the same");
    replica.flush();
    assert_eq!(replica.storage.flushed(GROUP), LogIndex(41));
    let snapshot = replica.storage.export(GROUP).unwrap();
    let put = put_until(42, 0, &keys[0], b"new", None);
    replica.storage.apply(GROUP, &[put]).unwrap();
    settle(&replica);
    assert_eq!(stored(&replica), 1);
    assert_eq!(snapshot.at().index, LogIndex(41));
    replica.reopen();
    assert_eq!(replica.scan_all().len(), 1);
}

#[test]
fn a_snapshot_carries_the_time_and_the_ends() {
    let source = Replica::new();
    let keys = keys(3);
    let entries = [
        put_until(1, 1_000, &keys[0], b"short", Some(10)),
        put_until(2, 2_000, &keys[1], b"long", Some(5_000)),
        put_until(3, 2_000, &keys[2], b"for ever", None),
    ];
    source.storage.apply(GROUP, &entries).unwrap();
    let (at, chunks) = source.export();
    let target = Replica::new();
    target.install(at, &chunks).unwrap();
    assert_eq!(target.export(), (at, chunks));
    assert_eq!(target.get(&keys[0]), Answer::Absent);
    // Relative to the stamp 2,000 of the snapshot, not to the 0 of this one.
    let late = [put_until(4, 0, &keys[0], b"x", Some(100)), tick(5, 7_000)];
    for replica in [&source, &target] {
        replica.storage.apply(GROUP, &late[..1]).unwrap();
        let Answer::Value { expires_at, .. } = replica.get(&keys[0]) else {
            panic!("it is there");
        };
        assert_eq!(expires_at, Some(WallMs(2_100)));
        assert!(matches!(replica.get(&keys[1]), Answer::Value { .. }));
        replica.storage.apply(GROUP, &late[1..]).unwrap();
        assert_eq!(replica.get(&keys[1]), Answer::Absent);
    }
    assert_eq!(source.export(), target.export());
}

/// The mutant that `replicas_with_other_clocks_hold_the_same` must see.
#[test]
fn the_mutant_lets_replicas_with_other_clocks_differ() {
    let log = random_log(9, 300);
    let _planted = Mutant::ExpiryByLocalClock.plant();
    let (one, other) = (Replica::new(), Replica::new());
    other.clock.jump_wall(3_600_000);
    one.storage.apply(GROUP, &log).unwrap();
    other.storage.apply(GROUP, &log).unwrap();
    assert_ne!(one.export(), other.export());
}
