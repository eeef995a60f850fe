//! Writes that meet background work that is behind.

use nori_lsm::{Error, JobKind, Log, Lsm, PressureLevel, WriteBatch};

use crate::support::{mem, open, tiny};

fn batch(number: u32) -> WriteBatch {
    let mut batch = WriteBatch::new();
    batch.put(&number.to_be_bytes(), &[1; 60]);
    batch
}

fn filled() -> Lsm {
    let lsm = open(&mem(), tiny(Log::External), 1).unwrap();
    let mut number = 0;
    while lsm.pressure().level < PressureLevel::Stalled {
        lsm.try_write(batch(number)).unwrap();
        number += 1;
    }
    lsm
}

#[test]
fn a_write_that_nobody_helps_does_the_work_itself() {
    let lsm = open(&mem(), tiny(Log::External), 1).unwrap();
    for number in 0..2_000 {
        lsm.write(batch(number)).unwrap();
    }
    let stats = lsm.stats();
    assert!(
        stats.stalls > 0 && stats.flushes > 100 && stats.compactions > 10,
        "{stats:?}"
    );
    assert_eq!(lsm.get(&0_u32.to_be_bytes()).unwrap().unwrap().len(), 60);
}

#[test]
fn try_write_says_stalled_and_writes_nothing() {
    let lsm = filled();
    let before = lsm.visible_seqno();
    assert_eq!(lsm.try_write(batch(0)), Err(Error::Stalled));
    assert_eq!(lsm.visible_seqno(), before);
    lsm.write(batch(0)).unwrap();
    assert!(lsm.pressure().level < PressureLevel::Stalled);
}

#[test]
fn a_job_that_its_holder_does_not_step_stalls_nobody() {
    let lsm = filled();
    let mut held = lsm.next_job().unwrap();
    assert_eq!(held.kind(), JobKind::Flush);
    held.step(1).unwrap();
    for number in 0..100 {
        lsm.write(batch(number)).unwrap();
    }
    // It was done for the holder, who only learns of it.
    assert_eq!(held.step(1), Ok(nori_lsm::JobState::Done));
}

#[test]
fn a_stalled_write_waits_for_those_who_work() {
    let lsm = filled();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            for _ in 0..200 {
                while let Some(mut job) = lsm.next_job() {
                    while job.step(16).unwrap() == nori_lsm::JobState::More {}
                }
                std::thread::yield_now();
            }
        });
        for number in 0..500 {
            lsm.write(batch(number)).unwrap();
        }
        worker.join().unwrap();
    });
    assert_eq!(lsm.get(&499_u32.to_be_bytes()).unwrap().unwrap().len(), 60);
}
