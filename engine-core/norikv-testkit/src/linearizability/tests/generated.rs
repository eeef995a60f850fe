//! Small histories by the thousand, each model's judged as trying every order judges them.
//!
//! A history is made by clients that ask an object which does one thing at a time; then, in some of
//! them, something goes wrong: an answer is another, a write is lost or done twice, a read is stale,
//! what was refused happened.

use alloc::collections::BTreeMap;
use alloc::string::{String, ToString};
use alloc::vec;
use alloc::vec::Vec;
use core::fmt::Debug;
use core::hash::Hash;

use norikv_types::{Mono, Prng};

use crate::history::{History, OperationId};
use crate::linearizability::search::{Answer, Call, ends, search};
use crate::linearizability::{explain, partition};
use crate::model::*;

/// A model, and an object that behaves like it.
trait Subject {
    type Model: Model<Input: Clone + Debug, Output: Clone + Debug>;
    type Object: Clone;

    fn model(&self) -> Self::Model;
    fn object(&self) -> Self::Object;
    fn draw(&self, prng: &mut Prng) -> Input<Self>;
    fn perform(&self, object: &mut Self::Object, input: &Input<Self>) -> Output<Self>;
}

type Input<S> = <<S as Subject>::Model as Model>::Input;
type Output<S> = <<S as Subject>::Model as Model>::Output;
type Made<S> = History<(), Input<S>, Output<S>>;

/// An object whose state is the model's and whose answers are those of `answer`.
struct Plain<M: Model> {
    model: M,
    draw: fn(&mut Prng) -> M::Input,
    answer: fn(&M::State, &M::Input) -> M::Output,
}

impl<M: Model<Input: Clone + Debug, Output: Clone + Debug> + Copy> Subject for Plain<M> {
    type Model = M;
    type Object = M::State;

    fn model(&self) -> M {
        self.model
    }

    fn object(&self) -> M::State {
        self.model.initial()
    }

    fn draw(&self, prng: &mut Prng) -> M::Input {
        (self.draw)(prng)
    }

    fn perform(&self, object: &mut M::State, input: &M::Input) -> M::Output {
        let answer = (self.answer)(object, input);
        let after = self.model.step(object, input, Some(&answer));
        *object = after.expect("the model allows what the object does");
        answer
    }
}

/// A key whose every write gets the next version.
struct Versions;

#[derive(Clone, Default)]
struct VersionedObject {
    value: Option<u8>,
    version: u8,
}

impl Subject for Versions {
    type Model = VersionedKey<u8, u8>;
    type Object = VersionedObject;

    fn model(&self) -> Self::Model {
        VersionedKey::new()
    }

    fn object(&self) -> VersionedObject {
        VersionedObject::default()
    }

    fn draw(&self, prng: &mut Prng) -> VersionedInput<u8, u8> {
        let expect = match prng.below(4) {
            0 => Expect::Absent,
            1 => Expect::Version(1 + small(prng, 4)),
            _ => Expect::Any,
        };
        match prng.below(5) {
            0 | 1 => VersionedInput::Get,
            2 => VersionedInput::Delete { expect },
            _ => VersionedInput::Put {
                value: small(prng, 2),
                expect,
            },
        }
    }

    fn perform(
        &self,
        object: &mut VersionedObject,
        input: &VersionedInput<u8, u8>,
    ) -> VersionedOutput<u8, u8> {
        let found = object.value.map(|value| (value, object.version));
        let (value, expect) = match input {
            VersionedInput::Get => {
                return found.map_or(VersionedOutput::Absent, |(value, version)| {
                    VersionedOutput::Value(value, version)
                });
            }
            VersionedInput::Put { value, expect } => (Some(*value), expect),
            VersionedInput::Delete { expect } => (None, expect),
        };
        let holds = match expect {
            Expect::Any => true,
            Expect::Absent => found.is_none(),
            Expect::Version(version) => found.is_some_and(|(_, own)| own == *version),
        };
        if !holds {
            let told = object.version.is_multiple_of(2);
            let met = found.map(|(_, version)| version);
            return VersionedOutput::Conflict(met.filter(|_| told));
        }
        object.value = value;
        object.version += 1;
        VersionedOutput::Written(object.version)
    }
}

struct Asked<S: Subject> {
    id: OperationId,
    input: Input<S>,
    answer: Option<Output<S>>,
}

/// At most seven operations, at most four at once.
fn make<S: Subject>(subject: &S, prng: &mut Prng) -> Made<S> {
    let faulty = prng.chance_ppm(800_000);
    let mut history = History::new();
    let mut object = subject.object();
    let mut before = object.clone();
    let mut open: Vec<Asked<S>> = Vec::new();
    let mut left = 3 + prng.below(5);
    while left > 0 || !open.is_empty() {
        if left > 0 && (open.is_empty() || (open.len() < 4 && prng.below(2) == 0)) {
            left -= 1;
            let input = subject.draw(prng);
            let id = history.invoke(left, (), input.clone(), Mono::ZERO);
            let answer = None;
            open.push(Asked { id, input, answer });
            continue;
        }
        let pick = usize::try_from(prng.below(open.len() as u64)).unwrap();
        if open[pick].answer.is_none() && prng.below(8) > 0 {
            let asked = &mut open[pick];
            let fault = if faulty { prng.below(6) } else { 5 };
            let now = object.clone();
            asked.answer = Some(match fault {
                // Lost.
                0 => subject.perform(&mut object.clone(), &asked.input),
                // Stale.
                1 => subject.perform(&mut before.clone(), &asked.input),
                // Twice.
                2 => {
                    subject.perform(&mut object, &asked.input);
                    subject.perform(&mut object, &asked.input)
                }
                // The answer to another question.
                3 => {
                    let other = subject.draw(prng);
                    subject.perform(&mut object, &other)
                }
                _ => subject.perform(&mut object, &asked.input),
            });
            before = now;
            continue;
        }
        let Asked { id, answer, .. } = open.swap_remove(pick);
        match answer {
            Some(answer) if prng.below(8) > 0 => history.returned(id, answer, Mono::ZERO),
            Some(_) if faulty && prng.below(2) == 0 => history.refused(id),
            None if prng.below(2) == 0 => history.refused(id),
            _ => {}
        }
    }
    history
}

/// Every state in which some order of `calls` ends that holds all of them that must take effect.
fn every_end<M: Model>(model: &M, calls: &[Call<'_, M::Input, M::Output>]) -> Vec<M::State> {
    fn go<M: Model>(
        model: &M,
        calls: &[Call<'_, M::Input, M::Output>],
        done: u32,
        state: &M::State,
        ends: &mut Vec<M::State>,
    ) {
        let left = || (0..calls.len()).filter(move |nth| done & (1 << nth) == 0);
        if !left().any(|nth| calls[nth].is_required()) && !ends.contains(state) {
            ends.push(state.clone());
        }
        for nth in left() {
            let call = &calls[nth];
            if left().any(|other| calls[other].returned < call.invoked) {
                continue;
            }
            if let Some(state) = model.step(state, call.input, call.output) {
                go(model, calls, done | (1 << nth), &state, ends);
            }
        }
    }
    let mut ends = Vec::new();
    go(model, calls, 0, &model.initial(), &mut ends);
    ends
}

fn some_order_exists<M: Model>(model: &M, calls: &[Call<'_, M::Input, M::Output>]) -> bool {
    !every_end(model, calls).is_empty()
}

/// Compares the verdict on 10,000 histories, and the explanation of those that have no order.
fn agree<S: Subject>(subject: &S) {
    let model = subject.model();
    let mut whole = 0;
    for seed in 0..HISTORIES {
        let history = make(subject, &mut Prng::new(seed));
        let Some(calls) = partition(&history).remove(&()) else {
            whole += 1;
            continue;
        };
        let expected = every_end(&model, &calls);
        let found = ends(&model, &calls, u64::MAX).unwrap();
        assert!(same(&found, &expected), "ends, seed {seed}: {history:#?}");
        let answer = search(&model, &calls, u64::MAX).0;
        assert_eq!(
            answer == Answer::Yes,
            !expected.is_empty(),
            "search, seed {seed}: {history:#?}"
        );
        if let Answer::No { unexplained } = answer {
            explained(&model, &calls, unexplained, seed);
        } else {
            whole += 1;
        }
    }
    let fifth = HISTORIES / 5;
    assert!(
        (fifth..HISTORIES - fifth).contains(&whole),
        "{whole} of {HISTORIES} have an order"
    );
}

/// The first answer without explanation is the one, the window alone is a contradiction, and each
/// of the window is needed.
fn explained<M: Model>(
    model: &M,
    calls: &[Call<'_, M::Input, M::Output>],
    unexplained: usize,
    seed: u64,
) {
    let broken = &calls[unexplained];
    let before = explain::until(calls, broken.returned);
    assert!(
        some_order_exists(model, &before),
        "an earlier one, seed {seed}"
    );
    let story = explain::until(calls, broken.returned + 1);
    assert!(
        !some_order_exists(model, &story),
        "a later one, seed {seed}"
    );

    let violation = explain::explain(model, (), calls, unexplained);
    let forgotten = |kept: &dyn Fn(OperationId) -> bool| {
        let mut story = story.clone();
        for call in &mut story {
            if !kept(call.id) {
                call.output = None;
                call.returned = u64::MAX;
            }
        }
        story
    };
    let kept = |id| violation.window.contains(&id);
    assert!(kept(broken.id), "seed {seed}");
    assert!(!some_order_exists(model, &forgotten(&kept)), "seed {seed}");
    for &one in &violation.window {
        let others = forgotten(&|id| id != one && kept(id));
        assert!(some_order_exists(model, &others), "{one:?}, seed {seed}");
    }
    let mut states = every_end(model, &explain::until(calls, broken.invoked));
    if states.len() > explain::STATES_MAX {
        states.clear();
    }
    assert!(same(&states, &violation.states), "seed {seed}");
}

fn same<S: Eq + Hash>(some: &[S], others: &[S]) -> bool {
    some.len() == others.len() && some.iter().all(|one| others.contains(one))
}

fn small(prng: &mut Prng, bound: u64) -> u8 {
    u8::try_from(prng.below(bound)).unwrap()
}

fn draw_swap(prng: &mut Prng) -> CasInput<u8> {
    match prng.below(3) {
        0 => CasInput::Read,
        1 => CasInput::Write(small(prng, 3)),
        _ => CasInput::Swap {
            from: Some(small(prng, 4)).filter(|from| *from < 3),
            to: small(prng, 3),
        },
    }
}

fn answer_swap(state: &Option<u8>, input: &CasInput<u8>) -> CasOutput<u8> {
    match input {
        CasInput::Read => CasOutput::Holds(*state),
        CasInput::Swap { from, .. } if from != state => CasOutput::Differs,
        CasInput::Write(_) | CasInput::Swap { .. } => CasOutput::Done,
    }
}

#[test]
fn registers_are_judged_as_trying_every_order_judges_them() {
    agree(&Plain {
        model: Register::new(),
        draw: |prng| match prng.below(2) {
            0 => RegisterInput::Read,
            _ => RegisterInput::Write(small(prng, 3)),
        },
        answer: |state, input| match input {
            RegisterInput::Read => RegisterOutput::Holds(*state),
            RegisterInput::Write(_) => RegisterOutput::Done,
        },
    });
}

#[test]
fn cas_registers_are_judged_as_trying_every_order_judges_them() {
    agree(&Plain {
        model: CasRegister::new(),
        draw: draw_swap,
        answer: answer_swap,
    });
}

#[test]
fn versioned_keys_are_judged_as_trying_every_order_judges_them() {
    agree(&Versions);
}

#[test]
fn text_is_judged_as_trying_every_order_judges_it() {
    agree(&Plain {
        model: TextKey::new(),
        draw: |prng| {
            let text = small(prng, 3).to_string();
            match prng.below(5) {
                0 => TextInput::Put(text),
                1 | 2 => TextInput::Append(text),
                _ => TextInput::Get,
            }
        },
        answer: |state, input| match input {
            TextInput::Get => TextOutput::Holds(String::from(&**state)),
            TextInput::Put(_) | TextInput::Append(_) => TextOutput::Done,
        },
    });
}

#[test]
fn lists_are_judged_as_trying_every_order_judges_them() {
    agree(&Plain {
        model: AppendList::new(),
        draw: |prng| match prng.below(2) {
            0 => ListInput::Read,
            _ => ListInput::Append(small(prng, 3)),
        },
        answer: |state, input| match input {
            ListInput::Read => ListOutput::Holds(state.clone()),
            ListInput::Append(_) => ListOutput::Done,
        },
    });
}

#[test]
fn queues_are_judged_as_trying_every_order_judges_them() {
    agree(&Plain {
        model: Queue::new(),
        draw: |prng| match prng.below(2) {
            0 => QueueInput::Dequeue,
            _ => QueueInput::Enqueue(small(prng, 3)),
        },
        answer: |state, input| match (input, state.first()) {
            (QueueInput::Enqueue(_), _) => QueueOutput::Done,
            (QueueInput::Dequeue, None) => QueueOutput::Empty,
            (QueueInput::Dequeue, Some(first)) => QueueOutput::Took(*first),
        },
    });
}

#[test]
fn locks_are_judged_as_trying_every_order_judges_them() {
    agree(&Plain {
        model: Lock::new(),
        draw: |prng| match prng.below(5) {
            0 => LockInput::Holder,
            1 | 2 => LockInput::Acquire(small(prng, 2)),
            _ => LockInput::Release(small(prng, 2)),
        },
        answer: |state, input| match input {
            LockInput::Acquire(_) if state.is_some() => LockOutput::Busy,
            LockInput::Release(owner) if *state != Some(*owner) => LockOutput::NotHeld,
            LockInput::Acquire(_) | LockInput::Release(_) => LockOutput::Done,
            LockInput::Holder => LockOutput::HeldBy(*state),
        },
    });
}

#[test]
fn transactions_are_judged_as_trying_every_order_judges_them() {
    fn actions(prng: &mut Prng) -> Vec<Action<u8, u8>> {
        (0..prng.below(3))
            .map(|_| match prng.below(4) {
                0 | 1 => Action::Get(small(prng, 2)),
                2 => Action::Put(small(prng, 2), small(prng, 2)),
                _ => Action::Delete(small(prng, 2)),
            })
            .collect()
    }
    agree(&Plain {
        model: Transactions::new(),
        draw: |prng| {
            let comparison = match prng.below(3) {
                0 => Comparison::Absent,
                1 => Comparison::Present,
                _ => Comparison::Equals(small(prng, 2)),
            };
            let mut compare = vec![(small(prng, 2), comparison)];
            compare.truncate(usize::from(small(prng, 2)));
            Transaction {
                compare,
                then: actions(prng),
                otherwise: actions(prng),
            }
        },
        answer: |state: &BTreeMap<u8, u8>, input| {
            let held = input.compare.iter().all(|(key, comparison)| {
                let found = state.get(key);
                match comparison {
                    Comparison::Absent => found.is_none(),
                    Comparison::Present => found.is_some(),
                    Comparison::Equals(value) => found == Some(value),
                }
            });
            let mut now = state.clone();
            let mut got = Vec::new();
            let branch = if held { &input.then } else { &input.otherwise };
            for action in branch {
                match action {
                    Action::Get(key) => got.push(now.get(key).copied()),
                    Action::Put(key, value) => drop(now.insert(*key, *value)),
                    Action::Delete(key) => drop(now.remove(key)),
                }
            }
            TransactionOutput { held, got }
        },
    });
}

#[test]
fn keys_together_are_judged_as_trying_every_order_judges_them() {
    agree(&Plain {
        model: Together::new(CasRegister::new()),
        draw: |prng| (small(prng, 2), draw_swap(prng)),
        answer: |state: &BTreeMap<u8, Option<u8>>, (key, input)| {
            answer_swap(&state.get(key).copied().flatten(), input)
        },
    });
}

const HISTORIES: u64 = 10_000;
