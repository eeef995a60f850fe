//! Every power cut while a store is copied, by a checkpoint, a backup or a restore, and every way in
//! which what was not synced survives, on both disks at once.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use nori_env::BlockStore;
use nori_lsm::{Backups, Error, Log, Lsm, OpenMode, Options, WriteBatch, verify_store};
use norikv_testkit::{CrashDisk, CrashFault, SimEntropy, fates};
use norikv_types::Prng;

use crate::support::{dump, open, tiny};

type State = BTreeMap<Bytes, Bytes>;

/// What a run told its caller.
#[derive(Debug, Default, Clone)]
struct Told {
    /// Batches that were acknowledged, and that were begun.
    acknowledged: usize,
    begun: usize,
    /// States of the store of which a copy was acknowledged: the batches in each.
    copied: Vec<usize>,
    /// Pruning was begun.
    pruned: bool,
}

fn options() -> Options {
    Options {
        manifest_bytes: 400,
        log_segment_bytes: 1 << 10,
        batch_bytes_max: 256,
        ..tiny(Log::Inside)
    }
}

fn store(disk: &CrashDisk) -> Arc<dyn BlockStore> {
    Arc::new(disk.clone())
}

fn backups(disk: &CrashDisk, seed: u64) -> Backups {
    Backups::open_in(store(disk), Arc::new(SimEntropy::new(seed)))
}

fn content(lsm: &Lsm) -> State {
    dump(lsm, &lsm.snapshot()).unwrap().into_iter().collect()
}

/// The store after `batches`: each sets a key of its own and one of all, and takes one away.
fn state(batches: usize) -> State {
    let mut state = State::new();
    for number in 1..=batches {
        let value = Bytes::from(format!("batch {number} {}", "x".repeat(60)));
        state.insert(format!("k{number}").into(), value.clone());
        state.insert("all".into(), value);
        state.remove(format!("k{}", number.wrapping_sub(2)).as_bytes());
    }
    state
}

impl Told {
    fn write(&mut self, lsm: &Lsm) -> Result<(), Error> {
        self.begun += 1;
        let (number, after) = (self.begun, state(self.begun));
        let mut batch = WriteBatch::new();
        batch
            .put(format!("k{number}").as_bytes(), &after["all".as_bytes()])
            .put(b"all", &after["all".as_bytes()]);
        if let Some(old) = number.checked_sub(2) {
            batch.delete(format!("k{old}").as_bytes());
        }
        lsm.write(batch)?;
        self.acknowledged = self.begun;
        Ok(())
    }
}

type Run = fn(&CrashDisk, &CrashDisk, &mut Told) -> Result<(), Error>;
type Judge = fn(&CrashDisk, &CrashDisk, &Told, &str);

/// Cuts the power at every operation of `run` on either disk.
fn everywhere(run: Run, judge: Judge) {
    let mut checked = 0;
    for (unit, psow, recycle) in [(512, true, true), (256, false, false), (64, true, false)] {
        let pair = || {
            let disk = CrashDisk::new(unit, psow, recycle);
            let other = disk.beside();
            (disk, other)
        };
        let (whole, other) = pair();
        run(&whole, &other, &mut Told::default()).unwrap();
        for op in 0..whole.ops() {
            let (disk, other) = pair();
            disk.arm(op, CrashFault::PowerCut);
            let mut told = Told::default();
            let _ = run(&disk, &other, &mut told);
            assert!(!disk.armed(), "a run repeats");
            let mut prng = Prng::new(op);
            let own = disk.undecided();
            for fates in fates(own + other.undecided(), DRAWS, &mut prng) {
                checked += 1;
                let context =
                    format!("unit {unit} psow {psow} recycle {recycle} cut at {op} {fates:?}");
                let (disk, other) = (disk.crash_as(&fates[..own]), other.crash_as(&fates[own..]));
                judge(&disk, &other, &told, &context);
            }
        }
    }
    assert!(checked > 900, "{checked}");
}

/// The store that was copied is in a state that its caller may expect; returns it.
fn source(disk: &CrashDisk, told: &Told, context: &str) -> Lsm {
    let lsm = open(&store(disk), options(), 100).unwrap_or_else(|e| panic!("{context}: {e}"));
    let found = content(&lsm);
    let mut expected = told.acknowledged..=told.begun;
    assert!(
        expected.any(|batches| found == state(batches)),
        "{context}: {found:?}"
    );
    lsm
}

/// What was to be a copy of `state(batches)` is one, or does not open.
fn copy(disk: &CrashDisk, batches: usize, told: &Told, context: &str) {
    let read_only = Options {
        mode: OpenMode::ReadOnly,
        ..options()
    };
    match open(&store(disk), read_only, 101) {
        Ok(lsm) => assert_eq!(content(&lsm), state(batches), "{context}"),
        Err(error) => {
            assert!(told.copied.is_empty(), "{context}: acknowledged, {error}");
            return;
        }
    }
    let verified = verify_store(disk, None, &mut |_| ()).unwrap();
    assert!(verified.findings.is_empty(), "{context}: {verified:?}");
    let lsm = open(&store(disk), options(), 102).unwrap_or_else(|e| panic!("{context}: {e}"));
    assert_eq!(content(&lsm), state(batches), "{context}");
}

fn checkpointing(disk: &CrashDisk, target: &CrashDisk, told: &mut Told) -> Result<(), Error> {
    let lsm = open(&store(disk), options(), 1)?;
    told.write(&lsm)?;
    lsm.flush()?;
    told.write(&lsm)?;
    lsm.checkpoint_in(&store(target), &mut |_| ())?;
    told.copied.push(2);
    told.write(&lsm)
}

#[test]
fn a_checkpoint_that_is_cut_off_anywhere_is_whole_or_does_not_open() {
    everywhere(checkpointing, |disk, target, told, context| {
        drop(source(disk, told, context));
        copy(target, 2, told, context);
    });
}

fn backing_up(disk: &CrashDisk, other: &CrashDisk, told: &mut Told) -> Result<(), Error> {
    let (lsm, backups) = (open(&store(disk), options(), 1)?, backups(other, 2));
    for _ in 0..3 {
        told.write(&lsm)?;
        let taken = lsm.backup(&backups, &mut |_| ())?;
        assert_eq!(taken.number, told.acknowledged as u64);
        told.copied.push(told.acknowledged);
    }
    told.pruned = true;
    backups.prune(2).map(drop)
}

/// What generation `number` restores to.
fn restored(backups: &Backups, number: u64, context: &str) -> State {
    let target = store(&CrashDisk::new(512, true, false));
    backups
        .restore(number, &target, &mut |_| ())
        .unwrap_or_else(|e| panic!("{context}: generation {number}: {e}"));
    content(&open(&target, options(), 103).unwrap())
}

#[test]
fn a_backup_that_is_cut_off_anywhere_takes_nothing_from_those_before_it() {
    everywhere(backing_up, |disk, other, told, context| {
        let backups = backups(other, 104);
        let listed = backups.generations().unwrap();
        for generation in &listed {
            let batches = usize::try_from(generation.number).unwrap();
            let found = restored(&backups, generation.number, context);
            assert_eq!(found, state(batches), "{context}");
        }
        let kept = told.copied.len() - if told.pruned { 2 } else { told.copied.len() };
        for copied in &told.copied[kept..] {
            let is_listed = listed.iter().any(|it| it.number == *copied as u64);
            assert!(is_listed, "{context}: generation {copied} is not there");
        }
        // And the next one is as good.
        let lsm = source(disk, told, context);
        let next = lsm.backup(&backups, &mut |_| ());
        let next = next.unwrap_or_else(|e| panic!("{context}: {e}"));
        let found = restored(&backups, next.number, context);
        assert_eq!(found, content(&lsm), "{context}: the next");
    });
}

fn restoring(_: &CrashDisk, target: &CrashDisk, told: &mut Told) -> Result<(), Error> {
    // Restoring only reads them.
    let other = CrashDisk::new(512, true, false);
    backing_up(&other.beside(), &other, &mut Told::default())?;
    backups(&other, 3).restore(2, &store(target), &mut |_| ())?;
    told.copied.push(2);
    Ok(())
}

#[test]
fn a_restore_that_is_cut_off_anywhere_is_whole_or_does_not_open() {
    everywhere(restoring, |_, target, told, context| {
        copy(target, 2, told, context);
    });
}

const DRAWS: usize = 24;
