use norikv_types::{LogIndex, Mono, Term, Version};

use super::*;
use crate::record::{Input, Output};
use norikv_testkit::ValueId;

fn version(index: u64) -> Version {
    Version {
        term: Term(1),
        index: LogIndex(index),
    }
}

/// Each operation returns before the next is invoked.
fn one_after_the_other(operations: Vec<(Input, Output)>) -> KeyHistory {
    let mut history = KeyHistory::new();
    for (input, output) in operations {
        let id = history.invoke(1, 7, input, Mono::ZERO);
        history.returned(id, output, Mono::ZERO);
    }
    history
}

fn put(value: u64) -> Input {
    Input::Put {
        value: ValueId(value),
        expect: norikv_testkit::Expect::Any,
    }
}

fn judge(history: &KeyHistory) -> (Verdicts, Option<Violation>) {
    let mut verdicts = Verdicts::default();
    let violation = verdicts.judge(3, history);
    (verdicts, violation)
}

#[test]
fn a_history_in_order_is_fine() {
    let history = one_after_the_other(vec![
        (put(1), Output::Written(version(1))),
        (Input::Get, Output::Value(ValueId(1), version(1))),
    ]);
    let (verdicts, violation) = judge(&history);
    assert_eq!((verdicts.yes, verdicts.no, verdicts.operations), (1, 0, 2));
    assert_eq!(violation, None);
}

#[test]
fn a_lost_write_is_found_and_its_read_is_named() {
    let history = one_after_the_other(vec![
        (put(1), Output::Written(version(1))),
        (Input::Get, Output::Absent),
    ]);
    let (verdicts, violation) = judge(&history);
    assert_eq!((verdicts.yes, verdicts.no), (0, 1));
    let Some(Violation::NotLinearizable {
        epoch,
        window,
        drawing,
    }) = violation
    else {
        panic!("{violation:?}");
    };
    assert_eq!(epoch, 3);
    assert!(
        drawing.starts_with("<svg") && drawing.contains("Absent"),
        "{drawing}"
    );
    assert!(
        window.contains("=> client 1") && window.contains("Get"),
        "{window}"
    );
}

#[test]
fn a_stale_read_is_found() {
    let history = one_after_the_other(vec![
        (put(1), Output::Written(version(1))),
        (put(2), Output::Written(version(2))),
        (Input::Get, Output::Value(ValueId(1), version(1))),
    ]);
    assert_eq!(judge(&history).0.no, 1);
}

#[test]
fn a_write_without_an_answer_may_show_later_but_not_twice() {
    let mut history = KeyHistory::new();
    history.invoke(1, 7, put(1), Mono::ZERO);
    let mut then = |input, output| {
        let id = history.invoke(2, 7, input, Mono::ZERO);
        history.returned(id, output, Mono::ZERO);
    };
    then(Input::Get, Output::Absent);
    then(Input::Get, Output::Value(ValueId(1), version(4)));
    then(put(2), Output::Written(version(5)));
    assert_eq!(judge(&history).0.yes, 1);
    let id = history.invoke(2, 7, Input::Get, Mono::ZERO);
    history.returned(id, Output::Value(ValueId(1), version(6)), Mono::ZERO);
    assert_eq!(judge(&history).0.no, 1);
}
