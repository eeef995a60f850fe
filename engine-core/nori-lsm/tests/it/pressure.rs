//! Writes that meet background work that is behind.

use nori_lsm::{Error, JobKind, JobState, Log, Lsm, PressureLevel, WriteBatch};

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
    assert_eq!(held.step(1), Ok(JobState::Done));
}

#[test]
fn a_stalled_write_waits_for_those_who_work() {
    let lsm = filled();
    std::thread::scope(|scope| {
        let worker = scope.spawn(|| {
            for _ in 0..200 {
                while let Some(mut job) = lsm.next_job() {
                    while job.step(16).unwrap() == JobState::More {}
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

/// Options under which a few kilobytes are much, but not so few that one batch jumps the scale.
fn modest() -> nori_lsm::Options {
    nori_lsm::Options {
        memtable_bytes: 64 << 10,
        memtables_waiting_max: 4,
        fresh_runs_min: 4,
        fresh_runs_max: 20,
        level_base_bytes: 256 << 10,
        table_bytes: 64 << 10,
        ..tiny(Log::External)
    }
}

#[test]
fn a_fast_writer_is_slowed_down_and_never_stalls_while_somebody_works_slowly() {
    let options = modest();
    let most = options.memtable_bytes * u64::from(options.memtables_waiting_max)
        + options.memtable_bytes * u64::from(options.fresh_runs_max);
    let lsm = open(&mem(), options, 1).unwrap();
    let mut jobs = vec![];
    let mut slowest = 0;
    for number in 0..60_000_u32 {
        let before = lsm.stats().delays;
        lsm.write(batch(number.wrapping_mul(2_246_822_519)))
            .unwrap();
        slowest = slowest.max(lsm.stats().delays - before);
        // Somebody works, but at a fraction of what is written.
        if jobs.len() < 3 {
            jobs.extend(lsm.next_job());
        }
        jobs.retain_mut(|job| job.step(64).unwrap() == JobState::More);
        let pressure = lsm.pressure();
        assert!(pressure.level < PressureLevel::Stalled, "{pressure:?}");
        assert!(pressure.debt_bytes <= most, "{pressure:?}");
    }
    let stats = lsm.stats();
    assert_eq!(stats.stalls, 0, "{stats:?}");
    assert!(stats.delays > 100, "{stats:?}");
    assert_eq!(slowest, 1, "a write pays once");
}

#[test]
fn the_delay_of_a_write_grows_smoothly_and_is_not_nothing() {
    let lsm = open(&mem(), modest(), 1).unwrap();
    let mut delays = vec![];
    for number in 0_u32.. {
        if lsm.pressure().level == PressureLevel::Stalled {
            break;
        }
        delays.push(lsm.pressure().delay);
        lsm.try_write(batch(number)).unwrap();
    }
    assert!(delays.is_sorted(), "more behind is never less delay");
    let middle = delays.partition_point(|delay| delay.is_zero());
    assert!(middle > delays.len() / 3 && middle < delays.len() * 2 / 3);
    assert!(*delays.last().unwrap() > 100 * delays[middle]);
    let doubled = delays[middle..]
        .windows(20)
        .filter(|some| some[19] > 4 * some[0]);
    assert!(doubled.count() < delays.len() / 4, "it does not jump");
}
