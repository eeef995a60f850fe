//! Writers, readers and workers at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use nori_env::WorkerPool;
use nori_lsm::{JobState, Log, Lsm, WriteBatch};

use crate::support::{dump, mem, open, small};

const WRITERS: u32 = 4;
const ROUNDS: u32 = 400;

/// Each writer sets all of its keys to one number in one batch: no reader may ever see two
/// numbers of one writer at once, nor a number go back.
fn run(log: Log) -> Lsm {
    let lsm = open(&mem(), small(log), 1).unwrap();
    let done = AtomicBool::new(false);
    thread::scope(|scope| {
        let writers: Vec<_> = (0..WRITERS)
            .map(|writer| {
                let lsm = &lsm;
                scope.spawn(move || {
                    for round in 1..=ROUNDS {
                        let mut batch = WriteBatch::new();
                        for key in 0..4_u32 {
                            batch.put(format!("{writer}/{key}").as_bytes(), &round.to_be_bytes());
                        }
                        lsm.write(batch).unwrap();
                        let own = lsm.get(format!("{writer}/3").as_bytes()).unwrap().unwrap();
                        assert_eq!(own[..], round.to_be_bytes(), "a writer reads its own write");
                    }
                })
            })
            .collect();
        let worker = scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                while let Some(mut job) = lsm.next_job() {
                    while job.step(64).unwrap() == JobState::More {}
                }
                thread::yield_now();
            }
        });
        for _ in 0..2 {
            scope.spawn(|| {
                let mut seen = [0_u32; WRITERS as usize];
                while !done.load(Ordering::Acquire) {
                    let snapshot = lsm.snapshot();
                    let all = dump(&lsm, &snapshot).unwrap();
                    for (writer, seen) in (0_u32..).zip(&mut seen) {
                        let prefix = format!("{writer}/");
                        let values: Vec<u32> = all
                            .iter()
                            .filter(|(key, _)| key.starts_with(prefix.as_bytes()))
                            .map(|(_, value)| u32::from_be_bytes(value[..].try_into().unwrap()))
                            .collect();
                        assert!(matches!(values.len(), 0 | 4), "{values:?}");
                        assert!(
                            values.windows(2).all(|pair| pair[0] == pair[1]),
                            "{values:?}"
                        );
                        let now = values.first().copied().unwrap_or(0);
                        assert!(now >= *seen, "from {seen} back to {now}");
                        *seen = now;
                    }
                }
            });
        }
        for writer in writers {
            writer.join().unwrap();
        }
        done.store(true, Ordering::Release);
        worker.join().unwrap();
    });
    assert_eq!(
        dump(&lsm, &lsm.snapshot()).unwrap().len(),
        4 * WRITERS as usize
    );
    lsm
}

#[test]
fn readers_beside_writers_and_jobs_see_whole_batches_that_never_go_back() {
    let lsm = run(Log::External);
    assert!(lsm.stats().flushes > 10, "{:?}", lsm.stats());
}

#[test]
fn the_same_with_a_log() {
    let lsm = run(Log::Own(mem()));
    assert_eq!(u64::from(4 * WRITERS * ROUNDS), lsm.visible_seqno().0);
}

#[test]
fn jobs_run_on_a_pool_while_replacements_and_writes_share_the_store() {
    let lsm = open(&mem(), small(Log::External), 1).unwrap();
    let pool = WorkerPool::new("jobs", 2).unwrap();
    let lsm = Arc::new(lsm);
    for round in 0..20_u32 {
        for _ in 0..2 {
            let lsm = Arc::clone(&lsm);
            pool.submit(move || {
                while let Some(mut job) = lsm.next_job() {
                    while job.step(128).unwrap() == JobState::More {}
                }
            });
        }
        thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..100_u32 {
                    lsm.put(format!("w{number:03}").as_bytes(), &round.to_be_bytes())
                        .unwrap();
                }
            });
            let mut pairs = (0..50_u32)
                .filter(|number| number % 3 == round % 3)
                .map(|number| {
                    (
                        format!("r{number:03}").into(),
                        round.to_be_bytes().to_vec().into(),
                    )
                });
            let range = [bytes::Bytes::from("r")..bytes::Bytes::from("s")];
            lsm.replace_ranges(&range, &mut || Ok(pairs.next()))
                .unwrap();
        });
        let snapshot = lsm.snapshot();
        let all = dump(&lsm, &snapshot).unwrap();
        assert!(
            all.iter()
                .all(|(_, value)| value[..] == round.to_be_bytes())
        );
        let replaced = (0..50).filter(|number| number % 3 == round % 3).count();
        assert_eq!(all.len(), 100 + replaced, "round {round}");
    }
}
