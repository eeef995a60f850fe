use std::format;
use std::vec;

use nori_lsm::TableOptions;
use nori_raft::Payload;
use norikv_placement::shard_of;
use norikv_testkit::{DiskOptions, SimDisk, SimEntropy, VirtualClock};
use norikv_types::{NodeId, Prng, Term, WallMs};

use super::*;
use crate::{Check, Command, Compare, Expect, Item, Operation, Outcome, Step, Transaction};

const GROUP: GroupId = GroupId(3);
const CHUNK_BYTES: u32 = 2_000;

/// One node's disk and the storage on it.
struct Replica {
    disk: SimDisk,
    clock: Arc<VirtualClock>,
    storage: LsmStorage,
    starts: u64,
}

impl Replica {
    fn new() -> Self {
        let disk = SimDisk::new(DiskOptions::default());
        let clock = Arc::new(VirtualClock::new(WallMs(0)));
        let storage = open_at(&disk, &clock, 1).unwrap();
        Self {
            disk,
            clock,
            storage,
            starts: 1,
        }
    }

    /// Cuts the power and starts again.
    fn crash(&mut self, prng: &mut Prng) {
        self.disk.crash(prng);
        self.reopen();
    }

    fn reopen(&mut self) {
        self.disk.restart();
        self.starts += 1;
        self.storage = open_at(&self.disk, &self.clock, self.starts).unwrap();
    }

    fn maintain(&self) {
        while self.storage.maintain(4_096).unwrap() == Maintenance::More {}
    }

    fn flush(&self) {
        self.storage.flush();
        self.maintain();
    }

    fn applied(&self) -> Version {
        self.storage.applied(GROUP).unwrap()
    }

    /// The whole group, as it would travel.
    fn export(&self) -> (Version, Vec<Bytes>) {
        let mut export = self.storage.export(GROUP).unwrap();
        let mut chunks = Vec::new();
        loop {
            let chunk = export.next_chunk(CHUNK_BYTES).unwrap();
            chunks.push(chunk.bytes);
            if chunk.last {
                return (export.at(), chunks);
            }
        }
    }

    fn install(&self, at: Version, chunks: &[Bytes]) -> Result<(), PortError> {
        let mut staging = self.storage.stage(GROUP)?;
        for chunk in chunks {
            staging.chunk(chunk)?;
        }
        staging.install(at)
    }

    fn get(&self, key: &Bytes) -> Answer {
        let key = key.clone();
        self.storage.query(&Query::Get { key }).unwrap()
    }

    fn scan_all(&self) -> Vec<Item> {
        match self.storage.query(&Query::Scan {
            group: GROUP,
            prefix: Bytes::new(),
            after: None,
            limit: u32::MAX,
            bytes_max: u32::MAX,
        }) {
            Ok(Answer::Page(page)) => page.items,
            other => panic!("{other:?}"),
        }
    }

    fn incoming(&self) -> usize {
        let listed = self.disk.list().unwrap();
        let incoming = listed.iter().filter(|id| id.kind == ObjectKind::Incoming);
        incoming.count()
    }
}

fn open(disk: &SimDisk, seed: u64) -> Result<LsmStorage, PortError> {
    open_at(disk, &Arc::new(VirtualClock::new(WallMs(0))), seed)
}

fn open_at(disk: &SimDisk, clock: &Arc<VirtualClock>, seed: u64) -> Result<LsmStorage, PortError> {
    let options = nori_lsm::Options {
        memtable_bytes: 16 << 10,
        level_base_bytes: 64 << 10,
        table_bytes: 16 << 10,
        cache_bytes: 64 << 10,
        table: TableOptions {
            block_bytes: 512,
            ..TableOptions::default()
        },
        ..nori_lsm::Options::default()
    };
    LsmStorage::open(
        Arc::new(disk.clone()),
        Arc::<VirtualClock>::clone(clock),
        Arc::new(SimEntropy::new(seed)),
        options,
        Placement::new(&[NodeId(1)], 8, 1).unwrap(),
    )
}

/// Keys that `GROUP` serves.
fn keys(count: usize) -> Vec<Bytes> {
    keys_of(GROUP, count)
}

fn keys_of(group: GroupId, count: usize) -> Vec<Bytes> {
    let placement = Placement::new(&[NodeId(1)], 8, 1).unwrap();
    (0_u32..)
        .map(|number| Bytes::from(format!("key-{number}")))
        .filter(|key| placement.group_of(shard_of(key)) == group)
        .take(count)
        .collect()
}

fn entry(index: u64, payload: Payload) -> Entry {
    Entry {
        term: Term(1 + index / 50),
        index: LogIndex(index),
        payload,
    }
}

fn put(index: u64, key: &Bytes, value: &[u8]) -> Entry {
    put_until(index, 0, key, value, None)
}

/// A write at the time `stamp` of a value that ends after `ttl_ms`.
fn put_until(index: u64, stamp: u64, key: &Bytes, value: &[u8], ttl_ms: Option<u64>) -> Entry {
    let operation = Operation::Put {
        key: key.clone(),
        value: Bytes::copy_from_slice(value),
        expect: Expect::Any,
        ttl_ms,
    };
    let command = Command {
        stamp: WallMs(stamp),
        ..Command::new(operation, None)
    };
    entry(index, Payload::Command(command.encode()))
}

/// A write of some key that `group` serves.
fn put_in(group: GroupId, index: u64) -> Entry {
    put(index, &keys_of(group, 1)[0], b"elsewhere")
}

/// A log of writes of every sort; the same for the same seed.
fn random_log(seed: u64, len: u64) -> Vec<Entry> {
    let mut prng = Prng::new(seed);
    let keys = keys(40);
    (1..=len)
        .map(|index| {
            if prng.chance_ppm(20_000) {
                return entry(index, Payload::Noop);
            }
            let key = keys[usize::try_from(prng.below(40)).unwrap()].clone();
            let expect = match prng.below(4) {
                0 => Expect::Absent,
                1 => Expect::Version(entry(index.saturating_sub(5), Payload::Noop).version()),
                _ => Expect::Any,
            };
            let operation = match prng.below(6) {
                0 => Operation::Delete { key, expect },
                1 => Operation::Increment { key, by: 3 },
                2 => Operation::Transaction(Transaction {
                    compares: vec![Compare {
                        key: key.clone(),
                        check: Check::Exists,
                    }],
                    then: vec![Step::Get { key: key.clone() }, Step::Delete { key }],
                    otherwise: vec![Step::Put {
                        key: keys[0].clone(),
                        value: Bytes::from_static(b"7"),
                        ttl_ms: Some(900),
                    }],
                }),
                _ => {
                    let bytes = usize::try_from(prng.below(200)).unwrap();
                    let byte = u8::try_from(prng.below(256)).unwrap();
                    let ttl_ms = prng.chance_ppm(300_000).then(|| 1 + prng.below(2_000));
                    Operation::Put {
                        key,
                        value: vec![byte; bytes].into(),
                        expect,
                        ttl_ms,
                    }
                }
            };
            let name = prng
                .chance_ppm(500_000)
                .then(|| Bytes::from(format!("name-{}", prng.below(100))));
            let command = Command {
                // Leaders whose clocks differ.
                stamp: WallMs(index * 20 + prng.below(200)),
                ..Command::new(operation, name)
            };
            entry(index, Payload::Command(command.encode()))
        })
        .collect()
}

#[test]
fn what_is_applied_is_found_by_key_and_by_scan() {
    let replica = Replica::new();
    let keys = keys(3);
    assert_eq!(replica.applied(), Version::default());
    let entries = [
        entry(1, Payload::Noop),
        put(2, &keys[0], b"a"),
        put(3, &keys[1], b"b"),
        put(4, &keys[0], b"c"),
    ];
    let decided = replica.storage.apply(GROUP, &entries).unwrap();
    let outcomes: Vec<_> = decided.iter().map(|decided| &decided.outcome).collect();
    let written = |index: usize| Outcome::Written {
        version: entries[index].version(),
    };
    assert_eq!(
        outcomes,
        [&Outcome::Noop, &written(1), &written(2), &written(3)]
    );
    assert_eq!(replica.applied(), entries[3].version());
    assert_eq!(
        replica.get(&keys[0]),
        Answer::Value {
            value: Bytes::from_static(b"c"),
            version: entries[3].version(),
            expires_at: None,
        }
    );
    assert_eq!(replica.get(&keys[2]), Answer::Absent);
    let mut expected = vec![
        (keys[0].clone(), Bytes::from_static(b"c")),
        (keys[1].clone(), Bytes::from_static(b"b")),
    ];
    expected.sort();
    let items = replica.scan_all().into_iter();
    assert_eq!(
        items.map(|item| (item.key, item.value)).collect::<Vec<_>>(),
        expected
    );
}

#[test]
fn an_entry_is_never_executed_twice() {
    let replica = Replica::new();
    let keys = keys(1);
    let first = [put(1, &keys[0], b"a"), put(2, &keys[0], b"b")];
    replica.storage.apply(GROUP, &first).unwrap();
    let again = [
        put(1, &keys[0], b"a"),
        put(2, &keys[0], b"b"),
        put(3, &keys[0], b"c"),
    ];
    let decided = replica.storage.apply(GROUP, &again).unwrap();
    assert_eq!(decided[0].outcome, Outcome::Skipped);
    assert_eq!(decided[1].outcome, Outcome::Skipped);
    assert_eq!(
        decided[2].outcome,
        Outcome::Written {
            version: again[2].version()
        }
    );
    assert_eq!(replica.storage.apply(GROUP, &again[..2]).unwrap().len(), 2);
    assert_eq!(replica.applied(), again[2].version());
}

#[test]
#[should_panic(expected = "without gaps")]
fn a_gap_between_entries_is_a_bug_of_the_caller() {
    let replica = Replica::new();
    let _ = replica.storage.apply(GROUP, &[put(2, &keys(1)[0], b"a")]);
}

#[test]
fn the_flushed_index_follows_the_flushes_and_survives_reopening() {
    let mut replica = Replica::new();
    let log = random_log(5, 400);
    let mut flushed = LogIndex(0);
    for entries in log.chunks(7) {
        replica.storage.apply(GROUP, entries).unwrap();
        replica.storage.maintain(1 << 10).unwrap();
        let now = replica.storage.flushed(GROUP);
        assert!(now >= flushed, "{now} after {flushed}");
        assert!(now <= replica.applied().index);
        flushed = now;
    }
    assert!(flushed > LogIndex(0), "memtables of 16 KiB were flushed");
    assert!(flushed < LogIndex(400), "the last entries are in memory");
    replica.flush();
    assert_eq!(replica.storage.flushed(GROUP), LogIndex(400));
    assert_eq!(replica.storage.flushed(GroupId(0)), LogIndex(0));
    replica.reopen();
    assert_eq!(replica.storage.flushed(GROUP), LogIndex(400));
    assert_eq!(replica.applied(), log[399].version());
}

#[test]
fn replicas_that_applied_the_same_hold_the_same_bytes() {
    for seed in 0..8 {
        let log = random_log(seed, 300);
        let steady = Replica::new();
        let together = steady.storage.apply(GROUP, &log).unwrap();
        let mut shaken = Replica::new();
        let mut prng = Prng::new(seed);
        let mut decided = Vec::new();
        while shaken.applied().index < LogIndex(300) {
            let from = usize::try_from(shaken.applied().index.0).unwrap();
            let count = usize::try_from(1 + prng.below(9)).unwrap();
            let entries = &log[from..log.len().min(from + count)];
            // What a crash takes back is decided again, to the same.
            decided.truncate(from);
            decided.extend(shaken.storage.apply(GROUP, entries).unwrap());
            shaken.storage.maintain(prng.below(8_192)).unwrap();
            if prng.chance_ppm(50_000) {
                let survives = shaken.storage.flushed(GROUP);
                shaken.crash(&mut prng);
                assert!(shaken.applied().index >= survives, "seed {seed}");
                assert_eq!(shaken.storage.flushed(GROUP), shaken.applied().index);
            }
        }
        assert_eq!(decided, together, "seed {seed}");
        assert_eq!(shaken.export(), steady.export(), "seed {seed}");
    }
}

#[test]
fn a_crash_loses_only_what_was_not_flushed_and_the_log_brings_it_back() {
    let mut replica = Replica::new();
    let keys = keys(2);
    replica
        .storage
        .apply(GROUP, &[put(1, &keys[0], b"kept")])
        .unwrap();
    replica.flush();
    let lost = [put(2, &keys[0], b"lost"), put(3, &keys[1], b"lost too")];
    replica.storage.apply(GROUP, &lost).unwrap();
    assert_eq!(replica.storage.flushed(GROUP), LogIndex(1));
    replica.crash(&mut Prng::new(3));
    assert_eq!(replica.applied().index, LogIndex(1));
    assert_eq!(replica.get(&keys[1]), Answer::Absent);
    replica.storage.apply(GROUP, &lost).unwrap();
    assert_eq!(
        replica.get(&keys[1]),
        Answer::Value {
            value: Bytes::from_static(b"lost too"),
            version: lost[1].version(),
            expires_at: None,
        }
    );
}

mod damage;
mod endings;
mod snapshots;
mod watching;
