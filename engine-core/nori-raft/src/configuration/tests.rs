use alloc::vec;
use alloc::vec::Vec;

use super::*;

fn ids<const N: usize>(ids: [u64; N]) -> Vec<NodeId> {
    ids.map(NodeId).to_vec()
}

fn of<const N: usize>(voters: [u64; N]) -> Configuration {
    Configuration::new(voters.map(NodeId)).unwrap()
}

fn auto<const N: usize>(changes: [Change; N]) -> MembershipChange {
    MembershipChange::Auto(changes.to_vec())
}

#[test]
fn a_configuration_that_cannot_be_is_not_built() {
    use ConfigurationFault as Fault;
    assert_eq!(Configuration::new([]), Err(Fault::NoVoters));
    assert_eq!(Configuration::new([NodeId(0)]), Err(Fault::NodeZero));
    let remove = auto([Change::Remove(NodeId(1))]);
    assert_eq!(of([1]).change(&remove), Err(Fault::NoVoters));
    let demote = auto([Change::AddLearner(NodeId(1))]);
    assert_eq!(of([1]).change(&demote), Err(Fault::NoVoters));
    let replace = auto([Change::AddWitness(NodeId(2)), Change::Remove(NodeId(1))]);
    assert_eq!(of([1]).change(&replace), Err(Fault::OnlyWitnesses));
    assert_eq!(
        of([1]).change(&MembershipChange::Leave),
        Err(Fault::NotJoint)
    );
}

#[test]
fn one_voter_changes_at_once_and_more_through_a_joint_configuration() {
    let one = of([1, 2, 3])
        .change(&auto([Change::AddVoter(NodeId(4))]))
        .unwrap();
    assert_eq!(
        (one.voters(), one.is_joint()),
        (&ids([1, 2, 3, 4])[..], false)
    );

    let two = auto([Change::AddVoter(NodeId(4)), Change::Remove(NodeId(1))]);
    let joint = of([1, 2, 3]).change(&two).unwrap();
    assert_eq!(joint.voters(), ids([2, 3, 4]));
    assert_eq!(joint.outgoing(), ids([1, 2, 3]));
    assert!(joint.leaves_by_itself());
    assert_eq!(joint.members(), ids([1, 2, 3, 4]));
    assert_eq!(joint.change(&two), Err(ConfigurationFault::Joint));
    assert_eq!(
        joint.change(&MembershipChange::Leave).unwrap(),
        of([2, 3, 4])
    );

    let steps = vec![Change::AddVoter(NodeId(4)), Change::Remove(NodeId(1))];
    let simple = MembershipChange::Simple(steps);
    assert_eq!(
        of([1, 2, 3]).change(&simple),
        Err(ConfigurationFault::ManyVoters)
    );
}

#[test]
fn a_voter_that_is_demoted_votes_until_the_joint_configuration_is_left() {
    let change = MembershipChange::Joint {
        changes: vec![Change::AddVoter(NodeId(4)), Change::AddLearner(NodeId(1))],
        auto_leave: false,
    };
    let joint = of([1, 2, 3]).change(&change).unwrap();
    assert!(joint.is_voter(NodeId(1)) && !joint.is_learner(NodeId(1)));
    assert_eq!(joint.learners_next(), ids([1]));
    let left = joint.change(&MembershipChange::Leave).unwrap();
    assert!(left.is_learner(NodeId(1)) && !left.is_voter(NodeId(1)));
    assert!(left.learners_next().is_empty());
}

#[test]
fn a_witness_votes_and_becomes_nothing_else() {
    let with = of([1, 2])
        .change(&auto([Change::AddWitness(NodeId(3))]))
        .unwrap();
    assert!(with.is_voter(NodeId(3)) && with.is_witness(NodeId(3)));
    for change in [Change::AddVoter(NodeId(3)), Change::AddLearner(NodeId(3))] {
        let anew = auto([Change::Remove(NodeId(3)), change]);
        assert_eq!(with.change(&anew), Err(ConfigurationFault::WitnessStays));
    }
    let member = auto([Change::AddWitness(NodeId(2))]);
    assert_eq!(with.change(&member), Err(ConfigurationFault::WitnessStays));
    let without = with.change(&auto([Change::Remove(NodeId(3))])).unwrap();
    assert_eq!(without, of([1, 2]));
}

#[test]
fn bytes_that_say_no_configuration_are_refused() {
    let joint = MembershipChange::Joint {
        changes: vec![Change::AddVoter(NodeId(4)), Change::AddLearner(NodeId(5))],
        auto_leave: true,
    };
    let joint = of([1, 2, 3]).change(&joint).unwrap();
    let bytes = postcard::to_allocvec(&joint).unwrap();
    assert_eq!(postcard::from_bytes::<Configuration>(&bytes), Ok(joint));
    // No voters; a voter that is a learner too; leaving what is not joint; unsorted; node 0.
    let bad: [&[u8]; 5] = [
        &[0, 0, 0, 0, 0, 0],
        &[1, 1, 0, 1, 1, 0, 0, 0],
        &[1, 1, 0, 0, 0, 0, 1],
        &[2, 2, 1, 0, 0, 0, 0, 0],
        &[1, 0, 0, 0, 0, 0, 0],
    ];
    for bytes in bad {
        assert!(
            postcard::from_bytes::<Configuration>(bytes).is_err(),
            "{bytes:?}"
        );
    }
}

#[test]
fn majorities_before_and_after_a_step_meet() {
    // Every step between small configurations, every pair of quorums.
    let steps = (1..=4).flat_map(|id| {
        [
            Change::AddVoter(NodeId(id)),
            Change::AddLearner(NodeId(id)),
            Change::Remove(NodeId(id)),
        ]
    });
    let steps: Vec<Change> = steps.collect();
    let mut changes = vec![MembershipChange::Leave];
    for a in &steps {
        for b in &steps {
            changes.push(MembershipChange::Auto(vec![*a, *b]));
        }
    }
    let mut seen = vec![of([1])];
    let mut next = 0;
    while let Some(before) = seen.get(next).cloned() {
        next += 1;
        for change in &changes {
            let Ok(after) = before.change(change) else {
                continue;
            };
            for first in 0..16_u64 {
                for second in 0..16_u64 {
                    let decides = |configuration: &Configuration, set: u64| {
                        let quorum = configuration.quorum();
                        quorum.reached(|id| u64::from(set >> (id.0 - 1) & 1 == 1)) == 1
                    };
                    assert!(
                        first & second != 0 || !decides(&before, first) || !decides(&after, second),
                        "{before:?} by {first:#b}, {after:?} by {second:#b}"
                    );
                }
            }
            if !seen.contains(&after) {
                seen.push(after);
            }
        }
    }
    assert!(seen.len() > 100, "{}", seen.len());
}
