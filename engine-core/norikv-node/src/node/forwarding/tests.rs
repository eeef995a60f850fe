use super::*;

#[test]
fn a_request_that_arrives_again_is_known() {
    let mut seen = Seen::default();
    assert!(seen.first_time(NodeId(2), 7, 1));
    assert!(!seen.first_time(NodeId(2), 7, 1));
    assert!(seen.first_time(NodeId(2), 8, 1), "another start");
    assert!(seen.first_time(NodeId(3), 7, 1), "another node");
    assert!(!seen.first_time(NodeId(2), 7, 1));
}

#[test]
fn what_is_too_old_to_tell_counts_as_known() {
    let mut seen = Seen::default();
    let last = TOKENS_MAX as u64 + 10;
    for token in 1..=last {
        assert!(seen.first_time(NodeId(2), 7, token));
    }
    assert!(!seen.first_time(NodeId(2), 7, 1));
    assert!(!seen.first_time(NodeId(2), 7, last));
    assert!(seen.first_time(NodeId(2), 7, last + 1));
}
