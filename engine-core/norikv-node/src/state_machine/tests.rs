use std::collections::{BTreeMap, VecDeque};
use std::format;
use std::vec;
use std::vec::Vec;

use bytes::Bytes;
use nori_raft::{Entry, Payload};
use norikv_placement::{Placement, shard_of};
use norikv_types::{GroupId, LogIndex, NodeId, Prng, ShardId, Term, Version};

use super::sessions::SESSIONS_MAX;
use super::*;
use crate::{Answer, Command, Decided, Expect, Operation, Outcome, PortError, PortErrorKind};

pub(super) const GROUP: GroupId = GroupId(5);

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
        let key = applied_key(GROUP);
        self.0.get(&key).map_or_else(Version::default, |stored| {
            decode_applied(&key, stored).unwrap()
        })
    }

    pub(super) fn apply(&mut self, entries: &[Entry]) -> Vec<Decided> {
        let before = self.clone();
        let mut machine = StateMachine::new(&before, GROUP, shards(), before.applied());
        let decided = entries
            .iter()
            .map(|entry| machine.execute(entry).unwrap())
            .collect();
        self.write(&machine.finish());
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

fn command(key: &Bytes, operation: Operation, expect: Expect, name: Option<&str>) -> Command {
    let name = name.map(|name| Bytes::copy_from_slice(name.as_bytes()));
    Command::new(key.clone(), operation, expect, name)
}

pub(super) fn put(key: &Bytes, value: &[u8]) -> Command {
    let operation = Operation::Put(Bytes::copy_from_slice(value));
    command(key, operation, Expect::Any, None)
}

pub(super) fn log(commands: impl IntoIterator<Item = Command>) -> Vec<Entry> {
    (1..)
        .zip(commands)
        .map(|(index, command)| entry(index, Payload::Command(command.encode())))
        .collect()
}

/// The same rules, written down as plainly as they can be.
#[derive(Default)]
struct Model {
    data: BTreeMap<Bytes, (Version, Bytes)>,
    /// Oldest first.
    sessions: VecDeque<(Bytes, u64, Outcome)>,
}

impl Model {
    fn decide(&mut self, command: &Command, version: Version) -> Outcome {
        if let Some(named) = &command.idempotency
            && let Some((_, fingerprint, outcome)) =
                self.sessions.iter().find(|(name, ..)| *name == named.key)
        {
            return match *fingerprint == named.fingerprint {
                true => outcome.clone(),
                false => Outcome::IdempotencyMismatch,
            };
        }
        let actual = self.data.get(&command.key).map(|(version, _)| *version);
        let holds = match command.expect {
            Expect::Any => true,
            Expect::Absent => actual.is_none(),
            Expect::Version(expected) => actual == Some(expected),
        };
        let outcome = match (&command.operation, holds) {
            (_, false) => Outcome::PreconditionFailed { actual },
            (Operation::Put(value), true) => {
                let stored = (version, value.clone());
                self.data.insert(command.key.clone(), stored);
                Outcome::Written { version }
            }
            (Operation::Delete, true) => {
                self.data.remove(&command.key);
                Outcome::Written { version }
            }
        };
        if let Some(named) = &command.idempotency {
            let session = (named.key.clone(), named.fingerprint, outcome.clone());
            self.sessions.push_back(session);
            if self.sessions.len() > 4_096 {
                self.sessions.pop_front();
            }
        }
        outcome
    }
}

#[test]
fn outcomes_and_content_agree_with_a_model() {
    for seed in 0..4 {
        let mut prng = Prng::new(seed);
        let keys = keys(30);
        let names = if seed == 0 { 9_000 } else { 60 };
        let mut model = Model::default();
        let mut view = MapView::default();
        let mut index = 0;
        let mut before: Vec<Entry> = Vec::new();
        let batches = if seed == 0 { 500 } else { 100 };
        for _ in 0..batches {
            // Some were applied before already: the node does not know what survived.
            let mut entries = before.split_off(before.len() / 2);
            let skipped = entries.len();
            let mut expected = vec![Outcome::Skipped; skipped];
            for _ in 0..prng.below(40) {
                index += 1;
                let key = &keys[usize::try_from(prng.below(30)).unwrap()];
                let operation = match prng.below(3) {
                    0 => Operation::Delete,
                    // Few values, so that a repeated name now and then names the same request.
                    _ => Operation::Put(vec![u8::try_from(prng.below(3)).unwrap(); 4].into()),
                };
                let actual = model.data.get(key).map(|(version, _)| *version);
                let expect = match (prng.below(4), actual) {
                    (0, _) => Expect::Absent,
                    (1, Some(actual)) => Expect::Version(actual),
                    (2, _) => Expect::Version(version(prng.below(index))),
                    _ => Expect::Any,
                };
                let name = prng
                    .chance_ppm(700_000)
                    .then(|| format!("n{}", prng.below(names)));
                let command = command(key, operation, expect, name.as_deref());
                expected.push(model.decide(&command, version(index)));
                entries.push(entry(index, Payload::Command(command.encode())));
            }
            let decided = view.apply(&entries);
            let versions: Vec<_> = entries.iter().map(Entry::version).collect();
            assert_eq!(
                decided.iter().map(|d| d.version).collect::<Vec<_>>(),
                versions
            );
            let outcomes: Vec<_> = decided.into_iter().map(|d| d.outcome).collect();
            assert_eq!(outcomes, expected, "seed {seed}, up to index {index}");
            before = entries.split_off(skipped);
        }
        if seed == 0 {
            assert_eq!(model.sessions.len(), 4_096, "the ring went round");
        }
        let query = ScanQuery {
            shards: shards(),
            prefix: b"",
            after: None,
            limit: u32::MAX,
            bytes_max: u32::MAX,
        };
        let found: BTreeMap<_, _> = scan(&view, &query)
            .unwrap()
            .items
            .into_iter()
            .map(|item| (item.key, (item.version, item.value)))
            .collect();
        assert_eq!(found, model.data, "seed {seed}");
        // One record for what is applied, one for the count, two a session: nothing is left over.
        let metadata = view.0.range(metadata_range(GROUP)).count();
        assert_eq!(metadata, 2 + 2 * model.sessions.len(), "seed {seed}");
    }
}

#[test]
fn a_batch_leaves_what_its_entries_leave_one_by_one() {
    let keys = keys(2);
    let (a, b) = (&keys[0], &keys[1]);
    let put_if = |expect, name| command(a, Operation::Put(b.clone()), expect, name);
    let commands = [
        put_if(Expect::Absent, Some("once")),
        put_if(Expect::Absent, Some("once")),
        put_if(Expect::Absent, None),
        put_if(Expect::Version(version(1)), None),
        put_if(Expect::Any, Some("once")),
        command(a, Operation::Delete, Expect::Version(version(4)), None),
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
    let written = |index| Outcome::Written {
        version: version(index),
    };
    let met = |actual| Outcome::PreconditionFailed { actual };
    let outcomes: Vec<_> = decided.iter().map(|d| d.outcome.clone()).collect();
    assert_eq!(
        outcomes,
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
    assert_eq!(decided, one_by_one);
    assert_eq!(together, alone);
}

#[test]
fn a_group_remembers_exactly_its_last_4096_named_writes() {
    let key = &keys(1)[0];
    let named = |number: u64| {
        let value = Operation::Put(Bytes::copy_from_slice(&number.to_le_bytes()));
        command(key, value, Expect::Any, Some(&format!("n{number}")))
    };
    let ring = u64::from(SESSIONS_MAX);
    let mut view = MapView::default();
    view.apply(&log((1..=ring).map(named)));
    let repeat = |view: &mut MapView, number: u64| {
        let index = view.applied().index.next().0;
        let entry = entry(index, Payload::Command(named(number).encode()));
        let decided = view.apply(&[entry]);
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
        command(key, Operation::Delete, Expect::Any, Some(&long_name)).encode(),
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
    assert_eq!(view.0.len(), 1, "nothing but the applied index");
}

#[test]
fn removing_an_absent_key_is_a_write_like_any_other() {
    let key = &keys(1)[0];
    let delete = |expect| command(key, Operation::Delete, expect, None);
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
    assert_eq!(get(&view, key), Ok(Answer::Absent));
}

#[test]
fn a_damaged_record_is_an_error_and_never_an_absent_key() {
    let key = &keys(1)[0];
    let mut view = MapView::default();
    view.apply(&log([command(
        key,
        Operation::Put(key.clone()),
        Expect::Any,
        Some("name"),
    )]));
    let records: Vec<_> = view.0.keys().cloned().collect();
    for record in records {
        let mut damaged = view.clone();
        damaged
            .0
            .insert(record.clone(), Bytes::from_static(b"\x07"));
        let applied = version(1);
        let mut machine = StateMachine::new(&damaged, GROUP, shards(), applied);
        let probe = |name| {
            let command = command(key, Operation::Delete, Expect::Absent, name);
            entry(2, Payload::Command(command.encode()))
        };
        let is_corrupt = |error: PortError| error.kind == PortErrorKind::Corrupt;
        let found = [
            machine.execute(&probe(Some("name"))).is_err_and(is_corrupt),
            StateMachine::new(&damaged, GROUP, shards(), applied)
                .execute(&probe(Some("other")))
                .is_err_and(is_corrupt),
            get(&damaged, key).is_err_and(is_corrupt),
            decode_applied(&record, &damaged.0[&record]).is_err_and(is_corrupt),
        ];
        assert!(found.contains(&true), "{record:?}");
    }
}
