//! How news is taken in, contradicted and passed on (SWIM §4.1, §4.2).

use norikv_types::{Mono, Mutant, NodeId, breaks};

use super::Swim;
use super::exchange::Joining;
use crate::gossip::Gossip;
use crate::packet::{Message, Record};
use crate::suspicion::Timing;
use crate::{Event, Member, MemberState};

impl Swim {
    /// Takes a statement about a member in, if it is news (SWIM §4.2), and passes it on.
    pub(super) fn hear(&mut self, now: Mono, record: &Record) {
        let Record { member, accuser } = record;
        let node = member.node;
        if node == self.config.id && !breaks(Mutant::BelievesOthersOfItself) {
            self.hear_of_self(now, member);
            return;
        }
        match self.table.get(node) {
            Some(known) if member.overrides(known) => {}
            Some(known) => {
                let same = (known.state, known.incarnation) == (member.state, member.incarnation);
                // Only independent confirmations are passed on, the first k (Lifeguard §III).
                if same && self.suspicions.confirm(node, *accuser, now) {
                    self.spread(now, node, Some(*accuser));
                }
                return;
            }
            // The good-bye of one never met concerns nobody here.
            None if member.state == MemberState::Left => return,
            None => {}
        }
        self.table.set(member.clone());
        if member.state.is_live() {
            self.prober.insert(node, &mut self.prng);
        }
        if member.state == MemberState::Suspect {
            let timing = Timing::new(&self.config, self.table.live());
            self.suspicions.start(node, *accuser, now, timing);
            self.spread(now, node, Some(*accuser));
        } else {
            self.suspicions.stop(node);
            self.spread(now, node, None);
        }
        self.tell(Event::MemberChanged {
            node,
            state: member.state,
            incarnation: member.incarnation,
            metadata: member.metadata.clone(),
        });
    }

    /// Contradicts whatever does not describe this life (SWIM §4.2: a suspected member answers with
    /// a higher incarnation; a restarted one overrides its earlier life in the same way).
    pub(super) fn hear_of_self(&mut self, now: Mono, said: &Member) {
        let own = self.table.own();
        if own.state == MemberState::Left || said.incarnation < own.incarnation {
            return;
        }
        if said == own {
            return;
        }
        let mut refuted = own.clone();
        refuted.incarnation = match breaks(Mutant::RefutationNotRaised) {
            true => said.incarnation,
            false => said.incarnation.next(),
        };
        self.tell(Event::Refuted {
            state: said.state,
            incarnation: refuted.incarnation,
        });
        self.table.set(refuted);
        self.spread(now, self.config.id, None);
        if said.state == MemberState::Suspect {
            // Somebody waited for us in vain (Lifeguard §III).
            self.judge_health(|health| health.worsen(1));
        }
    }

    /// Queues what is now known of `node`, to be told from the next gossip tick on.
    pub(super) fn spread(&mut self, now: Mono, node: NodeId, accuser: Option<NodeId>) {
        self.gossip.spread(node, accuser);
        self.gossip_at
            .get_or_insert(now + self.config.gossip_interval);
    }

    /// Sends a packet of rumours to each of `fanout` random live members (SWIM §4.1).
    pub(super) fn gossip_to(&mut self, fanout: u32) {
        let me = self.config.id;
        let chosen = self
            .table
            .sample(&mut self.prng, fanout, me, MemberState::is_live);
        if chosen.is_empty() {
            // Nobody to tell; whoever comes gets the whole table.
            self.gossip = Gossip::default();
        }
        for node in chosen {
            if self.gossip.is_empty() {
                break;
            }
            self.send(node, Message::Gossip, false);
        }
    }

    pub(super) fn finish_leaving(&mut self) {
        if self.has_left() && self.gossip.is_empty() {
            self.gossip_at = None;
            self.tell(Event::LeaveFinished);
        }
    }

    pub(super) fn leave(&mut self, now: Mono) {
        let mut own = self.table.own().clone();
        own.state = MemberState::Left;
        self.table.set(own);
        self.prober.current = None;
        self.joining = Joining::default();
        self.gossip.spread(self.config.id, None);
        self.gossip_at = Some(now + self.config.gossip_interval);
        self.gossip_to(LEAVE_FANOUT);
        self.finish_leaving();
    }
}

/// Members that a good-bye is told at once.
const LEAVE_FANOUT: u32 = 32;
