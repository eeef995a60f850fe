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
            range_tombstones: 0,
            smallest: Bytes::copy_from_slice(from.as_bytes()),
            largest: Bytes::copy_from_slice(to.as_bytes()),
            largest_is_exclusive: false,
            seqno_min: SeqNo(5),
            seqno_max: SeqNo(130),
            footer_checksum: 0xaabb_ccdd,
        },
        born: None,
        refs: vec![],
    }
}

fn example() -> VersionEdit {
    VersionEdit {
        log_from: Some(Lsn(300)),
        taken: None,
        next_table: 9,
        last_seqno: SeqNo(131),
        flushed_seqno: SeqNo(130),
        removed: vec![(0, 3), (1, 4)],
        added: vec![table(0, 2, 7, "a", "mm"), table(1, 0, 8, "b", "c")],
        guards: vec![(1, Bytes::from_static(b"m")), (3, Bytes::new())],
        keyspaces: vec![(2, "users".into())],
        dropped_keyspaces: vec![1],
        values: vec![],
    }
}

#[test]
fn an_edit_is_read_back_and_no_truncation_of_it_is() {
    let edit = example();
    let encoded = edit.encode();
    assert_eq!(VersionEdit::decode(&encoded).as_ref(), Some(&edit));
    for cut in 0..encoded.len() {
        // A cut between two fields leaves a shorter edit; the record around it has a length.
        assert_ne!(
            VersionEdit::decode(&encoded[..cut]).as_ref(),
            Some(&edit),
            "cut at {cut}"
        );
    }
    let mut longer = encoded;
    longer.push(0);
    assert_eq!(VersionEdit::decode(&longer), None);
}

#[test]
fn unknown_repeated_missing_and_unordered_fields_are_refused() {
    let number = |tag: u8| [tag, 1, 7];
    let edit = |tags: &[u8]| {
        let bytes: Vec<u8> = tags.iter().copied().flat_map(number).collect();
        VersionEdit::decode(&bytes)
    };
    assert!(edit(&[1, 2, 3]).is_some());
    for tags in [
        &[1, 2][..],
        &[2, 3],
        &[1, 1, 2, 3],
        &[1, 2, 3, 3],
        &[2, 1, 3],
    ] {
        assert_eq!(edit(tags), None, "fields {tags:?}");
    }
    let mut unknown = VersionEdit::default().encode();
    unknown.extend_from_slice(&[99, 0]);
    assert_eq!(VersionEdit::decode(&unknown), None);
    let [mut removed, mut added] = [VersionEdit::default(), VersionEdit::default()];
    removed.removed.push((0, 3));
    added.added.push(table(0, 2, 7, "a", "mm"));
    let empty = VersionEdit::default().encode().len();
    let mut swapped = added.encode();
    swapped.extend_from_slice(&removed.encode()[empty..]);
    assert_eq!(VersionEdit::decode(&swapped), None);
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
    let guard = |level| VersionEdit {
        guards: vec![(level, Bytes::from_static(b"m"))],
        ..VersionEdit::default()
    };
    assert_eq!(set.clone().apply(&guard(0)), Err(Damage::Edit));
    set.apply(&guard(3)).unwrap();
    assert_eq!(set.clone().apply(&guard(3)), Err(Damage::Edit));
    set.apply(&guard(2)).unwrap();
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

/// Written by the first version of this code; whatever comes later reads it and writes the same.
const GOLDEN: &[u8] = include_bytes!("../../tests/golden/edit-v1.bin");

#[test]
fn the_golden_edit_is_read_and_written_alike() {
    assert_eq!(VersionEdit::decode(GOLDEN), Some(example()));
    assert_eq!(example().encode(), GOLDEN);
}

/// Written by the first version that knew value files.
const GOLDEN_VALUES: &[u8] = include_bytes!("../../tests/golden/edit-values-v1.bin");

#[test]
fn the_golden_edit_with_value_files_is_read_and_written_alike() {
    assert_eq!(VersionEdit::decode(GOLDEN_VALUES), Some(pointing()));
    assert_eq!(pointing().encode(), GOLDEN_VALUES);
}

#[test]
fn what_is_said_of_the_age_of_tables_is_read_back_and_of_others_refused() {
    let mut edit = example();
    edit.added.push(table(2, 0, 9, "b", "c"));
    edit.added[1].born = Some(WallMs(u64::MAX));
    edit.added[2].born = Some(WallMs(0));
    let encoded = edit.encode();
    assert_eq!(VersionEdit::decode(&encoded).as_ref(), Some(&edit));
    let with = |fields: &[[u8; 4]]| {
        let edit = VersionEdit {
            added: vec![table(0, 2, 7, "a", "mm"), table(1, 0, 8, "b", "c")],
            ..VersionEdit::default()
        };
        VersionEdit::decode(&[edit.encode(), fields.concat()].concat())
    };
    let born = |number: u8| [11, 2, number, 5];
    assert!(with(&[born(7), born(8)]).is_some());
    assert!(with(&[born(8)]).is_some());
    assert_eq!(with(&[born(9)]), None, "a table that is not added");
    assert_eq!(with(&[born(7), born(7)]), None, "twice");
    assert_eq!(with(&[born(8), born(7)]), None, "not in their order");
}

fn values(uid: u64) -> ValueFileMeta {
    ValueFileMeta {
        uid,
        size: 1100,
        data_bytes: 1000,
        values: 3,
        footer_checksum: 0x0102_0304,
    }
}

/// Two tables that point into two value files.
fn pointing() -> VersionEdit {
    let mut edit = VersionEdit {
        added: vec![
            table(0, 2, 7, "a", "mm"),
            table(1, 0, 8, "b", "c"),
            table(1, 0, 9, "d", "e"),
        ],
        values: vec![(5, values(50)), (6, values(60))],
        ..VersionEdit::default()
    };
    edit.added[0].refs = vec![(5, 400), (6, 300)];
    edit.added[2].refs = vec![(5, 600)];
    edit.added[2].born = Some(WallMs(3));
    edit
}

#[test]
fn what_tables_point_to_is_read_back_and_anything_else_refused() {
    let edit = pointing();
    let encoded = edit.encode();
    assert_eq!(VersionEdit::decode(&encoded).as_ref(), Some(&edit));
    let with = |fields: &[&[u8]]| {
        let edit = VersionEdit {
            added: vec![table(0, 2, 7, "a", "mm"), table(1, 0, 8, "b", "c")],
            ..VersionEdit::default()
        };
        VersionEdit::decode(&[edit.encode(), fields.concat()].concat())
    };
    let of = |table: u8| [10, 3, table, 5, 40];
    assert!(with(&[&of(7), &of(8)]).is_some());
    assert!(with(&[&[10, 5, 8, 5, 40, 6, 40]]).is_some());
    assert_eq!(with(&[&of(9)]), None, "a table that is not added");
    assert_eq!(with(&[&of(7), &of(7)]), None, "twice");
    assert_eq!(with(&[&of(8), &of(7)]), None, "not in their order");
    assert_eq!(with(&[&[10, 1, 7]]), None, "no file");
    assert_eq!(with(&[&[10, 5, 8, 6, 40, 5, 40]]), None, "files descend");
    assert_eq!(with(&[&[10, 5, 8, 5, 40, 5, 40]]), None, "a file twice");
}

#[test]
fn a_value_file_is_live_from_the_first_table_that_points_into_it_to_the_last() {
    let mut set = LiveSet::default();
    set.apply(&pointing()).unwrap();
    let referenced = |set: &LiveSet| {
        let values = set.values.iter();
        values
            .map(|(number, known)| (*number, known.referenced))
            .collect::<Vec<_>>()
    };
    assert_eq!(referenced(&set), [(5, 1000), (6, 300)]);
    assert_eq!(set.bytes(), 3 * 300 + 2 * 1100);
    assert!(set.names(ObjectId::values(5)) && !set.names(ObjectId::values(7)));
    let mut again = LiveSet::default();
    again.apply(&set.as_edit()).unwrap();
    assert_eq!(again, set);

    // The only table that points into file 6 changes its level.
    let mut moved = VersionEdit {
        removed: vec![(0, 7)],
        added: vec![table(2, 0, 7, "a", "mm")],
        ..VersionEdit::default()
    };
    moved.added[0].refs = vec![(5, 400), (6, 300)];
    set.apply(&moved).unwrap();
    assert_eq!(referenced(&set), [(5, 1000), (6, 300)]);
    let remove = |key| VersionEdit {
        removed: vec![key],
        ..VersionEdit::default()
    };
    set.apply(&remove((2, 7))).unwrap();
    assert_eq!(referenced(&set), [(5, 600)]);
    set.apply(&remove((1, 9))).unwrap();
    assert_eq!(referenced(&set), []);
}

#[test]
fn value_files_that_do_not_fit_are_refused() {
    let refused = |change: &dyn Fn(&mut VersionEdit)| {
        let mut edit = pointing();
        change(&mut edit);
        assert_eq!(LiveSet::default().apply(&edit), Err(Damage::Edit));
    };
    refused(&|edit| edit.values.truncate(1));
    refused(&|edit| edit.values.push((10, values(70))));
    refused(&|edit| edit.values.push((5, values(70))));
    refused(&|edit| edit.added[2].refs[0].1 = u64::MAX);
    refused(&|edit| edit.values[0].1.data_bytes = 1101);
    refused(&|edit| edit.values[0].1.size = u64::MAX);
    refused(&|edit| edit.values[0].0 = ObjectId::NUMBER_MAX);
}

#[test]
fn tables_in_the_wrong_place_are_refused_at_opening() {
    let check = |tables: &[LiveTable], guard: Option<&'static [u8]>| {
        let mut set = LiveSet::default();
        let edit = VersionEdit {
            added: tables.to_vec(),
            guards: guard
                .map(|key| (2, Bytes::from_static(key)))
                .into_iter()
                .collect(),
            ..VersionEdit::default()
        };
        set.apply(&edit).unwrap();
        crate::levels::check(&set)
    };
    let a_to_m = |level, lane, number| table(level, lane, number, "a", "m");
    assert_eq!(check(&[a_to_m(2, 0, 1), a_to_m(2, 1, 2)], None), Ok(()));
    assert_eq!(
        check(&[a_to_m(0, 5, 1), a_to_m(0, 9, 2)], Some(b"c")),
        Ok(())
    );
    assert_eq!(
        check(&[a_to_m(1, 0, 1)], Some(b"c")),
        Ok(()),
        "a guard of level 2"
    );
    let misplaced = Err(Damage::Misplaced);
    assert_eq!(
        check(&[a_to_m(2, 0, 1)], Some(b"c")),
        misplaced,
        "over a guard"
    );
    assert_eq!(
        check(&[a_to_m(3, 0, 1)], Some(b"c")),
        misplaced,
        "over one from above"
    );
    assert_eq!(check(&[a_to_m(2, 1, 1)], None), misplaced, "no lane 0");
    let gap = [a_to_m(2, 0, 1), a_to_m(2, 2, 2)];
    assert_eq!(check(&gap, None), misplaced, "no lane 1");
    let overlap = [a_to_m(2, 0, 1), table(2, 0, 2, "m", "z")];
    assert_eq!(check(&overlap, None), Err(Damage::Overlap));
}
