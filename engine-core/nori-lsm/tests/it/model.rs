//! The store against a `BTreeMap`.

use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use nori_lsm::{Iter, Job, JobState, Log, Lsm, Snapshot, WriteBatch};
use proptest::prelude::*;

use crate::support::{backward, entries, forward, mem, open, tiny, work};

type Model = BTreeMap<Bytes, Bytes>;

#[derive(Debug, Clone)]
enum Step {
    Write(Vec<(u8, Option<u8>)>),
    Rotate,
    TakeJob,
    PushJob(u8),
    DropJob,
    Work,
    Flush,
    Snapshot,
    DropSnapshot,
    Range(u8, u8),
    Replace(u8, u8, Vec<u8>),
    Reopen,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let writes = prop::collection::vec((0_u8..40, prop::option::weighted(0.7, any::<u8>())), 1..6);
    let step = prop_oneof![
        12 => writes.prop_map(Step::Write),
        2 => Just(Step::Rotate),
        3 => Just(Step::TakeJob),
        4 => (1_u8..80).prop_map(Step::PushJob),
        1 => Just(Step::DropJob),
        1 => Just(Step::Work),
        1 => Just(Step::Flush),
        2 => Just(Step::Snapshot),
        1 => Just(Step::DropSnapshot),
        4 => (0_u8..42, 0_u8..42).prop_map(|(a, b)| Step::Range(a, b)),
        1 => (0_u8..40, 1_u8..20, prop::collection::vec(0_u8..40, 0..10))
            .prop_map(|(from, len, keys)| Step::Replace(from, len, keys)),
        1 => Just(Step::Reopen),
    ];
    prop::collection::vec(step, 1..120)
}

fn key(number: u8) -> Bytes {
    Bytes::from(format!("key{number:02}"))
}

fn value(number: u8) -> Bytes {
    Bytes::from(vec![number; usize::from(number % 50)])
}

fn check(lsm: &Lsm, snapshot: &Snapshot, model: &Model, from: Bound<Bytes>, to: Bound<Bytes>) {
    let expected: Vec<_> = match (&from, &to) {
        (Bound::Included(from), Bound::Excluded(to)) if from >= to => Vec::new(),
        _ => model
            .range((from.clone(), to.clone()))
            .map(|(key, value)| (key.clone(), value.clone()))
            .collect(),
    };
    let iter = || lsm.iter((from.clone(), to.clone()), snapshot);
    assert_eq!(forward(iter()).unwrap(), expected);
    if !matches!((&from, &to), (Bound::Included(from), Bound::Excluded(to)) if from > to) {
        check_behind(iter(), model, &to);
    }
    assert_eq!(backward(iter()).unwrap(), expected);
}

/// What an iterator says lies behind its range is at most the first key there.
fn check_behind(mut iter: Iter, model: &Model, to: &Bound<Bytes>) {
    while iter.next().unwrap().is_some() {}
    let behind = iter.behind();
    let first = match to {
        Bound::Included(to) => model
            .range((Bound::Excluded(to.clone()), Bound::Unbounded))
            .next(),
        Bound::Excluded(to) => model.range(to.clone()..).next(),
        Bound::Unbounded => None,
    };
    match (to, &behind) {
        (Bound::Included(to), Some(behind)) => assert!(behind > to),
        (Bound::Excluded(to), Some(behind)) => assert!(behind >= to),
        (Bound::Unbounded, behind) => assert_eq!(*behind, None),
        (_, None) => {}
    }
    if let Some((first, _)) = first {
        assert!(behind.is_some_and(|behind| behind <= *first));
    }
}

fn check_all(lsm: &Lsm, model: &Model, snapshots: &[(Snapshot, Model)]) {
    check(
        lsm,
        &lsm.snapshot(),
        model,
        Bound::Unbounded,
        Bound::Unbounded,
    );
    for number in 0..40 {
        assert_eq!(
            lsm.get(&key(number)).unwrap().as_ref(),
            model.get(&key(number))
        );
    }
    for (snapshot, then) in snapshots {
        check(lsm, snapshot, then, Bound::Unbounded, Bound::Unbounded);
        for number in 0..40 {
            let got = lsm.get_at(&key(number), snapshot).unwrap();
            assert_eq!(got.as_ref(), then.get(&key(number)));
        }
    }
}

fn run(steps: Vec<Step>, own_log: bool) {
    let (data, log) = (mem(), mem());
    let options = || {
        tiny(match own_log {
            true => Log::Own(Arc::clone(&log)),
            false => Log::External,
        })
    };
    let mut lsm = open(&data, options(), 1).unwrap();
    let mut model = Model::new();
    let mut snapshots: Vec<(Snapshot, Model)> = Vec::new();
    let mut jobs: Vec<Job> = Vec::new();
    for (number, step) in steps.into_iter().enumerate() {
        match step {
            Step::Write(writes) => {
                let mut batch = WriteBatch::new();
                for (number, byte) in writes {
                    match byte.map(value) {
                        Some(value) => {
                            batch.put(&key(number), &value);
                            model.insert(key(number), value);
                        }
                        None => {
                            batch.delete(&key(number));
                            model.remove(&key(number));
                        }
                    }
                }
                lsm.write(batch).unwrap();
            }
            Step::Rotate => lsm.rotate(),
            Step::TakeJob => jobs.extend(lsm.next_job()),
            Step::PushJob(budget) => {
                if let Some(job) = jobs.first_mut()
                    && job.step(u64::from(budget)).unwrap() == JobState::Done
                {
                    jobs.remove(0);
                }
            }
            Step::DropJob => drop(jobs.pop()),
            Step::Work => work(&lsm).unwrap(),
            Step::Flush => lsm.flush().unwrap(),
            Step::Snapshot => snapshots.push((lsm.snapshot(), model.clone())),
            Step::DropSnapshot => drop(snapshots.pop()),
            Step::Range(a, b) => {
                let (from, to) = (Bound::Included(key(a)), Bound::Excluded(key(b)));
                check(&lsm, &lsm.snapshot(), &model, from, to);
                if let Some((snapshot, then)) = snapshots.first() {
                    check(
                        &lsm,
                        snapshot,
                        then,
                        Bound::Excluded(key(a)),
                        Bound::Unbounded,
                    );
                    check(
                        &lsm,
                        snapshot,
                        then,
                        Bound::Unbounded,
                        Bound::Included(key(b)),
                    );
                }
            }
            Step::Replace(from, len, keys) => {
                let range = key(from)..key(from + len);
                let new: Model = keys
                    .into_iter()
                    .map(|number| (key(number), value(number)))
                    .filter(|(key, _)| range.contains(key))
                    .collect();
                model.retain(|key, _| !range.contains(key));
                model.extend(new.clone());
                lsm.replace_ranges(&[range], &mut entries(new.into_iter().collect()))
                    .unwrap();
            }
            Step::Reopen => {
                check_all(&lsm, &model, &snapshots);
                jobs.clear();
                snapshots.clear();
                if !own_log {
                    lsm.flush().unwrap();
                }
                let seqno = lsm.visible_seqno();
                drop(lsm);
                lsm = open(&data, options(), 100 + number as u64).unwrap();
                if own_log {
                    // A seqno taken by a replacement that wrote nothing leaves no trace.
                    assert!(lsm.visible_seqno() <= seqno);
                }
            }
        }
    }
    check_all(&lsm, &model, &snapshots);
    drop((jobs, snapshots));
    lsm.flush().unwrap();
    work(&lsm).unwrap();
    check_all(&lsm, &model, &[]);
    let stats = lsm.stats();
    let tables: u32 = stats.levels.iter().map(|level| level.tables).sum();
    assert_eq!(
        data.list().unwrap().len(),
        tables as usize + 1,
        "nothing but live tables and the manifest is left"
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn the_store_agrees_with_a_btree_map(steps in steps()) {
        run(steps, true);
    }

    #[test]
    fn the_store_without_a_log_agrees_with_a_btree_map(steps in steps()) {
        run(steps, false);
    }
}
