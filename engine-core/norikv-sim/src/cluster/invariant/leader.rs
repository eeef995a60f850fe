//! A leader never overwrites or deletes entries of its log (Raft §5.3, leader append-only), and what
//! it commits by counting copies is an entry of its own term (Raft §5.4.2).

use nori_raft::Persist;
use norikv_types::{GroupId, LogIndex, NodeId, Version};

use super::recovered::Replica;
use crate::cluster::Violation;

/// Checks what a leader wants to have stored, before it is taken in.
pub(super) fn only_appends(
    node: NodeId,
    group: GroupId,
    replica: &Replica,
    persist: &Persist,
) -> Result<(), Violation> {
    let Some(term) = reign(replica) else {
        return Ok(());
    };
    let deposed = persist.hard_state.is_some_and(|own| own.term > term);
    let from = persist.entries.first().map(|entry| entry.index);
    match from {
        Some(from) if !deposed && from <= replica.issued.last().index => {
            Err(Violation::LeaderOverwrote {
                node,
                group,
                term,
                from,
            })
        }
        _ => Ok(()),
    }
}

/// Checks onto which entry a leader's commit index moved.
pub(super) fn commits_own_term(
    node: NodeId,
    group: GroupId,
    replica: &Replica,
    commit_index: LogIndex,
) -> Result<(), Violation> {
    let Some(term) = reign(replica) else {
        return Ok(());
    };
    match replica.issued.term_at(commit_index) {
        Some(own) if own < term => Err(Violation::CommittedOldTerm {
            node,
            group,
            term,
            committed: Version {
                term: own,
                index: commit_index,
            },
        }),
        _ => Ok(()),
    }
}

/// Checks what a leader appends that changes who belongs to the group, before it is taken in.
pub(super) fn changes_one_thing(
    node: NodeId,
    group: GroupId,
    replica: &Replica,
    persist: &Persist,
) -> Result<(), Violation> {
    let Some(term) = reign(replica) else {
        return Ok(());
    };
    if persist.hard_state.is_some_and(|own| own.term > term) {
        return Ok(());
    }
    let (committed, commits) = (replica.committed, replica.commits);
    let configurations = &replica.configurations;
    configurations.check_leader(node, group, &persist.entries, committed, commits)
}

/// What a leader commits with `commit_index`, by counting who holds it.
pub(super) fn committed_by_counting(replica: &Replica, commit_index: LogIndex) -> Option<Version> {
    reign(replica)?;
    let term = replica.issued.term_at(commit_index)?;
    Some(Version {
        term,
        index: commit_index,
    })
}

/// The term in which the replica leads, unless it knows of a later one.
fn reign(replica: &Replica) -> Option<norikv_types::Term> {
    replica
        .leads
        .filter(|term| *term == replica.issued_hard_state().term)
}
