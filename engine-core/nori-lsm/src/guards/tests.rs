use alloc::vec;

use nori_sstable::SeqNo;

use super::*;

fn key(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn meta(from: &str, to: &str, largest_is_exclusive: bool) -> TableMeta {
    TableMeta {
        uid: 1,
        size: 1,
        entries: 1,
        tombstones: 0,
        range_tombstones: 0,
        smallest: key(from),
        largest: key(to),
        largest_is_exclusive,
        seqno_min: SeqNo(1),
        seqno_max: SeqNo(1),
        footer_checksum: 0,
    }
}

fn range(from: &str, to: Option<&str>) -> KeyRange {
    KeyRange {
        from: key(from),
        to: to.map(key),
    }
}

#[test]
fn the_key_of_a_guard_belongs_to_its_right() {
    let slots = Slots::new(vec![key("g"), key("m")]);
    assert_eq!(slots.len(), 3);
    let of = |text: &str| slots.of(text.as_bytes());
    assert_eq!(
        [of(""), of("f"), of("g"), of("l"), of("m"), of("z")],
        [0, 0, 1, 1, 2, 2]
    );
    assert_eq!(slots.range(0..1), range("", Some("g")));
    assert_eq!(slots.range(1..3), range("g", None));
    assert_eq!(slots.of_range(&range("g", Some("m"))), 1..2);
    assert_eq!(slots.of_range(&range("f", Some("ma"))), 0..3);
}

#[test]
fn a_table_that_ends_at_a_guard_crosses_it_unless_its_end_is_exclusive() {
    let slots = Slots::new(vec![key("g")]);
    assert!(slots.cuts(&meta("a", "g", false)));
    assert!(!slots.cuts(&meta("a", "g", true)));
    assert!(!slots.cuts(&meta("g", "h", false)));
    assert!(slots.cuts(&meta("a", "h", true)));
}

#[test]
fn ranges_overlap_where_they_share_a_key() {
    let overlap = |a: &KeyRange, b: &KeyRange| {
        assert_eq!(a.overlaps(b), b.overlaps(a));
        a.overlaps(b)
    };
    assert!(!overlap(&range("", Some("g")), &range("g", None)));
    assert!(overlap(&range("", Some("h")), &range("g", None)));
    assert!(overlap(&range("", None), &range("g", Some("h"))));
    assert!(range("g", Some("k")).touches(&meta("a", "g", false)));
    assert!(!range("g", Some("k")).touches(&meta("a", "g", true)));
    assert!(!range("g", Some("k")).touches(&meta("k", "l", false)));
}

#[test]
fn a_guard_is_one_of_every_level_below_its_own() {
    let mut guards = BTreeMap::new();
    apply(&mut guards, &[(6, key("c")), (6, key("g")), (4, key("m"))]).unwrap();
    let slots = slots(&guards).map(|slots| slots.guards().len());
    assert_eq!(slots, [0, 0, 0, 1, 1, 3]);
    assert_eq!(
        apply(&mut guards.clone(), &[(6, key("m"))]),
        None,
        "no lower"
    );
    assert_eq!(
        apply(&mut guards.clone(), &[(0, key("x"))]),
        None,
        "not of level 0"
    );
    assert_eq!(
        apply(&mut guards.clone(), &[(GUARD_DROPPED, key("x"))]),
        None
    );
    apply(&mut guards, &[(5, key("c")), (GUARD_DROPPED, key("m"))]).unwrap();
    assert_eq!(guards.get(&key("c")), Some(&5));
    assert_eq!(guards.get(&key("m")), None);
}
