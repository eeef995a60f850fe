use alloc::string::String;
use alloc::vec::Vec;
use core::time::Duration;
use std::format;

use norikv_types::{Mono, NodeId};

use super::{End, Fingerprint, Record, RecordKind, Recorder, Recording, RecordingError};
use crate::{SimConfig, Simulation};

/// The worked example of `docs/formats/trace.md`.
const GOLDEN: &[u8] = include_bytes!("../../tests/golden/first.trace");

fn example() -> Recording {
    let config = SimConfig {
        seed: 7,
        ..SimConfig::default()
    };
    let scenario = String::from("norikv_scenario = 1\n\n[cluster]\nseed = 7\n");
    let mut recorder = Recorder::with_scenario(&config, scenario);
    let mut fingerprint = Fingerprint::new(7);
    let records = [
        (RecordKind::Started, 0, 1, &[][..]),
        (RecordKind::Input, 300, 1, &[1, 2, 3]),
        (RecordKind::Output, 300, 1, &[9; 40]),
    ];
    for (kind, at, node, body) in records {
        let record = Record {
            kind,
            at: Mono::from_nanos(at),
            node: NodeId(node),
            body,
        };
        fingerprint.add(&record);
        recorder.add(&record);
    }
    recorder.finish(End {
        to_the_end: false,
        steps: 2,
        records: 3,
        hash: fingerprint.value(),
    })
}

fn ran(config: SimConfig, millis: u64) -> Simulation {
    let recorded = true;
    let mut world = Simulation::new(SimConfig { recorded, ..config });
    world.run_until(Mono::ZERO + Duration::from_millis(millis));
    world
}

#[test]
fn the_worked_example_is_written_and_read_as_it_is_described() {
    let written = example();
    assert_eq!(
        format!("{:02x?}", written.as_bytes()),
        format!("{GOLDEN:02x?}")
    );
    let read = Recording::parse(GOLDEN).expect("it is whole");
    assert_eq!(read, written);
    assert_eq!((read.steps(), read.record_count()), (2, 3));
    assert!(!read.is_to_the_end());
    let records: Vec<Record> = read.records().collect();
    assert_eq!(records[1].body.as_ref(), [1, 2, 3]);
    assert_eq!(records[2].at, Mono::from_nanos(300));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = example().into_bytes();
    for len in 0..whole.len() {
        let cut = Recording::parse(&whole[..len]);
        assert!(
            matches!(cut, Err(RecordingError::CutOff { .. })),
            "{len}: {cut:?}"
        );
    }
    let mut longer = whole;
    longer.push(0);
    assert!(Recording::parse(longer).is_err());
}

#[test]
fn a_file_with_any_one_bit_flipped_is_refused() {
    let whole = example().into_bytes();
    for at in 0..whole.len() {
        for bit in 0..8 {
            let mut harmed = whole.clone();
            harmed[at] ^= 1 << bit;
            assert!(Recording::parse(harmed).is_err(), "byte {at}, bit {bit}");
        }
    }
}

#[test]
fn a_run_of_many_chunks_comes_back_record_by_record() {
    let mut world = ran(SimConfig::drawn(5, 3, 8_000), 8_000);
    let (hash, steps) = (world.trace_hash(), world.steps());
    let recording = world.take_trace().expect("it is recorded");
    assert!(world.take_trace().is_none(), "a trace is taken once");
    assert_eq!((recording.hash(), recording.steps()), (hash, steps));
    let read = Recording::parse(recording.as_bytes()).expect("it is whole");
    assert_eq!(read, recording);
    assert_eq!(read.records().count() as u64, read.record_count());
    let raw: usize = read.records().map(|record| record.body.len()).sum();
    assert!(raw > 3 * (64 << 10), "several chunks: {raw}");
}

#[test]
fn a_recorded_run_is_the_run_that_nobody_recorded_and_runs_again() {
    let config = SimConfig::drawn(3, 3, 500);
    let plain = crate::run(config.clone());
    let mut world = Simulation::new(SimConfig {
        recorded: true,
        ..config
    });
    world.run_to_the_end();
    assert_eq!(world.trace_hash(), plain.hash);
    let recording = world.take_trace().expect("it is recorded");
    assert!(recording.is_to_the_end());
    assert_eq!(recording.run_again().trace_hash(), plain.hash);
    assert_eq!(recording.first_difference(), None);
}

#[test]
fn the_first_record_that_differs_is_named() {
    let mut world = ran(SimConfig::calm(1, 3), 300);
    world.kill(NodeId(2));
    let killed_at = world.trace.events() - 1;
    world.run_until(Mono::ZERO + Duration::from_millis(600));
    let recording = world.take_trace().expect("it is recorded");
    assert_ne!(recording.run_again().trace_hash(), recording.hash());
    assert_eq!(recording.first_difference(), Some(killed_at));
}

#[test]
fn other_files_and_later_formats_are_told_apart() {
    assert_eq!(
        Recording::parse(&b"GIF89a.."[..]),
        Err(RecordingError::NotATrace(*b"GIF8"))
    );
    let mut later = example().into_bytes();
    later[4] = 2;
    assert_eq!(Recording::parse(later), Err(RecordingError::Format(2)));
}
