use std::collections::BTreeMap;
use std::format;
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use nori_raft::{Entry, Payload};
use norikv_placement::{Placement, shard_of};
use norikv_types::{GroupId, LogIndex, Mutant, NodeId, Prng, ShardId, Term, Version, WallMs};

use super::changes::Changes;
use super::sessions::SESSION_AGE_MS;
use super::*;
use crate::{
    Answer, Check, Command, Compare, Decided, Expect, Operation, Outcome, PortError, PortErrorKind,
    Step, StepAnswer, Transaction,
};

pub(super) const GROUP: GroupId = GroupId(5);
/// Named writes that the group remembers here.
const REMEMBERED: u32 = 64;

/// A store that is a map.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct MapView(pub(super) BTreeMap<Bytes, Bytes>);

pub(super) struct MapCursor {
    items: vec::IntoIter<(Bytes, Bytes)>,
    behind: Option<Bytes>,
}

impl StateView for MapView {
    type Cursor = MapCursor;

    fn get(&self, key: &[u8]) -> Result<Option<Bytes>, PortError> {
        Ok(self.0.get(key).cloned())
    }

    fn range(&self, from: Bytes, to: Bytes) -> MapCursor {
        let range = self.0.range(from..to.clone());
        let items: Vec<_> = range.map(|(k, v)| (k.clone(), v.clone())).collect();
        MapCursor {
            items: items.into_iter(),
            behind: self.0.range(to..).next().map(|(key, _)| key.clone()),
        }
    }
}

impl Cursor for MapCursor {
    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, PortError> {
        Ok(self.items.next())
    }

    fn behind(&self) -> Option<Bytes> {
        self.behind.clone()
    }
}

impl MapView {
    fn write(&mut self, changes: &Changes) {
        for (key, value) in changes.iter() {
            match value {
                Some(value) => self.0.insert(key.clone(), value.clone()),
                None => self.0.remove(key),
            };
        }
    }

    fn applied(&self) -> Version {
        group_record(self, GROUP).unwrap().applied
    }

    /// Applies them as after a restart: the sessions are read from what is stored.
    pub(super) fn apply(&mut self, entries: &[Entry]) -> Vec<Decided> {
        self.apply_with(entries, &mut Sessions::new(REMEMBERED))
    }

    fn apply_with(&mut self, entries: &[Entry], sessions: &mut Sessions) -> Vec<Decided> {
        let before = self.clone();
        let record = group_record(&before, GROUP).unwrap();
        let mut machine = StateMachine::new(&before, GROUP, shards(), record, sessions);
        let decided = entries
            .iter()
            .map(|entry| machine.execute(entry).unwrap())
            .collect();
        self.write(&machine.finish().changes);
        decided
    }
}

pub(super) fn shards() -> core::ops::Range<ShardId> {
    Placement::new(&[NodeId(1)], 8, 1).unwrap().shards(GROUP)
}

/// Keys that `GROUP` serves.
pub(super) fn keys(count: usize) -> Vec<Bytes> {
    (0_u32..)
        .map(|number| Bytes::from(format!("key-{number}")))
        .filter(|key| shards().contains(&shard_of(key)))
        .take(count)
        .collect()
}

fn version(index: u64) -> Version {
    Version {
        term: Term(1 + index / 1_000),
        index: LogIndex(index),
    }
}

fn entry(index: u64, payload: Payload) -> Entry {
    Entry {
        term: version(index).term,
        index: LogIndex(index),
        payload,
    }
}

fn named(operation: Operation, name: Option<&str>) -> Command {
    let name = name.map(|name| Bytes::copy_from_slice(name.as_bytes()));
    Command::new(operation, name)
}

fn stamped(command: Command, stamp: u64) -> Command {
    let stamp = WallMs(stamp);
    Command { stamp, ..command }
}

fn put_if(key: &Bytes, value: &[u8], expect: Expect) -> Operation {
    Operation::Put {
        key: key.clone(),
        value: Bytes::copy_from_slice(value),
        expect,
        ttl_ms: None,
    }
}

fn delete(key: &Bytes, expect: Expect) -> Operation {
    let key = key.clone();
    Operation::Delete { key, expect }
}

pub(super) fn put(key: &Bytes, value: &[u8]) -> Command {
    named(put_if(key, value, Expect::Any), None)
}

pub(super) fn log(commands: impl IntoIterator<Item = Command>) -> Vec<Entry> {
    log_from(1, commands)
}

fn log_from(first: u64, commands: impl IntoIterator<Item = Command>) -> Vec<Entry> {
    (first..)
        .zip(commands)
        .map(|(index, command)| entry(index, Payload::Command(command.encode())))
        .collect()
}

fn outcomes(decided: Vec<Decided>) -> Vec<Outcome> {
    decided.into_iter().map(|decided| decided.outcome).collect()
}

fn written(index: u64) -> Outcome {
    Outcome::Written {
        version: version(index),
    }
}

#[test]
fn a_write_without_a_name_is_one_change_and_a_named_one_two() {
    let keys = keys(2);
    let changed = |command: Command| {
        let view = MapView::default();
        let mut sessions = Sessions::new(REMEMBERED);
        let record = GroupRecord::default();
        let mut machine = StateMachine::new(&view, GROUP, shards(), record, &mut sessions);
        machine.execute(&log([command])[0]).unwrap();
        // The group's record comes once a batch.
        machine.finish().changes.iter().count() - 1
    };
    assert_eq!(changed(put(&keys[0], b"v")), 1);
    let operation = put_if(&keys[0], b"v", Expect::Any);
    assert_eq!(changed(named(operation, Some("n"))), 2);
}

#[test]
fn a_batch_leaves_what_its_entries_leave_one_by_one() {
    let keys = keys(2);
    let (a, b) = (&keys[0], &keys[1]);
    let put_if = |expect, name| named(put_if(a, b, expect), name);
    let commands = [
        put_if(Expect::Absent, Some("once")),
        put_if(Expect::Absent, Some("once")),
        put_if(Expect::Absent, None),
        put_if(Expect::Version(version(1)), None),
        put_if(Expect::Any, Some("once")),
        named(delete(a, Expect::Version(version(4))), None),
        put_if(Expect::Version(version(4)), None),
        put(b, b"end"),
    ];
    let entries = log(commands);
    let mut together = MapView::default();
    let mut alone = MapView::default();
    let decided = together.apply(&entries);
    let mut one_by_one = Vec::new();
    for entry in &entries {
        one_by_one.extend(alone.apply(core::slice::from_ref(entry)));
    }
    let met = |actual| Outcome::PreconditionFailed { actual };
    assert_eq!(decided, one_by_one);
    assert_eq!(together, alone);
    assert_eq!(
        outcomes(decided),
        [
            written(1),
            written(1),
            met(Some(version(1))),
            written(4),
            Outcome::IdempotencyMismatch,
            written(6),
            met(None),
            written(8),
        ]
    );
}

#[test]
fn of_sixteen_writes_that_expect_an_absent_key_one_happens() {
    let key = &keys(1)[0];
    let attempts = (0..16_u8).map(|n| named(put_if(key, &[n], Expect::Absent), None));
    let decided = MapView::default().apply(&log(attempts));
    let actual = Some(version(1));
    let expected =
        core::iter::once(written(1)).chain((1..16).map(|_| Outcome::PreconditionFailed { actual }));
    assert_eq!(outcomes(decided), expected.collect::<Vec<_>>());
}

#[test]
fn a_group_remembers_exactly_its_last_named_writes() {
    let key = &keys(1)[0];
    let write = |number: u64| {
        let operation = put_if(key, &number.to_le_bytes(), Expect::Any);
        named(operation, Some(&format!("n{number}")))
    };
    let ring = u64::from(REMEMBERED);
    let mut view = MapView::default();
    view.apply(&log((1..=ring).map(write)));
    let repeat = |view: &mut MapView, number: u64| {
        let index = view.applied().index.next().0;
        let decided = view.apply(&log_from(index, [write(number)]));
        match decided[0].outcome {
            Outcome::Written { version } => version.index.0,
            ref other => panic!("{other:?}"),
        }
    };
    assert_eq!(repeat(&mut view, 1), 1, "the oldest one is remembered");
    assert_eq!(repeat(&mut view, ring), ring);
    // A new name takes the place of the oldest, and only of that one.
    assert_eq!(repeat(&mut view, ring + 1), ring + 3);
    assert_eq!(repeat(&mut view, 2), 2);
    assert_eq!(repeat(&mut view, 1), ring + 5, "forgotten, so it happens");
    assert_eq!(repeat(&mut view, 2), ring + 6);
    assert_eq!(repeat(&mut view, ring + 1), ring + 3);
}

#[test]
fn a_name_is_forgotten_by_the_replicated_time_and_not_before() {
    let key = &keys(1)[0];
    let write = |stamp| stamped(named(put_if(key, b"v", Expect::Any), Some("n")), stamp);
    let decided = MapView::default().apply(&log([
        write(1_000),
        write(1_000 + SESSION_AGE_MS - 1),
        write(5),
        write(1_000 + SESSION_AGE_MS),
        write(1_000 + SESSION_AGE_MS),
    ]));
    let expected = [written(1), written(1), written(1), written(4), written(4)];
    assert_eq!(outcomes(decided), expected);
}

#[test]
fn large_answers_are_remembered_within_a_bound() {
    let keys = keys(2);
    let large = Bytes::from(vec![7; 1 << 20]);
    let read = |number: u64| {
        let key = keys[0].clone();
        let transaction = Transaction {
            then: vec![Step::Get { key }],
            ..Transaction::default()
        };
        named(
            Operation::Transaction(transaction),
            Some(&format!("n{number}")),
        )
    };
    let mut view = MapView::default();
    view.apply(&log([put(&keys[0], &large)]));
    view.apply(&log_from(2, (0..40).map(read)));
    let slots: usize = view
        .0
        .range(metadata_range(GROUP))
        .map(|(_, v)| v.len())
        .sum();
    assert!(slots <= 17 << 20, "{slots} bytes are kept");
    view.apply(&log_from(42, [put(&keys[0], b"small")]));
    let repeated = view.apply(&log_from(43, [read(39), read(0)]));
    let answer = |outcome: &Outcome| match outcome {
        Outcome::Transacted { answers, .. } => answers[0].clone(),
        other => panic!("{other:?}"),
    };
    let value_of = |answer| match answer {
        StepAnswer::Value { value, .. } => value,
        other => panic!("{other:?}"),
    };
    let repeated = outcomes(repeated);
    assert_eq!(value_of(answer(&repeated[0])), large, "the first answer");
    assert_eq!(value_of(answer(&repeated[1])), "small", "forgotten");
}

#[test]
fn a_number_is_counted_exactly_and_refused_beyond_64_bits() {
    let keys = keys(2);
    let count = |by| {
        let key = keys[0].clone();
        Command::new(Operation::Increment { key, by }, None)
    };
    let mut view = MapView::default();
    let decided = view.apply(&log([
        count(7),
        count(-10),
        count(i64::MAX),
        count(4),
        put(&keys[0], b"007"),
        count(1),
        put(&keys[0], b""),
        count(1),
    ]));
    let counted = |index, value| Outcome::Counted {
        version: version(index),
        value,
    };
    let not = |index| Outcome::NotANumber {
        actual: version(index),
    };
    assert_eq!(
        outcomes(decided),
        [
            counted(1, 7),
            counted(2, -3),
            counted(3, i64::MAX - 3),
            Outcome::Overflow { actual: version(3) },
            written(5),
            not(5),
            written(7),
            not(7),
        ]
    );
}

#[test]
fn a_transaction_that_reads_too_much_changes_nothing() {
    let keys = keys(2);
    let get = || Step::Get {
        key: keys[0].clone(),
    };
    let transaction = Transaction {
        then: vec![
            Step::Delete {
                key: keys[1].clone(),
            },
            get(),
            get(),
        ],
        ..Transaction::default()
    };
    let mut view = MapView::default();
    view.apply(&log([put(&keys[0], &[7; 600 << 10]), put(&keys[1], b"v")]));
    let command = Command::new(Operation::Transaction(transaction), None);
    let decided = view.apply(&log_from(3, [command]));
    let bytes = 1_200 << 10;
    assert_eq!(decided[0].outcome, Outcome::AnswerTooLarge { bytes });
    assert!(matches!(get_of(&view, &keys[1]), Ok(Answer::Value { .. })));
}

fn get_of(view: &MapView, key: &Bytes) -> Result<Answer, PortError> {
    get(view, GROUP, key)
}

#[test]
fn what_is_no_command_of_this_group_is_refused_everywhere_alike() {
    let placement = Placement::new(&[NodeId(1)], 8, 1).unwrap();
    let foreign = (0_u32..)
        .map(|number| Bytes::from(format!("{number}")))
        .find(|key| placement.group_of(shard_of(key)) != GROUP)
        .unwrap();
    let long_key = (0_u32..)
        .map(|number| {
            let mut key = vec![b'k'; 40_000];
            key.extend_from_slice(&number.to_le_bytes());
            Bytes::from(key)
        })
        .find(|key| shards().contains(&shard_of(key)))
        .unwrap();
    let key = &keys(1)[0];
    let long_name = "n".repeat(40_000);
    let mut truncated = put(key, b"value").encode();
    truncated.truncate(5);
    let refused = [
        Bytes::new(),
        Bytes::from_static(b"\x09what is this"),
        truncated,
        put(&foreign, b"value").encode(),
        put(&long_key, b"value").encode(),
        put(key, &vec![0; 5 << 20]).encode(),
        named(delete(key, Expect::Any), Some(&long_name)).encode(),
        Command::new(
            Operation::Transaction(Transaction {
                then: vec![Step::Get { key: key.clone() }, Step::Get { key: foreign }],
                ..Transaction::default()
            }),
            None,
        )
        .encode(),
    ];
    let mut view = MapView::default();
    let entries: Vec<_> = (1..)
        .zip(refused)
        .map(|(index, bytes)| entry(index, Payload::Command(bytes)))
        .collect();
    for decided in view.apply(&entries) {
        assert_eq!(decided.outcome, Outcome::Malformed, "{}", decided.version);
    }
    assert_eq!(view.applied(), version(entries.len() as u64));
    assert_eq!(view.0.len(), 1, "nothing but the group's record");
}

#[test]
fn removing_an_absent_key_is_a_write_like_any_other() {
    let key = &keys(1)[0];
    let delete = |expect| named(delete(key, expect), None);
    let mut view = MapView::default();
    let decided = view.apply(&log([
        delete(Expect::Any),
        delete(Expect::Absent),
        delete(Expect::Version(version(1))),
    ]));
    let outcomes: Vec<_> = decided.into_iter().map(|d| d.outcome).collect();
    assert_eq!(
        outcomes,
        [
            Outcome::Written {
                version: version(1)
            },
            Outcome::Written {
                version: version(2)
            },
            Outcome::PreconditionFailed { actual: None },
        ]
    );
    assert_eq!(get_of(&view, key), Ok(Answer::Absent));
}

#[test]
fn a_damaged_record_is_an_error_and_never_an_absent_key() {
    let key = &keys(1)[0];
    let mut view = MapView::default();
    view.apply(&log([named(put_if(key, key, Expect::Any), Some("name"))]));
    let records: Vec<_> = view.0.keys().cloned().collect();
    assert_eq!(records.len(), 3);
    for record in records {
        let mut damaged = view.clone();
        damaged
            .0
            .insert(record.clone(), Bytes::from_static(b"\x07"));
        let stands = GroupRecord {
            applied: version(1),
            stamp: WallMs(0),
        };
        let probe = |name| {
            let command = named(delete(key, Expect::Absent), name);
            let mut sessions = Sessions::new(REMEMBERED);
            let mut machine = StateMachine::new(&damaged, GROUP, shards(), stands, &mut sessions);
            let probe = entry(2, Payload::Command(command.encode()));
            machine.execute(&probe).map(|_| ())
        };
        let is_corrupt = |error: PortError| error.kind == PortErrorKind::Corrupt;
        let found = [
            probe(Some("name")).is_err_and(is_corrupt),
            probe(None).is_err_and(is_corrupt),
            get_of(&damaged, key).is_err_and(is_corrupt),
            group_record(&damaged, GROUP).is_err_and(is_corrupt),
        ];
        assert!(found.contains(&true), "{record:?}");
    }
}

/// The mutant that the tests above must see.
#[test]
fn the_mutant_answers_another_request_of_the_same_name() {
    let key = &keys(1)[0];
    let entries = log([
        named(put_if(key, b"v", Expect::Any), Some("n")),
        named(delete(key, Expect::Any), Some("n")),
    ]);
    let refused = outcomes(MapView::default().apply(&entries));
    assert_eq!(refused, [written(1), Outcome::IdempotencyMismatch]);
    let _planted = Mutant::NameBoundToNoRequest.plant();
    let answered = outcomes(MapView::default().apply(&entries));
    assert_eq!(answered, [written(1), written(1)]);
}

mod model;
