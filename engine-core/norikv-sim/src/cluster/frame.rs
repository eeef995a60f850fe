//! What frames say, read by an observer: a word for the view, Raft messages for the checks.
//!
//! **Invariant: a node never depends on this.** It reads the node's wire format from outside (an
//! envelope of protocol version, cluster, sender and receiver, then one item after another) and what
//! it cannot read it leaves out.

use alloc::vec::Vec;

use nori_raft::Message;
use norikv_node::Lane;
use norikv_types::{GroupId, NodeId, Term, Version};

/// The first thing that a frame says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Gist {
    pub(crate) kind: &'static str,
    pub(crate) group: Option<GroupId>,
}

type Envelope = (u16, u64, NodeId, NodeId);

/// What a frame or packet says first.
pub(crate) fn gist(lane: Option<Lane>, bytes: &[u8]) -> Gist {
    if lane.is_none() {
        return Gist {
            kind: "packet",
            group: None,
        };
    }
    read_gist(bytes).unwrap_or(Gist {
        kind: "unreadable",
        group: None,
    })
}

/// Every Raft message of a frame, up to the first item that is none.
pub(crate) fn raft_messages(bytes: &[u8]) -> Vec<(GroupId, Message)> {
    let mut messages = Vec::new();
    let Ok((_, mut rest)) = postcard::take_from_bytes::<Envelope>(bytes) else {
        return messages;
    };
    while let Ok(((RAFT, group, message), after)) =
        postcard::take_from_bytes::<(u32, GroupId, Message)>(rest)
    {
        messages.push((group, message));
        rest = after;
    }
    messages
}

fn read_gist(bytes: &[u8]) -> Option<Gist> {
    let (_, rest) = postcard::take_from_bytes::<Envelope>(bytes).ok()?;
    let (item, rest) = postcard::take_from_bytes::<u32>(rest).ok()?;
    let kind = match item {
        RAFT => {
            let ((group, _, body), rest) =
                postcard::take_from_bytes::<(GroupId, Term, u32)>(rest).ok()?;
            let kind = match body {
                0 => "pre-vote",
                1 => "pre-vote reply",
                2 => "vote",
                3 => "vote reply",
                4 => {
                    let (_, entries) = postcard::take_from_bytes::<(Version, u32)>(rest).ok()?.0;
                    if entries == 0 { "heartbeat" } else { "append" }
                }
                5 => "append reply",
                _ => "raft",
            };
            return Some(Gist {
                kind,
                group: Some(group),
            });
        }
        1 => "request",
        2 => "reply",
        3 => "snapshot",
        4 => "snapshot fetch",
        5 => "alive",
        9 => "snapshot offer",
        11 => "snapshot progress",
        _ => "other",
    };
    Some(Gist { kind, group: None })
}

const RAFT: u32 = 0;
