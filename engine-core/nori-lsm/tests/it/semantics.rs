//! Everything that can be done to keys, against a `BTreeMap` with versions.

use std::ops::Bound;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nori_env::BlockStore;
use nori_lsm::{
    Cursor, Error, Job, JobState, Keyspace, KeyspaceOptions, Log, Lsm, Options, SeqNo, Snapshot,
    WriteBatch,
};
use norikv_testkit::{SimEntropy, VirtualClock};
use norikv_types::{Prng, WallMs};
use proptest::prelude::*;

use crate::support::{backward, forward, mem, separated, tiny, work};
use crate::versions::{Versions, Write, append, key};

const NAMES: [&str; 3] = ["default", "left", "right"];

#[derive(Debug, Clone)]
enum Step {
    Batch(Vec<(usize, Write)>),
    CompareAndSet(usize, u8, bool, Option<u8>),
    Transaction(Vec<Act>, Option<(usize, Write)>),
    Advance(u64),
    Drop(usize),
    Rotate,
    TakeJob,
    PushJob(u8),
    Work,
    Snapshot,
    DropSnapshot,
    Range(usize, u8, u8),
    Walk(usize, u64),
    Reopen,
}

/// What a transaction does.
#[derive(Debug, Clone)]
enum Act {
    Get(usize, u8),
    Range(usize, u8, u8),
    Write(usize, Write),
}

fn number() -> impl Strategy<Value = u8> {
    0_u8..24
}

fn write() -> impl Strategy<Value = Write> {
    let value = || prop::collection::vec(any::<u8>(), 0..40);
    prop_oneof![
        6 => (number(), value()).prop_map(|(key, value)| Write::Put(key, value)),
        3 => (number(), value(), 0_u64..30).prop_map(|(key, value, at)| Write::Expiring(key, value, at)),
        4 => (number(), prop::collection::vec(any::<u8>(), 1..6)).prop_map(|(key, value)| Write::Merge(key, value)),
        2 => number().prop_map(Write::Delete),
        2 => (number(), number()).prop_map(|(from, to)| Write::DeleteRange(from, to)),
    ]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let space = || 0_usize..NAMES.len();
    let act = prop_oneof![
        2 => (space(), number()).prop_map(|(space, key)| Act::Get(space, key)),
        1 => (space(), number(), number()).prop_map(|(space, a, b)| Act::Range(space, a, b)),
        3 => (space(), write()).prop_map(|(space, write)| Act::Write(space, write)),
    ];
    let step = prop_oneof![
        14 => prop::collection::vec((space(), write()), 1..6).prop_map(Step::Batch),
        2 => (space(), number(), any::<bool>(), any::<Option<u8>>())
            .prop_map(|(space, key, right, value)| Step::CompareAndSet(space, key, right, value)),
        3 => (prop::collection::vec(act, 1..6), prop::option::of((space(), write())))
            .prop_map(|(acts, other)| Step::Transaction(acts, other)),
        2 => (1_u64..20).prop_map(Step::Advance),
        1 => (1_usize..NAMES.len()).prop_map(Step::Drop),
        2 => Just(Step::Rotate),
        3 => Just(Step::TakeJob),
        4 => (1_u8..80).prop_map(Step::PushJob),
        1 => Just(Step::Work),
        2 => Just(Step::Snapshot),
        1 => Just(Step::DropSnapshot),
        3 => (space(), number(), number()).prop_map(|(space, a, b)| Step::Range(space, a, b)),
        2 => (space(), any::<u64>()).prop_map(|(space, seed)| Step::Walk(space, seed)),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..90)
}

struct Run {
    data: Arc<dyn BlockStore>,
    options: Options,
    clock: Arc<VirtualClock>,
    lsm: Lsm,
    spaces: Vec<Keyspace>,
    model: Versions,
    snapshots: Vec<(Snapshot, Versions, WallMs)>,
    jobs: Vec<Job>,
}

impl Run {
    fn new(own_log: bool, separates: bool) -> Self {
        let (data, log) = (mem(), mem());
        let mut options = tiny(match own_log {
            true => Log::Own(log),
            false => Log::External,
        });
        if separates {
            options = separated(options);
        }
        for name in NAMES {
            let space = KeyspaceOptions {
                merge_operator: append(),
                ..KeyspaceOptions::default()
            };
            options.keyspaces.insert(name.into(), space);
        }
        let clock = Arc::new(VirtualClock::new(WallMs(1000)));
        let lsm = open(&data, &options, &clock, 1);
        Self {
            spaces: spaces(&lsm),
            data,
            options,
            clock,
            lsm,
            model: Versions::default(),
            snapshots: Vec::new(),
            jobs: Vec::new(),
        }
    }

    fn now(&self) -> WallMs {
        nori_env::Clock::wall(&*self.clock)
    }

    fn batch(&mut self, writes: &[(usize, Write)]) {
        let now = self.now();
        let mut batch = WriteBatch::new();
        let mut seqno = self.lsm.visible_seqno().0;
        for (space, write) in writes {
            let keyspace = &self.spaces[*space];
            match write {
                Write::Put(number, value) => batch.put_in(keyspace, &key(*number), value),
                Write::Expiring(number, value, after) => {
                    let at = WallMs(now.0 + after);
                    batch.put_expiring_in(keyspace, &key(*number), value, at)
                }
                Write::Merge(number, operand) => batch.merge_in(keyspace, &key(*number), operand),
                Write::Delete(number) => batch.delete_in(keyspace, &key(*number)),
                Write::DeleteRange(from, to) => {
                    batch.delete_range_in(keyspace, &key(*from), &key(*to))
                }
            };
            if self.model.apply(*space, write, now, SeqNo(seqno + 1)) {
                seqno += 1;
            }
        }
        assert_eq!(self.lsm.write(batch).unwrap(), SeqNo(seqno));
    }

    fn compare_and_set(&mut self, space: usize, number: u8, right: bool, value: Option<u8>) {
        let (key, now) = (key(number), self.now());
        let held = self.model.get(space, &key, now);
        let versioned = self.spaces[space].get_versioned(&key).unwrap();
        let version = held.as_ref().map(|(_, version)| *version);
        assert_eq!(versioned.map(|found| (found.value, found.version)), held);
        let expected = match (right, version) {
            (true, version) => version,
            (false, Some(SeqNo(version))) => Some(SeqNo(version - 1)),
            (false, None) => Some(SeqNo(1)),
        };
        let new = value.map(|byte| vec![byte; 9]);
        let done = self.spaces[space].compare_and_set(&key, expected, new.as_deref());
        match (right, done) {
            (true, Ok(seqno)) => {
                let write = match new {
                    Some(value) => Write::Put(number, value),
                    None => Write::Delete(number),
                };
                self.model.apply(space, &write, now, seqno);
            }
            (false, Err(Error::Conflict)) => {}
            (_, done) => panic!("a version that is right ({right}) gives {done:?}"),
        }
    }

    fn transaction(&mut self, acts: &[Act], other: Option<&(usize, Write)>) {
        let now = self.now();
        let mut transaction = self.lsm.transaction();
        let mut seen = self.model.clone();
        let mut written = Vec::new();
        // Keys whose value is the transaction's alone are not read from the store.
        let mut read: Vec<(usize, Bytes, Bytes)> = Vec::new();
        let mut own = Vec::new();
        for act in acts {
            match act {
                Act::Get(space, number) => {
                    let key = key(*number);
                    let got = transaction.get_in(&self.spaces[*space], &key).unwrap();
                    let expected = seen.get(*space, &key, now).map(|(value, _)| value);
                    assert_eq!(got, expected);
                    if !own.contains(&(*space, *number)) {
                        let behind = [&key[..], &[0]].concat().into();
                        read.push((*space, key, behind));
                    }
                }
                Act::Range(space, from, to) => {
                    let (from, to) = (key(*from), key(*to));
                    let bounds = || {
                        let from = Bound::Included(from.clone());
                        (from, Bound::Excluded(to.clone()))
                    };
                    let expected = seen.range(*space, &bounds().0, &bounds().1, now);
                    let keyspace = &self.spaces[*space];
                    let iter = transaction.iter_in(keyspace, bounds());
                    assert_eq!(forward(iter).unwrap(), expected);
                    let iter = transaction.iter_in(keyspace, bounds());
                    assert_eq!(backward(iter).unwrap(), expected);
                    read.push((*space, from, to));
                }
                Act::Write(space, write) => {
                    let keyspace = &self.spaces[*space];
                    match write {
                        Write::Put(number, value) => {
                            own.push((*space, *number));
                            transaction.put_in(keyspace, &key(*number), value)
                        }
                        Write::Merge(number, operand) => {
                            transaction.merge_in(keyspace, &key(*number), operand)
                        }
                        Write::Delete(number) | Write::Expiring(number, ..) => {
                            own.push((*space, *number));
                            transaction.delete_in(keyspace, &key(*number))
                        }
                        Write::DeleteRange(from, to) => {
                            own.extend((*from..*to).map(|number| (*space, number)));
                            transaction.delete_range_in(keyspace, &key(*from), &key(*to))
                        }
                    };
                    let write = match write {
                        Write::Expiring(number, ..) => Write::Delete(*number),
                        write => write.clone(),
                    };
                    seen.apply(*space, &write, now, SeqNo(0));
                    written.push((*space, write));
                }
            }
        }
        let mut conflicts = false;
        if let Some((space, write)) = other {
            self.batch(&[(*space, write.clone())]);
            let (from, to) = match write {
                Write::DeleteRange(from, to) => (key(*from), key(*to)),
                Write::Put(number, _)
                | Write::Expiring(number, ..)
                | Write::Merge(number, _)
                | Write::Delete(number) => (
                    key(*number),
                    Bytes::from([&key(*number)[..], &[0]].concat()),
                ),
            };
            conflicts = from < to
                && read.iter().any(|(of, start, end)| {
                    of == space && *start < to && from < *end && start < end
                });
        }
        let is_write = |(space, write): &(usize, Write)| {
            self.model.clone().apply(*space, write, now, SeqNo(0))
        };
        conflicts &= written.iter().any(is_write);
        let before = self.lsm.visible_seqno().0;
        match transaction.commit() {
            Ok(_) => {
                // A write of what is not there changes nothing that was read: if tables came or
                // went meanwhile it is compared what is there, and that is no conflict.
                assert!(!conflicts || before == self.lsm.visible_seqno().0 || other.is_some());
                let mut seqno = before;
                for (space, write) in &written {
                    if self.model.apply(*space, write, now, SeqNo(seqno + 1)) {
                        seqno += 1;
                    }
                }
                assert!(!conflicts || self.is_harmless(other), "a conflict is seen");
            }
            Err(Error::Conflict) => assert!(conflicts, "nothing that was read has changed"),
            Err(error) => panic!("{error}"),
        }
    }

    /// Whether the write may have changed nothing that can be read.
    fn is_harmless(&self, other: Option<&(usize, Write)>) -> bool {
        matches!(
            other,
            Some((
                _,
                Write::Delete(_) | Write::DeleteRange(..) | Write::Expiring(..)
            ))
        )
    }

    fn check(&self, snapshot: &Snapshot, model: &Versions, now: WallMs) {
        for (space, keyspace) in self.spaces.iter().enumerate() {
            let all = model.range(space, &Bound::Unbounded, &Bound::Unbounded, now);
            assert_eq!(forward(keyspace.iter(.., snapshot)).unwrap(), all);
            assert_eq!(backward(keyspace.iter(.., snapshot)).unwrap(), all);
            for number in 0..24 {
                let (key, got) = (key(number), keyspace.get_at(&key(number), snapshot));
                let expected = model.get(space, &key, now).map(|(value, _)| value);
                assert_eq!(got.unwrap(), expected, "{key:?} of keyspace {space}");
            }
        }
    }

    fn check_all(&self) {
        self.check(&self.lsm.snapshot(), &self.model, self.now());
        for (snapshot, then, now) in &self.snapshots {
            self.check(snapshot, then, *now);
        }
    }

    /// A cursor goes to and fro.
    fn walk(&self, space: usize, seed: u64) {
        let now = self.now();
        let all = self
            .model
            .range(space, &Bound::Unbounded, &Bound::Unbounded, now);
        let mut cursor = self.spaces[space].cursor(&self.lsm.snapshot());
        let mut prng = Prng::new(seed);
        let mut at: Option<usize> = None;
        for _ in 0..40 {
            let target = key(u8::try_from(prng.below(26)).expect("small"));
            let (moved, next) = match prng.below(8) {
                0 => (cursor.first(), Some(0)),
                1 => (cursor.last(), all.len().checked_sub(1)),
                2 => {
                    let next = all.partition_point(|(key, _)| *key < target);
                    (cursor.seek(&target), Some(next))
                }
                3 => {
                    let next = all.partition_point(|(key, _)| *key <= target);
                    (cursor.seek_back(&target), next.checked_sub(1))
                }
                4 | 5 => (cursor.next(), at.map(|at| at + 1)),
                _ => (cursor.prev(), at.and_then(|at| at.checked_sub(1))),
            };
            at = next.filter(|at| *at < all.len());
            assert_eq!(moved.unwrap(), at.is_some());
            check_place(&mut cursor, at.map(|at| &all[at]));
        }
    }

    fn step(&mut self, step: Step, number: u64) {
        match step {
            Step::Batch(writes) => self.batch(&writes),
            Step::CompareAndSet(space, key, right, value) => {
                self.compare_and_set(space, key, right, value);
            }
            Step::Transaction(acts, other) => self.transaction(&acts, other.as_ref()),
            Step::Advance(by) => self.clock.advance(Duration::from_millis(by)),
            Step::Drop(space) => {
                assert!(self.lsm.drop_keyspace(NAMES[space]).unwrap());
                assert_eq!(
                    forward(self.spaces[space].iter(.., &self.lsm.snapshot())),
                    Ok(vec![])
                );
                let refused = self.spaces[space].put(b"key", b"");
                assert!(matches!(refused, Err(Error::KeyspaceDropped { .. })));
                // What older snapshots show, they show under the old number.
                self.snapshots.clear();
                self.spaces[space] = self.lsm.keyspace(NAMES[space]).unwrap();
                self.model.clear(space);
            }
            Step::Rotate => self.lsm.rotate(),
            Step::TakeJob => self.jobs.extend(self.lsm.next_job()),
            Step::PushJob(budget) => {
                if let Some(job) = self.jobs.first_mut()
                    && job.step(u64::from(budget)).unwrap() == JobState::Done
                {
                    self.jobs.remove(0);
                }
            }
            Step::Work => work(&self.lsm).unwrap(),
            Step::Snapshot => {
                let now = self.now();
                self.snapshots
                    .push((self.lsm.snapshot(), self.model.clone(), now));
            }
            Step::DropSnapshot => drop(self.snapshots.pop()),
            Step::Range(space, a, b) => {
                let (from, to) = (Bound::Excluded(key(a)), Bound::Included(key(b)));
                let expected = self.model.range(space, &from, &to, self.now());
                let snapshot = self.lsm.snapshot();
                let iter = || self.spaces[space].iter((from.clone(), to.clone()), &snapshot);
                if a < b {
                    assert_eq!(forward(iter()).unwrap(), expected);
                    assert_eq!(backward(iter()).unwrap(), expected);
                }
            }
            Step::Walk(space, seed) => self.walk(space, seed),
            Step::Reopen => self.reopen(number),
        }
    }

    fn reopen(&mut self, number: u64) {
        self.check_all();
        self.jobs.clear();
        self.snapshots.clear();
        if matches!(self.options.log, Log::External) {
            self.lsm.flush().unwrap();
        }
        // The old store is gone before the new one opens.
        self.spaces.clear();
        let nowhere = Self::new(false, false);
        drop(std::mem::replace(&mut self.lsm, nowhere.lsm));
        self.lsm = open(&self.data, &self.options, &self.clock, 100 + number);
        self.spaces = spaces(&self.lsm);
        self.check_all();
    }

    fn finish(mut self) {
        self.check_all();
        self.jobs.clear();
        self.snapshots.clear();
        self.lsm.flush().unwrap();
        work(&self.lsm).unwrap();
        self.check_all();
    }
}

fn check_place(cursor: &mut Cursor, expected: Option<&(Bytes, Bytes)>) {
    assert_eq!(cursor.is_valid(), expected.is_some());
    if let Some((key, value)) = expected {
        assert_eq!(cursor.key(), key);
        assert_eq!(cursor.value_bytes().unwrap(), value);
        assert_eq!(cursor.value().unwrap(), value);
    }
}

fn open(
    data: &Arc<dyn BlockStore>,
    options: &Options,
    clock: &Arc<VirtualClock>,
    seed: u64,
) -> Lsm {
    let (clock, entropy) = (Arc::clone(clock), Arc::new(SimEntropy::new(seed)));
    Lsm::open_in(Arc::clone(data), clock, entropy, options.clone()).unwrap()
}

fn spaces(lsm: &Lsm) -> Vec<Keyspace> {
    NAMES.map(|name| lsm.keyspace(name).unwrap()).into()
}

fn run(steps: Vec<Step>, own_log: bool, separates: bool) {
    let mut run = Run::new(own_log, separates);
    for (number, step) in (0..).zip(steps) {
        run.step(step, number);
    }
    run.finish();
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 120, ..ProptestConfig::default() })]

    #[test]
    fn all_that_can_be_done_to_keys_agrees_with_a_btree_map(steps in steps()) {
        run(steps, true, false);
    }

    #[test]
    fn without_a_log_all_that_can_be_done_to_keys_agrees_with_a_btree_map(steps in steps()) {
        run(steps, false, false);
    }

    #[test]
    fn with_values_in_value_files_all_that_can_be_done_to_keys_agrees_with_a_btree_map(
        steps in steps(),
        own_log in any::<bool>(),
    ) {
        run(steps, own_log, true);
    }
}
