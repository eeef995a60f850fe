//! What bounds a store: its memory, and how fast it compacts.

use std::sync::Arc;
use std::time::Duration;

use nori_env::{BlockStore, Clock};
use nori_lsm::{
    Compaction, Compression, Error, Event, JobKind, JobState, Log, Lsm, Options, TableOptions,
};
use norikv_testkit::{SimEntropy, VirtualClock};
use norikv_types::WallMs;

use crate::support::{mem, small, work};

fn fill(lsm: &Lsm, keys: u32) -> Result<(), Error> {
    for key in 0..keys {
        let key = (key.wrapping_mul(7919) % keys).to_be_bytes();
        lsm.put(&key, &[key[3]; 100])?;
    }
    Ok(())
}

#[test]
fn a_store_far_larger_than_its_memory_stays_within_it() {
    let bytes = 256 << 10;
    let options = Options {
        // Of every open table the top index and the filter stay in memory.
        table_bytes: 32 << 10,
        ..small(Log::Inside)
    };
    let lsm = crate::support::open(&mem(), options.with_memory(bytes), 1).unwrap();
    for round in 0..40_u32 {
        for key in 0..300_u32 {
            lsm.put(&(key * 40 + round).to_be_bytes(), &[7; 100])
                .unwrap();
        }
        let memory = lsm.stats().memtable_bytes + lsm.stats().cache_bytes;
        // A memtable holds the batch that fills it too.
        assert!(memory <= bytes + 1_000, "{memory} of {bytes} bytes");
    }
    for key in 0..12_000_u32 {
        assert!(lsm.get(&key.to_be_bytes()).unwrap().is_some(), "key {key}");
        let memory = lsm.stats().memtable_bytes + lsm.stats().cache_bytes;
        assert!(memory <= bytes + 1_000, "{memory} of {bytes} bytes");
    }
}

#[test]
fn the_least_memory_is_enough_to_work_with() {
    let options = small(Log::Inside).with_memory(Options::MEMORY_BYTES_MIN);
    let lsm = crate::support::open(&mem(), options, 1).unwrap();
    fill(&lsm, 3_000).unwrap();
    work(&lsm).unwrap();
    assert!(lsm.get(&5_u32.to_be_bytes()).unwrap().is_some());
}

#[test]
#[should_panic(expected = "MEMORY_BYTES_MIN")]
fn less_memory_than_a_store_needs_is_refused() {
    let _options = Options::default().with_memory(Options::MEMORY_BYTES_MIN - 1);
}

/// A store on a clock of its own, with compactions at `rate` bytes a second.
fn limited(store: Arc<dyn BlockStore>, rate: u64) -> (Lsm, Arc<VirtualClock>) {
    let clock = Arc::new(VirtualClock::new(WallMs(0)));
    let options = Options {
        compaction_bytes_per_second: rate,
        compaction: Compaction::Leveled,
        table: TableOptions {
            compression: Compression::None,
            ..TableOptions::default()
        },
        ..small(Log::Inside)
    };
    let time = Arc::clone(&clock) as Arc<dyn Clock>;
    let lsm = Lsm::open_in(store, time, Arc::new(SimEntropy::new(1)), options).unwrap();
    (lsm, clock)
}

#[test]
fn compactions_take_the_time_that_their_rate_says() {
    let rate = 10_000;
    let (lsm, clock) = limited(mem(), rate);
    let start = clock.now();
    let mut steps = 0;
    for round in 0..20_u32 {
        for key in 0..10_u32 {
            lsm.put(&(key * 100 + round).to_be_bytes(), &[1; 100])
                .unwrap();
        }
        while let Some(mut job) = lsm.next_job() {
            loop {
                if let Some(due) = job.due() {
                    assert_eq!(job.kind(), JobKind::Compaction);
                    clock.advance(due.since(clock.now()));
                    steps += 1;
                }
                if job.step(64).unwrap() == JobState::Done {
                    break;
                }
            }
        }
        if let Some(due) = lsm.next_due() {
            clock.advance(due.since(clock.now()));
        }
    }
    // What a merge reads in keys and values; the stats count whole tables, which are larger.
    let read: u64 = lsm
        .stats()
        .levels
        .iter()
        .map(|level| level.read_bytes)
        .sum();
    assert!(steps > 10, "only {steps} steps waited");
    let took = clock.now().since(start);
    assert!(took > Duration::from_secs(1), "{took:?}");
    assert!(
        took <= Duration::from_secs(read / rate + 1),
        "{took:?} for {read} bytes"
    );
}

#[test]
fn a_writer_that_would_stall_does_not_wait_for_the_rate_of_compactions() {
    // At a byte a second the tables of this test would take hours; the clock stands still.
    let (lsm, _clock) = limited(mem(), 1);
    fill(&lsm, 2_000).unwrap();
    assert!(lsm.stats().compactions > 0);
    assert!(lsm.get(&7_u32.to_be_bytes()).unwrap().is_some());
}

#[test]
fn flushes_are_not_held_back_by_the_rate_of_compactions() {
    let (lsm, _clock) = limited(mem(), 1);
    fill(&lsm, 500).unwrap();
    work(&lsm).unwrap();
    lsm.rotate();
    let kinds: Vec<_> = std::iter::from_fn(|| lsm.next_job())
        .map(|mut job| {
            while job.step(1 << 20).unwrap() == JobState::More {}
            job.kind()
        })
        .collect();
    assert!(!kinds.contains(&JobKind::Compaction), "{kinds:?}");
    assert_eq!(lsm.stats().memtables_waiting, 0);
}

#[test]
fn a_store_tells_what_happened_in_order() {
    let lsm = crate::support::open(&mem(), small(Log::Inside), 1).unwrap();
    lsm.put(b"a", b"1").unwrap();
    lsm.rotate();
    work(&lsm).unwrap();
    let events = lsm.drain_events();
    assert!(
        matches!(
            events[..],
            [Event::Rotated { bytes }, Event::Flushed { tables: 1, .. }] if bytes > 0
        ),
        "{events:?}"
    );
    fill(&lsm, 300).unwrap();
    work(&lsm).unwrap();
    let events = lsm.drain_events();
    let at = |wanted: fn(&Event) -> bool| events.iter().position(wanted);
    let rotated = at(|event| matches!(event, Event::Rotated { .. })).unwrap();
    let flushed = at(|event| matches!(event, Event::Flushed { .. })).unwrap();
    let compacted = at(|event| {
        matches!(
            event,
            Event::Compacted {
                from: 0,
                to: 1..,
                ..
            }
        )
    })
    .unwrap();
    let deleted = at(|event| matches!(event, Event::Deleted(_))).unwrap();
    assert!(rotated < flushed && flushed < compacted && compacted < deleted);
    assert_eq!(lsm.drain_events(), []);
}

#[test]
fn events_that_nobody_asked_for_are_counted() {
    let lsm = crate::support::open(&mem(), small(Log::Inside), 1).unwrap();
    fill(&lsm, 3_000).unwrap();
    let events = lsm.drain_events();
    assert!(matches!(events[0], Event::Forgotten(more) if more > 0));
    assert_eq!(events.len(), 257);
}
