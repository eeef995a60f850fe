//! What goes wrong with members and links, and when.

use alloc::vec::Vec;

use norikv_types::Prng;
use serde::{Deserialize, Serialize};

use super::GossipConfig;
use super::config::draw;

/// One fault of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GossipFault {
    /// When, in milliseconds.
    pub at_ms: u64,
    /// What.
    pub fault: GossipFaultKind,
}

/// What goes wrong. One that befalls a member that is not running does nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum GossipFaultKind {
    /// The process dies; a new one that remembers nothing may come.
    Crash {
        /// Who.
        member: u32,
        /// When a new life begins, after it; never, if absent.
        #[serde(default)]
        restart_after_ms: Option<u64>,
    },
    /// The process stands still, and goes on as if nothing had happened.
    Pause {
        /// Who.
        member: u32,
        /// How long.
        for_ms: u64,
    },
    /// The member takes long for each packet.
    Slow {
        /// Who.
        member: u32,
        /// How long for each.
        service_us: u64,
        /// For how long.
        for_ms: u64,
    },
    /// One direction of one link is cut.
    OneWay {
        /// Whom nobody hears,
        from: u32,
        /// namely not this one.
        to: u32,
        /// How long.
        for_ms: u64,
    },
    /// The member is cut off from all others.
    Isolate {
        /// Who.
        member: u32,
        /// How long.
        for_ms: u64,
    },
    /// The members up to this one and those above it do not hear each other.
    Partition {
        /// The last of the lower side.
        up_to: u32,
        /// How long.
        for_ms: u64,
    },
    /// The member says good-bye and ends.
    Leave {
        /// Who.
        member: u32,
    },
}

/// A kind of fault, as it is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[expect(
    missing_docs,
    reason = "each is the `GossipFaultKind` of the same name"
)]
pub enum GossipKind {
    Crash,
    /// A new life of one that crashed.
    Restart,
    Pause,
    Slow,
    OneWay,
    Isolate,
    Partition,
    Leave,
}

impl GossipKind {
    /// Every kind.
    pub const ALL: [Self; 8] = [
        Self::Crash,
        Self::Restart,
        Self::Pause,
        Self::Slow,
        Self::OneWay,
        Self::Isolate,
        Self::Partition,
        Self::Leave,
    ];
}

/// The faults of a run. Half of the kinds are on.
pub(super) fn draw_all(prng: &mut Prng, config: &GossipConfig) -> Vec<GossipFault> {
    let on: [bool; 7] = core::array::from_fn(|_| draw(prng, 2) == 0);
    let longest = 500 + draw(prng, 30_000);
    let pause = 1_000 + draw(prng, 10_000);
    let mut faults = Vec::new();
    let mut at_ms = config.start_within_ms + u64::from(draw(prng, pause));
    let mut gone = 0;
    while at_ms < config.until_ms {
        let member = 1 + draw(prng, config.members);
        let for_ms = 1 + u64::from(draw(prng, longest));
        let kind = usize::try_from(prng.below(7)).unwrap_or(0);
        let fault = match kind {
            _ if !on[kind] => None,
            0 => {
                let stays = draw(prng, 3) == 0 && gone + 2 < config.members;
                gone += u32::from(stays);
                Some(GossipFaultKind::Crash {
                    member,
                    restart_after_ms: (!stays).then_some(for_ms),
                })
            }
            1 => Some(GossipFaultKind::Pause { member, for_ms }),
            2 => Some(GossipFaultKind::Slow {
                member,
                service_us: 1_000 + u64::from(draw(prng, 400_000)),
                for_ms,
            }),
            3 => Some(GossipFaultKind::OneWay {
                from: member,
                to: 1 + draw(prng, config.members),
                for_ms,
            }),
            4 => Some(GossipFaultKind::Isolate { member, for_ms }),
            5 => Some(GossipFaultKind::Partition {
                up_to: member,
                for_ms,
            }),
            _ if gone + 2 < config.members => {
                gone += 1;
                Some(GossipFaultKind::Leave { member })
            }
            _ => None,
        };
        faults.extend(fault.map(|fault| GossipFault { at_ms, fault }));
        at_ms += 1 + u64::from(draw(prng, pause));
    }
    faults
}
