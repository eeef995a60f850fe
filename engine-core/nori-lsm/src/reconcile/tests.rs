use alloc::collections::BTreeMap;
use alloc::vec;

use super::*;
use crate::{CompactionFilter, KeyspaceOptions, MergeOperator, MergeRefused};

/// Appends; refuses an operand `!`.
#[derive(Debug)]
struct Append;

impl MergeOperator for Append {
    fn merge(&self, _: &[u8], older: Option<&[u8]>, newer: &[u8]) -> Result<Vec<u8>, MergeRefused> {
        match newer {
            b"!" => Err(MergeRefused(1)),
            _ => Ok([older.unwrap_or_default(), newer].concat()),
        }
    }
}

/// Removes values that begin with `x`, makes those that begin with `y` a `z`.
#[derive(Debug)]
struct Letters;

impl CompactionFilter for Letters {
    fn filter(&self, key: &[u8], value: &[u8]) -> FilterDecision {
        assert_eq!(key, b"key", "keys come without the prefix");
        match value.first() {
            Some(b'x') => FilterDecision::Remove,
            Some(b'y') => FilterDecision::Change(b"z".to_vec()),
            _ => FilterDecision::Keep,
        }
    }
}

const PUT: ValueKind = ValueKind::Put;
const MERGE: ValueKind = ValueKind::Merge;
const EXPIRING: ValueKind = ValueKind::Expiring;
const TOMBSTONE: ValueKind = ValueKind::Tombstone;
const NOW: WallMs = WallMs(100);
const KEY: &[u8] = b"\0\0key";

fn expiring(at: u64, value: &[u8]) -> Vec<u8> {
    [&at.to_le_bytes()[..], value].concat()
}

fn rules() -> Arc<Rules> {
    let options = KeyspaceOptions {
        merge_operator: Some(Arc::new(Append)),
        compaction_filter: Some(Arc::new(Letters)),
        ttl: None,
    };
    Arc::new(Rules {
        keyspaces: BTreeMap::from([(0, options)]),
        closing: [7].into(),
        dropped: [7].into(),
    })
}

fn decide(
    by: By,
    covering: Option<u64>,
    is_below: bool,
    versions: &[(u64, ValueKind, &[u8])],
) -> Vec<(u64, ValueKind, Vec<u8>)> {
    let mut reconcile = Reconcile::new(rules(), NOW, by, Arc::default());
    reconcile.begin(KEY, covering.map(SeqNo));
    for (seqno, kind, value) in versions {
        if reconcile.wants(SeqNo(*seqno)) {
            reconcile.add(SeqNo(*seqno), *kind, value);
        }
    }
    let kept = reconcile.end(|_| is_below).unwrap();
    assert!(kept.iter().all(|(key, _)| key.user == KEY));
    kept.iter()
        .map(|(key, value)| (key.seqno.0, key.kind, value.to_vec()))
        .collect()
}

fn compacted(
    is_below: bool,
    versions: &[(u64, ValueKind, &[u8])],
) -> Vec<(u64, ValueKind, Vec<u8>)> {
    decide(By::Compaction, None, is_below, versions)
}

#[test]
fn the_newest_put_shadows_everything_older() {
    let versions: [(_, _, &[u8]); 3] = [(9, PUT, b"c"), (8, TOMBSTONE, b""), (7, PUT, b"a")];
    for is_below in [false, true] {
        assert_eq!(compacted(is_below, &versions), [(9, PUT, b"c".to_vec())]);
    }
}

#[test]
fn a_tombstone_stays_while_something_may_lie_below() {
    let versions: [(_, _, &[u8]); 2] = [(8, TOMBSTONE, b""), (7, PUT, b"a")];
    assert_eq!(compacted(true, &versions), [(8, TOMBSTONE, vec![])]);
    assert_eq!(compacted(false, &versions), []);
}

#[test]
fn operands_are_merged_onto_their_value_in_the_order_of_writing() {
    let versions: [(_, _, &[u8]); 4] = [
        (9, MERGE, b"c"),
        (8, MERGE, b"b"),
        (7, PUT, b"a"),
        (6, PUT, b"old"),
    ];
    assert_eq!(compacted(true, &versions), [(9, PUT, b"abc".to_vec())]);
}

#[test]
fn operands_without_a_value_stay_operands_while_something_may_lie_below() {
    let versions: [(_, _, &[u8]); 2] = [(9, MERGE, b"c"), (8, MERGE, b"b")];
    assert_eq!(compacted(true, &versions), [(9, MERGE, b"bc".to_vec())]);
    assert_eq!(compacted(false, &versions), [(9, PUT, b"bc".to_vec())]);
    let on_tombstone: [(_, _, &[u8]); 2] = [(9, MERGE, b"c"), (8, TOMBSTONE, b"")];
    assert_eq!(compacted(true, &on_tombstone), [(9, PUT, b"c".to_vec())]);
}

#[test]
fn operands_that_the_operator_refuses_are_kept_with_their_value() {
    let versions: [(_, _, &[u8]); 3] = [(9, MERGE, b"!"), (8, MERGE, b"b"), (7, PUT, b"a")];
    let kept = compacted(false, &versions);
    assert_eq!(
        kept,
        versions.map(|(seqno, kind, value)| (seqno, kind, value.to_vec()))
    );
}

#[test]
fn an_expired_value_becomes_a_tombstone_and_uncovers_nothing() {
    let gone = expiring(NOW.0, b"v");
    let versions: [(_, _, &[u8]); 2] = [(9, EXPIRING, &gone), (8, PUT, b"old")];
    for by in [By::Flush, By::Compaction] {
        assert_eq!(decide(by, None, true, &versions), [(9, TOMBSTONE, vec![])]);
        assert_eq!(decide(by, None, false, &versions), []);
    }
    let alive = expiring(NOW.0 + 1, b"v");
    assert_eq!(
        compacted(true, &[(9, EXPIRING, &alive)]),
        [(9, EXPIRING, alive)]
    );
}

#[test]
fn operands_do_not_expire_with_the_value_under_them() {
    let alive = expiring(NOW.0 + 1, b"v");
    let versions: [(_, _, &[u8]); 3] = [(9, MERGE, b"c"), (8, MERGE, b"b"), (7, EXPIRING, &alive)];
    assert_eq!(
        compacted(false, &versions),
        [(9, MERGE, b"bc".to_vec()), (7, EXPIRING, alive.clone())]
    );
    let gone = expiring(NOW.0, b"v");
    let versions: [(_, _, &[u8]); 2] = [(9, MERGE, b"c"), (7, EXPIRING, &gone)];
    assert_eq!(compacted(true, &versions), [(9, PUT, b"c".to_vec())]);
}

#[test]
fn what_a_range_tombstone_covers_goes_and_what_is_newer_stays() {
    let versions: [(_, _, &[u8]); 3] = [(9, MERGE, b"c"), (7, PUT, b"a"), (5, PUT, b"b")];
    assert_eq!(
        decide(By::Flush, Some(8), true, &versions),
        [(9, PUT, b"c".to_vec())]
    );
    assert_eq!(decide(By::Flush, Some(10), true, &versions), []);
    assert_eq!(
        decide(By::Flush, Some(6), true, &versions),
        [(9, PUT, b"ac".to_vec())]
    );
}

#[test]
fn the_filter_removes_and_changes_at_compactions_only() {
    assert_eq!(
        compacted(true, &[(9, PUT, b"x1")]),
        [(9, TOMBSTONE, vec![])]
    );
    assert_eq!(compacted(false, &[(9, PUT, b"x1"), (8, PUT, b"a")]), []);
    assert_eq!(
        compacted(true, &[(9, PUT, b"y1")]),
        [(9, PUT, b"z".to_vec())]
    );
    let changed = expiring(200, b"z");
    assert_eq!(
        compacted(true, &[(9, EXPIRING, &expiring(200, b"y"))]),
        [(9, EXPIRING, changed)]
    );
    assert_eq!(
        decide(By::Flush, None, true, &[(9, PUT, b"x1")]),
        [(9, PUT, b"x1".to_vec())]
    );
}

#[test]
fn keys_of_a_dropped_keyspace_go() {
    let mut reconcile = Reconcile::new(rules(), NOW, By::Flush, Arc::default());
    reconcile.begin(b"\0\x07key", None);
    assert!(!reconcile.wants(SeqNo(1)));
    assert!(reconcile.end(|_| true).unwrap().is_empty());
}
