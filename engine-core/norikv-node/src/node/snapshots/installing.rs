//! What is here of a snapshot in full, offered to Raft and installed.
//!
//! **Invariant: what Raft was told of is neither replaced nor dropped before Raft has said what it
//! wants**, and is installed behind every entry that was handed out before.

use nori_raft as raft;
use norikv_types::GroupId;

use super::inbound::Phase;
use crate::node::Node;
use crate::node::replicas::Given;
use crate::wire::SnapshotState;
use crate::{Event, Output, PortError, SessionId};

impl Node {
    /// Offers Raft what is here in full, in the name of a leader that it may take it from.
    pub(super) fn tell_raft(&mut self, group: GroupId) {
        let Some(inbound) = self.snapshots.inbound.get_mut(&group) else {
            return;
        };
        let term = self.groups.get(&group).map(|replica| replica.term);
        let fits = term.is_some_and(|term| inbound.term >= term);
        if inbound.phase != Phase::Complete || !fits || inbound.at().term > inbound.term {
            return;
        }
        inbound.phase = Phase::Offered;
        let input = raft::Input::SnapshotReceived {
            from: inbound.leader,
            term: inbound.term,
            snapshot: inbound.meta(),
        };
        self.raft_input(group, input);
        self.tell_leader(group, SnapshotState::Received);
    }

    /// Raft wants what it was offered.
    pub(in crate::node) fn install_snapshot(
        &mut self,
        group: GroupId,
        snapshot: raft::SnapshotMeta,
    ) {
        let Some(inbound) = self.snapshots.inbound.get_mut(&group) else {
            unreachable!("Raft installs only what it was offered");
        };
        assert!(
            inbound.phase == Phase::Offered && inbound.meta() == snapshot,
            "Raft installs what it was offered last"
        );
        inbound.phase = Phase::Wanted;
        self.install_if_drained(group);
    }

    /// Installs what is wanted once no apply of the group is under way.
    pub(in crate::node) fn install_if_drained(&mut self, group: GroupId) {
        let Some(replica) = self.groups.get(&group) else {
            return;
        };
        let Some(inbound) = self.snapshots.inbound.get_mut(&group) else {
            return;
        };
        if inbound.phase == Phase::Wanted && replica.belonging().applying == 0 {
            inbound.phase = Phase::Installing;
            self.outbox.push_back(Output::Install {
                session: inbound.session,
                group,
                at: inbound.at(),
            });
        }
    }

    pub(in crate::node) fn installed(
        &mut self,
        session: SessionId,
        result: Result<Option<raft::Configuration>, PortError>,
    ) {
        let Some((group, _)) = self.inbound_of(session) else {
            return;
        };
        let Some(inbound) = self.snapshots.inbound.remove(&group) else {
            return;
        };
        let configuration = match result {
            Ok(configuration) => configuration,
            // The replica can neither go on without it nor ask for another one.
            Err(error) => return self.halt(error),
        };
        if self.drained(group, Given::Install) {
            return;
        }
        let at = inbound.at();
        if let Some(replica) = self.groups.get_mut(&group) {
            replica.retention.flush(at.index);
            let own = self.config.id;
            let members = configuration.as_ref();
            replica.installed(at.index, members.map(|members| members.contains(own)));
        }
        self.count_unflushed(group);
        self.event(Event::SnapshotInstalled {
            group,
            from: inbound.source,
            version: at,
        });
        self.skipped_to(group, at);
        let input = raft::Input::SnapshotInstalled {
            snapshot: inbound.meta(),
            configuration,
        };
        self.raft_input(group, input);
    }

    /// Raft has said all it had to say: an offer that it did not take is of no use.
    pub(in crate::node) fn drop_refused_snapshot(&mut self, group: GroupId) {
        let inbound = self.snapshots.inbound.get(&group);
        if inbound.is_some_and(|inbound| inbound.phase == Phase::Offered) {
            self.drop_inbound(group);
        }
    }

    /// The replica is removed. Whether its storage is being replaced all the same.
    pub(in crate::node) fn abandon_inbound(&mut self, group: GroupId) -> bool {
        let inbound = self.snapshots.inbound.get(&group);
        if inbound.is_some_and(|inbound| inbound.phase == Phase::Installing) {
            return true;
        }
        self.drop_inbound(group);
        false
    }
}
