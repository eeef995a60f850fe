//! Random logs against the same rules in a few lines.

use std::collections::{BTreeMap, VecDeque};

use super::*;

/// The same rules, written down as plainly as they can be.
#[derive(Default)]
struct Model {
    now: u64,
    /// Version, end, value.
    data: BTreeMap<Bytes, (Version, Option<u64>, Bytes)>,
    /// Name, request, time, outcome; oldest first.
    sessions: VecDeque<(Bytes, Operation, u64, Outcome)>,
}

impl Model {
    fn decide(&mut self, command: &Command, version: Version) -> Outcome {
        self.now = self.now.max(command.stamp.0);
        let now = self.now;
        self.data
            .retain(|_, (_, ends, _)| ends.is_none_or(|ends| ends > now));
        self.sessions
            .retain(|(_, _, at, _)| at + SESSION_AGE_MS > now);
        let Some(name) = &command.idempotency else {
            return self.operate(&command.operation, version);
        };
        if let Some((_, request, _, outcome)) = self.sessions.iter().find(|kept| kept.0 == *name) {
            return match *request == command.operation {
                true => outcome.clone(),
                false => Outcome::IdempotencyMismatch,
            };
        }
        let outcome = self.operate(&command.operation, version);
        let request = command.operation.clone();
        self.sessions
            .push_back((name.clone(), request, now, outcome.clone()));
        if self.sessions.len() > REMEMBERED as usize {
            self.sessions.pop_front();
        }
        outcome
    }

    fn operate(&mut self, operation: &Operation, version: Version) -> Outcome {
        let actual = |model: &Self, key: &Bytes| model.data.get(key).map(|stored| stored.0);
        let met = |model: &Self, key: &Bytes, expect: &Expect| match expect {
            Expect::Any => true,
            Expect::Absent => actual(model, key).is_none(),
            Expect::Version(expected) => actual(model, key) == Some(*expected),
        };
        match operation {
            Operation::Put { key, expect, .. } | Operation::Delete { key, expect }
                if !met(self, key, expect) =>
            {
                let actual = actual(self, key);
                Outcome::PreconditionFailed { actual }
            }
            Operation::Put {
                key, value, ttl_ms, ..
            } => {
                self.put(key, value, *ttl_ms, version);
                Outcome::Written { version }
            }
            Operation::Delete { key, .. } => {
                self.data.remove(key);
                Outcome::Written { version }
            }
            Operation::Increment { key, by } => self.increment(key, *by, version),
            Operation::Transaction(transaction) => {
                let holds = |compare: &Compare| {
                    let stored = self.data.get(&compare.key);
                    match &compare.check {
                        Check::Exists => stored.is_some(),
                        Check::Absent => stored.is_none(),
                        Check::Version(version) => stored.is_some_and(|(own, ..)| own == version),
                        Check::Value(value) => stored.is_some_and(|(.., own)| own == value),
                    }
                };
                let succeeded = transaction.compares.iter().all(holds);
                let steps = match succeeded {
                    true => &transaction.then,
                    false => &transaction.otherwise,
                };
                let answers = steps.iter().map(|step| self.step(step, version)).collect();
                Outcome::Transacted {
                    version,
                    succeeded,
                    answers,
                }
            }
            Operation::Tick => Outcome::Written { version },
        }
    }

    fn put(&mut self, key: &Bytes, value: &Bytes, ttl_ms: Option<u64>, version: Version) {
        let ends = ttl_ms.map(|ttl| self.now + ttl);
        self.data
            .insert(key.clone(), (version, ends, value.clone()));
    }

    fn step(&mut self, step: &Step, version: Version) -> StepAnswer {
        match step {
            Step::Put { key, value, ttl_ms } => {
                self.put(key, value, *ttl_ms, version);
                StepAnswer::Done
            }
            Step::Delete { key } => {
                self.data.remove(key);
                StepAnswer::Done
            }
            Step::Get { key } => match self.data.get(key).cloned() {
                Some((version, ends, value)) => StepAnswer::Value {
                    value,
                    version,
                    expires_at: ends.map(WallMs),
                },
                None => StepAnswer::Absent,
            },
        }
    }

    fn increment(&mut self, key: &Bytes, by: i64, version: Version) -> Outcome {
        let (actual, ends, before) = match self.data.get(key).cloned() {
            Some((actual, ends, value)) => {
                let text = core::str::from_utf8(&value).unwrap_or_default();
                match text.parse::<i64>() {
                    Ok(number) => (actual, ends, number),
                    Err(_) => return Outcome::NotANumber { actual },
                }
            }
            None => (version, None, 0),
        };
        match before.checked_add(by) {
            Some(value) => {
                let stored = (version, ends, Bytes::from(format!("{value}")));
                self.data.insert(key.clone(), stored);
                Outcome::Counted { version, value }
            }
            None => Outcome::Overflow { actual },
        }
    }
}

/// Draws a write of one of `keys`.
fn draw(prng: &mut Prng, keys: &[Bytes], model: &Model, index: u64) -> Operation {
    let pick =
        |prng: &mut Prng| keys[usize::try_from(prng.below(keys.len() as u64)).unwrap()].clone();
    // Few values, so that a repeated name now and then names the same request.
    let value = |prng: &mut Prng| match prng.below(4) {
        0 => Bytes::from_static(b"text"),
        1 => Bytes::from(format!("{}", i64::MAX - 1)),
        small => Bytes::from(format!("{small}")),
    };
    let ttl = |prng: &mut Prng| prng.chance_ppm(300_000).then(|| 1 + prng.below(3) * 400);
    let key = pick(prng);
    let actual = model.data.get(&key).map(|stored| stored.0);
    let expect = match (prng.below(4), actual) {
        (0, _) => Expect::Absent,
        (1, Some(actual)) => Expect::Version(actual),
        (2, _) => Expect::Version(version(prng.below(index))),
        _ => Expect::Any,
    };
    let steps = |prng: &mut Prng| -> Vec<Step> {
        (0..prng.below(4))
            .map(|_| match prng.below(3) {
                0 => Step::Get { key: pick(prng) },
                1 => Step::Delete { key: pick(prng) },
                _ => Step::Put {
                    key: pick(prng),
                    value: value(prng),
                    ttl_ms: ttl(prng),
                },
            })
            .collect()
    };
    match prng.below(6) {
        0 => Operation::Delete { key, expect },
        1 => Operation::Increment {
            key,
            by: [1, -5, 2][usize::try_from(prng.below(3)).unwrap()],
        },
        2 => {
            let check = match (prng.below(4), actual) {
                (0, _) => Check::Exists,
                (1, _) => Check::Absent,
                (2, Some(actual)) => Check::Version(actual),
                _ => Check::Value(value(prng)),
            };
            Operation::Transaction(Transaction {
                compares: vec![Compare { key, check }],
                then: steps(prng),
                otherwise: steps(prng),
            })
        }
        _ => Operation::Put {
            key,
            value: value(prng),
            expect,
            ttl_ms: ttl(prng),
        },
    }
}

#[test]
fn outcomes_and_content_agree_with_a_model() {
    for seed in 0..6 {
        let mut prng = Prng::new(seed);
        let keys = keys(20);
        let names = if seed == 0 { 900 } else { 60 };
        let mut model = Model::default();
        let (mut view, mut steady) = (MapView::default(), MapView::default());
        // One that has remembered since the beginning, beside one that always reads anew.
        let mut sessions = Sessions::new(REMEMBERED);
        let mut index = 0;
        let mut before: Vec<Entry> = Vec::new();
        for _ in 0..120 {
            // Some were applied before already: the node does not know what survived.
            let mut entries = before.split_off(before.len() / 2);
            let skipped = entries.len();
            let mut expected = vec![Outcome::Skipped; skipped];
            for _ in 0..prng.below(40) {
                index += 1;
                let operation = draw(&mut prng, &keys, &model, index);
                let name = prng
                    .chance_ppm(600_000)
                    .then(|| format!("n{}", prng.below(names)));
                // Leaders whose clocks differ; now and then all that is remembered grows old.
                let leap = if prng.chance_ppm(2_000) {
                    SESSION_AGE_MS
                } else {
                    0
                };
                let now = (model.now + leap + prng.below(60)).saturating_sub(20);
                let command = stamped(named(operation, name.as_deref()), now);
                expected.push(model.decide(&command, version(index)));
                entries.push(entry(index, Payload::Command(command.encode())));
            }
            let decided = view.apply(&entries);
            assert_eq!(decided, steady.apply_with(&entries, &mut sessions));
            let versions: Vec<_> = entries.iter().map(Entry::version).collect();
            assert_eq!(
                decided.iter().map(|d| d.version).collect::<Vec<_>>(),
                versions
            );
            assert_eq!(
                outcomes(decided),
                expected,
                "seed {seed}, up to index {index}"
            );
            before = entries.split_off(skipped);
        }
        assert_eq!(view, steady, "seed {seed}");
        let query = ScanQuery {
            group: GROUP,
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
            .map(|item| {
                let ends = item.expires_at.map(|at| at.0);
                (item.key, (item.version, ends, item.value))
            })
            .collect();
        assert_eq!(found, model.data, "seed {seed}");
        // The group's record and one for each slot: nothing is left over.
        let metadata = view.0.range(metadata_range(GROUP)).count();
        assert!(metadata <= 1 + REMEMBERED as usize, "seed {seed}");
    }
}
