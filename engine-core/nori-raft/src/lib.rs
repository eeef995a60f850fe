//! Raft for one group, as a machine without input or output of its own.
//!
//! **Invariant: nothing that must be durable is said before the host reported it durable.** Votes,
//! append acknowledgements and the terms they carry wait inside until [`Input::Durable`] names the
//! write that stored them, and only entries that are committed *and* locally durable are applied.
//!
//! # The host's duties
//! 1. Build [`Raft::new`] from what storage holds ([`Restored`]).
//! 2. Feed [`Raft::handle_input`] with messages, proposals, reads, and [`Input::Timeout`] when
//!    [`Raft::poll_timeout`] says so. Read `now` after taking the input off its queue, never once
//!    for a batch.
//! 3. Then drain [`Raft::poll_output`] until `None`. Several inputs may be fed before draining:
//!    what they produce is batched into fewer writes and messages.
//! 4. Execute every [`Output::Persist`] **in order**, and report each write by its id once a crash
//!    can no longer undo it. A write that failed is never reported.
//! 5. Execute [`Output::Apply`] and [`Output::InstallSnapshot`] in order, and report
//!    [`Input::Applied`] and [`Input::SnapshotInstalled`].
//!    An applied [`Payload::Configuration`] is part of the state: keep the newest one with the
//!    applied position, carry it in snapshots, and hand it back in [`Restored::configuration`] and
//!    [`Input::SnapshotInstalled`].
//! 6. A replica that applies a configuration without itself is of no use any more. Before its node
//!    joins the group again, destroy everything it stored; and a node that lost what it stored
//!    joins as a learner first, since it has forgotten its votes.
//! 7. Say [`Input::ClockJumped`] when the clock went back or may have stood still.
//! 8. Answer each [`Output::FetchEntries`] with [`Input::EntriesFetched`], once: what the machine
//!    keeps of the log in memory is bounded, the rest it reads back.
//! 9. Where [`Config::quiesce_after`] is set: watch the nodes of the leaders under which replicas
//!    sleep ([`Raft::is_quiescent`]), and say [`Input::Wake`] when one is silent, or comes back as
//!    another start.
//! 10. Messages may be lost, duplicated, reordered and delayed; they must come from whom they say.
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;

mod asking;
mod changing;
mod config;
mod configuration;
mod durability;
mod election;
mod entries;
mod entry;
mod error;
mod event;
mod fetching;
mod following;
mod io;
mod leading;
mod lease;
mod log;
mod membership;
mod message;
mod progress;
mod quiescence;
mod quorum;
mod raft;
mod reads;
mod receiving;
mod recent;
mod repair;
mod replica;
mod snapshot;
mod status;
mod transfer;

pub use config::{Config, PRIORITY_MAX};
pub use configuration::{Change, Configuration, ConfigurationFault, MembershipChange};
pub use durability::WriteId;
pub use entries::Entries;
pub use entry::{Entry, HardState, Payload, Restored, SnapshotMeta, Stretch};
pub use error::{ConfigFault, Error, Misuse, RestoredFault};
pub use event::Event;
pub use io::{Input, Output, Persist, ProposalId, ReadId, ReadMode, Reader, Refusal};
pub use message::{Append, AppendOutcome, AppendReply, Body, LogPiece, Message, ReadIndex};
pub use quiescence::{Quiesce, next_beat};
pub use quorum::{JointQuorum, MajorityQuorum, VoteResult};
pub use raft::Raft;
pub use replica::{Common, Replica};
pub use status::{PeerState, PeerStatus, Role, Status};
