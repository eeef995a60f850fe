use super::*;

#[test]
fn each_answer_counts_everything_that_was_added() {
    let add =
        |state, by, seen| Counter.step(&state, &CounterInput::Add(by), Some(&CounterOutput(seen)));
    assert_eq!(add(0, 3, 3), Some(3));
    assert_eq!(add(3, -5, -2), Some(-2));
    assert_eq!(add(3, 1, 5), None, "added twice");
    let read = |seen| Counter.step(&4, &CounterInput::Read, Some(&CounterOutput(seen)));
    assert_eq!(read(4), Some(4));
    assert_eq!(read(3), None);
}

#[test]
fn nobody_need_have_seen_the_answer() {
    assert_eq!(Counter.step(&1, &CounterInput::Add(1), None), Some(2));
    assert_eq!(Counter.step(&i64::MAX, &CounterInput::Add(1), None), None);
}
