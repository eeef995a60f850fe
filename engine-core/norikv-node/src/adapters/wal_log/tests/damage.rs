//! A flipped bit in the log: what is handed out is right, and what is not is named.

use nori_env::{BlockStore, ObjectId, ObjectKind};
use nori_raft::Stretch;

use super::*;

/// Opens the log as it is after a power cut.
fn salvaged(disk: &SimDisk, seed: u64) -> WalLog {
    cut_power(disk);
    let options = nori_wal::Options {
        mode: nori_wal::OpenMode::Salvage,
        ..options()
    };
    let (store, entropy) = (Arc::new(disk.clone()), Arc::new(SimEntropy::new(seed)));
    WalLog::open(store, entropy, options).unwrap()
}

fn cut_power(disk: &SimDisk) {
    disk.crash(&mut Prng::new(9));
    disk.restart();
}

/// Appends that cut now and then, in two groups; what each must hold.
fn written(log: &WalLog, prng: &mut Prng) -> BTreeMap<GroupId, Model> {
    let mut models: BTreeMap<GroupId, Model> = BTreeMap::new();
    for _ in 0..120 {
        let group = GroupId(u32::try_from(prng.below(2)).unwrap());
        let model = models.entry(group).or_default();
        let last = model.last();
        let cut = match prng.below(6) {
            0 => prng.below(3).min(last.index.0),
            _ => 0,
        };
        let first = last.index.0 + 1 - cut;
        let term = last.term.0.max(1) + u64::from(cut > 0);
        let entries: Vec<Entry> = (first..=first + prng.below(4))
            .map(|index| entry(term, index, 20 + usize::try_from(prng.below(300)).unwrap()))
            .collect();
        let hard_state = HardState {
            term: Term(term),
            voted_for: Some(NodeId(1)),
            commit_index: LogIndex(0),
        };
        log.append(&[LogRecord {
            group,
            hard_state: (hard_state.term != model.hard_state.term).then_some(&hard_state),
            reset: None,
            rewrites: &[],
            entries: &entries,
        }])
        .unwrap();
        model.hard_state = hard_state;
        let _cut = model.entries.split_off(&LogIndex(first));
        let entries = entries.into_iter().map(|entry| (entry.index, entry));
        model.entries.extend(entries);
    }
    models
}

/// Every entry is there as it was, or said to be damaged; nothing else is.
fn check(read: &GroupLog, model: &Model) -> u64 {
    let is_damaged = |index: &LogIndex| {
        let mut damaged = read.damaged.iter();
        damaged.any(|stretch| (stretch.from..=stretch.up_to).contains(index))
    };
    for entry in &read.entries {
        assert_eq!(model.entries.get(&entry.index), Some(entry));
        assert!(!is_damaged(&entry.index));
    }
    let lost = model.entries.keys().filter(|index| is_damaged(index));
    let lost = lost.count();
    assert_eq!(
        read.entries.len() + lost,
        model.entries.len(),
        "{:?}",
        read.damaged
    );
    lost as u64
}

#[test]
fn whatever_bit_flips_entries_are_right_or_named_and_promises_are_known_or_in_doubt() {
    let (mut lost, mut doubted, mut found) = (0, 0, 0);
    for seed in 0..300 {
        let mut prng = Prng::new(seed);
        let disk = SimDisk::new(DiskOptions::default());
        let log = open(&disk, 1);
        let models = written(&log, &mut prng);
        if seed % 3 > 0 {
            log.seal().unwrap();
        }
        drop(log);
        let segments: Vec<_> = (disk.list().unwrap().into_iter())
            .filter(|id| id.kind == ObjectKind::Log)
            .collect();
        let segment = segments[usize::try_from(prng.below(segments.len() as u64)).unwrap()];
        if !disk.flip_bit(segment, prng.below(40_000) * 8) {
            continue;
        }
        // What was found stays found until it is repaired.
        for open in 0..2 {
            let log = salvaged(&disk, 2 + open);
            let report = log.report();
            for (group, model) in &models {
                let read = log.restore(*group).unwrap().unwrap();
                if read.is_doubtful {
                    doubted += 1;
                } else {
                    assert_eq!(read.hard_state, model.hard_state, "seed {seed}");
                    lost += check(&read, model);
                }
                assert!(read.damaged.is_empty() || report.corrupt_bytes > 0 || open > 0);
            }
            found += u64::from(report.corrupt_bytes > 0);
            assert_eq!(report.ranges.is_empty(), report.corrupt_bytes == 0);
        }
    }
    assert!(
        lost > 100 && doubted > 10 && found > 100,
        "{lost} entries lost, {doubted} groups doubted, {found} found"
    );
}

#[test]
fn what_is_written_again_in_its_place_is_there_after_the_next_start() {
    let disk = SimDisk::new(DiskOptions::default());
    let log = open(&disk, 1);
    let group = GroupId(1);
    let hard_state = HardState {
        term: Term(1),
        voted_for: None,
        commit_index: LogIndex(0),
    };
    let all: Vec<Entry> = (1..=30).map(|index| entry(1, index, 400)).collect();
    for entry in &all {
        log.append(&[LogRecord {
            group,
            hard_state: Some(&hard_state),
            reset: None,
            rewrites: &[],
            entries: core::slice::from_ref(entry),
        }])
        .unwrap();
    }
    log.seal().unwrap();
    drop(log);
    let segment = disk.list().unwrap().into_iter().max().unwrap();
    assert!(disk.flip_bit(segment, 8 * 9_000));
    cut_power(&disk);
    assert!(
        WalLog::open(
            Arc::new(disk.clone()),
            Arc::new(SimEntropy::new(3)),
            options()
        )
        .is_err(),
        "a log that stands alone does not open"
    );
    let log = salvaged(&disk, 2);
    let read = log.restore(group).unwrap().unwrap();
    let [Stretch { from, up_to }] = read.damaged[..] else {
        panic!("{:?}", read.damaged);
    };
    assert!(from > LogIndex(1) && up_to < LogIndex(30) && !read.is_doubtful);
    assert_eq!(log.report().affected, [group]);
    let lost = &all[usize::try_from(from.0 - 1).unwrap()..usize::try_from(up_to.0).unwrap()];
    let all_of_it = |log: &WalLog| log.read(group, LogIndex(1), LogIndex(30), u64::MAX);
    assert!(all_of_it(&log).unwrap().len() < 30);
    log.append(&[LogRecord {
        group,
        hard_state: None,
        reset: None,
        rewrites: lost,
        entries: &[],
    }])
    .unwrap();
    assert_eq!(all_of_it(&log).unwrap(), all);
    drop(log);
    let log = salvaged(&disk, 4);
    let read = log.restore(group).unwrap().unwrap();
    assert_eq!((read.entries, read.damaged), (all, Vec::new()));
}

#[test]
fn a_group_of_which_damage_may_have_taken_everything_stays_in_doubt() {
    let disk = SimDisk::new(DiskOptions::default());
    let log = open(&disk, 1);
    for index in 1..=20 {
        append(&log, GroupId(1), &[entry(1, index, 400)]);
    }
    drop(log);
    let segment = disk.list().unwrap().into_iter().max().unwrap();
    assert!(disk.flip_bit(segment, 8 * 3_000));
    let log = salvaged(&disk, 2);
    let unknown = GroupId(2);
    assert!(log.restore(unknown).unwrap().unwrap().is_doubtful);
    append(&log, unknown, &[entry(1, 1, 10)]);
    let log = {
        drop(log);
        salvaged(&disk, 3)
    };
    assert!(log.restore(unknown).unwrap().unwrap().is_doubtful);
}

/// A log of one group whose newest term is said in a place that rots, and what `after` appends.
fn doubtful(after: impl Fn(&WalLog, GroupId, HardState)) -> GroupLog {
    let (disk, group) = (SimDisk::new(DiskOptions::default()), GroupId(1));
    let log = open(&disk, 1);
    let said = |term, commit| HardState {
        term: Term(term),
        voted_for: Some(NodeId(1)),
        commit_index: LogIndex(commit),
    };
    let write = |hard_state: HardState, index| {
        log.append(&[LogRecord {
            group,
            hard_state: Some(&hard_state),
            reset: None,
            rewrites: &[],
            entries: &[entry(hard_state.term.0, index, 400)],
        }])
        .unwrap();
    };
    (1..=4).for_each(|index| write(said(1, 0), index));
    let from = log.wal.end_lsn();
    write(said(2, 3), 5);
    let active = log.wal.segments().last().copied().unwrap();
    after(&log, group, said(2, 6));
    log.wal.seal().unwrap();
    drop(log);
    let mut at = 0;
    Wal::inspect(&disk, ObjectId::log(active.number), &mut |inspected| {
        if let nori_wal::Inspected::Frame(frame) = inspected
            && frame.lsn >= from
            && at == 0
        {
            at = frame.offset + u64::from(frame.len) / 2;
        }
    })
    .unwrap();
    assert!(disk.flip_bit(ObjectId::log(active.number), 8 * at));
    let read = salvaged(&disk, 2).restore(group).unwrap().unwrap();
    assert!(read.is_doubtful);
    read
}

#[test]
fn a_group_in_doubt_is_in_no_earlier_term_than_its_entries() {
    let read = doubtful(|log, group, _| append(log, group, &[entry(2, 6, 400)]));
    assert_eq!(
        (read.hard_state.term, read.hard_state.voted_for),
        (Term(2), None)
    );
    assert_eq!(
        read.entries.last().map(Entry::version),
        Some(entry(2, 6, 0).version())
    );
}

#[test]
fn a_group_in_doubt_reached_as_far_as_it_knew_to_be_committed() {
    let read = doubtful(|log, group, hard_state| {
        log.append(&[LogRecord {
            group,
            hard_state: Some(&hard_state),
            reset: None,
            rewrites: &[],
            entries: &[],
        }])
        .unwrap();
    });
    let reached = read.damaged.last().map(|stretch| stretch.up_to);
    assert_eq!(reached, Some(read.hard_state.commit_index));
    assert_eq!(reached, Some(LogIndex(6)));
}

#[test]
fn whoever_forgets_everything_has_nothing_to_doubt() {
    let disk = SimDisk::new(DiskOptions::default());
    let log = open(&disk, 1);
    let group = GroupId(1);
    for index in 1..=20 {
        append(&log, group, &[entry(1, index, 400)]);
    }
    drop(log);
    let segment = disk.list().unwrap().into_iter().max().unwrap();
    assert!(disk.flip_bit(segment, 8 * 3_000));
    let log = salvaged(&disk, 2);
    assert!(log.restore(group).unwrap().unwrap().is_doubtful);
    log.append(&[LogRecord {
        group,
        hard_state: Some(&HardState::default()),
        reset: Some(Version::default()),
        rewrites: &[],
        entries: &[],
    }])
    .unwrap();
    append(&log, group, &[entry(3, 1, 10)]);
    for seed in 3..5 {
        let log = salvaged(&disk, seed);
        let read = log.restore(group).unwrap().unwrap();
        assert!(!read.is_doubtful && read.damaged.is_empty());
        assert_eq!(read.entries, [entry(3, 1, 10)]);
    }
}

#[test]
fn a_segment_of_which_something_is_damaged_is_emptied_of_the_rest_and_says_what() {
    let disk = SimDisk::new(DiskOptions::default());
    let log = open(&disk, 1);
    let (idle, busy) = (GroupId(1), GroupId(2));
    for index in 1..=4 {
        append(&log, idle, &[entry(1, index, 400)]);
        append(&log, busy, &[entry(1, index, 4_000)]);
    }
    let segment = ObjectId::log(log.segments().last().unwrap().number);
    let mut write = 5..;
    let mut until = |told: bool| {
        loop {
            let index = write.next().unwrap();
            assert!(index < 1_000, "nothing happens");
            append(&log, busy, &[entry(1, index, 8_000)]);
            let damaged = log.release(busy, LogIndex(index)).unwrap();
            let gone = !disk.list().unwrap().contains(&segment);
            match told {
                true if !damaged.is_empty() => return damaged,
                false if gone => return damaged,
                _ => assert!(damaged.is_empty(), "told again"),
            }
        }
    };
    assert!(disk.flip_bit(segment, 8 * 12_000));
    let [(group, stretch)] = until(true)[..] else {
        panic!("one stretch");
    };
    assert_eq!(group, idle);
    let read = |from| log.read(idle, LogIndex(from), LogIndex(4), u64::MAX);
    let first = stretch.from.0;
    assert!(first > 1 && read(first).is_err());
    assert_eq!(
        read(1).unwrap().len() as u64,
        first - 1,
        "they were written again"
    );
    // Written again, it keeps nothing occupied.
    let again: Vec<Entry> = (first..=stretch.up_to.0)
        .map(|index| entry(1, index, 400))
        .collect();
    log.append(&[LogRecord {
        group: idle,
        hard_state: None,
        reset: None,
        rewrites: &again,
        entries: &[],
    }])
    .unwrap();
    assert_eq!(until(false), []);
    assert_eq!(read(1).unwrap().len(), 4);
}
