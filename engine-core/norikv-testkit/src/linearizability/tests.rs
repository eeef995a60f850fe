use norikv_types::{Mono, Prng};

use super::*;
use crate::model::{CasInput, CasOutput, CasRegister};

mod generated;

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
    // The writes of 49 and 50 and the stale read: without any of them the rest is possible.
    let [write_49, write_50] = [96, 98].map(OperationId);
    assert_eq!(violation.window, [write_49, write_50, stale]);
    assert_eq!(violation.bystanders, [concurrent]);
    assert_eq!(violation.states_before, [Some(48)]);
    assert!(violation.states.contains(&Some(50)), "{violation:?}");
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
fn a_key_that_is_hard_to_judge_does_not_hide_one_that_is_broken() {
    let mut history = RegisterHistory::new();
    let writes: Vec<_> = (0..40).map(|value| write(&mut history, value)).collect();
    for id in writes {
        done(&mut history, id);
    }
    read(&mut history, Some(99));
    let broken = history.invoke(1, 1, CasInput::Read, Mono::ZERO);
    history.returned(broken, CasOutput::Holds(Some(1)), Mono::ZERO);
    let Verdict::No(violation) = linearizable(&history, &Register::new()) else {
        panic!("key 1 is broken");
    };
    assert_eq!((violation.key, violation.unexplained), (1, broken));
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
