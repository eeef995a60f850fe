//! Probes on behalf of others (SWIM §3.1, ping-req).
//!
//! **Invariant: at most [`PROXIED_MAX`] probes are open, each ends by itself**, and each is answered
//! with an ack, or with a nack when the target is silent for four fifths of the probe timeout; an ack
//! that comes after the nack is still passed on.

use alloc::collections::BTreeMap;
use core::time::Duration;

use norikv_types::{Mono, NodeId};

/// Probes made for others, by the sequence of their ping.
#[derive(Debug, Clone, Default)]
pub(crate) struct Proxies(BTreeMap<u32, Proxied>);

/// One probe made for another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Proxied {
    /// Who asked.
    pub(crate) asker: NodeId,
    /// Under which sequence.
    pub(crate) sequence: u32,
    pub(crate) target: NodeId,
    /// When to answer that nothing came; `None` once done.
    nack_at: Option<Mono>,
    /// When to forget it.
    until: Mono,
}

impl Proxies {
    /// Opens a probe under the ping sequence `own`. False when too many are open.
    pub(crate) fn open(
        &mut self,
        own: u32,
        asker: NodeId,
        sequence: u32,
        target: NodeId,
        now: Mono,
        probe_timeout: Duration,
    ) -> bool {
        if self.0.len() >= PROXIED_MAX {
            return false;
        }
        let nack_at = Some(now + probe_timeout * 4 / 5);
        let until = now + probe_timeout * 4;
        self.0.insert(
            own,
            Proxied {
                asker,
                sequence,
                target,
                nack_at,
                until,
            },
        );
        true
    }

    /// Closes the probe that `target` acknowledged.
    pub(crate) fn acknowledged(&mut self, own: u32, target: NodeId) -> Option<Proxied> {
        if self.0.get(&own)?.target != target {
            return None;
        }
        self.0.remove(&own)
    }

    /// One probe to answer with a nack now; forgets those whose time is over.
    pub(crate) fn unanswered(&mut self, now: Mono) -> Option<Proxied> {
        self.0
            .retain(|_, proxied| proxied.nack_at.is_some() || proxied.until > now);
        let mut all = self.0.values_mut();
        let due = all.find(|proxied| proxied.nack_at.is_some_and(|at| at <= now))?;
        due.nack_at = None;
        Some(*due)
    }

    pub(crate) fn next_deadline(&self) -> Option<Mono> {
        let deadline = |proxied: &Proxied| proxied.nack_at.unwrap_or(proxied.until);
        self.0.values().map(deadline).min()
    }
}

const PROXIED_MAX: usize = 256;

#[cfg(test)]
mod tests;
