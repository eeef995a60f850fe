use super::*;

const MODEL: Lock<char> = Lock::new();
const DONE: Option<&LockOutput<char>> = Some(&LockOutput::Done);

#[test]
fn a_held_lock_is_not_acquired_not_even_by_its_owner() {
    for owner in ['a', 'b'] {
        let acquire = LockInput::Acquire(owner);
        assert_eq!(MODEL.step(&None, &acquire, DONE), Some(Some(owner)));
        assert_eq!(MODEL.step(&Some('a'), &acquire, DONE), None);
        let busy = Some(&LockOutput::Busy);
        assert_eq!(MODEL.step(&Some('a'), &acquire, busy), Some(Some('a')));
        assert_eq!(MODEL.step(&None, &acquire, busy), None);
    }
}

#[test]
fn only_the_owner_releases() {
    let release = LockInput::Release('a');
    assert_eq!(MODEL.step(&Some('a'), &release, DONE), Some(None));
    assert_eq!(MODEL.step(&Some('b'), &release, DONE), None);
    let not_held = Some(&LockOutput::NotHeld);
    assert_eq!(MODEL.step(&Some('b'), &release, not_held), Some(Some('b')));
    assert_eq!(MODEL.step(&Some('a'), &release, not_held), None);
}

#[test]
fn an_acquire_whose_answer_was_lost_holds_a_free_lock() {
    let acquire = LockInput::Acquire('a');
    assert_eq!(MODEL.step(&None, &acquire, None), Some(Some('a')));
    assert_eq!(MODEL.step(&Some('b'), &acquire, None), Some(Some('b')));
}
