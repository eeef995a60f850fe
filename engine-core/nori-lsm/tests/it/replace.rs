//! Ranges that get a whole new content.

use bytes::Bytes;
use nori_lsm::{Error, Log, Lsm};

use crate::support::{dump, entries, forward, mem, open, tiny, work};

fn pair(key: &str, value: &str) -> (Bytes, Bytes) {
    (
        Bytes::copy_from_slice(key.as_bytes()),
        Bytes::copy_from_slice(value.as_bytes()),
    )
}

fn store() -> Lsm {
    let lsm = open(&mem(), tiny(Log::External), 1).unwrap();
    for key in ["a1", "b1", "b2", "b3", "c1", "d1", "d2", "e1"] {
        lsm.put(key.as_bytes(), b"old").unwrap();
    }
    lsm
}

fn ranges() -> [std::ops::Range<Bytes>; 2] {
    [
        Bytes::from("b")..Bytes::from("c"),
        Bytes::from("d")..Bytes::from("e"),
    ]
}

#[test]
fn the_ranges_hold_exactly_the_entries_and_other_keys_stay() {
    let lsm = store();
    let before = lsm.snapshot();
    let old = dump(&lsm, &before).unwrap();
    let new = vec![pair("b0", "new"), pair("b2", "new"), pair("d9", "new")];
    let seqno = lsm.replace_ranges(&ranges(), &mut entries(new)).unwrap();
    assert_eq!(lsm.visible_seqno(), seqno);
    let check = |lsm: &Lsm| {
        let all = dump(lsm, &lsm.snapshot()).unwrap();
        let expected = [
            pair("a1", "old"),
            pair("b0", "new"),
            pair("b2", "new"),
            pair("c1", "old"),
            pair("d9", "new"),
            pair("e1", "old"),
        ];
        assert_eq!(all, expected);
        assert_eq!(lsm.get(b"b1").unwrap(), None);
        assert_eq!(lsm.get(b"d2").unwrap(), None);
    };
    check(&lsm);
    assert_eq!(
        dump(&lsm, &before).unwrap(),
        old,
        "a snapshot keeps the old content"
    );
    work(&lsm).unwrap();
    check(&lsm);
    lsm.put(b"b1", b"newest").unwrap();
    lsm.delete(b"b2").unwrap();
    lsm.flush().unwrap();
    work(&lsm).unwrap();
    let b = forward(lsm.iter_prefix(b"b", &lsm.snapshot())).unwrap();
    assert_eq!(b, [pair("b0", "new"), pair("b1", "newest")]);
}

#[test]
fn a_replacement_survives_reopening_without_a_log() {
    let data = mem();
    let lsm = open(&data, tiny(Log::External), 1).unwrap();
    lsm.put(b"b1", b"old").unwrap();
    let new = vec![pair("b2", "new")];
    let seqno = lsm
        .replace_ranges(&ranges()[..1], &mut entries(new))
        .unwrap();
    drop(lsm);
    let lsm = open(&data, tiny(Log::External), 2).unwrap();
    assert_eq!(lsm.visible_seqno(), seqno);
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), [pair("b2", "new")]);
}

#[test]
fn an_empty_replacement_empties_the_ranges() {
    let lsm = store();
    lsm.replace_ranges(&ranges(), &mut entries(vec![])).unwrap();
    let left: Vec<_> = dump(&lsm, &lsm.snapshot()).unwrap();
    assert_eq!(
        left,
        [pair("a1", "old"), pair("c1", "old"), pair("e1", "old")]
    );
}

#[test]
fn entries_outside_the_ranges_or_out_of_order_are_refused_and_change_nothing() {
    let lsm = store();
    let before = dump(&lsm, &lsm.snapshot()).unwrap();
    for (bad, index) in [
        (vec![pair("a", "")], 0),
        (vec![pair("b1", ""), pair("c1", "")], 1),
        (vec![pair("b1", ""), pair("e", "")], 1),
        (vec![pair("b1", ""), pair("b1", "")], 1),
        (vec![pair("d1", ""), pair("b1", "")], 1),
    ] {
        let refused = lsm.replace_ranges(&ranges(), &mut entries(bad));
        assert_eq!(refused, Err(Error::BadEntry { index }));
        assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), before);
    }
    let mut given = 0;
    let failing = &mut || {
        given += 1;
        match given {
            1 => Ok(Some(pair("b1", "new"))),
            _ => Err(Error::Stalled),
        }
    };
    assert_eq!(lsm.replace_ranges(&ranges(), failing), Err(Error::Stalled));
    assert_eq!(dump(&lsm, &lsm.snapshot()).unwrap(), before);
}
