use alloc::vec::Vec;

use super::*;

fn nodes(count: u64) -> Vec<NodeId> {
    (1..=count).map(NodeId).collect()
}

#[test]
fn many_voters_are_counted_like_few() {
    for count in 1..40 {
        let voters = nodes(count);
        let quorum = MajorityQuorum(&voters);
        // Voter n has n: a majority has what the lower of the upper half has.
        let expected = count - quorum.size() as u64 + 1;
        assert_eq!(quorum.reached(|voter| voter.0), expected, "{count} voters");
        assert_eq!(quorum.reached(|_| 7), 7);
    }
}

#[test]
fn of_many_voters_a_half_is_no_majority() {
    let voters = nodes(20);
    let quorum = MajorityQuorum(&voters);
    let half = |voter: NodeId| (voter.0 <= 10).then_some(true);
    assert_eq!(quorum.vote_result(half), VoteResult::Pending);
    let no = |voter: NodeId| Some(voter.0 <= 10);
    assert_eq!(quorum.vote_result(no), VoteResult::Lost);
    let more = |voter: NodeId| (voter.0 <= 11).then_some(true);
    assert_eq!(quorum.vote_result(more), VoteResult::Won);
}

#[test]
fn a_joint_quorum_needs_both_halves() {
    let (incoming, outgoing) = (nodes(3), [NodeId(4)]);
    let joint = JointQuorum {
        incoming: MajorityQuorum(&incoming),
        outgoing: MajorityQuorum(&outgoing),
    };
    let incoming_only = |voter: NodeId| (voter.0 < 4).then_some(true);
    assert_eq!(joint.vote_result(incoming_only), VoteResult::Pending);
    assert_eq!(joint.reached(|voter| u64::from(voter.0 < 4)), 0);

    let _planted = Mutant::JointByOneHalf.plant();
    assert_eq!(joint.vote_result(incoming_only), VoteResult::Won);
    assert_eq!(joint.reached(|voter| u64::from(voter.0 < 4)), 1);
}
