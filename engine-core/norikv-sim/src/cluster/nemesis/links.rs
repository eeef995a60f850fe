//! What goes wrong between nodes.
//!
//! **Invariant: a link is cut while any fault says so, and whole again when the last one has ended**,
//! however they overlap.

use alloc::vec::Vec;
use core::time::Duration;

use norikv_types::{Mono, NodeId};

use super::{NemesisHappening, id, ms};
use crate::cluster::Simulation;
use crate::cluster::plan::Action;

impl Simulation {
    /// Mends every cut, and has the network behave as it does without faults.
    pub(crate) fn heal_links(&mut self) {
        self.nemesis.cuts.clear();
        self.nemesis.flaps.clear();
        self.nemesis.storms.clear();
        self.links_expire();
    }

    /// Cuts directions of links until `until`.
    pub(crate) fn cut_until(
        &mut self,
        until: Mono,
        cuts: impl IntoIterator<Item = (NodeId, NodeId)>,
    ) {
        let cuts = cuts.into_iter().map(|(from, to)| (until, from, to));
        self.nemesis.cuts.extend(cuts);
        self.links_expire();
    }

    /// Lets a fault of links take hold; `false` when it hits no link.
    pub(super) fn strike_links(&mut self, action: &Action) -> bool {
        let all: Vec<u32> = (1..=self.config.nodes).collect();
        let (cuts, for_ms) = match action {
            Action::Partition { nodes, for_ms } => {
                let others = all.iter().filter(|node| !nodes.contains(node));
                let others: Vec<u32> = others.copied().collect();
                (between(nodes, &others), *for_ms)
            }
            Action::Cut { from, to, for_ms } => (alloc::vec![(id(*from), id(*to))], *for_ms),
            Action::Bridge { node, for_ms } => {
                let others = all.into_iter().filter(|other| other != node);
                let mut left: Vec<u32> = others.collect();
                let right = left.split_off(left.len() / 2);
                (between(&left, &right), *for_ms)
            }
            Action::Mesh { links, for_ms } => {
                let cuts = links
                    .iter()
                    .flat_map(|(one, other)| between(&[*one], &[*other]));
                (cuts.collect(), *for_ms)
            }
            Action::Clog { from, to, for_ms } => {
                let until = self.now + ms(*for_ms);
                self.network.clog(id(*from), id(*to), until);
                return from != to;
            }
            Action::Flap {
                from,
                to,
                period_ms,
                for_ms,
            } => {
                let until = self.now + ms(*for_ms);
                let period = ms((*period_ms).max(1));
                let flap = (until, id(*from), id(*to), period);
                self.nemesis.flaps.push(flap);
                (Vec::new(), *for_ms)
            }
            Action::SlowReceiver {
                node,
                message_us,
                for_ms,
            } => {
                let service = Duration::from_micros(u64::from(*message_us));
                let node = id(*node);
                let Some(host) = self.host_of(node) else {
                    return false;
                };
                let until = self.now + ms(*for_ms);
                let machine = &mut self.hosts[host];
                machine.receiver_slow_until = machine.receiver_slow_until.max(until);
                self.network.slow_receiver(node, service);
                self.nemesis_after(*for_ms, NemesisHappening::ReceiverQuick { host });
                return true;
            }
            Action::Storm { links, for_ms } => {
                self.nemesis.storms.push((self.now + ms(*for_ms), *links));
                (Vec::new(), *for_ms)
            }
            _ => return false,
        };
        let is_cut = cuts.iter().any(|(from, to)| from != to);
        let took_hold = is_cut || matches!(action, Action::Storm { .. } | Action::Flap { .. });
        self.cut_until(self.now + ms(for_ms), cuts);
        self.nemesis_after(for_ms, NemesisHappening::Links);
        took_hold
    }

    /// Brings the network in line with the faults that are still on.
    pub(super) fn links_expire(&mut self) {
        let now = self.now;
        self.nemesis.cuts.retain(|(until, ..)| *until > now);
        self.nemesis.flaps.retain(|(until, ..)| *until > now);
        self.nemesis.storms.retain(|(until, _)| *until > now);
        self.network.heal();
        for (_, from, to) in &self.nemesis.cuts {
            self.network.cut(*from, *to);
        }
        for (until, from, to, period) in &self.nemesis.flaps {
            self.network.flap(*from, *to, *period, *until);
        }
        let storm = self.nemesis.storms.last().map(|(_, links)| *links);
        self.network.set_faults(storm.unwrap_or(self.config.links));
        self.links_changed();
    }
}

fn between(left: &[u32], right: &[u32]) -> Vec<(NodeId, NodeId)> {
    let mut cuts = Vec::new();
    for from in left {
        for to in right {
            cuts.push((id(*from), id(*to)));
            cuts.push((id(*to), id(*from)));
        }
    }
    cuts
}
