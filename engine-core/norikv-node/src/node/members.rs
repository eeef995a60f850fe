//! SWIM and connections: who can be reached.

use nori_raft as raft;
use norikv_types::{GroupId, NodeId};

use super::Node;
use crate::{Event, Member, MemberState, MembershipOutput, Output};

impl Node {
    pub(super) fn drain_membership(&mut self) {
        while let Some(output) = self.membership.poll_output() {
            match output {
                MembershipOutput::Send { to, packet } => {
                    self.outbox.push_back(Output::Datagram { to, packet });
                }
                MembershipOutput::Changed(member) => self.member_changed(member),
            }
        }
    }

    fn member_changed(&mut self, member: Member) {
        let node = member.node;
        match member.state {
            MemberState::Faulty | MemberState::Left => self.unreachable(node),
            MemberState::Alive => self.wake_all(),
            MemberState::Suspect | MemberState::Unknown => {}
        }
        self.event(Event::Member(member));
        let members = self.members();
        self.metrics.members(&members);
    }

    pub(super) fn peer_up(&mut self, peer: NodeId) {
        if self.down.remove(&peer) {
            self.wake_all();
        }
        self.peer_back_for_snapshots(peer);
    }

    /// The connection is lost: what was with that node may never be answered.
    pub(super) fn peer_down(&mut self, peer: NodeId) {
        self.down.insert(peer);
        self.unreachable(peer);
        for id in self.errands.forwarded_to(peer) {
            self.lost(
                id,
                "the connection to the node that carried out the write was lost",
            );
        }
        self.peer_lost_for_snapshots(peer);
    }

    fn unreachable(&mut self, peer: NodeId) {
        self.leader_lost(peer);
        let groups: alloc::vec::Vec<GroupId> = self
            .groups
            .values()
            .filter(|group| {
                let configuration = group.raft.configuration();
                configuration.is_some_and(|members| members.contains(peer))
            })
            .map(|group| group.id)
            .collect();
        for group in groups {
            self.raft_input(group, raft::Input::Unreachable(peer));
        }
    }

    fn wake_all(&mut self) {
        for group in (0..self.router.groups()).map(GroupId) {
            self.wake(group);
        }
    }
}
