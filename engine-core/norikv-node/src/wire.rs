//! What nodes say to each other: frames of several items each.
//!
//! **Invariant: a frame of another protocol version, another cluster or another address is never
//! acted on, and no bytes make decoding panic.**
//!
//! Layout: postcard of the [`Envelope`], then postcard of one [`Item`] after another to the end of
//! the frame. A frame is self-contained; a stream transport adds its length.

mod snapshot;

use alloc::vec::Vec;

use bytes::Bytes;
use nori_raft as raft;
use norikv_types::{GroupId, LogIndex, NodeId};
use postcard::ser_flavors::Flavor;
use serde::{Deserialize, Serialize};

use crate::{Answer, Consistency, Failure, FrameRefusal, Lane};

pub(crate) use self::snapshot::{
    NoExport, SnapshotChunk, SnapshotFetch, SnapshotOffer, SnapshotProgress, SnapshotState, Stream,
};

/// The version of all that follows. Another one is refused.
pub(crate) const PROTOCOL: u16 = 1;

/// Bytes after which a frame is closed and another begun. One item more may stand in it.
const FRAME_BYTES: usize = 512 << 10;

/// Room that a frame begins with: the heartbeats of a few groups.
const FRAME_BYTES_FIRST: usize = 192;

/// Opens every frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Envelope {
    /// [`PROTOCOL`]; first, so that every version can read it.
    pub(crate) protocol: u16,
    /// The cluster.
    pub(crate) cluster: u64,
    /// The sender.
    pub(crate) from: NodeId,
    /// The receiver.
    pub(crate) to: NodeId,
}

/// One thing said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Item {
    /// From one replica to another.
    Raft {
        group: GroupId,
        message: raft::Message,
    },
    /// Carry this out for me.
    Request(Request),
    /// What came of a request.
    Reply(Reply),
    /// A piece of a snapshot.
    Chunk(SnapshotChunk),
    /// "Send me pieces of a snapshot."
    Fetch(SnapshotFetch),
    /// The sender is alive, as this start of it.
    Alive { boot: u64 },
    /// "You lead a group of which I have no replica." With the sender's start.
    NoReplica { group: GroupId, boot: u64 },
    /// "Begin with nothing." From a leader, confirmed after that start said that it has none; its log
    /// ends at `index`, and by it the receiver is a learner.
    Join {
        group: GroupId,
        index: LogIndex,
        boot: u64,
    },
    /// "You are no member": by the configuration committed at `index`.
    Gone { group: GroupId, index: LogIndex },
    /// "You need a snapshot", from a leader.
    Offer(SnapshotOffer),
    /// "That export is not, or no longer, here."
    NoExport(NoExport),
    /// How far the snapshot is that its leader offered.
    Progress(SnapshotProgress),
    /// "Am I a member?" From a replica that nobody leads and that does not campaign.
    Belongs { group: GroupId },
}

/// Work carried out for another node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The sender's name for it; grows with each request of one start of the sender.
    pub(crate) token: u64,
    /// The sender's start.
    pub(crate) boot: u64,
    /// The group it is for.
    pub(crate) group: GroupId,
    /// How often it may still be passed on.
    pub(crate) hops: u8,
    /// Time until the answer is of no use, in nanoseconds from now: clocks are not compared.
    pub(crate) remaining_ns: u64,
    /// What to do.
    pub(crate) work: Work,
}

/// What can be done for one group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Work {
    /// Replicate this encoded [`Command`](crate::Command).
    Write {
        command: Bytes,
        /// Whether repeating it does not do it twice.
        repeatable: bool,
    },
    /// Read one key.
    Get {
        key: Bytes,
        consistency: Consistency,
    },
    /// Read a page of the group.
    Scan {
        prefix: Bytes,
        after: Option<Bytes>,
        limit: u32,
        consistency: Consistency,
    },
    /// Wait for what happens in the group. `after` is how far it was seen; without it the answer
    /// says at once where the replica is.
    Watch {
        prefix: Bytes,
        after: Option<LogIndex>,
        limit: u32,
    },
    /// Change who holds the group.
    Change {
        add: Vec<NodeId>,
        remove: Vec<NodeId>,
    },
    /// Have another replica lead.
    Transfer { to: NodeId },
}

/// What came of a [`Request`].
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Reply {
    /// The request's token.
    pub(crate) token: u64,
    /// The start of the node that asked.
    pub(crate) boot: u64,
    /// Who leads the group, as far as the sender knows.
    pub(crate) leader: Option<NodeId>,
    /// What came of it.
    pub(crate) result: Result<Answer, Failure>,
}

impl Work {
    pub(crate) const fn is_write(&self) -> bool {
        matches!(self, Self::Write { .. })
    }

    /// Whether it moves replicas or leaders.
    pub(crate) const fn is_admin(&self) -> bool {
        matches!(self, Self::Change { .. } | Self::Transfer { .. })
    }

    pub(crate) const fn consistency(&self) -> Option<Consistency> {
        match self {
            Self::Write { .. } | Self::Change { .. } | Self::Transfer { .. } => None,
            Self::Get { consistency, .. } | Self::Scan { consistency, .. } => Some(*consistency),
            // Any replica has it.
            Self::Watch { .. } => Some(Consistency::StaleOk),
        }
    }
}

/// Collects items into frames, one under way for each peer and lane.
#[derive(Debug)]
pub(crate) struct FrameWriter {
    cluster: u64,
    id: NodeId,
    /// Ascending by peer and lane.
    open: Vec<((NodeId, Lane), Vec<u8>)>,
    full: Vec<(NodeId, Lane, Bytes)>,
}

impl FrameWriter {
    pub(crate) const fn new(cluster: u64, id: NodeId) -> Self {
        Self {
            cluster,
            id,
            open: Vec::new(),
            full: Vec::new(),
        }
    }

    pub(crate) fn push(&mut self, to: NodeId, lane: Lane, item: &Item) {
        let place = (self.open).binary_search_by_key(&(to, lane), |(place, _)| *place);
        let place = place.unwrap_or_else(|place| {
            let envelope = Envelope {
                protocol: PROTOCOL,
                cluster: self.cluster,
                from: self.id,
                to,
            };
            let mut buffer = Vec::with_capacity(FRAME_BYTES_FIRST);
            append(&mut buffer, &envelope);
            self.open.insert(place, ((to, lane), buffer));
            place
        });
        if let Some((_, buffer)) = self.open.get_mut(place) {
            append(buffer, item);
            if buffer.len() >= FRAME_BYTES {
                let (_, buffer) = self.open.remove(place);
                self.full.push((to, lane, buffer.into()));
            }
        }
    }

    /// Every frame, each peer's and lane's in the order in which its items were pushed.
    pub(crate) fn take(&mut self) -> Vec<(NodeId, Lane, Bytes)> {
        let mut frames = core::mem::take(&mut self.full);
        frames.reserve_exact(self.open.len());
        let open = self.open.drain(..);
        frames.extend(open.map(|((to, lane), buffer)| (to, lane, buffer.into())));
        frames
    }
}

/// Takes a frame apart.
#[derive(Debug)]
pub(crate) struct FrameReader<'a> {
    rest: &'a [u8],
}

impl<'a> FrameReader<'a> {
    /// Checks the envelope of a frame that came from `from` to `to` in `cluster`.
    pub(crate) fn open(
        bytes: &'a [u8],
        cluster: u64,
        from: NodeId,
        to: NodeId,
    ) -> Result<Self, FrameRefusal> {
        // The protocol alone first: what follows it may look different in another version.
        let (protocol, _) =
            postcard::take_from_bytes::<u16>(bytes).map_err(|_error| FrameRefusal::Malformed)?;
        if protocol != PROTOCOL {
            return Err(FrameRefusal::Version);
        }
        let (envelope, rest) = postcard::take_from_bytes::<Envelope>(bytes)
            .map_err(|_error| FrameRefusal::Malformed)?;
        if envelope.cluster != cluster {
            return Err(FrameRefusal::Cluster);
        }
        if envelope.from != from || envelope.to != to {
            return Err(FrameRefusal::Address);
        }
        Ok(Self { rest })
    }

    /// The next item; `None` at the end.
    pub(crate) fn next(&mut self) -> Result<Option<Item>, FrameRefusal> {
        if self.rest.is_empty() {
            return Ok(None);
        }
        let (item, rest) =
            postcard::take_from_bytes(self.rest).map_err(|_error| FrameRefusal::Malformed)?;
        self.rest = rest;
        Ok(Some(item))
    }
}

/// Writes to the end of a buffer that stays where it is.
struct End<'a>(&'a mut Vec<u8>);

impl Flavor for End<'_> {
    type Output = ();

    fn try_push(&mut self, byte: u8) -> postcard::Result<()> {
        self.0.push(byte);
        Ok(())
    }

    fn try_extend(&mut self, bytes: &[u8]) -> postcard::Result<()> {
        self.0.extend_from_slice(bytes);
        Ok(())
    }

    fn finalize(self) -> postcard::Result<()> {
        Ok(())
    }
}

fn append<T: Serialize>(buffer: &mut Vec<u8>, value: &T) {
    if let Err(error) = postcard::serialize_with_flavor(value, End(buffer)) {
        unreachable!("a growing buffer takes every item: {error}");
    }
}

#[cfg(test)]
mod tests;
