use norikv_types::{Mono, Prng};

use super::explain::{Sweep, sweep};
use super::*;
use crate::model::{
    CasInput, CasOutput, CasRegister, Expect, VersionedInput, VersionedKey, VersionedOutput,
};

type Register = CasRegister<u8>;
type RegisterHistory = History<u8, CasInput<u8>, CasOutput<u8>>;

fn write(history: &mut RegisterHistory, value: u8) -> OperationId {
    history.invoke(0, 0, CasInput::Write(value), Mono::ZERO)
}

fn read(history: &mut RegisterHistory, value: Option<u8>) -> OperationId {
    let id = history.invoke(1, 0, CasInput::Read, Mono::ZERO);
    history.returned(id, CasOutput::Holds(value), Mono::ZERO);
    id
}

fn done(history: &mut RegisterHistory, id: OperationId) {
    history.returned(id, CasOutput::Done, Mono::ZERO);
}

#[test]
fn an_unknown_write_may_show_late_or_never_but_not_before_it_was_asked() {
    for (reads, linearizable_) in [
        (&[None, None][..], true),
        (&[None, Some(1)], true),
        (&[Some(1), None], false),
    ] {
        let mut history = RegisterHistory::new();
        write(&mut history, 1);
        for value in reads {
            read(&mut history, *value);
        }
        let verdict = linearizable(&history, &Register::new());
        assert_eq!(verdict == Verdict::Yes, linearizable_, "{reads:?}");
    }
    let mut history = RegisterHistory::new();
    read(&mut history, Some(1));
    write(&mut history, 1);
    assert_ne!(linearizable(&history, &Register::new()), Verdict::Yes);
}

#[test]
fn a_refused_operation_took_no_effect() {
    let mut history = RegisterHistory::new();
    let refused = write(&mut history, 1);
    history.refused(refused);
    read(&mut history, Some(1));
    assert_ne!(linearizable(&history, &Register::new()), Verdict::Yes);
}

#[test]
fn a_stale_read_is_named_with_the_states_that_were_possible() {
    let mut history = RegisterHistory::new();
    for value in 1..=50 {
        let id = write(&mut history, value);
        done(&mut history, id);
        read(&mut history, Some(value));
    }
    let concurrent = write(&mut history, 51);
    let stale = read(&mut history, Some(49));
    done(&mut history, concurrent);
    read(&mut history, Some(51));
    let Verdict::No(violation) = linearizable(&history, &Register::new()) else {
        panic!("a stale read is no linearizable history");
    };
    assert_eq!(violation.unexplained, stale);
    assert!(violation.window.contains(&concurrent));
    assert!(violation.window.len() <= 5, "{violation:?}");
    assert_eq!(violation.states, [Some(50)]);
}

#[test]
fn keys_are_judged_apart_and_the_bad_one_is_named() {
    let mut history = RegisterHistory::new();
    for key in 0..10 {
        let id = history.invoke(0, key, CasInput::Write(key), Mono::ZERO);
        done(&mut history, id);
        let id = history.invoke(0, key, CasInput::Read, Mono::ZERO);
        let value = if key == 7 { 8 } else { key };
        history.returned(id, CasOutput::Holds(Some(value)), Mono::ZERO);
    }
    let Verdict::No(violation) = linearizable(&history, &Register::new()) else {
        panic!("key 7 is broken");
    };
    assert_eq!(violation.key, 7);
}

#[test]
fn a_search_that_meets_its_limit_says_unknown_and_not_no() {
    let mut history = RegisterHistory::new();
    let writes: Vec<_> = (0..20).map(|value| write(&mut history, value)).collect();
    for id in writes {
        done(&mut history, id);
    }
    read(&mut history, Some(99));
    let limit = Limit { steps_max: 1_000 };
    let verdict = linearizable_within(&history, &Register::new(), limit);
    assert_eq!(verdict, Verdict::Unknown { key: 0 });
}

#[test]
fn a_long_history_of_many_clients_is_judged_quickly() {
    let mut prng = Prng::new(1);
    let mut history = RegisterHistory::new();
    let mut state = None;
    let mut open = Vec::new();
    for _ in 0..20_000 {
        if open.len() < 8 && prng.chance_ppm(500_000) {
            let input = if prng.chance_ppm(500_000) {
                CasInput::Read
            } else {
                CasInput::Write(u8::try_from(prng.below(200)).unwrap())
            };
            let id = history.invoke(0, 0, input.clone(), Mono::ZERO);
            open.push((id, input, None));
        } else if !open.is_empty() {
            let pick = usize::try_from(prng.below(open.len() as u64)).unwrap();
            let (_, input, effect) = &mut open[pick];
            if effect.is_none() {
                let (after, answer) = match input {
                    CasInput::Write(value) => (Some(*value), CasOutput::Done),
                    _ => (state, CasOutput::Holds(state)),
                };
                state = after;
                *effect = Some(answer);
            } else {
                let (id, _, effect) = open.swap_remove(pick);
                history.returned(id, effect.unwrap(), Mono::ZERO);
            }
        }
    }
    assert_eq!(linearizable(&history, &Register::new()), Verdict::Yes);
}

/// A history of at most six operations whose answers are drawn, so that some have an order and
/// others do not.
fn small_register_history(prng: &mut Prng) -> RegisterHistory {
    let mut draw = |bound: u64| u8::try_from(prng.below(bound)).unwrap();
    let mut history = RegisterHistory::new();
    let mut open: Vec<(OperationId, CasInput<u8>)> = Vec::new();
    let mut left = 2 + draw(5);
    while left > 0 || !open.is_empty() {
        if left > 0 && (open.is_empty() || (open.len() < 4 && draw(2) == 0)) {
            left -= 1;
            let input = match draw(3) {
                0 => CasInput::Read,
                1 => CasInput::Write(draw(3)),
                _ => CasInput::Swap {
                    from: Some(draw(3)),
                    to: draw(3),
                },
            };
            let id = history.invoke(0, 0, input.clone(), Mono::ZERO);
            open.push((id, input));
        } else {
            let (id, input) = open.swap_remove(usize::from(draw(open.len() as u64)));
            let output = match (draw(8), input) {
                (0, _) => continue,
                (1, _) => {
                    history.refused(id);
                    continue;
                }
                (_, CasInput::Read) => CasOutput::Holds(Some(draw(4)).filter(|value| *value < 3)),
                (_, CasInput::Write(_)) => CasOutput::Done,
                (nth, CasInput::Swap { .. }) if nth < 5 => CasOutput::Differs,
                (_, CasInput::Swap { .. }) => CasOutput::Done,
            };
            history.returned(id, output, Mono::ZERO);
        }
    }
    history
}

type KeyHistory = History<u8, VersionedInput<u8, u8>, VersionedOutput<u8, u8>>;

fn small_versioned_history(prng: &mut Prng) -> KeyHistory {
    let mut draw = |bound: u64| u8::try_from(prng.below(bound)).unwrap();
    let mut history = KeyHistory::new();
    let mut open: Vec<(OperationId, VersionedInput<u8, u8>)> = Vec::new();
    let mut left = 2 + draw(5);
    while left > 0 || !open.is_empty() {
        if left > 0 && (open.is_empty() || (open.len() < 4 && draw(2) == 0)) {
            left -= 1;
            let expect = match draw(4) {
                0 => Expect::Absent,
                1 => Expect::Version(1 + draw(5)),
                _ => Expect::Any,
            };
            let input = match draw(5) {
                0 | 1 => VersionedInput::Get,
                2 => VersionedInput::Delete { expect },
                _ => VersionedInput::Put {
                    value: draw(2),
                    expect,
                },
            };
            let id = history.invoke(0, 0, input.clone(), Mono::ZERO);
            open.push((id, input));
        } else {
            let (id, input) = open.swap_remove(usize::from(draw(open.len() as u64)));
            let output = match (draw(8), input) {
                (0, _) => continue,
                (1..=3, VersionedInput::Get) => VersionedOutput::Absent,
                (_, VersionedInput::Get) => VersionedOutput::Value(draw(2), 1 + draw(5)),
                (1, _) => VersionedOutput::Conflict(None),
                (2, _) => VersionedOutput::Conflict(Some(1 + draw(5))),
                (_, _) => VersionedOutput::Written(1 + draw(5)),
            };
            history.returned(id, output, Mono::ZERO);
        }
    }
    history
}

/// Tries every order of every subset that holds all answered operations.
fn some_order_exists<M: Model>(model: &M, calls: &[Call<'_, M::Input, M::Output>]) -> bool {
    fn go<M: Model>(
        model: &M,
        calls: &[Call<'_, M::Input, M::Output>],
        done: u32,
        state: &M::State,
    ) -> bool {
        let left = || (0..calls.len()).filter(move |nth| done & (1 << nth) == 0);
        if left().all(|nth| calls[nth].output.is_none()) {
            return true;
        }
        left().any(|nth| {
            let allowed = left().all(|other| calls[other].returned > calls[nth].invoked);
            allowed
                && model
                    .step(state, calls[nth].input, calls[nth].output)
                    .is_some_and(|state| go(model, calls, done | (1 << nth), &state))
        })
    }
    go(model, calls, 0, &model.initial())
}

/// Compares search, sweep and brute force; returns how many histories had an order.
fn compare<M: Model>(
    model: &M,
    histories: u64,
    make: impl Fn(&mut Prng) -> History<u8, M::Input, M::Output>,
) -> u64 {
    let mut whole = 0;
    for seed in 0..histories {
        let history = make(&mut Prng::new(seed));
        for (_, calls) in partition(&history) {
            let expected = some_order_exists(model, &calls);
            let answer = search::search(model, &calls, u64::MAX);
            assert_eq!(answer == Answer::Yes, expected, "search, seed {seed}");
            let swept = sweep(model, &calls, usize::MAX);
            assert_eq!(swept == Sweep::Whole, expected, "sweep, seed {seed}");
            whole += u64::from(expected);
        }
    }
    whole
}

#[test]
fn ten_thousand_register_histories_are_judged_as_brute_force_judges_them() {
    let whole = compare(&Register::new(), 10_000, small_register_history);
    assert!((1_000..9_000).contains(&whole), "{whole} have an order");
}

#[test]
fn ten_thousand_versioned_histories_are_judged_as_brute_force_judges_them() {
    let whole = compare(&VersionedKey::new(), 10_000, small_versioned_history);
    assert!((1_000..9_000).contains(&whole), "{whole} have an order");
}
