use super::*;
use crate::model::{CasInput, CasOutput, CasRegister};

const MODEL: Together<char, CasRegister<u8>> = Together::new(CasRegister::new());

#[test]
fn a_key_does_not_see_what_another_holds() {
    let done = Some(&CasOutput::Done);
    let a = MODEL
        .step(&BTreeMap::new(), &('a', CasInput::Write(1)), done)
        .unwrap();
    let read = |key, seen| MODEL.step(&a, &(key, CasInput::Read), Some(&CasOutput::Holds(seen)));
    assert_eq!(read('a', Some(1)).as_ref(), Some(&a));
    assert_eq!(read('b', None).as_ref(), Some(&a));
    assert_eq!(read('b', Some(1)), None);
}
