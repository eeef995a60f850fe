use super::*;

const MODEL: Register<u8> = Register::new();

#[test]
fn a_read_sees_the_last_write_and_nothing_else() {
    let written = MODEL.step(&None, &RegisterInput::Write(1), Some(&RegisterOutput::Done));
    assert_eq!(written, Some(Some(1)));
    let read = |seen| {
        MODEL.step(
            &Some(1),
            &RegisterInput::Read,
            Some(&RegisterOutput::Holds(seen)),
        )
    };
    assert_eq!(read(Some(1)), Some(Some(1)));
    assert_eq!(read(Some(2)), None);
    assert_eq!(read(None), None);
}

#[test]
fn an_answer_to_another_question_is_no_answer() {
    let held = RegisterOutput::Holds(Some(1));
    assert_eq!(
        MODEL.step(&Some(1), &RegisterInput::Write(1), Some(&held)),
        None
    );
    let done = RegisterOutput::Done;
    assert_eq!(
        MODEL.step(&Some(1), &RegisterInput::Read, Some(&done)),
        None
    );
}
