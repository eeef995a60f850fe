//! A node says its vote to one candidate in a term, over all its lives (Raft §5.2): a vote that a
//! restart forgot, or that its disk kept otherwise than it was said, shows here.

use alloc::collections::BTreeMap;

use nori_raft::{Body, Message};
use norikv_types::{GroupId, NodeId, Term};

use crate::cluster::Violation;

/// For whom each node said that it votes, by term.
#[derive(Debug, Default)]
pub(super) struct Votes(BTreeMap<(NodeId, Term), NodeId>);

impl Votes {
    /// For whom the node said that it votes.
    pub(super) fn of(&self, node: NodeId, term: Term) -> Option<NodeId> {
        self.0.get(&(node, term)).copied()
    }

    pub(super) fn check(
        &mut self,
        node: NodeId,
        to: NodeId,
        group: GroupId,
        message: &Message,
    ) -> Result<(), Violation> {
        let candidate = match &message.body {
            Body::VoteReply { granted: true } => to,
            Body::Vote { .. } => node,
            _ => return Ok(()),
        };
        let term = message.term;
        let first = *self.0.entry((node, term)).or_insert(candidate);
        if first == candidate {
            return Ok(());
        }
        Err(Violation::VotedTwice {
            node,
            group,
            term,
            first,
            second: candidate,
        })
    }
}
