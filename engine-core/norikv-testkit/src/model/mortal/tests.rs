use super::*;

const MODEL: MortalKey<u8, u64> = MortalKey::new();

fn put(value: u8, ends: bool, expect: Expect<u64>) -> MortalInput<u8, u64> {
    MortalInput {
        asked: VersionedInput::Put { value, expect },
        ends,
    }
}

const GET: MortalInput<u8, u64> = MortalInput {
    asked: VersionedInput::Get,
    ends: false,
};

fn written(value: u8, ends: bool) -> MortalState<u8, u64> {
    let output = VersionedOutput::Written(1);
    MODEL
        .step(
            &MODEL.initial(),
            &put(value, ends, Expect::Any),
            Some(&output),
        )
        .expect("a first write takes place")
}

#[test]
fn a_value_that_ended_never_comes_back() {
    let alive = written(7, true);
    let seen = VersionedOutput::Value(7, 1);
    assert_eq!(MODEL.step(&alive, &GET, Some(&seen)), Some(alive));
    let ended = MODEL.step(&alive, &GET, Some(&VersionedOutput::Absent));
    let ended = ended.expect("it may have ended");
    assert_eq!(MODEL.step(&ended, &GET, Some(&seen)), None);
}

#[test]
fn a_value_that_was_not_told_to_end_stays() {
    let alive = written(7, false);
    assert_eq!(
        MODEL.step(&alive, &GET, Some(&VersionedOutput::Absent)),
        None
    );
    let taken = VersionedOutput::Written(2);
    let take = put(8, true, Expect::Absent);
    assert_eq!(MODEL.step(&alive, &take, Some(&taken)), None);
}

#[test]
fn where_a_value_ended_the_next_may_be_put() {
    let take = put(8, false, Expect::Absent);
    let taken = MODEL.step(&written(7, true), &take, Some(&VersionedOutput::Written(2)));
    assert_eq!(taken.map(|state| state.key.value), Some(Some(8)));
    assert_eq!(taken.map(|state| state.ends), Some(false));
    assert!(MODEL.step(&written(7, true), &take, None).is_some());
}

#[test]
fn that_nothing_is_there_any_more_is_no_mere_read() {
    assert!(!MODEL.is_read(&GET, &VersionedOutput::Absent));
    assert!(MODEL.is_read(&GET, &VersionedOutput::Value(7, 1)));
}
