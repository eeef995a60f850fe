//! Suspicion with a timeout that shrinks as independent members confirm it.
//!
//! **Invariant: a suspect becomes faulty no earlier than the minimum and no later than the maximum
//! after it was first suspected in its incarnation** (SWIM §4.2; Lifeguard §III, LHA-Suspicion).

use alloc::collections::{BTreeMap, BTreeSet};
use core::time::Duration;

use norikv_types::{Mono, Mutant, NodeId, breaks};

use crate::Config;
use crate::scale::{confirmed_milli, log10_milli};

/// All suspicions that this node times.
#[derive(Debug, Clone, Default)]
pub(crate) struct Suspicions(BTreeMap<NodeId, Suspicion>);

/// One suspicion, from the moment this node learnt of it.
#[derive(Debug, Clone)]
struct Suspicion {
    since: Mono,
    /// When the last confirmation came: it may bring the deadline to that moment, not before.
    confirmed: Mono,
    timing: Timing,
    /// Who accuses; the first is not a confirmation. At most `wanted` + 1.
    accusers: BTreeSet<NodeId>,
    first: NodeId,
}

/// The bounds between which confirmations move the deadline.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    pub(crate) min: Duration,
    pub(crate) max: Duration,
    /// Confirmations after which the minimum holds.
    pub(crate) wanted: u32,
}

impl Timing {
    /// For `live` members, this node included: min = multiplier·max(1, log₁₀ live)·period,
    /// max = factor·min. Where fewer than the wanted confirmations could ever come, none are.
    pub(crate) fn new(config: &Config, live: u32) -> Self {
        let scale = log10_milli(live).max(1_000);
        let min = config.probe_interval * config.suspicion_multiplier * scale / 1_000;
        let min = min
            * if breaks(Mutant::SuspicionNeverExpires) {
                1_000
            } else {
                1
            };
        let possible = live.saturating_sub(2);
        let wanted = config.suspicion_confirmations;
        Self {
            min,
            max: min * config.suspicion_max_factor,
            wanted: if possible < wanted { 0 } else { wanted },
        }
    }

    /// max − (max − min)·log(c + 1) / log(k + 1).
    pub(crate) fn timeout(&self, confirmations: u32) -> Duration {
        let shrink = (self.max - self.min) * confirmed_milli(confirmations, self.wanted) / 1_000;
        (self.max - shrink).max(self.min)
    }
}

impl Suspicions {
    /// Starts timing `node`, accused by `accuser`; replaces a suspicion of an earlier incarnation.
    pub(crate) fn start(&mut self, node: NodeId, accuser: NodeId, since: Mono, timing: Timing) {
        let accusers = BTreeSet::from([accuser]);
        self.0.insert(
            node,
            Suspicion {
                since,
                confirmed: since,
                timing,
                accusers,
                first: accuser,
            },
        );
    }

    /// Counts `accuser`. True when it is one more that shortens the timeout and so worth telling.
    pub(crate) fn confirm(&mut self, node: NodeId, accuser: NodeId, now: Mono) -> bool {
        let Some(suspicion) = self.0.get_mut(&node) else {
            return false;
        };
        let counts = suspicion.confirmations() < suspicion.timing.wanted
            && suspicion.accusers.insert(accuser);
        if counts {
            suspicion.confirmed = now;
        }
        counts
    }

    pub(crate) fn stop(&mut self, node: NodeId) {
        self.0.remove(&node);
    }

    /// Who accused `node` first, as far as this node knows.
    pub(crate) fn accuser(&self, node: NodeId) -> Option<NodeId> {
        self.0.get(&node).map(|suspicion| suspicion.first)
    }

    /// A suspect whose time is over at `now`.
    pub(crate) fn expired(&self, now: Mono) -> Option<NodeId> {
        let mut all = self.0.iter();
        all.find(|(_, suspicion)| suspicion.deadline() <= now)
            .map(|(node, _)| *node)
    }

    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        self.0.values().map(Suspicion::deadline).min()
    }

    /// Gives every suspect `by` more time: this node did not listen for so long.
    pub(crate) fn postpone(&mut self, by: Duration) {
        for suspicion in self.0.values_mut() {
            suspicion.since += by;
        }
    }
}

impl Suspicion {
    fn confirmations(&self) -> u32 {
        u32::try_from(self.accusers.len() - 1).unwrap_or(u32::MAX)
    }

    fn deadline(&self) -> Mono {
        (self.since + self.timing.timeout(self.confirmations())).max(self.confirmed)
    }
}

#[cfg(test)]
mod tests;
