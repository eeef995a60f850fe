use std::sync::Arc;

use bytes::Bytes;
use nori_lsm::{Log, SeqNo, WriteBatch};

use crate::support::{backward, dump, forward, mem, open, small, work};

fn key(number: u32) -> Vec<u8> {
    format!("key{number:05}").into_bytes()
}

#[test]
fn what_was_written_is_read_before_and_after_flush_compaction_and_reopening() {
    let (data, log) = (mem(), mem());
    let lsm = open(&data, small(Log::Own(Arc::clone(&log))), 1).unwrap();
    for round in 0..4_u32 {
        for number in 0..200 {
            lsm.put(
                &key(number),
                format!("value {round} of {number}").as_bytes(),
            )
            .unwrap();
        }
        for number in (0..200).step_by(7) {
            lsm.delete(&key(number)).unwrap();
        }
        work(&lsm).unwrap();
    }
    let check = |lsm: &nori_lsm::Lsm| {
        for number in 0..200 {
            let expected = (number % 7 != 0).then(|| format!("value 3 of {number}"));
            let got = lsm.get(&key(number)).unwrap();
            assert_eq!(got.as_deref(), expected.as_deref().map(str::as_bytes));
        }
        let snapshot = lsm.snapshot();
        let all = dump(lsm, &snapshot).unwrap();
        assert_eq!(all.len(), 200 - 29);
        assert_eq!(backward(lsm.iter(.., &snapshot)).unwrap(), all);
    };
    check(&lsm);
    let stats = lsm.stats();
    assert!(stats.flushes > 4 && stats.compactions > 2, "{stats:?}");
    assert!(stats.levels[6].tables > 0, "{stats:?}");
    let seqno = lsm.visible_seqno();
    drop(lsm);

    let lsm = open(&data, small(Log::Own(log)), 2).unwrap();
    assert_eq!(lsm.visible_seqno(), seqno);
    check(&lsm);
    lsm.flush().unwrap();
    work(&lsm).unwrap();
    assert_eq!(lsm.flushed_seqno(), seqno);
    check(&lsm);
}

#[test]
fn without_a_log_the_flushed_prefix_survives() {
    let data = mem();
    let lsm = open(&data, small(Log::External), 1).unwrap();
    lsm.put(b"a", b"1").unwrap();
    assert_eq!(lsm.flushed_seqno(), SeqNo(0));
    lsm.flush().unwrap();
    assert_eq!(lsm.flushed_seqno(), SeqNo(1));
    lsm.put(b"b", b"2").unwrap();
    assert_eq!(lsm.flushed_seqno(), SeqNo(1));
    drop(lsm);
    let lsm = open(&data, small(Log::External), 2).unwrap();
    assert_eq!(lsm.visible_seqno(), SeqNo(1));
    assert_eq!(lsm.get(b"a").unwrap().unwrap(), "1");
    assert_eq!(lsm.get(b"b").unwrap(), None);
}

#[test]
fn a_snapshot_shows_the_store_as_it_was_whatever_happens_to_its_tables() {
    let data = mem();
    let lsm = open(&data, small(Log::External), 1).unwrap();
    for number in 0..100 {
        lsm.put(&key(number), b"old").unwrap();
    }
    let snapshot = lsm.snapshot();
    let before = dump(&lsm, &snapshot).unwrap();
    for _ in 0..3 {
        for number in 0..100 {
            lsm.put(&key(number), b"new").unwrap();
            lsm.delete(&key(number / 2)).unwrap();
        }
        lsm.flush().unwrap();
        work(&lsm).unwrap();
    }
    assert_eq!(dump(&lsm, &snapshot).unwrap(), before);
    assert_eq!(lsm.get_at(&key(3), &snapshot).unwrap().unwrap(), "old");
    assert_eq!(lsm.get(&key(3)).unwrap(), None);

    let tables =
        |lsm: &nori_lsm::Lsm| -> u32 { lsm.stats().levels.iter().map(|level| level.tables).sum() };
    let stored = || data.list().unwrap().len();
    assert!(
        stored() > tables(&lsm) as usize + 1,
        "the snapshot holds tables"
    );
    drop(snapshot);
    work(&lsm).unwrap();
    assert_eq!(stored(), tables(&lsm) as usize + 1, "tables and a manifest");
}

#[test]
fn a_batch_is_one_write_and_its_last_word_counts() {
    let lsm = open(&mem(), small(Log::External), 1).unwrap();
    let mut batch = WriteBatch::new();
    batch
        .put(b"a", b"1")
        .delete(b"a")
        .put(b"b", b"2")
        .put(b"b", b"3");
    assert_eq!(lsm.write(batch).unwrap(), SeqNo(4));
    assert_eq!(lsm.get(b"a").unwrap(), None);
    assert_eq!(lsm.get(b"b").unwrap().unwrap(), "3");
    assert_eq!(lsm.write(WriteBatch::new()).unwrap(), SeqNo(4));
}

#[test]
fn ranges_and_prefixes_have_exact_bounds() {
    let lsm = open(&mem(), small(Log::External), 1).unwrap();
    let keys: [&[u8]; 6] = [b"a", b"a\0", b"a\xff", b"a\xff\xff", b"b", b"\xff\xff"];
    for (index, key) in keys.iter().enumerate() {
        lsm.put(key, &[u8::try_from(index).unwrap()]).unwrap();
        if index == 2 {
            lsm.flush().unwrap();
        }
    }
    let snapshot = lsm.snapshot();
    let of = |pairs: Vec<(Bytes, Bytes)>| -> Vec<u8> { pairs.iter().map(|(_, v)| v[0]).collect() };
    let both = |iter: &dyn Fn() -> nori_lsm::Iter| {
        let all = of(forward(iter()).unwrap());
        assert_eq!(of(backward(iter()).unwrap()), all);
        all
    };
    let bytes = |key: &'static [u8]| Bytes::from_static(key);
    assert_eq!(
        both(&|| lsm.iter(bytes(b"a")..bytes(b"b"), &snapshot)),
        [0, 1, 2, 3]
    );
    assert_eq!(
        both(&|| lsm.iter(bytes(b"a\0")..=bytes(b"b"), &snapshot)),
        [1, 2, 3, 4]
    );
    assert_eq!(both(&|| lsm.iter(..bytes(b"a\xff"), &snapshot)), [0, 1]);
    assert_eq!(both(&|| lsm.iter_prefix(b"a\xff", &snapshot)), [2, 3]);
    assert_eq!(both(&|| lsm.iter_prefix(b"\xff", &snapshot)), [5]);
    assert_eq!(
        both(&|| lsm.iter_prefix(b"", &snapshot)),
        [0, 1, 2, 3, 4, 5]
    );
    assert_eq!(both(&|| lsm.iter_prefix(b"c", &snapshot)), [0_u8; 0]);

    let mut iter = lsm.iter(.., &snapshot);
    let mut ends = Vec::new();
    while let Some((_, value)) = iter.next().unwrap() {
        ends.push(value[0]);
        ends.extend(iter.prev().unwrap().map(|(_, value)| value[0]));
    }
    assert_eq!(ends, [0, 5, 1, 4, 2, 3], "the ends stop where they meet");
    assert_eq!(iter.prev().unwrap(), None);
}

#[test]
fn a_scan_passes_the_many_versions_of_a_key_in_every_snapshot() {
    let data = mem();
    let lsm = open(&data, small(Log::External), 1).unwrap();
    let write = |number: u32, version: u32| {
        let value = version.to_string();
        lsm.put(&key(number), value.as_bytes()).unwrap();
    };
    for number in 0..5 {
        write(number, 0);
    }
    lsm.flush().unwrap();
    let mut snapshots = vec![(0, lsm.snapshot())];
    for version in 1..=100 {
        // Keys 1 and 3 are hot; one of them is also the last that is written.
        write(1, version);
        write(3, version);
        if [1, 7, 8, 9, 10, 50, 100].contains(&version) {
            snapshots.push((version, lsm.snapshot()));
        }
    }
    for (version, snapshot) in &snapshots {
        let expected: Vec<_> = (0..5)
            .map(|number| {
                let version = if number % 2 == 1 { *version } else { 0 };
                (Bytes::from(key(number)), Bytes::from(version.to_string()))
            })
            .collect();
        assert_eq!(forward(lsm.iter(.., snapshot)).unwrap(), expected);
        assert_eq!(backward(lsm.iter(.., snapshot)).unwrap(), expected);
    }
}

/// Found by the exhaustive runs: the batch that empties a keyspace was refused, since nobody may
/// write to one that is being dropped.
#[test]
fn a_dropped_keyspace_is_gone_and_its_name_may_be_given_again() {
    let store = mem();
    let lsm = open(&store, small(Log::Own(store.clone())), 1).unwrap();
    let side = lsm.keyspace("side").unwrap();
    side.put(b"key", b"old").unwrap();
    assert!(lsm.drop_keyspace("side").unwrap());
    assert!(!lsm.drop_keyspace("side").unwrap());
    assert!(side.put(b"key", b"late").is_err());
    assert!(lsm.keyspaces().iter().all(|name| **name != *"side"));
    let side = lsm.keyspace("side").unwrap();
    assert_eq!(side.get(b"key").unwrap(), None);
    side.put(b"key", b"new").unwrap();
    drop((side, lsm));
    let lsm = open(&store, small(Log::Own(store.clone())), 2).unwrap();
    let side = lsm.keyspace("side").unwrap();
    assert_eq!(side.get(b"key").unwrap().unwrap(), "new");
}
