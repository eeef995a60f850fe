use std::collections::BTreeSet;

use super::*;

#[test]
fn the_ranges_of_groups_lie_apart_and_hold_all_of_each() {
    let groups = [GroupId(0), GroupId(1), GroupId(255), GroupId(u32::MAX)];
    let mut keys = BTreeSet::new();
    for group in groups {
        let own = [
            group_key(group),
            slot_key(group, 0),
            slot_key(group, u32::MAX),
        ];
        assert!(own.is_sorted(), "{group}");
        for key in own {
            for other in groups {
                let range = metadata_range(other);
                assert_eq!(range.contains(&key), other == group, "{key:?} in {other}");
            }
            assert!(!data_range(&(ShardId(0)..ShardId(1024))).contains(&key));
            assert!(keys.insert(key));
        }
    }
}

#[test]
fn a_shard_holds_every_key_and_no_other_shard() {
    for key in [b"".as_slice(), b"\0", b"\xff\xff\xff\xff", b"hello"] {
        let stored = data_key(ShardId(1023), key);
        assert_eq!(user_key(&stored), key);
        assert_eq!(shard_in(&stored), Some(ShardId(1023)));
        assert!(data_range(&(ShardId(1023)..ShardId(1024))).contains(&stored));
        assert!(!data_range(&(ShardId(0)..ShardId(1023))).contains(&stored));
    }
}

#[test]
fn metadata_stands_in_no_shard() {
    for stored in [group_key(GroupId(2)), slot_key(GroupId(0), 9)] {
        assert_eq!(shard_in(&stored), None);
    }
    assert_eq!(shard_in(&[2, 1]), None);
}

#[test]
fn the_layout_is_as_written() {
    assert_eq!(group_key(GroupId(7)), [1, 0, 0, 0, 7, 0].as_slice());
    let slot = slot_key(GroupId(0x0102_0304), 0x102);
    assert_eq!(slot, [1, 1, 2, 3, 4, 1, 0, 0, 1, 2].as_slice());
    assert!(slots_range(GroupId(0x0102_0304)).contains(&slot));
    assert!(!slots_range(GroupId(0x0102_0304)).contains(&group_key(GroupId(0x0102_0304))));
    let data = data_key(ShardId(0x102), b"k");
    assert_eq!(data, [2, 1, 2, b'k'].as_slice());
}

#[test]
fn the_successor_is_the_lowest_key_above_the_prefix() {
    assert_eq!(successor(b""), None);
    assert_eq!(successor(b"\xff\xff"), None);
    assert_eq!(successor(b"a").as_deref(), Some(b"b".as_slice()));
    assert_eq!(successor(b"a\xff\xff").as_deref(), Some(b"b".as_slice()));
    let next = successor(b"\xff\xfe\xff");
    assert_eq!(next.as_deref(), Some(b"\xff\xff".as_slice()));
}
