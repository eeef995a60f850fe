use super::*;

#[test]
fn a_swap_takes_place_only_over_the_expected_value() {
    let model = CasRegister::<u8>::new();
    let swap = CasInput::Swap {
        from: Some(1),
        to: 2,
    };
    let done = Some(&CasOutput::Done);
    assert_eq!(model.step(&Some(1), &swap, done), Some(Some(2)));
    assert_eq!(model.step(&Some(3), &swap, done), None);
    let differs = Some(&CasOutput::Differs);
    assert_eq!(model.step(&Some(3), &swap, differs), Some(Some(3)));
    assert_eq!(model.step(&Some(1), &swap, differs), None);
}

#[test]
fn an_unknown_outcome_does_what_the_state_says() {
    let model = CasRegister::<u8>::new();
    let swap = CasInput::Swap { from: None, to: 2 };
    assert_eq!(model.step(&None, &swap, None), Some(Some(2)));
    assert_eq!(model.step(&Some(3), &swap, None), Some(Some(3)));
}
