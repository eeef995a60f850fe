//! The node's two alphabets: all it can hear and all it can say.
//!
//! **Invariant: a run is its configuration plus a list of (time, input).** The same list gives the
//! same outputs on every host.

use alloc::vec::Vec;

use bytes::Bytes;
use nori_raft as raft;
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Version, WallMs};
use serde::{Deserialize, Serialize};

use crate::{Answer, Call, Decided, Event, Failure, Origin, PortError, Pressure, Query};

/// What a node hears.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Input {
    /// A client asks for something.
    Call {
        /// The host's name for it; not in use by another call.
        request: RequestId,
        /// What it asks for.
        call: Call,
        /// When an answer is of no use any more.
        deadline: Mono,
    },
    /// A frame came in from a peer.
    Frame {
        /// The peer, as the transport knows it.
        from: NodeId,
        /// The lane it came on.
        lane: Lane,
        /// The frame, whole.
        bytes: Bytes,
    },
    /// A SWIM packet came in.
    Datagram {
        /// The peer, as the transport knows it.
        from: NodeId,
        /// The packet, whole.
        bytes: Bytes,
    },
    /// The connection to a peer stands.
    PeerUp(NodeId),
    /// The connection to a peer is lost: frames given out since may not have arrived.
    PeerDown(NodeId),
    /// A [`Output::Persist`] is durable.
    Durable {
        /// Its group.
        group: GroupId,
        /// Its write.
        write: raft::WriteId,
    },
    /// A [`Output::Apply`] is done.
    Applied {
        /// Its group.
        group: GroupId,
        /// What became of each entry, in order.
        results: Vec<Decided>,
    },
    /// A [`Output::FetchEntries`] is done.
    EntriesFetched {
        /// Its group.
        group: GroupId,
        /// Who needs them.
        reader: raft::Reader,
        /// The first one that was asked for.
        from: LogIndex,
        /// Consecutive entries from there on; none where they were released meanwhile.
        result: Result<raft::Entries, PortError>,
    },
    /// Entries that the log holds cannot be read back any more.
    LogDamaged {
        /// Their group.
        group: GroupId,
        /// Which.
        stretch: raft::Stretch,
    },
    /// A [`Output::ScrubLog`] is done.
    Scrubbed {
        /// Its group.
        group: GroupId,
        /// The first entry that was to be read.
        from: LogIndex,
        /// The last one that was; none where they were released meanwhile. An error tells of the
        /// first one.
        result: Result<Option<LogIndex>, PortError>,
    },
    /// A [`Output::Read`] is done.
    ReadDone {
        /// Its name.
        read: ReadToken,
        /// What was found.
        result: Result<Answer, PortError>,
    },
    /// Everything of a group up to an index survives a crash without the log.
    Flushed {
        /// The group.
        group: GroupId,
        /// The last such index.
        index: LogIndex,
    },
    /// An [`Output::Export`] began.
    Exported {
        /// Its session.
        session: SessionId,
        /// The (term, index) that the export shows.
        result: Result<Version, PortError>,
    },
    /// An export's next chunk.
    ExportedChunk {
        /// Its session.
        session: SessionId,
        /// The chunk; the last one may be empty.
        result: Result<Chunk, PortError>,
    },
    /// An [`Output::Stage`] is done.
    Staged {
        /// Its session.
        session: SessionId,
        /// Whether the chunk is kept.
        result: Result<(), PortError>,
    },
    /// An [`Output::Install`] is done: the group holds exactly what was staged, durably.
    Installed {
        /// Its session.
        session: SessionId,
        /// Whether it is, and the newest configuration in it.
        result: Result<Option<raft::Configuration>, PortError>,
    },
    /// An [`Output::Clear`] is done: the group is empty here, durably.
    Cleared {
        /// The group.
        group: GroupId,
        /// Whether it is.
        result: Result<(), PortError>,
    },
    /// How well the storage keeps up.
    Pressure(Pressure),
    /// Writing the log failed: nothing this node has not yet called durable will be.
    LogFailed(PortError),
    /// Applying or flushing failed.
    StorageFailed(PortError),
    /// The host is about to stop: the others are told that this node did not fail.
    Leave,
    /// The deadline that [`Node::poll_timeout`](crate::Node::poll_timeout) gave has come.
    Timeout,
    /// The time of day. It may jump; between two of them the node counts on by itself.
    Wall(WallMs),
}

/// What a node says. Drain them all after every input, in order.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Output {
    /// Make this durable, then say [`Input::Durable`]. In order within the log.
    Persist {
        /// The group it belongs to.
        group: GroupId,
        /// Hard state, reset and entries.
        persist: raft::Persist,
    },
    /// Entries at or below are not needed any more.
    ReleaseLog {
        /// The group.
        group: GroupId,
        /// The last entry not needed.
        up_to: LogIndex,
    },
    /// Apply these, in order, then say [`Input::Applied`].
    Apply {
        /// The group.
        group: GroupId,
        /// Committed and locally durable entries.
        entries: raft::Entries,
    },
    /// Read durable entries of the log back, then say [`Input::EntriesFetched`].
    FetchEntries {
        /// The group.
        group: GroupId,
        /// Who needs them; for the answer.
        reader: raft::Reader,
        /// The first one; for the answer.
        from: LogIndex,
        /// The last one wanted.
        up_to: LogIndex,
        /// Bytes of entries after which to stop; one entry is always wanted.
        bytes_max: u64,
    },
    /// Read durable entries of the log to see whether they can be read, then say
    /// [`Input::Scrubbed`].
    ScrubLog {
        /// The group.
        group: GroupId,
        /// The first one; for the answer.
        from: LogIndex,
        /// The last one.
        up_to: LogIndex,
        /// Bytes of entries after which to stop; one entry is always read.
        bytes_max: u64,
    },
    /// Look this up in what is applied now, then say [`Input::ReadDone`].
    Read {
        /// Its name.
        read: ReadToken,
        /// What to look up.
        query: Query,
    },
    /// Have what is in memory flushed soon.
    Flush,
    /// Open an export of a group, then say [`Input::Exported`].
    Export {
        /// Its name.
        session: SessionId,
        /// The group.
        group: GroupId,
    },
    /// Read an export's next chunk, then say [`Input::ExportedChunk`].
    ExportChunk {
        /// The export.
        session: SessionId,
        /// Most bytes wanted.
        bytes_max: u32,
    },
    /// Keep a chunk of a snapshot that is coming in, then say [`Input::Staged`]. The first one
    /// opens the session.
    Stage {
        /// The session.
        session: SessionId,
        /// The group.
        group: GroupId,
        /// The chunk.
        bytes: Bytes,
    },
    /// Make what was staged the group's whole content, durably, then say [`Input::Installed`].
    /// No apply of this group is under way.
    Install {
        /// The session.
        session: SessionId,
        /// The group.
        group: GroupId,
        /// The (term, index) it shows.
        at: Version,
    },
    /// Make a group of which no replica is here, or will be, empty, then say [`Input::Cleared`].
    /// After every [`Output::ReleaseLog`] given out before.
    Clear {
        /// The group.
        group: GroupId,
        /// To remember.
        origin: Origin,
    },
    /// Forget an export or what was staged; it may have ended already.
    Abandon {
        /// The session.
        session: SessionId,
    },
    /// Send a frame. May be lost; frames of one lane arrive in order or the peer is down.
    Send {
        /// To whom.
        to: NodeId,
        /// On which lane.
        lane: Lane,
        /// The frame.
        frame: Bytes,
    },
    /// Send a SWIM packet. May be lost.
    Datagram {
        /// To whom.
        to: NodeId,
        /// The packet, at most 1,100 bytes.
        packet: Bytes,
    },
    /// The one answer to a call.
    Reply {
        /// The call.
        request: RequestId,
        /// What came of it.
        result: Result<Answer, Failure>,
    },
    /// Something happened that someone may want to see.
    Event(Event),
}

/// A host's name for a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct RequestId(pub u64);

/// The node's name for a lookup in the storage.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReadToken(pub u64);

/// The node's name for a snapshot on its way out or in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct SessionId(pub u64);

/// The streams between two nodes. One never waits for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Lane {
    /// Votes and heartbeats: small and urgent.
    Control,
    /// Log entries and their acknowledgements.
    Append,
    /// Chunks of snapshots: bulk.
    Snapshot,
    /// Calls carried out for another node, and their answers.
    Forward,
}

/// A piece of an export.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Chunk {
    /// The storage's own format; only another node's storage reads it.
    pub bytes: Bytes,
    /// Whether the export ends with it.
    pub last: bool,
}

impl Lane {
    /// Every lane, most urgent first.
    pub const ALL: [Self; 4] = [Self::Control, Self::Append, Self::Forward, Self::Snapshot];

    /// The word that stands for it in labels.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Append => "append",
            Self::Snapshot => "snapshot",
            Self::Forward => "forward",
        }
    }
}
