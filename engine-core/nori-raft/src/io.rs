//! What goes into the machine and what comes out of it.
//!
//! **Invariant: everything that the machine knows or does passes here**, so a run is its
//! configuration and its list of (time, input).

use bytes::Bytes;
use norikv_types::{LogIndex, Mono, NodeId, Term, Version};
use serde::{Deserialize, Serialize};

use crate::configuration::{Configuration, ConfigurationFault, MembershipChange};
use crate::durability::WriteId;
use crate::entries::Entries;
use crate::entry::{HardState, SnapshotMeta, Stretch};
use crate::event::Event;
use crate::message::Message;

/// The host's name for a proposal; the machine only hands it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProposalId(pub u64);

/// The host's name for a read; the machine only hands it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ReadId(pub u64);

/// How a read is made linearizable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ReadMode {
    /// By a round of heartbeats (dissertation §6.4). Trusts no clock.
    Linearizable,
    /// By the leader's lease where it holds (dissertation §6.4.1), else by a round.
    Lease,
    /// At this replica, whether it leads or not: where it does not, it asks the leader for the index
    /// (dissertation §6.4).
    Follower {
        /// Whether the leader's lease is enough.
        lease: bool,
    },
}

/// Who needs entries that are not in memory any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Reader {
    /// The state machine here.
    Apply,
    /// A peer that is far behind.
    Peer(NodeId),
    /// A peer that lost entries.
    Repair(NodeId),
}

/// Why a proposal or a read was refused. Nothing of it was kept.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub enum Refusal {
    /// This replica does not lead, or ceased to before it could answer.
    NotLeader,
    /// Too many bytes wait for commitment.
    Overloaded,
    /// A leader changes nothing before an entry of its own term is committed.
    TermNotCommitted,
    /// This replica is a witness and holds no data.
    Witness,
    /// Another change of the configuration is not committed, or not left.
    ChangeUnderWay,
    /// The configuration is like that already.
    VoidChange,
    /// The leadership is being handed over, or given up by a leader that is no voter any more.
    Transferring,
    /// The replica to hand over to is no voter that can lead, or leads already.
    BadTarget,
    /// It did not take over in time: this replica leads on.
    TransferTimedOut,
    /// There is no such configuration.
    BadChange(ConfigurationFault),
}

/// Something happened to the replica.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Input {
    /// A peer's message arrived.
    Receive {
        /// Who sent it, as the transport proved.
        from: NodeId,
        /// What it said.
        message: Message,
    },
    /// Append a command. Answered by [`Output::Appended`] or [`Output::Dropped`].
    Propose {
        /// For the answer.
        proposal: ProposalId,
        /// The command.
        command: Bytes,
    },
    /// Change who belongs to the group. Answered by [`Output::Appended`] or [`Output::Dropped`];
    /// it is done when the configuration at that (term, index) is applied, one that is joint and
    /// left by itself when the one behind it is.
    ChangeMembership {
        /// For the answer.
        proposal: ProposalId,
        /// What to change.
        change: MembershipChange,
    },
    /// Hand the leadership over. Answered by [`Output::Transferred`] or [`Output::Dropped`]; until
    /// then proposals are refused and leases do not hold (dissertation §3.10).
    Transfer {
        /// For the answer.
        proposal: ProposalId,
        /// To this voter.
        to: NodeId,
    },
    /// Ask from which index on a read is linearizable. Answered by [`Output::ReadReady`] or
    /// [`Output::ReadRefused`].
    Read {
        /// For the answer.
        read: ReadId,
        /// By which means.
        mode: ReadMode,
    },
    /// The write survives any crash from now on. Each write is reported for itself; one that
    /// overtakes an earlier one waits for it inside.
    Durable(WriteId),
    /// The state machine holds everything up to here.
    Applied(LogIndex),
    /// An [`Output::FetchEntries`] was done.
    EntriesFetched {
        /// As asked.
        reader: Reader,
        /// As asked.
        from: LogIndex,
        /// Consecutive entries from `from` on, one at least, as the log holds them; `None`: they
        /// cannot be read.
        entries: Option<Entries>,
    },
    /// Durable entries cannot be read back from the log any more. They are written again.
    Damaged(Stretch),
    /// Forget entries at or below this index, which is not above the last `Applied`.
    Compact(LogIndex),
    /// An [`Output::ExportSnapshot`] was done; `None`: it failed.
    SnapshotExported {
        /// For whom.
        to: NodeId,
        /// What the export covers.
        snapshot: Option<SnapshotMeta>,
    },
    /// The exported snapshot reached the peer in full (`ok`), or its transfer failed.
    SnapshotSent {
        /// The peer.
        to: NodeId,
        /// Whether its host handed it to its core.
        ok: bool,
    },
    /// A leader's snapshot is here in full. Either [`Output::InstallSnapshot`] follows, or it is of
    /// no use and the host drops it.
    SnapshotReceived {
        /// The leader that sent it.
        from: NodeId,
        /// The term it sent it in.
        term: Term,
        /// What it covers.
        snapshot: SnapshotMeta,
    },
    /// An [`Output::InstallSnapshot`] is done and durable.
    SnapshotInstalled {
        /// What it covers.
        snapshot: SnapshotMeta,
        /// The newest configuration that the state in it had applied.
        configuration: Option<Configuration>,
    },
    /// A peer's connection broke or its node is taken for dead: what was under way to it is lost.
    Unreachable(NodeId),
    /// A peer has lost everything that it ever acknowledged: it begins anew, and counts for nothing
    /// that it said before.
    PeerForgot(NodeId),
    /// A sleeping replica shall watch for itself again: the node of its leader was last heard of at
    /// `heard` and may be gone, or came back as another start. Harmless when awake.
    Wake {
        /// When.
        heard: Mono,
    },
    /// The host's clock went back, or the host has reason to think that it stood still: a lease that
    /// was measured by it ends. What shows in the times of inputs is seen here without this.
    ClockJumped,
    /// The time of [`Raft::poll_timeout`](crate::Raft::poll_timeout) came. Harmless when early.
    Timeout,
}

/// Something the host must do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Output {
    /// Make this durable, after all earlier writes, and report it by [`Input::Durable`].
    Persist(Persist),
    /// Send a message. Losing it is allowed.
    Send {
        /// To whom.
        to: NodeId,
        /// What.
        message: Message,
    },
    /// Apply these entries, in order, after all earlier ones. Committed and locally durable.
    Apply {
        /// Consecutive entries, the first one after the last one applied.
        entries: Entries,
    },
    /// Read durable entries back from the log. Answered by [`Input::EntriesFetched`], once.
    FetchEntries {
        /// Who needs them; for the answer.
        reader: Reader,
        /// The first one.
        from: LogIndex,
        /// The last one wanted.
        up_to: LogIndex,
        /// Bytes of entries after which to stop; one entry is always wanted.
        bytes_max: u64,
    },
    /// A proposal stands in the log here. It is applied if this (term, index) is applied, and is
    /// not if another term is applied at that index.
    Appended {
        /// Which.
        proposal: ProposalId,
        /// Where.
        version: Version,
    },
    /// A proposal was not appended and never will be.
    Dropped {
        /// Which.
        proposal: ProposalId,
        /// Why.
        reason: Refusal,
        /// Who may lead.
        leader: Option<NodeId>,
    },
    /// This replica, which was to hand the leadership over, leads no more: the other one does, or
    /// is about to, or somebody else does.
    Transferred {
        /// Which transfer.
        proposal: ProposalId,
    },
    /// Serve the read from any state at or after this index.
    ReadReady {
        /// Which.
        read: ReadId,
        /// The state machine must have applied this.
        index: LogIndex,
    },
    /// The read cannot be served here.
    ReadRefused {
        /// Which.
        read: ReadId,
        /// Why.
        reason: Refusal,
        /// Who may lead.
        leader: Option<NodeId>,
    },
    /// Export a snapshot of the state machine and stream it to the peer; to a witness, as
    /// [`Raft::configuration`](crate::Raft::configuration) says, one without data. Answered by
    /// [`Input::SnapshotExported`], then [`Input::SnapshotSent`].
    ExportSnapshot {
        /// The peer.
        to: NodeId,
    },
    /// Install the snapshot that was received, after all entries handed out before. Answered by
    /// [`Input::SnapshotInstalled`]; no entry is handed out until then.
    InstallSnapshot {
        /// Which.
        snapshot: SnapshotMeta,
    },
    /// For logs, meters and pictures.
    Event(Event),
}

/// One atomic write to the log. Its parts take effect in the order of the fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Persist {
    /// Its name for [`Input::Durable`].
    pub write: WriteId,
    /// Replaces the stored one.
    pub hard_state: Option<HardState>,
    /// A snapshot replaced the log: every entry is void, the log goes on after this position.
    pub reset: Option<SnapshotMeta>,
    /// Consecutive entries; the first one cuts everything at and above it.
    pub entries: Entries,
    /// Entries of the log that are said again in their places. They cut nothing.
    pub rewrites: Entries,
}
