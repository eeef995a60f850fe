use alloc::vec;

use super::*;

pub(crate) fn table(level: u8, run: u64, number: u64, from: &str, to: &str) -> LiveTable {
    LiveTable {
        level,
        run,
        number,
        meta: TableMeta {
            uid: 0x1122_3344_5566_7788,
            size: 300,
            entries: 2,
            tombstones: 1,
            smallest: Bytes::copy_from_slice(from.as_bytes()),
            largest: Bytes::copy_from_slice(to.as_bytes()),
            seqno_min: SeqNo(5),
            seqno_max: SeqNo(130),
            footer_checksum: 0xaabb_ccdd,
        },
    }
}

fn example() -> VersionEdit {
    VersionEdit {
        next_table: 9,
        last_seqno: SeqNo(131),
        flushed_seqno: SeqNo(130),
        removed: vec![(0, 3), (1, 4)],
        added: vec![table(0, 2, 7, "a", "mm"), table(1, 0, 8, "b", "c")],
    }
}

#[test]
fn an_edit_is_read_back_and_every_truncation_is_refused() {
    let edit = example();
    let encoded = edit.encode();
    assert_eq!(VersionEdit::decode(&encoded).as_ref(), Some(&edit));
    for cut in 0..encoded.len() {
        assert_eq!(VersionEdit::decode(&encoded[..cut]), None, "cut at {cut}");
    }
    let mut longer = encoded;
    longer.push(0);
    assert_eq!(VersionEdit::decode(&longer), None);
}

#[test]
fn flipped_bits_never_panic() {
    let encoded = example().encode();
    for at in 0..encoded.len() {
        for bit in 0..8 {
            let mut bytes = encoded.clone();
            bytes[at] ^= 1 << bit;
            if let Some(edit) = VersionEdit::decode(&bytes) {
                assert_ne!(edit, example(), "bit {bit} of byte {at} has no meaning");
            }
        }
    }
}

#[test]
fn an_edit_that_does_not_fit_is_refused() {
    let mut set = LiveSet::default();
    let add = VersionEdit {
        added: vec![table(1, 0, 7, "a", "b")],
        ..VersionEdit::default()
    };
    set.apply(&add).unwrap();
    assert_eq!(set.clone().apply(&add), Err(Damage::Edit));
    let remove = VersionEdit {
        removed: vec![(2, 7)],
        ..VersionEdit::default()
    };
    assert_eq!(set.clone().apply(&remove), Err(Damage::Edit));
    let moved = VersionEdit {
        removed: vec![(1, 7)],
        added: vec![table(2, 0, 7, "a", "b")],
        ..VersionEdit::default()
    };
    set.apply(&moved).unwrap();
    assert_eq!(set.tables.keys().collect::<Vec<_>>(), [&(2, 7)]);
}

#[test]
fn a_set_is_rebuilt_by_its_own_edit() {
    let mut set = LiveSet::default();
    let mut edit = example();
    edit.removed.clear();
    set.apply(&edit).unwrap();
    let mut again = LiveSet::default();
    again.apply(&set.as_edit()).unwrap();
    assert_eq!(again, set);
    assert_eq!(set.next_run(), 3);
}
