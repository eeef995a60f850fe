use alloc::vec;

use super::*;

const MODEL: AppendList<u8> = AppendList::new();

#[test]
fn an_append_goes_behind_the_last() {
    let append = ListInput::Append(2);
    let after = MODEL.step(&vec![1], &append, Some(&ListOutput::Done));
    assert_eq!(after, Some(vec![1, 2]));
    assert_eq!(MODEL.step(&vec![1], &append, None), Some(vec![1, 2]));
}

#[test]
fn a_read_sees_every_element_in_order() {
    let read = |seen: &[u8]| {
        let seen = ListOutput::Holds(seen.to_vec());
        MODEL.step(&vec![1, 2], &ListInput::Read, Some(&seen))
    };
    assert!(read(&[1, 2]).is_some());
    assert!(read(&[2, 1]).is_none());
    assert!(read(&[1]).is_none());
}
