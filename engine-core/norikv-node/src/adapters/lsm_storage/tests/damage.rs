//! Disks that fail under the store, and threads that use it at once.

use nori_env::{IoErrorKind, IoOp};
use norikv_testkit::FailPoint;

use super::*;
use crate::PortErrorKind;

#[test]
fn a_damaged_table_is_corruption_with_its_name_and_place() {
    let mut replica = Replica::new();
    let keys = keys(40);
    let log: Vec<_> = (1..)
        .zip(&keys)
        .map(|(index, key)| put(index, key, &key.repeat(20)))
        .collect();
    replica.storage.apply(GROUP, &log).unwrap();
    replica.flush();
    // With an empty cache.
    replica.reopen();
    let listed = replica.disk.list().unwrap().into_iter();
    let tables = listed.filter(|id| id.kind == ObjectKind::Table);
    for table in tables {
        // Behind the first block, which opening has read.
        assert!(replica.disk.flip_bit(table, 8 * 300));
    }
    let mut failed = None;
    let mut found = 0;
    for key in &keys {
        let key = key.clone();
        match replica.storage.query(&Query::Get { key }) {
            Ok(Answer::Value { .. }) => found += 1,
            Ok(other) => panic!("{other:?}"),
            Err(error) => {
                assert_eq!(error.kind, PortErrorKind::Corrupt);
                failed = Some(error);
            }
        }
    }
    let scanned = replica.storage.query(&Query::Scan {
        group: GROUP,
        prefix: Bytes::new(),
        after: None,
        limit: u32::MAX,
        bytes_max: u32::MAX,
    });
    let failed = failed.unwrap_or_else(|| panic!("{found} keys read, no error"));
    assert_eq!(scanned.unwrap_err().kind, PortErrorKind::Corrupt);
    assert!(found > 0, "only one block is damaged");
    assert!(failed.detail.contains(".sst"), "{failed}");
    assert!(failed.detail.contains("at byte"), "{failed}");
}

#[test]
fn a_second_process_is_fenced() {
    let replica = Replica::new();
    let error = open(&replica.disk, 99).unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Fenced);
}

#[test]
fn a_flush_without_space_is_reported_and_done_once_there_is_some() {
    let replica = Replica::new();
    let log = random_log(1, 50);
    replica.storage.apply(GROUP, &log).unwrap();
    replica.disk.fail(FailPoint {
        op: Some(IoOp::Append),
        kind: Some(ObjectKind::Table),
        skip: 0,
        times: 1,
        error: IoErrorKind::NoSpace,
    });
    replica.storage.flush();
    let error = loop {
        match replica.storage.maintain(1 << 20) {
            Ok(Maintenance::More) => {}
            Ok(Maintenance::Idle) => panic!("nothing failed"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind, PortErrorKind::NoSpace);
    assert_eq!(replica.storage.flushed(GROUP), LogIndex(0));
    assert_eq!(replica.applied().index, LogIndex(50));
    // The work is left alone for a while, then asked for again.
    assert_eq!(replica.storage.maintain(1 << 20), Ok(Maintenance::Idle));
    replica.clock.advance(core::time::Duration::from_secs(60));
    replica.maintain();
    assert_eq!(replica.storage.flushed(GROUP), LogIndex(50));
}

#[test]
fn pressure_rises_while_nobody_does_the_work_and_falls_again() {
    let replica = Replica::new();
    assert_eq!(replica.storage.pressure(), Pressure::None);
    let key = &keys(1)[0];
    let mut seen = Vec::new();
    for index in 1..=12 {
        let entry = put(index, key, &[7; 20_000]);
        replica.storage.apply(GROUP, &[entry]).unwrap();
        seen.push(replica.storage.pressure());
        if seen.last() == Some(&Pressure::Stop) {
            break;
        }
    }
    assert!(seen.is_sorted(), "{seen:?}");
    assert!(seen.contains(&Pressure::Slow), "{seen:?}");
    assert_eq!(seen.last(), Some(&Pressure::Stop));
    // A write that comes nevertheless does the work itself.
    let index = replica.applied().index.next().0;
    replica
        .storage
        .apply(GROUP, &[put(index, key, b"through")])
        .unwrap();
    replica.maintain();
    assert_eq!(replica.storage.pressure(), Pressure::None);
    assert!(replica.storage.stats().flushes > 0);
}

#[test]
fn a_run_of_entries_larger_than_a_batch_is_applied_all_the_same() {
    let replica = Replica::new();
    let key = &keys(1)[0];
    let log: Vec<_> = (1..=12)
        .map(|index| put(index, key, &[u8::try_from(index).unwrap(); 1 << 20]))
        .collect();
    let decided = replica.storage.apply(GROUP, &log).unwrap();
    for (decided, entry) in decided.iter().zip(&log) {
        let version = entry.version();
        assert_eq!(decided.version, version);
        assert_eq!(decided.outcome, Outcome::Written { version });
    }
    assert_eq!(decided.len(), 12);
    assert_eq!(replica.applied(), log[11].version());
}

#[test]
fn groups_are_applied_queried_and_exported_by_many_threads() {
    let replica = Replica::new();
    let groups: Vec<_> = (0..4).map(GroupId).collect();
    let log_of = |group: GroupId| -> Vec<Entry> {
        let keys = keys_of(group, 10);
        (1..=400_u64)
            .map(|index| {
                let key = &keys[usize::try_from(index % 10).unwrap()];
                put(index, key, &index.to_le_bytes())
            })
            .collect()
    };
    let storage = &replica.storage;
    std::thread::scope(|scope| {
        for &group in &groups {
            scope.spawn(move || {
                for entries in log_of(group).chunks(3) {
                    storage.apply(group, entries).unwrap();
                }
            });
            scope.spawn(move || {
                let mut at = Version::default();
                while at.index < LogIndex(400) {
                    storage.maintain(2_048).unwrap();
                    let export = storage.export(group).unwrap();
                    assert!(export.at() >= at, "the applied index went back");
                    at = export.at();
                    assert!(storage.flushed(group) <= storage.applied(group).unwrap().index);
                }
            });
        }
    });
    let alone = Replica::new();
    for group in groups {
        alone.storage.apply(group, &log_of(group)).unwrap();
        let chunk = |replica: &Replica| {
            let mut export = replica.storage.export(group).unwrap();
            export.next_chunk(u32::MAX).unwrap()
        };
        assert_eq!(chunk(&replica), chunk(&alone));
    }
}
