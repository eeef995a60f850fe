use super::*;

type Model8 = VersionedKey<u8, u64>;
type State8 = VersionedState<u8, u64>;

const MODEL: Model8 = VersionedKey::new();

fn holds(value: u8, version: u64) -> State8 {
    VersionedState {
        value: Some(value),
        version: Some(version),
        exact: true,
    }
}

fn put(value: u8, expect: Expect<u64>) -> VersionedInput<u8, u64> {
    VersionedInput::Put { value, expect }
}

#[test]
fn versions_of_a_key_only_grow() {
    let any = put(2, Expect::Any);
    let answered =
        |version| MODEL.step(&holds(1, 5), &any, Some(&VersionedOutput::Written(version)));
    assert_eq!(answered(6), Some(holds(2, 6)));
    assert_eq!(answered(5), None);
    assert_eq!(answered(4), None);
}

#[test]
fn a_conditional_write_takes_place_only_over_its_version() {
    let when_5 = put(2, Expect::Version(5));
    let written = Some(&VersionedOutput::Written(9));
    assert_eq!(
        MODEL.step(&holds(1, 5), &when_5, written),
        Some(holds(2, 9))
    );
    assert_eq!(MODEL.step(&holds(1, 6), &when_5, written), None);
    let conflict = VersionedOutput::Conflict(None);
    assert_eq!(MODEL.step(&holds(1, 5), &when_5, Some(&conflict)), None);
    let told = VersionedOutput::Conflict(Some(6));
    assert_eq!(
        MODEL.step(&holds(1, 6), &when_5, Some(&told)),
        Some(holds(1, 6))
    );
    assert_eq!(MODEL.step(&holds(1, 7), &when_5, Some(&told)), None);
}

#[test]
fn creating_needs_absence_and_a_deleted_key_is_absent_but_remembers_its_version() {
    let create = put(2, Expect::Absent);
    assert_eq!(
        MODEL.step(&holds(1, 5), &create, Some(&VersionedOutput::Written(6))),
        None
    );
    let delete = VersionedInput::Delete {
        expect: Expect::Any,
    };
    let deleted = MODEL
        .step(&holds(1, 5), &delete, Some(&VersionedOutput::Written(7)))
        .unwrap();
    assert_eq!(
        MODEL.step(
            &deleted,
            &VersionedInput::Get,
            Some(&VersionedOutput::Absent)
        ),
        Some(deleted)
    );
    assert_eq!(
        MODEL.step(&deleted, &create, Some(&VersionedOutput::Written(6))),
        None
    );
    assert_eq!(
        MODEL.step(&deleted, &create, Some(&VersionedOutput::Written(8))),
        Some(holds(2, 8))
    );
}

#[test]
fn the_version_of_a_lost_answer_is_open_until_somebody_reads_it() {
    let open = MODEL
        .step(&holds(1, 5), &put(2, Expect::Any), None)
        .unwrap();
    assert!(!open.exact);
    let read = |version| {
        MODEL.step(
            &open,
            &VersionedInput::Get,
            Some(&VersionedOutput::Value(2, version)),
        )
    };
    assert_eq!(read(5), None, "above the version it wrote over");
    assert_eq!(read(9), Some(holds(2, 9)));
    let when_9 = put(3, Expect::Version(9));
    assert_eq!(
        MODEL.step(&open, &when_9, Some(&VersionedOutput::Written(10))),
        Some(holds(3, 10))
    );
}
