//! Where tables end.

use std::sync::Arc;

use bytes::Bytes;
use nori_env::{BlockStore, ObjectKind};
use nori_lsm::{Compaction, Log, Lsm, Options, TableInfo, TableOptions, inspect_manifest};
use norikv_types::Prng;

use crate::support::{mem, open, small, work};

fn options() -> Options {
    Options {
        memtable_bytes: 1 << 20,
        compaction: Compaction::Leveled,
        table: TableOptions {
            block_bytes: 256,
            ..TableOptions::default()
        },
        ..small(Log::External)
    }
}

fn live(store: &Arc<dyn BlockStore>) -> Vec<TableInfo> {
    let listed = store.list().unwrap();
    let manifest = listed.iter().rfind(|id| id.kind == ObjectKind::Manifest);
    let object = store.open(*manifest.unwrap()).unwrap();
    inspect_manifest(&*object).unwrap().1
}

fn fill(lsm: &Lsm, from: u32, step: usize) {
    let mut prng = Prng::new(u64::from(from));
    for number in (from..600).step_by(step) {
        let value: Vec<_> = (0..8).flat_map(|_| prng.next_u64().to_le_bytes()).collect();
        lsm.put(format!("key {number:05}").as_bytes(), &value)
            .unwrap();
    }
}

#[test]
fn a_flush_is_cut_where_slots_of_the_level_below_end() {
    let store = mem();
    let options = Options {
        level_base_bytes: 1 << 20,
        ..options()
    };
    let lsm = open(&store, options, 1).unwrap();
    fill(&lsm, 0, 1);
    lsm.flush().unwrap();
    fill(&lsm, 0, 2);
    lsm.compact_range(b"", None).unwrap();
    work(&lsm).unwrap();
    let below = live(&store);
    let levels: Vec<_> = below.iter().map(|table| table.level).collect();
    assert!(
        below.len() > 4 && levels.iter().all(|level| *level == 6),
        "{levels:?}"
    );
    fill(&lsm, 0, 3);
    lsm.flush().unwrap();
    let all = live(&store);
    let fresh: Vec<_> = all.iter().filter(|table| table.level == 0).collect();
    assert!(fresh.len() > 2, "{} tables", fresh.len());
    assert_eq!(lsm.stats().levels[0].runs, 1);
    // None lies over many below, and a part of them can be compacted alone.
    let over = |table: &TableInfo| {
        let (from, to) = (&table.meta.smallest, &table.meta.largest);
        below
            .iter()
            .filter(|below| below.meta.overlaps(from, to))
            .count()
    };
    assert!(fresh.iter().all(|table| over(table) < below.len() / 2));
    let mut job = lsm.next_job();
    while let Some(working) = &mut job {
        while working.step(1 << 20).unwrap() == nori_lsm::JobState::More {}
        job = lsm.next_job();
    }
}

#[test]
fn tables_end_where_keyspaces_end() {
    let store = mem();
    let lsm = open(&store, options(), 1).unwrap();
    let spaces = ["one", "two", "three"].map(|name| lsm.keyspace(name).unwrap());
    let check = |what: &str, level: u8| {
        let tables = live(&store);
        assert!(tables.iter().any(|table| table.level == level), "{what}");
        for table in &tables {
            let id = |key: &Bytes| u16::from_be_bytes(*key.first_chunk().unwrap());
            let (from, to) = (id(&table.meta.smallest), id(&table.meta.largest));
            let is_end = table.meta.largest_is_exclusive && table.meta.largest.len() == 2;
            assert!(
                from == to || (is_end && from + 1 == to),
                "{what}: table {} of level {} is over {from} to {to}",
                table.number,
                table.level
            );
        }
    };
    for round in 0..3 {
        fill(&lsm, round, 3);
        for space in &spaces {
            for number in 0..60 {
                space
                    .put(format!("{number:04}").as_bytes(), &[7; 60])
                    .unwrap();
            }
            space.delete_range(b"0010", b"0020").unwrap();
            space.delete_range(b"", b"0001").unwrap();
        }
        lsm.flush().unwrap();
        check("flushed", 0);
    }
    lsm.compact_range(b"", None).unwrap();
    spaces[1].compact_range(b"", None).unwrap();
    work(&lsm).unwrap();
    check("compacted", 6);
    lsm.drop_keyspace("two").unwrap();
    lsm.flush().unwrap();
    check("one is dropped", 6);
}
