//! Outputs, sorted by who carries them out.

use bytes::Bytes;
use nori_raft as raft;
use norikv_types::{GroupId, LogIndex, NodeId, Version};

use crate::{Answer, Event, Failure, Lane, Origin, Output, Query, ReadToken, RequestId, SessionId};

/// An output and who carries it out.
#[derive(Debug, Clone, PartialEq)]
pub enum Task {
    /// For the [`LogWorker`](super::LogWorker).
    Log(LogTask),
    /// For the [`ApplyWorker`](super::ApplyWorker).
    Apply(ApplyTask),
    /// For a [`ReadWorker`](super::ReadWorker).
    Read(ReadTask),
    /// For the [`SnapshotWorker`](super::SnapshotWorker).
    Snapshot(SnapshotTask),
    /// For the [`JobWorker`](super::JobWorker).
    Job(JobTask),
    /// For the transport: a frame.
    Send {
        /// To whom.
        to: NodeId,
        /// On which lane.
        lane: Lane,
        /// The frame.
        frame: Bytes,
    },
    /// For the transport: a SWIM packet.
    Datagram {
        /// To whom.
        to: NodeId,
        /// The packet.
        packet: Bytes,
    },
    /// For whoever called.
    Reply {
        /// The call.
        request: RequestId,
        /// What came of it.
        result: Result<Answer, Failure>,
    },
    /// For those who watch.
    Event(Event),
}

/// To be made durable.
#[derive(Debug, Clone, PartialEq)]
pub struct LogTask {
    /// The group it belongs to.
    pub group: GroupId,
    /// What to make durable.
    pub persist: raft::Persist,
}

/// To be applied.
#[derive(Debug, Clone, PartialEq)]
pub struct ApplyTask {
    /// The group.
    pub group: GroupId,
    /// Its next entries.
    pub entries: raft::Entries,
}

/// To be looked up.
#[derive(Debug, Clone, PartialEq)]
pub enum ReadTask {
    /// In what is applied.
    Query {
        /// Its name.
        read: ReadToken,
        /// What to look up.
        query: Query,
    },
    /// In the log.
    Entries {
        /// The group.
        group: GroupId,
        /// Who needs them.
        reader: raft::Reader,
        /// The first entry.
        from: LogIndex,
        /// The last one wanted.
        up_to: LogIndex,
        /// Bytes of entries after which to stop.
        bytes_max: u64,
    },
}

/// A step of a snapshot's way out or in.
#[derive(Debug, Clone, PartialEq)]
pub enum SnapshotTask {
    /// Open an export.
    Export {
        /// Its name.
        session: SessionId,
        /// The group.
        group: GroupId,
    },
    /// Read its next chunk.
    ExportChunk {
        /// The export.
        session: SessionId,
        /// Most bytes wanted.
        bytes_max: u32,
    },
    /// Keep a chunk that came in; the first one opens the session.
    Stage {
        /// The session.
        session: SessionId,
        /// The group.
        group: GroupId,
        /// The chunk.
        bytes: Bytes,
    },
    /// Make what was staged the group's content.
    Install {
        /// The session.
        session: SessionId,
        /// The group.
        group: GroupId,
        /// The (term, index) it shows.
        at: Version,
    },
    /// Forget a session.
    Abandon {
        /// Which.
        session: SessionId,
    },
}

/// To be done in the background.
#[derive(Debug, Clone, PartialEq)]
pub enum JobTask {
    /// Have what is in memory flushed.
    Flush,
    /// Entries at or below are not needed any more.
    ReleaseLog {
        /// The group.
        group: GroupId,
        /// The last entry not needed.
        up_to: LogIndex,
    },
    /// See whether entries can be read back.
    ScrubLog {
        /// The group.
        group: GroupId,
        /// The first one.
        from: LogIndex,
        /// The last one.
        up_to: LogIndex,
        /// Bytes after which to stop.
        bytes_max: u64,
    },
    /// Make a group empty.
    Clear {
        /// The group.
        group: GroupId,
        /// To remember.
        origin: Origin,
    },
}

/// Who carries out an output.
#[must_use]
pub fn route(output: Output) -> Task {
    match output {
        Output::Persist { group, persist } => Task::Log(LogTask { group, persist }),
        Output::Apply { group, entries } => Task::Apply(ApplyTask { group, entries }),
        Output::Read { read, query } => Task::Read(ReadTask::Query { read, query }),
        Output::FetchEntries {
            group,
            reader,
            from,
            up_to,
            bytes_max,
        } => Task::Read(ReadTask::Entries {
            group,
            reader,
            from,
            up_to,
            bytes_max,
        }),
        Output::Export { session, group } => {
            Task::Snapshot(SnapshotTask::Export { session, group })
        }
        Output::ExportChunk { session, bytes_max } => {
            Task::Snapshot(SnapshotTask::ExportChunk { session, bytes_max })
        }
        Output::Stage {
            session,
            group,
            bytes,
        } => Task::Snapshot(SnapshotTask::Stage {
            session,
            group,
            bytes,
        }),
        Output::Install { session, group, at } => {
            Task::Snapshot(SnapshotTask::Install { session, group, at })
        }
        Output::Abandon { session } => Task::Snapshot(SnapshotTask::Abandon { session }),
        Output::ReleaseLog { group, up_to } => Task::Job(JobTask::ReleaseLog { group, up_to }),
        Output::ScrubLog {
            group,
            from,
            up_to,
            bytes_max,
        } => Task::Job(JobTask::ScrubLog {
            group,
            from,
            up_to,
            bytes_max,
        }),
        Output::Clear { group, origin } => Task::Job(JobTask::Clear { group, origin }),
        Output::Flush => Task::Job(JobTask::Flush),
        Output::Send { to, lane, frame } => Task::Send { to, lane, frame },
        Output::Datagram { to, packet } => Task::Datagram { to, packet },
        Output::Reply { request, result } => Task::Reply { request, result },
        Output::Event(event) => Task::Event(event),
    }
}
