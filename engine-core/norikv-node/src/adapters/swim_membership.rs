//! [`Membership`] by `nori-swim`.

use alloc::vec::Vec;

use bytes::Bytes;
use nori_swim::{Config, Error, Event, Input, Output, Swim};
use norikv_types::{Mono, NodeId};

use crate::{Member, MemberState, Membership, MembershipOutput, NodeConfig};

/// A member of a SWIM cluster. It joins by asking every configured node.
#[derive(Debug)]
pub struct SwimMembership {
    swim: Swim,
}

impl SwimMembership {
    /// A member as `config` says, with the node's address as its metadata.
    ///
    /// # Errors
    /// Those of [`Swim::new`]: a setting is out of range. Nothing was made.
    pub fn new(config: &NodeConfig, now: Mono) -> Result<Self, Error> {
        // Not the seed that the Raft groups draw from.
        let mut settings = Config::new(config.id, config.cluster, config.seed.rotate_left(17));
        settings.metadata = config.address.clone();
        settings.probe_interval = config.swim.probe_interval;
        settings.probe_timeout = config.swim.probe_timeout;
        settings.suspicion_multiplier = config.swim.suspicion_multiplier;
        settings.suspicion_max_factor = config.swim.suspicion_max_factor;
        let mut swim = Swim::new(settings, now)?;
        let seeds = config.nodes.clone();
        swim.handle_input(now, Input::Join { seeds })?;
        Ok(Self { swim })
    }

    fn input(&mut self, now: Mono, input: Input) {
        // What a peer sends is judged by an event; an error here is a call after leaving.
        let _late = self.swim.handle_input(now, input);
    }
}

impl Membership for SwimMembership {
    fn handle_packet(&mut self, now: Mono, from: NodeId, bytes: Bytes) {
        self.input(now, Input::Packet { from, bytes });
    }

    fn handle_timeout(&mut self, now: Mono) {
        self.input(now, Input::Timeout);
    }

    fn leave(&mut self, now: Mono) {
        self.input(now, Input::Leave);
    }

    fn poll_output(&mut self) -> Option<MembershipOutput> {
        loop {
            match self.swim.poll_output()? {
                Output::Send { to, packet } => return Some(MembershipOutput::Send { to, packet }),
                Output::Event(Event::MemberChanged {
                    node,
                    state,
                    incarnation,
                    metadata,
                }) => {
                    return Some(MembershipOutput::Changed(Member {
                        node,
                        state: state_of(state),
                        incarnation: incarnation.0,
                        metadata,
                    }));
                }
                Output::Event(_) => {}
            }
        }
    }

    fn poll_timeout(&self) -> Option<Mono> {
        self.swim.poll_timeout()
    }

    fn members(&self) -> Vec<Member> {
        let mut members: Vec<Member> = self
            .swim
            .members()
            .map(|member| Member {
                node: member.node,
                state: state_of(member.state),
                incarnation: member.incarnation.0,
                metadata: member.metadata.clone(),
            })
            .collect();
        members.sort_by_key(|member| member.node);
        members
    }
}

const fn state_of(state: nori_swim::MemberState) -> MemberState {
    match state {
        nori_swim::MemberState::Alive => MemberState::Alive,
        nori_swim::MemberState::Suspect => MemberState::Suspect,
        nori_swim::MemberState::Faulty => MemberState::Faulty,
        nori_swim::MemberState::Left => MemberState::Left,
    }
}
