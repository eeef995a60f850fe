//! Rules of membership broken on purpose, seen in whole groups whose members change.

use norikv_types::Mutant;

use super::caught_in;
use crate::chaos::Members;

fn caught(mutant: Mutant) -> String {
    caught_in(mutant, Members::Change)
}

#[test]
fn a_configuration_that_is_in_force_only_once_committed_is_caught() {
    caught(Mutant::ConfigurationAtCommit);
}

#[test]
fn a_joint_decision_by_one_half_is_caught() {
    caught(Mutant::JointByOneHalf);
}

#[test]
fn a_learner_that_counts_is_caught() {
    let violation = caught(Mutant::LearnerCounts);
    assert!(violation.starts_with("commit"), "{violation}");
}

#[test]
fn a_snapshot_that_brings_no_members_is_caught() {
    caught(Mutant::SnapshotForgetsMembers);
}

#[test]
fn a_removed_leader_that_counts_itself_is_caught() {
    caught(Mutant::RemovedLeaderCounts);
}
