//! Nothing is said before it is durable: the term of every message, a vote, one's own candidacy, and
//! the entries that an acknowledgement covers (Raft figure 2). Who lacks something of its log
//! neither votes nor campaigns, and who may have forgotten its vote acknowledges nothing.

use nori_raft::{AppendOutcome, AppendReply, Body, HardState, Message};
use norikv_types::{GroupId, NodeId};

use super::recovered::Replica;
use crate::cluster::Violation;

/// A message of a replica that was removed, or never was.
pub(super) const fn without_a_replica(node: NodeId, group: GroupId) -> Violation {
    Violation::SaidTooEarly {
        node,
        group,
        what: "something without a replica",
    }
}

pub(super) fn check(
    node: NodeId,
    to: NodeId,
    group: GroupId,
    replica: &Replica,
    message: &Message,
) -> Result<(), Violation> {
    if !replica.may_speak() {
        return Err(without_a_replica(node, group));
    }
    let HardState {
        term, voted_for, ..
    } = *replica.durable_hard_state();
    let voted = |candidate| term > message.term || voted_for == Some(candidate);
    let what = match &message.body {
        _ if term < message.term => "its term",
        Body::Vote { .. } | Body::TransferVote { .. } | Body::VoteReply { granted: true }
            if replica.is_lacking() =>
        {
            return Err(Violation::LacksWhatItPromised { node, group });
        }
        Body::AppendReply(AppendReply {
            outcome: AppendOutcome::Accepted { .. },
            ..
        }) if replica.is_doubtful() => return Err(Violation::LacksWhatItPromised { node, group }),
        Body::Vote { .. } if !voted(node) => "its candidacy",
        Body::VoteReply { granted: true } if !voted(to) => "its vote",
        Body::AppendReply(AppendReply {
            outcome: AppendOutcome::Accepted { match_index, .. },
            ..
        }) if !replica.is_durable_up_to(*match_index) => "entries",
        _ => return Ok(()),
    };
    Err(Violation::SaidTooEarly { node, group, what })
}
