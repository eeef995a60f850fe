use alloc::borrow::ToOwned;

use super::*;

const MODEL: TextKey = TextKey::new();

fn state(text: &str) -> Arc<str> {
    Arc::from(text)
}

#[test]
fn an_append_goes_to_the_end_and_a_put_replaces() {
    let done = Some(&TextOutput::Done);
    let append = TextInput::Append("b".to_owned());
    assert_eq!(MODEL.step(&state("a"), &append, done), Some(state("ab")));
    let put = TextInput::Put("b".to_owned());
    assert_eq!(MODEL.step(&state("a"), &put, done), Some(state("b")));
    assert_eq!(MODEL.step(&state("a"), &put, None), Some(state("b")));
}

#[test]
fn a_get_sees_the_whole_text() {
    let get = |seen: &str| {
        let seen = TextOutput::Holds(seen.to_owned());
        MODEL.step(&state("ab"), &TextInput::Get, Some(&seen))
    };
    assert_eq!(get("ab"), Some(state("ab")));
    assert_eq!(get("a"), None);
    assert_eq!(get("b"), None);
}
