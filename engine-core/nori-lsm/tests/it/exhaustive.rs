//! Every crash point of small runs of the whole store, and every way in which what was not synced
//! survives: all subsets of up to ten units and names, beyond that every prefix, single and
//! complement, and seeded draws ([`fates`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use nori_env::{BlockStore, ObjectId, ObjectKind};
use nori_lsm::{
    DEFAULT_KEYSPACE, Error, KeyspaceOptions, Log, Lsm, MergeOperator, MergeRefused, Options,
    WriteBatch,
};
use norikv_testkit::{CrashDisk, CrashFault, SimEntropy, UnitFate, VirtualClock, fates};
use norikv_types::{Prng, WallMs};

use crate::support::{dump, tiny, work};

mod scripts;

use scripts::{delete, everything, ingesting, long, put, short};

type State = BTreeMap<Bytes, Bytes>;

/// One step of a run.
#[derive(Debug, Clone)]
enum Step {
    /// A batch: keys, and values or deletions.
    Write(Vec<(&'static str, Option<String>)>),
    /// A batch of everything that there is, in two keyspaces.
    Batch(Vec<Op>),
    DropSide,
    Compact,
    Ingest(Vec<(&'static str, String)>),
    Rotate,
    /// All background work that there is.
    Work,
    Flush,
    Reopen,
    Close,
}

/// One write of a batch; the first field says whether it goes to the other keyspace.
#[derive(Debug, Clone)]
enum Op {
    Put(bool, &'static str, &'static str),
    Delete(bool, &'static str),
    Range(bool, &'static str, &'static str),
    Merge(bool, &'static str, &'static str),
    /// A value that ends; whether it has ended already.
    Expiring(bool, &'static str, &'static str, bool),
}

/// Appends.
#[derive(Debug)]
struct Append;

impl MergeOperator for Append {
    fn merge(&self, _: &[u8], older: Option<&[u8]>, newer: &[u8]) -> Result<Vec<u8>, MergeRefused> {
        Ok([older.unwrap_or_default(), newer].concat())
    }
}

/// A key of the model.
fn name(side: bool, key: &str) -> Bytes {
    Bytes::from(format!("{}{key}", if side { "side:" } else { "" }))
}

fn apply(state: &mut State, op: &Op) {
    match *op {
        Op::Put(side, key, value) | Op::Expiring(side, key, value, false) => {
            state.insert(name(side, key), value.into());
        }
        Op::Delete(side, key) | Op::Expiring(side, key, _, true) => {
            state.remove(&name(side, key));
        }
        Op::Range(side, from, to) => {
            let range = name(side, from)..name(side, to);
            state.retain(|key, _| key.starts_with(b"side:") != side || !range.contains(key));
        }
        Op::Merge(side, key, operand) => {
            let value = state.entry(name(side, key)).or_default();
            *value = [value, operand.as_bytes()].concat().into();
        }
    }
}

/// What a run told its caller.
#[derive(Debug, Default, Clone, Copy)]
struct Told {
    /// Changes that were acknowledged, and that were begun.
    acknowledged: usize,
    begun: usize,
}

/// A run, and the state after each of its changes.
struct Script {
    steps: Vec<Step>,
    /// Values lie in value files.
    separates: bool,
    states: Vec<State>,
}

impl Script {
    fn new(steps: Vec<Step>) -> Self {
        let mut states = vec![State::new()];
        for step in &steps {
            let mut state = states.last().unwrap().clone();
            let mut set = |key: &str, value: Option<&String>| match value {
                Some(value) => {
                    drop(state.insert(Bytes::from(key.to_owned()), value.clone().into()));
                }
                None => drop(state.remove(key.as_bytes())),
            };
            match step {
                Step::Write(batch) => batch
                    .iter()
                    .for_each(|(key, value)| set(key, value.as_ref())),
                Step::Ingest(pairs) => pairs.iter().for_each(|(key, value)| set(key, Some(value))),
                Step::Batch(ops) => ops.iter().for_each(|op| apply(&mut state, op)),
                Step::DropSide => state.retain(|key, _| !key.starts_with(b"side:")),
                _ => continue,
            }
            states.push(state);
        }
        Self {
            steps,
            states,
            separates: false,
        }
    }

    fn separated(self) -> Self {
        Self {
            separates: true,
            ..self
        }
    }

    fn options(&self) -> Options {
        match self.separates {
            true => Options {
                value_separation: Some(1),
                ..options()
            },
            false => options(),
        }
    }

    /// Runs it, asking again `patience` times where a change fails.
    fn run(
        &self,
        disk: &CrashDisk,
        seed: u64,
        told: &mut Told,
        patience: u32,
    ) -> Result<(), Error> {
        let store: Arc<dyn BlockStore> = Arc::new(disk.clone());
        let again = |action: &mut dyn FnMut() -> Result<(), Error>| {
            let mut left = patience;
            loop {
                match action() {
                    Err(_) if left > 0 => left -= 1,
                    other => return other,
                }
            }
        };
        let mut lsm = None;
        again(&mut || open(&store, self.options(), seed).map(|opened| lsm = Some(opened)))?;
        for (number, step) in (0..).zip(&self.steps) {
            let open_now = lsm.as_ref().unwrap();
            match step {
                Step::Write(_) | Step::Ingest(_) | Step::Batch(_) | Step::DropSide => {
                    told.begun += 1;
                    again(&mut || change(open_now, step))?;
                    told.acknowledged = told.begun;
                }
                Step::Rotate => open_now.rotate(),
                // A job that fails takes nothing with it.
                Step::Work => drop(work(open_now)),
                Step::Compact => drop(open_now.compact_range(b"", None)),
                Step::Flush => again(&mut || open_now.flush())?,
                Step::Close => again(&mut || open_now.close())?,
                Step::Reopen => {
                    lsm = None;
                    let seed = seed + number;
                    again(&mut || {
                        open(&store, self.options(), seed).map(|opened| lsm = Some(opened))
                    })?;
                }
            }
        }
        Ok(())
    }

    /// Which of the states that the caller may expect `lsm` is in.
    fn state_of(&self, lsm: &Lsm, told: Told, context: &str) -> State {
        let found = everything_of(lsm).unwrap();
        let expected = &self.states[told.acknowledged..=told.begun];
        assert!(
            expected.contains(&found),
            "{context}: {found:?} where {expected:?} was told"
        );
        for (key, value) in &found {
            let got = match key.strip_prefix(b"side:") {
                Some(key) => lsm.keyspace("side").unwrap().get(key),
                None => lsm.get(key),
            };
            assert_eq!(got.unwrap().as_ref(), Some(value), "{context}");
        }
        found
    }
}

/// Both keyspaces in one snapshot.
fn everything_of(lsm: &Lsm) -> Result<State, Error> {
    let snapshot = lsm.snapshot();
    let mut all: State = dump(lsm, &snapshot)?.into_iter().collect();
    if lsm.keyspaces().iter().any(|name| **name == *"side") {
        let mut iter = lsm.keyspace("side")?.iter(.., &snapshot);
        while let Some((key, value)) = iter.next()? {
            all.insert([&b"side:"[..], &key].concat().into(), value);
        }
    }
    Ok(all)
}

fn change(lsm: &Lsm, step: &Step) -> Result<(), Error> {
    match step {
        Step::Batch(ops) => {
            let spaces = [lsm.keyspace(DEFAULT_KEYSPACE)?, lsm.keyspace("side")?];
            let of = |side: bool| &spaces[usize::from(side)];
            let mut batch = WriteBatch::new();
            for op in ops {
                match *op {
                    Op::Put(side, key, value) => {
                        batch.put_in(of(side), key.as_bytes(), value.as_bytes())
                    }
                    Op::Delete(side, key) => batch.delete_in(of(side), key.as_bytes()),
                    Op::Range(side, from, to) => {
                        batch.delete_range_in(of(side), from.as_bytes(), to.as_bytes())
                    }
                    Op::Merge(side, key, operand) => {
                        batch.merge_in(of(side), key.as_bytes(), operand.as_bytes())
                    }
                    Op::Expiring(side, key, value, ended) => {
                        let at = WallMs(if ended { 1 } else { 1_000_000 });
                        batch.put_expiring_in(of(side), key.as_bytes(), value.as_bytes(), at)
                    }
                };
            }
            lsm.write(batch).map(drop)
        }
        Step::DropSide => lsm.drop_keyspace("side").map(drop),
        Step::Write(batch) => {
            let mut writes = WriteBatch::new();
            for (key, value) in batch {
                match value {
                    Some(value) => writes.put(key.as_bytes(), value.as_bytes()),
                    None => writes.delete(key.as_bytes()),
                };
            }
            lsm.write(writes).map(drop)
        }
        Step::Ingest(pairs) => {
            let mut ingestion = lsm.ingest()?;
            for (key, value) in pairs {
                ingestion.put(key.as_bytes(), value.as_bytes())?;
            }
            ingestion.finish().map(drop)
        }
        _ => Ok(()),
    }
}

fn open(store: &Arc<dyn BlockStore>, options: Options, seed: u64) -> Result<Lsm, Error> {
    Lsm::open_in(
        Arc::clone(store),
        Arc::new(VirtualClock::new(WallMs(10))),
        Arc::new(SimEntropy::new(seed)),
        options,
    )
}

fn options() -> Options {
    let appending = KeyspaceOptions {
        merge_operator: Some(Arc::new(Append)),
        ..KeyspaceOptions::default()
    };
    let keyspaces = [DEFAULT_KEYSPACE, "side"].map(|name| (name.to_owned(), appending.clone()));
    Options {
        keyspaces: keyspaces.into(),
        memtable_bytes: 400,
        manifest_bytes: 400,
        log_segment_bytes: 1 << 10,
        batch_bytes_max: 256,
        ..tiny(Log::Inside)
    }
}

/// Cuts the power at every operation of `script`; how many outcomes were checked. In one `deep_in`
/// of them the opening is cut too.
fn every_crash_point(script: &Script, unit: u32, psow: bool, recycle: bool, deep_in: u64) -> u64 {
    let whole = CrashDisk::new(unit, psow, recycle);
    let mut told = Told::default();
    let result = script.run(&whole, SEED, &mut told, 0);
    result.unwrap_or_else(|error| panic!("after change {}: {error}", told.acknowledged));
    let is_values = |id: &ObjectId| id.kind == ObjectKind::Values;
    let has_values = whole.list().unwrap().iter().any(is_values);
    assert_eq!(has_values, script.separates);
    let mut checked = 0;
    for op in 0..whole.ops() {
        let disk = CrashDisk::new(unit, psow, recycle);
        disk.arm(op, CrashFault::PowerCut);
        let mut told = Told::default();
        // What fails in a job may stay unnoticed until the end of the run.
        let _ = script.run(&disk, SEED, &mut told, 0);
        assert!(!disk.armed(), "a run repeats");
        let mut prng = Prng::new(op);
        for fates in fates(disk.undecided(), DRAWS, &mut prng) {
            checked += 1;
            let deep = match (deep_in, prng.below(deep_in)) {
                (1, _) => usize::MAX,
                (_, 0) => 8,
                _ => 0,
            };
            let context =
                format!("unit {unit} psow {psow} recycle {recycle} cut at {op} {fates:?}");
            recover(script, &disk, &fates, told, deep, &context);
        }
    }
    checked
}

/// Opens what a crash left, goes on, and crashes the opening everywhere too, each time in up to
/// `deep` ways.
fn recover(
    script: &Script,
    disk: &CrashDisk,
    fates: &[UnitFate],
    told: Told,
    deep: usize,
    context: &str,
) {
    let reopen = |disk: &CrashDisk, seed: u64| {
        let store: Arc<dyn BlockStore> = Arc::new(disk.clone());
        open(&store, script.options(), seed)
    };
    let after = disk.crash_as(fates);
    let calm = after.fork();
    let lsm = reopen(&calm, 100).unwrap_or_else(|error| panic!("{context}: {error}"));
    let state = script.state_of(&lsm, told, context);
    let opened = calm.ops();
    // What was read is durable from here on, and life goes on.
    lsm.put(b"after", b"the crash").unwrap();
    drop(lsm);
    let lost = vec![UnitFate::Lost; calm.undecided()];
    let lsm =
        reopen(&calm.crash_as(&lost), 101).unwrap_or_else(|error| panic!("{context}: {error}"));
    let mut expected = state.clone();
    expected.insert("after".into(), "the crash".into());
    let found = everything_of(&lsm).unwrap();
    assert_eq!(found, expected, "{context}: and again");
    drop(lsm);
    if deep == 0 {
        return;
    }
    for again in after.ops()..opened {
        let second = after.fork();
        second.arm(again, CrashFault::PowerCut);
        let _ = reopen(&second, 100);
        let mut prng = Prng::new(again);
        let mut all = self::fates(second.undecided(), 3, &mut prng);
        prng.shuffle(&mut all);
        for fates in all.iter().take(deep) {
            let context = format!("{context}, opening cut at {again} {fates:?}");
            let lsm = reopen(&second.crash_as(fates), 102);
            let lsm = lsm.unwrap_or_else(|error| panic!("{context}: {error}"));
            let found = everything_of(&lsm).unwrap();
            assert_eq!(found, state, "{context}");
        }
    }
}

fn everywhere(script: &Script) {
    let mut checked = 0;
    for (unit, psow, recycle) in [(512, true, true), (256, false, false), (64, true, false)] {
        checked += every_crash_point(script, unit, psow, recycle, 24);
    }
    assert!(checked > 2_000, "{checked}");
}

#[test]
fn an_opening_after_any_crash_that_is_cut_anywhere_itself_gives_the_same_the_next_time() {
    let script = Script::new(vec![
        put(&[("a", "1")]),
        put(&[("b", "1")]),
        Step::Flush,
        delete("a"),
    ]);
    let checked = every_crash_point(&script, 512, true, false, 1)
        + every_crash_point(&script, 256, false, true, 1);
    assert!(checked > 200, "{checked}");
}

#[test]
fn a_short_run_survives_every_crash_point() {
    everywhere(&short());
}

#[test]
fn a_run_with_compactions_and_manifests_survives_every_crash_point() {
    everywhere(&long());
}

#[test]
fn deleted_ranges_operands_values_that_end_and_keyspaces_survive_every_crash_point() {
    everywhere(&everything());
}

#[test]
fn an_ingestion_survives_every_crash_point_whole_or_not_at_all() {
    everywhere(&ingesting());
}

#[test]
fn a_run_with_values_in_value_files_survives_every_crash_point() {
    everywhere(&long().separated());
}

#[test]
fn all_that_can_be_done_with_values_in_value_files_survives_every_crash_point() {
    everywhere(&everything().separated());
    everywhere(&ingesting().separated());
}

/// What faults strike, and whether the disk recycles.
fn runs() -> [(Script, bool); 8] {
    [
        (short(), true),
        (long(), false),
        (long(), true),
        (ingesting(), true),
        (everything(), true),
        (long().separated(), true),
        (ingesting().separated(), true),
        (everything().separated(), true),
    ]
}

#[test]
fn no_space_at_any_operation_loses_nothing_and_the_store_goes_on() {
    for (script, recycle) in runs() {
        let whole = CrashDisk::new(512, true, recycle);
        script.run(&whole, SEED, &mut Told::default(), 0).unwrap();
        let mut met = 0;
        for op in 0..whole.ops() {
            let context = format!("recycle {recycle}, no space at {op}");
            let disk = CrashDisk::new(512, true, recycle);
            disk.arm(op, CrashFault::NoSpace);
            let mut told = Told::default();
            let result = script.run(&disk, SEED, &mut told, 3);
            result.unwrap_or_else(|error| panic!("{context}: {error}"));
            met += u32::from(!disk.armed());
            let told = Told {
                acknowledged: script.states.len() - 1,
                begun: script.states.len() - 1,
            };
            let lost = vec![UnitFate::Lost; disk.undecided()];
            recover(&script, &disk, &lost, told, 0, &context);
        }
        assert!(met > 5, "{met}");
    }
}

#[test]
fn a_failed_sync_at_any_operation_loses_nothing_acknowledged_and_what_opening_shows_is_durable() {
    for (script, recycle) in runs() {
        let whole = CrashDisk::new(512, true, recycle);
        script.run(&whole, SEED, &mut Told::default(), 0).unwrap();
        let mut met = 0;
        for op in 0..whole.ops() {
            let context = format!("recycle {recycle}, failed sync at {op}");
            let disk = CrashDisk::new(512, true, recycle);
            disk.arm(op, CrashFault::SyncFailed);
            let mut told = Told::default();
            let _ = script.run(&disk, SEED, &mut told, 0);
            if disk.armed() {
                continue;
            }
            met += 1;
            for lost in [UnitFate::Lost, UnitFate::Kept] {
                let fates = vec![lost; disk.undecided()];
                recover(&script, &disk, &fates, told, 0, &context);
            }
            // The process alone died: caches show what the disk does not hold.
            let cached = disk.restart();
            let store: Arc<dyn BlockStore> = Arc::new(cached.clone());
            let lsm = open(&store, script.options(), 100);
            let lsm = lsm.unwrap_or_else(|error| panic!("{context}: {error}"));
            let state = script.state_of(&lsm, told, &context);
            drop(lsm);
            let lost = vec![UnitFate::Lost; cached.undecided()];
            let store: Arc<dyn BlockStore> = Arc::new(cached.crash_as(&lost));
            let lsm = open(&store, script.options(), 101);
            let lsm = lsm.unwrap_or_else(|error| panic!("{context}, then a crash: {error}"));
            let found = everything_of(&lsm).unwrap();
            assert_eq!(found, state, "{context}, then a crash");
        }
        assert!(met > 5, "{met}");
    }
}

const SEED: u64 = 40;
const DRAWS: usize = 24;
