mod damage;

use alloc::vec;

use bytes::Bytes;
use nori_raft::{Configuration, Entry, HardState, Payload};
use norikv_testkit::{DiskOptions, SimDisk, SimEntropy};
use norikv_types::{NodeId, Prng, Term, Version};

use super::*;

const GROUPS: u32 = 3;

fn options() -> nori_wal::Options {
    nori_wal::Options {
        segment_bytes: 64 << 10,
        first_segment_bytes: 64 << 10,
        batch_bytes_max: 32 << 10,
        ..nori_wal::Options::default()
    }
}

fn open(disk: &SimDisk, seed: u64) -> WalLog {
    WalLog::open(
        Arc::new(disk.clone()),
        Arc::new(SimEntropy::new(seed)),
        options(),
    )
    .unwrap()
}

/// Opens the log as it is after a power cut.
fn reopen(disk: &SimDisk, log: WalLog) -> WalLog {
    drop(log);
    disk.crash(&mut Prng::new(9));
    disk.restart();
    open(disk, 2)
}

fn entry(term: u64, index: u64, bytes: usize) -> Entry {
    let payload = Payload::Command(Bytes::from(vec![u8::try_from(index % 251).unwrap(); bytes]));
    Entry {
        term: Term(term),
        index: LogIndex(index),
        payload,
    }
}

fn append(log: &WalLog, group: GroupId, entries: &[Entry]) {
    log.append(&[LogRecord {
        group,
        hard_state: None,
        reset: None,
        rewrites: &[],
        entries,
    }])
    .unwrap();
}

/// What one group's log must say.
#[derive(Debug, Default, Clone)]
struct Model {
    hard_state: HardState,
    start: Version,
    entries: BTreeMap<LogIndex, Entry>,
}

impl Model {
    fn last(&self) -> Version {
        self.entries
            .values()
            .next_back()
            .map_or(self.start, Entry::version)
    }

    /// The log may have forgotten that entries were released, but nothing else.
    fn check(&self, read: &GroupLog) {
        assert_eq!(read.hard_state, self.hard_state);
        assert!(
            read.start <= self.start,
            "{:?} was never released",
            read.start
        );
        let kept: Vec<&Entry> = read
            .entries
            .iter()
            .filter(|entry| entry.index > self.start.index)
            .collect();
        assert_eq!(kept, self.entries.values().collect::<Vec<_>>());
        let mut next = read.start.index.next();
        for entry in &read.entries {
            assert_eq!(entry.index, next, "the log has a gap");
            next = next.next();
        }
    }
}

/// What a run came across.
#[derive(Debug, Default)]
struct Ran {
    reopened: u64,
    /// Bytes of log freed.
    freed: u64,
    /// Entries read back in between.
    read: u64,
}

/// Appends, cuts, releases and resets drawn from `seed`, with power cuts in between.
fn run(seed: u64) -> Ran {
    let mut prng = Prng::new(seed);
    let disk = SimDisk::new(DiskOptions::default());
    let mut log = open(&disk, prng.next_u64());
    let mut models: BTreeMap<GroupId, Model> = BTreeMap::new();
    let mut ran = Ran::default();
    for step in 0..600 {
        // Group 0 is idle most of the time, so that it pins what the others leave behind.
        let group = if prng.chance_ppm(20_000) {
            0
        } else {
            1 + prng.below(2)
        };
        let group = GroupId(u32::try_from(group).unwrap());
        let model = models.entry(group).or_default();
        match prng.below(20) {
            0 => {
                disk.crash(&mut prng);
                disk.restart();
                log = open(&disk, prng.next_u64());
                for (group, model) in &models {
                    match log.restore(*group).unwrap() {
                        Some(read) => model.check(&read),
                        None => model.check(&GroupLog {
                            hard_state: HardState::default(),
                            start: Version::default(),
                            entries: Vec::new(),
                            damaged: Vec::new(),
                            is_doubtful: false,
                        }),
                    }
                }
                ran.reopened += 1;
            }
            // What is read back while the log is written to is what it says.
            16..18 => {
                let (start, last) = (model.start.index, model.last().index);
                let from = LogIndex(start.0 + 1 + prng.below(last.0 - start.0 + 1));
                let up_to = LogIndex(from.0 + prng.below(30));
                let bytes_max = 1 + prng.below(4_000);
                let read = log.read(group, from, up_to, bytes_max).unwrap();
                let there = model.entries.range(from..=up_to).map(|(_, entry)| entry);
                let expected: Vec<Entry> = there.take(read.len()).cloned().collect();
                assert_eq!(read, expected);
                assert_eq!(read.is_empty(), from > last);
                let bytes: u64 = read.iter().map(Entry::size).sum();
                assert!(
                    read.len() < 2 || bytes <= bytes_max,
                    "{bytes} of {bytes_max}"
                );
                if let Some(last_read) = read.last()
                    && last_read.index < up_to.min(last)
                {
                    let next = &model.entries[&last_read.index.next()];
                    assert!(bytes + next.size() > bytes_max, "there was room for more");
                }
                ran.read += read.len() as u64;
            }
            1..4 => {
                let up_to = LogIndex(model.start.index.0 + prng.below(40));
                log.release(group, up_to).unwrap();
                let up_to = up_to.min(model.last().index);
                if let Some(entry) = model.entries.get(&up_to) {
                    model.start = entry.version();
                    model.entries = model.entries.split_off(&up_to.next());
                }
            }
            4 if step % 5 == 0 => {
                let last = model.last();
                let at = Version {
                    term: last.term,
                    index: LogIndex(last.index.0 + 5),
                };
                let record = LogRecord {
                    group,
                    hard_state: None,
                    reset: Some(at),
                    rewrites: &[],
                    entries: &[],
                };
                log.append(&[record]).unwrap();
                model.start = at;
                model.entries.clear();
            }
            _ => {
                let last = model.last();
                let cut = prng.below(3).min(last.index.0 - model.start.index.0);
                let first = last.index.0 + 1 - cut;
                let term = last.term.0 + u64::from(cut > 0);
                let count = prng.below(6);
                let bytes = usize::try_from(prng.below(600)).unwrap();
                let entries: Vec<Entry> = (first..first + count)
                    .map(|index| entry(term, index, bytes))
                    .collect();
                let hard_state = HardState {
                    term: Term(term),
                    voted_for: Some(NodeId(1 + prng.below(3))),
                    commit_index: model.start.index,
                };
                let record = LogRecord {
                    group,
                    hard_state: Some(&hard_state),
                    reset: None,
                    rewrites: &[],
                    entries: &entries,
                };
                log.append(&[record]).unwrap();
                model.hard_state = hard_state;
                if let Some(first) = entries.first() {
                    let _cut = model.entries.split_off(&first.index);
                }
                model
                    .entries
                    .extend(entries.into_iter().map(|entry| (entry.index, entry)));
            }
        }
    }
    ran.freed = log.wal.first_lsn().0;
    ran
}

#[test]
fn what_was_appended_is_read_back_after_any_power_cut() {
    let mut all = Ran::default();
    for seed in 0..60 {
        std::println!("seed {seed}");
        let Ran {
            reopened,
            freed,
            read,
        } = run(seed);
        all.read += read;
        all.reopened += reopened;
        all.freed += freed;
    }
    assert!(
        all.reopened > 600 && all.freed > 60 * (64 << 10) && all.read > 5_000,
        "{all:?}: too little happened"
    );
}

#[test]
fn an_idle_group_does_not_pin_the_log() {
    let disk = SimDisk::new(DiskOptions::default());
    let log = open(&disk, 1);
    let (idle, busy) = (GroupId(0), GroupId(1));
    append(&log, idle, &[entry(1, 1, 100), entry(1, 2, 100)]);
    for index in 1..3_000 {
        append(&log, busy, &[entry(1, index, 1_000)]);
        log.release(busy, LogIndex(index.saturating_sub(10)))
            .unwrap();
    }
    let held = log.held_bytes();
    assert!(
        held <= (SEGMENTS_MAX + 2) * (64 << 10),
        "{held} bytes of log are held"
    );
    let read = reopen(&disk, log).restore(idle).unwrap().unwrap();
    assert_eq!(read.entries, [entry(1, 1, 100), entry(1, 2, 100)]);
}

#[test]
fn a_run_of_entries_longer_than_a_batch_is_whole() {
    let disk = SimDisk::new(DiskOptions::default());
    let log = open(&disk, 1);
    let entries: Vec<Entry> = (1..=400).map(|index| entry(1, index, 900)).collect();
    append(&log, GroupId(0), &entries);
    assert_eq!(
        reopen(&disk, log)
            .restore(GroupId(0))
            .unwrap()
            .unwrap()
            .entries,
        entries
    );
}

/// Found by the cluster's simulator: a node halted over what it had to write again.
#[test]
fn entries_written_again_may_be_longer_than_a_batch() {
    let disk = SimDisk::new(DiskOptions::default());
    let log = open(&disk, 1);
    let entries: Vec<Entry> = (1..=400).map(|index| entry(1, index, 900)).collect();
    append(&log, GroupId(0), &entries);
    log.append(&[LogRecord {
        group: GroupId(0),
        hard_state: None,
        reset: None,
        rewrites: &entries,
        entries: &[entry(2, 401, 1)],
    }])
    .unwrap();
    let kept = reopen(&disk, log).restore(GroupId(0)).unwrap().unwrap();
    assert_eq!(kept.entries.len(), 401);
    assert_eq!(kept.entries[..400], entries);
}

#[test]
fn a_group_that_was_never_written_is_not_known() {
    let disk = SimDisk::new(DiskOptions::default());
    let log = open(&disk, 1);
    append(&log, GroupId(0), &[entry(1, 1, 1)]);
    let log = reopen(&disk, log);
    assert_eq!(log.restore(GroupId(GROUPS)).unwrap(), None);
    append(&log, GroupId(0), &[entry(1, 2, 1)]);
    assert!(
        log.restore(GroupId(0)).is_err(),
        "what is out of date must not be handed out"
    );
}

#[test]
fn records_come_back_as_they_were_and_no_bytes_make_decoding_panic() {
    let group = GroupId(7);
    let at = Version {
        term: Term(3),
        index: LogIndex(9),
    };
    let hard_state = HardState {
        term: Term(4),
        voted_for: None,
        commit_index: LogIndex(u64::MAX),
    };
    let noop = Entry {
        term: Term(1),
        index: LogIndex(1),
        payload: Payload::Noop,
    };
    let command = entry(1, 2, 3);
    for (written, read) in [
        (
            Record::Append {
                group,
                entry: &noop,
            },
            record::Owned::Append {
                group,
                entry: noop.clone(),
            },
        ),
        (
            Record::Rewrite {
                group,
                entry: &command,
            },
            record::Owned::Rewrite {
                group,
                entry: command.clone(),
            },
        ),
        (
            Record::HardState { group, hard_state },
            record::Owned::HardState { group, hard_state },
        ),
        (
            Record::Reset { group, at },
            record::Owned::Reset { group, at },
        ),
        (
            Record::Release { group, up_to: at },
            record::Owned::Release { group, up_to: at },
        ),
    ] {
        let mut bytes = Vec::new();
        written.encode(&mut bytes);
        assert_eq!(record::Owned::decode(&bytes), Some(read));
        for cut in 0..bytes.len() {
            let _outcome = record::Owned::decode(&bytes[..cut]);
        }
        for bit in 0..bytes.len() * 8 {
            bytes[bit / 8] ^= 1 << (bit % 8);
            let _outcome = record::Owned::decode(&bytes);
            bytes[bit / 8] ^= 1 << (bit % 8);
        }
    }
}

#[test]
fn the_documented_example_is_what_is_written() {
    let page = include_str!("../../../../../docs/formats/replicated-log.md");
    let example = page
        .split("```text\n")
        .nth(1)
        .and_then(|rest| rest.split("```").next())
        .unwrap();
    let documented: Vec<u8> = example
        .lines()
        .flat_map(|line| line.split("  ").next().unwrap().split(' '))
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let command = Payload::Command(Bytes::from_static(b"hi"));
    let entry = Entry {
        term: Term(2),
        index: LogIndex(258),
        payload: command,
    };
    let mut written = Vec::new();
    Record::Append {
        group: GroupId(1),
        entry: &entry,
    }
    .encode(&mut written);
    assert_eq!(written, documented);

    let written = page.split("300 alone: `").nth(1).unwrap();
    let documented: Vec<u8> = written
        .split_once('`')
        .unwrap()
        .0
        .split(' ')
        .map(|byte| u8::from_str_radix(byte, 16).unwrap())
        .collect();
    let voters = [1, 2, 300].map(NodeId);
    let entry = Entry {
        payload: Payload::Configuration(Configuration::new(voters).unwrap().into()),
        ..entry
    };
    let group = GroupId(1);
    let mut bytes = Vec::new();
    let record = Record::Append {
        group,
        entry: &entry,
    };
    record.encode(&mut bytes);
    assert!(bytes.ends_with(&documented), "{bytes:02x?}");
    assert_eq!(
        record::Owned::decode(&bytes),
        Some(record::Owned::Append { group, entry })
    );
}
