//! Looking whether everything is what was written.

use std::sync::Arc;
use std::time::Duration;

use nori_env::{BlockStore, Clock, IoErrorKind, IoOp, ObjectId, ObjectKind};
use nori_lsm::{
    Backups, Error, JobKind, JobState, Log, Lsm, ManifestContent, Options, Verified,
    inspect_manifest, verify_store,
};
use norikv_testkit::{DiskOptions, FailPoint, SimDisk, SimEntropy, VirtualClock};
use norikv_types::{Prng, WallMs};

use crate::support::{disk, open, tiny, work};

fn own(store: &Arc<dyn BlockStore>) -> Options {
    tiny(Log::Own(Arc::clone(store)))
}

/// A store with several tables, edits in its manifest and records in its log.
fn filled() -> (SimDisk, Arc<dyn BlockStore>, Lsm) {
    let (sim, store) = disk();
    let lsm = open(&store, own(&store), 1).unwrap();
    for number in 0..80_u32 {
        lsm.put(&(number * 7 % 50).to_be_bytes(), &[7; 30]).unwrap();
        work(&lsm).unwrap();
    }
    lsm.put(b"last", b"in the log").unwrap();
    (sim, store, lsm)
}

fn listed(store: &Arc<dyn BlockStore>, kind: ObjectKind) -> Vec<ObjectId> {
    let mut ids = store.list().unwrap();
    ids.retain(|id| id.kind == kind);
    ids
}

fn offline(store: &Arc<dyn BlockStore>) -> Verified {
    verify_store(&**store, Some(&**store), &mut |_| ()).unwrap()
}

#[test]
fn a_sound_store_is_read_whole_while_it_is_open_and_when_it_is_not() {
    let (sim, store, lsm) = filled();
    let mut reports = Vec::new();
    let live = lsm.verify(&mut |it| reports.push(it)).unwrap();
    assert_eq!(live.findings, []);
    assert!(reports.is_sorted_by_key(|it| it.done));
    assert!(reports.iter().all(|it| it.done <= it.total));
    let tables = listed(&store, ObjectKind::Table).len();
    assert!(tables > 2 && live.objects > tables as u64, "{live:?}");
    lsm.close().unwrap();
    drop(lsm);
    sim.restart();
    let before = sim.counters().mutations;
    let found = offline(&store);
    assert_eq!(found.findings, []);
    let bytes = |id: &ObjectId| store.open(*id).unwrap().len().unwrap();
    let all: u64 = store.list().unwrap().iter().map(bytes).sum();
    assert_eq!((found.bytes, found.orphans), (all, 0));
    assert_eq!(sim.counters().mutations, before);
}

#[test]
fn every_flipped_byte_of_a_closed_store_is_found_where_it_is() {
    let (sim, store, lsm) = filled();
    lsm.close().unwrap();
    drop(lsm);
    sim.restart();
    let mut found = 0;
    for id in store.list().unwrap() {
        let len = store.open(id).unwrap().len().unwrap();
        let step = if id.kind == ObjectKind::Log { 97 } else { 3 };
        for byte in (0..len).step_by(step) {
            assert!(sim.flip_bit(id, byte * 8 + byte % 8));
            let verified = offline(&store);
            for finding in &verified.findings {
                found += 1;
                let text = finding.to_string();
                assert_eq!(finding.object, id, "byte {byte}: {text}");
                assert!(finding.start <= byte, "byte {byte}: {text}");
                assert!(
                    finding.end.is_none_or(|end| byte < end),
                    "byte {byte}: {text}"
                );
            }
            if id.kind == ObjectKind::Table {
                assert_eq!(verified.findings.len(), 1, "{id}, byte {byte}");
            }
            assert!(sim.flip_bit(id, byte * 8 + byte % 8));
        }
    }
    assert!(found > 200, "{found} findings");
    assert_eq!(offline(&store).findings, []);
}

#[test]
fn every_damaged_block_of_a_table_is_told_of() {
    let sim = SimDisk::new(DiskOptions::default());
    let store: Arc<dyn BlockStore> = Arc::new(sim.clone());
    let options = Options {
        memtable_bytes: 1 << 20,
        ..tiny(Log::External)
    };
    let lsm = open(&store, options, 1).unwrap();
    for number in 0..1_000_u32 {
        let value = Prng::new(u64::from(number)).next_u64();
        lsm.put(
            format!("key {number:05}").as_bytes(),
            &value.to_le_bytes().repeat(8),
        )
        .unwrap();
    }
    lsm.flush().unwrap();
    drop(lsm);
    sim.restart();
    let [table] = listed(&store, ObjectKind::Table)[..] else {
        panic!("one table")
    };
    let bytes = store.open(table).unwrap().len().unwrap();
    let places: Vec<u64> = (0..3).map(|part| bytes * part / 4 + 100).collect();
    for place in &places {
        assert!(sim.flip_bit(table, place * 8));
    }
    let found = verify_store(&*store, None, &mut |_| ()).unwrap().findings;
    let starts: Vec<_> = found.iter().map(|finding| finding.start).collect();
    assert_eq!(starts.len(), places.len(), "{found:?}");
    for (start, place) in starts.iter().zip(&places) {
        assert!(
            start <= place && *place < start + (8 << 10),
            "{starts:?} {places:?}"
        );
    }
}

#[test]
fn damage_to_several_objects_is_told_of_each_and_of_a_missing_one() {
    let (sim, store, lsm) = filled();
    let tables = listed(&store, ObjectKind::Table);
    let [first, second, ..] = tables[..] else {
        panic!("{tables:?}")
    };
    assert!(sim.flip_bit(first, 100));
    assert!(sim.break_sector(second, 0));
    let damaged: Vec<_> = lsm.verify(&mut |_| ()).unwrap().findings;
    let damaged: Vec<_> = damaged.iter().map(|finding| finding.object).collect();
    assert_eq!(damaged.len(), 2);
    assert!(damaged.contains(&first) && damaged.contains(&second));
    drop(lsm);
    sim.restart();
    store.delete(first).unwrap();
    let found = offline(&store).findings;
    assert!(
        found
            .iter()
            .any(|it| it.object == first && it.to_string().contains("missing")),
        "{found:?}"
    );
}

#[test]
fn a_store_that_does_not_open_is_verified_as_far_as_it_goes() {
    let (sim, store, lsm) = filled();
    drop(lsm);
    sim.restart();
    for manifest in listed(&store, ObjectKind::Manifest) {
        assert!(sim.flip_bit(manifest, 9));
    }
    assert!(open(&store, own(&store), 2).is_err());
    let found = offline(&store).findings;
    assert!(
        found
            .iter()
            .any(|it| it.object.kind == ObjectKind::Manifest),
        "{found:?}"
    );
    for manifest in listed(&store, ObjectKind::Manifest) {
        store.delete(manifest).unwrap();
    }
    let table = listed(&store, ObjectKind::Table)[0];
    assert!(sim.flip_bit(table, 8 * 30));
    let found = offline(&store).findings;
    assert!(
        found.iter().any(|it| it.object == table),
        "each by itself: {found:?}"
    );
    let found = offline(&store).findings;
    assert!(
        found
            .iter()
            .any(|it| it.object.kind == ObjectKind::Manifest),
        "{found:?}"
    );
    let empty = crate::support::mem();
    let refused = verify_store(&*empty, None, &mut |_| ());
    assert_eq!(refused, Err(Error::NoStore));
}

#[test]
fn what_the_host_fails_to_do_is_an_error_and_no_finding() {
    let (sim, _, lsm) = filled();
    sim.fail(FailPoint::nth(IoOp::Read, 3, IoErrorKind::Other));
    let failed = lsm.verify(&mut |_| ());
    assert!(failed.is_err(), "{failed:?}");
    assert_eq!(lsm.verify(&mut |_| ()).unwrap().findings, []);
}

#[test]
fn a_manifest_is_taken_apart_byte_by_byte_whole_or_damaged() {
    let (sim, store, lsm) = filled();
    let live: u32 = lsm.stats().levels.iter().map(|level| level.tables).sum();
    let [id] = listed(&store, ObjectKind::Manifest)[..] else {
        panic!("one manifest")
    };
    let object = store.open(id).unwrap();
    let (parts, tables) = inspect_manifest(&*object).unwrap();
    assert_eq!(tables.len(), live as usize);
    assert_eq!(parts.last().unwrap().end, object.len().unwrap());
    assert!(
        parts.windows(2).all(|pair| pair[0].end == pair[1].start),
        "{parts:?}"
    );
    assert!(matches!(parts[0].what, ManifestContent::Head { .. }));
    assert!(matches!(parts[1].what, ManifestContent::Base(_)));
    assert!(
        parts
            .iter()
            .any(|part| matches!(part.what, ManifestContent::Edit(_)))
    );

    for (index, part) in parts.iter().enumerate() {
        let byte = part.start + Prng::new(part.start).below(part.end - part.start);
        assert!(sim.flip_bit(id, byte * 8));
        let (damaged, _) = inspect_manifest(&*object).unwrap();
        let bad = damaged
            .iter()
            .find(|it| matches!(it.what, ManifestContent::Bad(_) | ManifestContent::Torn));
        let bad = bad.unwrap_or_else(|| panic!("byte {byte} of {part:?}"));
        assert!(bad.start <= byte && byte < bad.end, "byte {byte}: {bad:?}");
        let is_last = index + 1 == parts.len();
        assert_eq!(
            bad.what == ManifestContent::Torn,
            is_last,
            "byte {byte}: {bad:?}"
        );
        assert!(sim.flip_bit(id, byte * 8));
    }
}

#[test]
fn the_scrub_finds_damage_keeps_to_its_rate_and_yields_to_other_work() {
    let sim = SimDisk::new(DiskOptions {
        recycle: false,
        ..DiskOptions::default()
    });
    let store: Arc<dyn BlockStore> = Arc::new(sim.clone());
    let clock = Arc::new(VirtualClock::new(WallMs(0)));
    let options = Options {
        scrub_bytes_per_second: 256 << 10,
        ..own(&store)
    };
    let entropy = Arc::new(SimEntropy::new(1));
    let lsm = Lsm::open_in(Arc::clone(&store), clock.clone(), entropy, options).unwrap();
    assert_eq!(lsm.next_due(), None, "there is nothing to read");
    for number in 0..80_u32 {
        lsm.put(&number.to_be_bytes(), &[7; 30]).unwrap();
    }
    lsm.flush().unwrap();
    // Other work first; then one piece, here a whole table, a second.
    let mut kinds = Vec::new();
    while let Some(mut job) = lsm.next_job() {
        kinds.push(job.kind());
        while job.step(1 << 20).unwrap() == JobState::More {}
    }
    let scrubs = kinds.iter().filter(|kind| **kind == JobKind::Scrub).count();
    assert_eq!(
        (kinds.last(), scrubs),
        (Some(&JobKind::Scrub), 1),
        "{kinds:?}"
    );
    let levels = lsm.stats().levels;
    let tables: u32 = levels.iter().map(|level| level.tables).sum();
    assert_eq!(lsm.scrubbed().tables, 1);
    let due = lsm.next_due().unwrap();
    let pass = |passes| {
        while lsm.scrubbed().passes < passes {
            assert!(lsm.next_job().is_none(), "not before it is due");
            clock.advance(Duration::from_secs(1));
            let mut job = lsm.next_job().unwrap();
            assert_eq!(job.kind(), JobKind::Scrub);
            assert_eq!(job.step(1).unwrap(), JobState::Done);
        }
    };
    assert_eq!(due.since(clock.now()), Duration::from_secs(1));
    pass(1);
    assert_eq!(lsm.scrubbed().findings, []);
    assert!(lsm.scrubbed().tables > u64::from(tables));

    let live = listed(&store, ObjectKind::Table);
    let damaged = live[live.len() / 2];
    assert!(sim.flip_bit(damaged, 8 * 20));
    pass(4);
    let findings = lsm.scrubbed().findings;
    let objects: Vec<_> = findings.iter().map(|finding| finding.object).collect();
    assert_eq!(objects, [damaged], "told once");
    assert!(lsm.settle().is_ok(), "it is nobody's failure");
}

#[test]
fn backups_are_verified_all_together() {
    let (_, _, lsm) = filled();
    let (sim, store) = {
        let sim = SimDisk::new(DiskOptions::default());
        (sim.clone(), Arc::new(sim) as Arc<dyn BlockStore>)
    };
    let backups = Backups::open_in(Arc::clone(&store), Arc::new(SimEntropy::new(1)));
    lsm.backup(&backups, &mut |_| ()).unwrap();
    lsm.put(b"more", b"of it").unwrap();
    lsm.backup(&backups, &mut |_| ()).unwrap();
    let sound = verify_store(&*store, None, &mut |_| ()).unwrap();
    assert_eq!((&sound.findings[..], sound.orphans), (&[][..], 0));
    for id in store.list().unwrap() {
        assert!(sim.flip_bit(id, 17 * 8));
        let found = verify_store(&*store, None, &mut |_| ()).unwrap().findings;
        assert!(
            found.iter().any(|finding| finding.object == id),
            "{id}: {found:?}"
        );
        assert!(sim.flip_bit(id, 17 * 8));
    }
}
