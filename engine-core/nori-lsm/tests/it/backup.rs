//! Checkpoints, backups and what is restored from them.

use std::sync::Arc;

use bytes::Bytes;
use nori_env::{BlockStore, IoErrorKind, IoOp, MemStore, ObjectKind, Owner};
use nori_lsm::{Backups, Error, Generation, Log, Lsm, Options};
use norikv_testkit::{FailPoint, SimDisk, SimEntropy};
use norikv_types::{Prng, WallMs};

use crate::support::{disk, dump, mem, open, tiny, work};

type Content = Vec<(Bytes, Bytes)>;

fn own(store: &Arc<dyn BlockStore>) -> Options {
    tiny(Log::Own(Arc::clone(store)))
}

/// A store with `count` keys.
fn filled(count: u32) -> (Arc<dyn BlockStore>, Lsm) {
    let store = mem();
    let lsm = open(&store, own(&store), 1).unwrap();
    fill(&lsm, 0, count);
    (store, lsm)
}

fn fill(lsm: &Lsm, from: u32, to: u32) {
    for number in from..to {
        lsm.put(
            format!("key {number:04}").as_bytes(),
            &number.to_be_bytes().repeat(8),
        )
        .unwrap();
    }
    work(lsm).unwrap();
}

fn content(lsm: &Lsm) -> Content {
    dump(lsm, &lsm.snapshot()).unwrap()
}

fn reopened(store: &Arc<dyn BlockStore>) -> Content {
    let lsm = open(store, own(store), 9).unwrap();
    content(&lsm)
}

fn backups(store: &Arc<dyn BlockStore>, seed: u64) -> Backups {
    Backups::open_in(Arc::clone(store), Arc::new(SimEntropy::new(seed)))
}

fn numbers(generations: &[Generation]) -> Vec<u64> {
    generations.iter().map(|it| it.number).collect()
}

#[test]
fn a_checkpoint_opens_as_a_store_and_the_two_go_their_own_ways() {
    let (_, lsm) = filled(200);
    let before = content(&lsm);
    let target: Arc<dyn BlockStore> = mem();
    let mut reports = Vec::new();
    let seqno = lsm
        .checkpoint_in(&target, &mut |it| reports.push(it))
        .unwrap();
    assert_eq!(seqno, lsm.visible_seqno());
    let last = reports.last().unwrap();
    assert_eq!((last.done, reports.len() > 3), (last.total, true));
    assert!(reports.is_sorted_by_key(|it| it.done));
    fill(&lsm, 200, 300);

    let second = open(&target, own(&target), 2);
    assert!(second.is_err(), "it is locked by who made it");
    let target = unlocked(&target);
    let second = open(&target, own(&target), 2).unwrap();
    assert_eq!(content(&second), before);
    assert_eq!(second.visible_seqno(), seqno);
    second.put(b"another", b"way").unwrap();
    second.flush().unwrap();
    work(&second).unwrap();
    assert_eq!(lsm.get(b"another").unwrap(), None);
    assert_eq!(content(&lsm).len(), 300);
}

/// The same objects in a store that nobody holds.
pub(crate) fn unlocked(store: &Arc<dyn BlockStore>) -> Arc<dyn BlockStore> {
    let copy = MemStore::with_geometry(store.geometry());
    for id in store.list().unwrap() {
        let object = store.open(id).unwrap();
        let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
        object.read_at(0, &mut bytes).unwrap();
        let object = copy.create(id, None).unwrap();
        object.append(0, &[&bytes]).unwrap();
        object.sync().unwrap();
    }
    Arc::new(copy)
}

#[test]
fn a_checkpoint_of_a_directory_links_its_tables() {
    use std::os::unix::fs::MetadataExt;
    let root = tempfile::tempdir().unwrap();
    let options = || Options {
        owner: None,
        ..tiny(Log::Inside)
    };
    let lsm = Lsm::open(root.path().join("store"), options()).unwrap();
    for number in 0..200_u32 {
        lsm.put(&number.to_be_bytes(), &[7; 40]).unwrap();
    }
    let path = root.path().join("checkpoint");
    lsm.checkpoint(&path).unwrap();
    let before = content(&lsm);
    let tables = std::fs::read_dir(&path).unwrap().map(|it| it.unwrap());
    let tables: Vec<_> = tables
        .filter(|it| it.file_name().to_str().unwrap().ends_with(".sst"))
        .collect();
    assert!(!tables.is_empty());
    assert!(tables.iter().any(|it| it.metadata().unwrap().nlink() == 2));

    // What the first store deletes stays with the checkpoint.
    for number in 0..200_u32 {
        lsm.delete(&number.to_be_bytes()).unwrap();
    }
    lsm.flush().unwrap();
    lsm.settle().unwrap();
    let second = Lsm::open(&path, options()).unwrap();
    assert_eq!(content(&second), before);
    assert_eq!(lsm.checkpoint(&path).unwrap_err().to_string(), fenced());
    drop(second);
    assert_eq!(lsm.checkpoint(&path).unwrap_err(), Error::NotEmpty);
    let own = lsm.checkpoint(root.path().join("store")).unwrap_err();
    assert_eq!(own.to_string(), fenced(), "not onto itself");
}

fn fenced() -> String {
    nori_env::IoError::store(IoErrorKind::Fenced, IoOp::Acquire).to_string()
}

#[test]
fn generations_share_tables_and_each_restores_what_was_there() {
    let (_, lsm) = filled(150);
    let store = mem();
    let backups = backups(&store, 3);
    let mut contents = Vec::new();
    for round in 0..4 {
        let generation = lsm.backup(&backups, &mut |_| ()).unwrap();
        assert_eq!(generation.number, round + 1);
        contents.push(content(&lsm));
        fill(
            &lsm,
            1_000 + 5 * u32::try_from(round).unwrap(),
            1_005 + 5 * u32::try_from(round).unwrap(),
        );
    }
    let generations = backups.generations().unwrap();
    assert_eq!(numbers(&generations), [1, 2, 3, 4]);
    let later = &generations[1..];
    assert!(
        later.iter().all(|it| it.added_bytes < it.bytes),
        "{generations:?}"
    );
    let idle = lsm.backup(&backups, &mut |_| ()).unwrap();
    let again = lsm.backup(&backups, &mut |_| ()).unwrap();
    assert_eq!((idle.seqno, again.added_bytes), (again.seqno, 0));

    let restore_all = |numbers: &[u64]| {
        for number in numbers {
            backups.verify(*number, &mut |_| ()).unwrap();
            let target = mem();
            backups.restore(*number, &target, &mut |_| ()).unwrap();
            let expected = &contents[usize::try_from(number - 1).unwrap()];
            assert_eq!(
                &reopened(&unlocked(&target)),
                expected,
                "generation {number}"
            );
        }
    };
    restore_all(&[1, 2, 3, 4]);
    let tables = || {
        let listed = store.list().unwrap().into_iter();
        listed.filter(|id| id.kind == ObjectKind::Table).count()
    };
    let before = tables();
    let pruned = backups.prune(4).unwrap();
    assert_eq!(pruned.generations, [1, 2]);
    assert_eq!(before - tables(), usize::try_from(pruned.tables).unwrap());
    restore_all(&[3, 4]);
    assert_eq!(
        backups.verify(1, &mut |_| ()).unwrap_err(),
        Error::NoBackup { number: 1 }
    );
    assert_eq!(lsm.backup(&backups, &mut |_| ()).unwrap().number, 7);
    assert_eq!(backups.prune(0).unwrap().generations, [3, 4, 5, 6, 7]);
    assert_eq!(store.list().unwrap(), []);
}

/// Takes a backup, changes the store, and then has something happen to the second backup.
fn second_backup(
    context: &str,
    happen: impl Fn(&SimDisk),
    check: impl Fn(&Arc<dyn BlockStore>, &[u64]),
) -> bool {
    let (_, lsm) = filled(60);
    let (sim, store) = disk();
    lsm.backup(&backups(&store, 1), &mut |_| ()).unwrap();
    let first = content(&lsm);
    fill(&lsm, 60, 90);
    let second = content(&lsm);
    happen(&sim);
    let taken = lsm.backup(&backups(&store, 1), &mut |_| ());
    sim.clear_failures();
    sim.crash(&mut Prng::new(1));

    let all = backups(&store, 2);
    let good = numbers(&all.generations().unwrap());
    assert!(good.starts_with(&[1]), "{context}: {good:?}");
    assert!(taken.is_err() || good.contains(&2), "{context}: {good:?}");
    check(&store, &good);
    for (number, expected) in good.iter().zip([&first, &second]) {
        let target = mem();
        all.restore(*number, &target, &mut |_| ())
            .unwrap_or_else(|error| panic!("{context}: generation {number}: {error}"));
        assert_eq!(&reopened(&unlocked(&target)), expected, "{context}");
    }
    // The next one is as good as any, and what was left behind is cleaned up.
    let next = lsm.backup(&all, &mut |_| ()).unwrap();
    let pruned = all.prune(1).unwrap();
    assert!(!pruned.generations.contains(&next.number), "{context}");
    let target = mem();
    all.restore(next.number, &target, &mut |_| ()).unwrap();
    assert_eq!(reopened(&unlocked(&target)), second, "{context}");
    let left = store.list().unwrap();
    let tables = left
        .iter()
        .filter(|id| id.kind == ObjectKind::Table)
        .count();
    assert_eq!(tables as u64, next.tables, "{context}");
    taken.is_ok()
}

#[test]
fn a_backup_that_a_crash_cuts_off_leaves_the_older_ones_good() {
    let mut outcomes = [0, 0];
    for cut in 0..80 {
        let context = format!("cut {cut}");
        let done = second_backup(&context, |sim| sim.power_off_after(cut), |_, _| ());
        outcomes[usize::from(done)] += 1;
    }
    assert!(outcomes[0] > 10 && outcomes[1] > 5, "{outcomes:?}");
}

#[test]
fn a_backup_without_room_or_whose_sync_fails_leaves_the_older_ones_good() {
    let mut failed = 0;
    for (op, kind) in [
        (IoOp::Append, IoErrorKind::NoSpace),
        (IoOp::Append, IoErrorKind::Other),
        (IoOp::Create, IoErrorKind::NoSpace),
        (IoOp::Sync, IoErrorKind::SyncFailed),
        (IoOp::Barrier, IoErrorKind::SyncFailed),
        (IoOp::Read, IoErrorKind::Media),
    ] {
        for skip in 0..14 {
            let context = format!("{kind:?} at {op} {skip}");
            let fail = |sim: &SimDisk| sim.fail(FailPoint::nth(op, skip, kind));
            failed += u32::from(!second_backup(&context, fail, |_, _| ()));
        }
    }
    assert!(failed > 20, "{failed} backups failed");
}

#[test]
fn damage_in_the_store_or_on_the_way_is_noticed_when_the_backup_is_taken() {
    let (sim, store) = disk();
    let lsm = open(&store, own(&store), 1).unwrap();
    fill(&lsm, 0, 60);
    lsm.flush().unwrap();
    work(&lsm).unwrap();
    let table = store.list().unwrap();
    let table = *table
        .iter()
        .rfind(|id| id.kind == ObjectKind::Table)
        .unwrap();
    assert!(sim.flip_bit(table, 20 * 8 + 3));
    let target = mem();
    let all = backups(&target, 1);
    let error = lsm.backup(&all, &mut |_| ()).unwrap_err();
    assert!(error.to_string().contains(&table.to_string()), "{error}");
    assert_eq!(all.generations().unwrap(), []);
    assert_eq!(target.list().unwrap(), [], "nothing is left behind");
}

#[test]
fn a_damaged_generation_is_not_restored_and_names_what_is_damaged() {
    let (_, lsm) = filled(60);
    let (sim, store) = disk();
    let all = backups(&store, 1);
    lsm.backup(&all, &mut |_| ()).unwrap();
    let listed = store.list().unwrap();
    for id in listed {
        let len = store.open(id).unwrap().len().unwrap();
        for byte in (0..len).step_by(37) {
            assert!(sim.flip_bit(id, byte * 8 + 1));
            let target = mem();
            if let Err(error) = all.restore(1, &target, &mut |_| ()) {
                assert!(
                    error.to_string().contains(&id.to_string()),
                    "{id} {byte}: {error}"
                );
                assert_eq!(target.list().unwrap(), [], "{id} {byte}");
            } else {
                // The seal behind the manifest's record says nothing that matters here.
                assert_eq!(id.kind, ObjectKind::Manifest, "byte {byte}");
                assert_eq!(reopened(&unlocked(&target)), content(&lsm));
            }
            assert!(sim.flip_bit(id, byte * 8 + 1));
        }
    }
    all.verify(1, &mut |_| ()).unwrap();
}

#[test]
fn nothing_is_restored_over_what_is_there() {
    let (live, lsm) = filled(30);
    let store = mem();
    let all = backups(&store, 1);
    lsm.backup(&all, &mut |_| ()).unwrap();
    let before = content(&lsm);
    let refused = all.restore(1, &live, &mut |_| ()).unwrap_err();
    assert!(matches!(refused, Error::Io(error) if error.kind == IoErrorKind::Fenced));
    drop(lsm);
    let closed = unlocked(&live);
    assert_eq!(all.restore(1, &closed, &mut |_| ()), Err(Error::NotEmpty));
    assert_eq!(reopened(&unlocked(&live)), before);
    let missing = all.restore(7, &mem(), &mut |_| ());
    assert_eq!(missing, Err(Error::NoBackup { number: 7 }));
}

#[test]
fn two_cannot_write_backups_at_once() {
    let (_, lsm) = filled(10);
    let store = mem();
    store.acquire(Owner(77)).unwrap();
    let all = backups(&store, 1);
    for refused in [
        lsm.backup(&all, &mut |_| ()).map(|_| ()),
        all.prune(1).map(|_| ()),
    ] {
        assert!(matches!(refused, Err(Error::Io(error)) if error.kind == IoErrorKind::Fenced));
    }
    assert_eq!(all.generations().unwrap(), [], "but anybody may look");
}

#[test]
fn pruning_that_a_crash_cuts_off_keeps_what_is_to_be_kept() {
    let mut outcomes = [0, 0];
    for cut in 0..30 {
        let (_, lsm) = filled(60);
        let (sim, store) = disk();
        let all = backups(&store, 1);
        for round in 0..3 {
            lsm.backup(&all, &mut |_| ()).unwrap();
            fill(&lsm, round, round + 20);
        }
        let expected = {
            let target = mem();
            all.restore(3, &target, &mut |_| ()).unwrap();
            reopened(&unlocked(&target))
        };
        sim.power_off_after(cut);
        outcomes[usize::from(all.prune(1).is_ok())] += 1;
        sim.crash(&mut Prng::new(cut));
        let all = backups(&store, 2);
        for generation in all.generations().unwrap() {
            all.verify(generation.number, &mut |_| ())
                .unwrap_or_else(|error| panic!("cut {cut}, {generation:?}: {error}"));
        }
        let target = mem();
        all.restore(3, &target, &mut |_| ()).unwrap();
        assert_eq!(reopened(&unlocked(&target)), expected, "cut {cut}");
        all.prune(1).unwrap();
        assert_eq!(numbers(&all.generations().unwrap()), [3], "cut {cut}");
    }
    assert!(outcomes[0] > 2 && outcomes[1] > 2, "{outcomes:?}");
}

#[test]
fn keyspaces_deleted_ranges_and_ends_of_values_are_restored_too() {
    let store = mem();
    let clock = WallMs(1_000);
    let lsm = open(&store, own(&store), 1).unwrap();
    let users = lsm.keyspace("users").unwrap();
    let gone = lsm.keyspace("gone").unwrap();
    for number in 0..40_u32 {
        users.put(&number.to_be_bytes(), &[7; 30]).unwrap();
        gone.put(&number.to_be_bytes(), &[7; 30]).unwrap();
    }
    users
        .delete_range(&10_u32.to_be_bytes(), &20_u32.to_be_bytes())
        .unwrap();
    lsm.put_expiring(b"later", b"value", clock).unwrap();
    lsm.drop_keyspace("gone").unwrap();
    let names = lsm.keyspaces();
    assert!(!names.iter().any(|name| **name == *"gone"), "{names:?}");
    let target = mem();
    let all = backups(&target, 1);
    lsm.backup(&all, &mut |_| ()).unwrap();
    let restored = mem();
    all.restore(1, &restored, &mut |_| ()).unwrap();
    let checkpoint = mem();
    lsm.checkpoint_in(&checkpoint, &mut |_| ()).unwrap();
    for copy in [restored, checkpoint] {
        let copy = unlocked(&copy);
        let lsm = open(&copy, own(&copy), 2).unwrap();
        assert!(lsm.verify(&mut |_| ()).unwrap().findings.is_empty());
        assert_eq!(lsm.keyspaces(), names);
        let users = lsm.keyspace("users").unwrap();
        let snapshot = lsm.snapshot();
        let mut cursor = users.cursor(&snapshot);
        let mut count = 0;
        let mut valid = cursor.first().unwrap();
        while valid {
            count += 1;
            valid = cursor.next().unwrap();
        }
        assert_eq!(count, 30);
        assert_eq!(lsm.get(b"later").unwrap().unwrap(), "value");
    }
}
