//! Snapshots: how a follower that lacks compacted entries catches up (Raft §7).
//!
//! **Invariant: nothing is handed out for application while a snapshot is being installed, and the
//! state never goes back.** The data does not pass here: the leader's host exports and sends it, the
//! follower's host receives and installs it. A snapshot at or below the commit index is of no use;
//! after an installation the log is kept if it contains the snapshot's last entry, else it is void.

use norikv_types::{LogIndex, Mutant, NodeId, Term, breaks};

use crate::configuration::Configuration;
use crate::entry::SnapshotMeta;
use crate::error::Misuse;
use crate::event::Event;
use crate::io::Output;
use crate::message::{AppendOutcome, AppendReply, Body};
use crate::progress::{Progress, Transfer};
use crate::raft::{Raft, Standing};
use crate::receiving::{INDEX_MAX, TERM_MAX};

impl Raft {
    /// The host exported a snapshot for a peer, or failed to: then the next answer of the peer
    /// asks again.
    pub(crate) fn snapshot_exported(&mut self, to: NodeId, snapshot: Option<SnapshotMeta>) {
        assert!(
            snapshot.is_none_or(|snapshot| snapshot.index <= self.applied_index),
            "an export covers what is applied"
        );
        if let Standing::Leader(reign) = &mut self.standing
            && let Some(peer) = reign.peer_mut(to)
            && matches!(peer.progress, Progress::Snapshot(Transfer::Exporting))
        {
            match snapshot {
                Some(SnapshotMeta { index, .. }) => {
                    peer.progress = Progress::Snapshot(Transfer::Sending { index });
                }
                None => peer.probe_from(peer.match_index.next(), true),
            }
        }
    }

    /// The transfer ended.
    pub(crate) fn snapshot_sent(&mut self, to: NodeId, ok: bool) {
        if let Standing::Leader(reign) = &mut self.standing {
            let round = reign.reads.round();
            if let Some(peer) = reign.peer_mut(to)
                && let Progress::Snapshot(Transfer::Sending { index }) = peer.progress
            {
                if ok {
                    peer.progress = Progress::Snapshot(Transfer::Sent { index, round });
                } else {
                    peer.probe_from(peer.match_index.next(), true);
                }
            }
        }
    }

    /// # Errors
    /// A snapshot that no leader of `term` could send.
    pub(crate) fn check_snapshot(
        &self,
        from: NodeId,
        term: Term,
        snapshot: SnapshotMeta,
    ) -> Result<(), Misuse> {
        if term > TERM_MAX || snapshot.index > INDEX_MAX {
            return Err(Misuse::OutOfRange);
        }
        if snapshot.index.0 == 0 || snapshot.term.0 == 0 || snapshot.term > term {
            return Err(Misuse::EmptySnapshot);
        }
        self.check_leader(from, term)
    }

    /// A snapshot is here in full, checked.
    pub(crate) fn snapshot_received(&mut self, from: NodeId, term: Term, snapshot: SnapshotMeta) {
        if term < self.term {
            let reply = AppendReply {
                round: 0,
                outcome: AppendOutcome::Outdated,
            };
            self.say(from, Body::AppendReply(reply));
            return;
        }
        self.follow(from, term);
        let fills = (self.unfilled_from()).is_some_and(|unfilled| unfilled <= snapshot.index);
        let helps =
            snapshot.index > self.commit_index || (fills && snapshot.index > self.handed_out_index);
        if helps && self.installing.is_none() {
            self.installing = Some(snapshot);
            self.outputs.push_back(Output::InstallSnapshot { snapshot });
        }
        self.acknowledge(self.following.round, false);
    }

    /// The snapshot is the state now, durably.
    pub(crate) fn snapshot_installed(
        &mut self,
        snapshot: SnapshotMeta,
        configuration: Option<Configuration>,
    ) {
        assert!(
            self.installing.take() == Some(snapshot),
            "only the snapshot that was asked for is installed"
        );
        assert!(
            snapshot.index > self.handed_out_index,
            "the state never goes back"
        );
        let log_kept = self.log.contains(snapshot.version())
            && !self.is_unknown(snapshot.index)
            && !breaks(Mutant::SnapshotDropsTail);
        let ended = self.log.last_index();
        if self.is_damaged() && log_kept {
            // What was lost of it is not needed any more, and cannot be given to anybody.
            self.log.compact(snapshot.index);
        }
        self.skip_damage(snapshot.index, (!log_kept).then_some(ended));
        if log_kept {
            self.durability.covered(snapshot.index);
        } else {
            assert!(
                !matches!(self.standing, Standing::Leader(_)),
                "a leader's log holds everything committed"
            );
            self.log.reset(snapshot);
            self.durability.stage_reset(snapshot);
        }
        self.following.received_index = match log_kept {
            true => self.following.received_index.max(snapshot.index),
            false => snapshot.index,
        };
        self.membership
            .install(snapshot.index, configuration, log_kept);
        self.handed_out_index = snapshot.index;
        self.applied_index = snapshot.index;
        self.fetching = None;
        if snapshot.index > self.commit_index {
            self.commit(snapshot.index);
        }
        self.event(Event::SnapshotInstalled { snapshot, log_kept });
        self.configuration_changed();
        self.acknowledge(self.following.round, false);
        self.advance_commit();
    }

    /// Forgets entries that the host no longer needs here.
    pub(crate) fn compact(&mut self, index: LogIndex) {
        assert!(
            index <= self.applied_index,
            "only what is applied may be forgotten"
        );
        self.skip_damage(index, None);
        self.log.compact(index);
    }
}
