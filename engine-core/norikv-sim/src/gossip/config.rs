//! What a run of the gossip world consists of.

use alloc::vec::Vec;
use core::time::Duration;

use nori_swim::Config;
use norikv_testkit::{Delay, LinkFaults};
use norikv_types::{NodeId, Prng};
use serde::{Deserialize, Serialize};

use super::fault::{self, GossipFault, GossipFaultKind};

/// A run of the gossip world, whole: the same configuration gives the same run. It is the content of
/// a scenario file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GossipConfig {
    /// Seeds every random choice.
    pub seed: u64,
    /// Members; their ids are 1 to `members`.
    pub members: u32,
    /// Within this time all members start, one after the other, in milliseconds.
    pub start_within_ms: u64,
    /// When every fault ends that does not end by itself, in milliseconds.
    pub until_ms: u64,
    /// How members are set.
    pub timings: GossipTimings,
    /// How links behave.
    pub network: GossipNetwork,
    /// What goes wrong, in order of time.
    pub faults: Vec<GossipFault>,
    /// Whether links go on losing after `until_ms`, and only detection is judged: with a quarter of
    /// all packets lost somebody is always under suspicion.
    pub lossy_to_the_end: bool,
    /// A member that is taken for dead by the checks: for the test that they can fail.
    pub misjudge: Option<u32>,
}

/// How members are set; see [`nori_swim::Config`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GossipTimings {
    /// The protocol period.
    pub probe_interval_ms: u64,
    /// How long a direct probe waits.
    pub probe_timeout_ms: u64,
    /// Time between packets of gossip.
    pub gossip_interval_ms: u64,
    /// Time between comparisons of whole tables.
    pub sync_interval_ms: u64,
    /// Time between attempts to reach one that is faulty.
    pub recover_interval_ms: u64,
}

/// How links behave.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct GossipNetwork {
    /// Least delay.
    pub delay_min_us: u64,
    /// Most delay outside the tail.
    pub delay_max_us: u64,
    /// Delays in a million that fall into the tail.
    pub tail_ppm: u32,
    /// Most delay in the tail.
    pub tail_max_ms: u64,
    /// Packets in a million that are lost.
    pub loss_ppm: u32,
    /// Packets in a million that arrive twice.
    pub duplicate_ppm: u32,
    /// Packets in a million that do not keep their place.
    pub reorder_ppm: u32,
    /// Packets in a million together with which an old one comes again.
    pub replay_ppm: u32,
}

impl GossipConfig {
    /// The standard swarm: 3 to 50 members, and network and faults that the seed draws.
    #[must_use]
    pub fn standard(seed: u64) -> Self {
        let prng = &mut Prng::new(seed ^ 0x474f_5353_4950_0001);
        let members = match draw(prng, 10) {
            0..=5 => 3 + draw(prng, 10),
            6..=8 => 8 + draw(prng, 25),
            _ => 30 + draw(prng, 21),
        };
        let rare = |prng: &mut Prng, max: u32| match draw(prng, 2) {
            0 => 0,
            _ => draw(prng, max),
        };
        let until_ms = 30_000 + u64::from(draw(prng, 60_000));
        let probe_interval_ms = 300 + u64::from(draw(prng, 1_000));
        let config = Self {
            seed,
            members,
            start_within_ms: 1 + u64::from(draw(prng, 5_000)),
            until_ms,
            timings: GossipTimings {
                probe_interval_ms,
                probe_timeout_ms: probe_interval_ms / 2,
                gossip_interval_ms: 50 + u64::from(draw(prng, 250)),
                sync_interval_ms: 5_000 + u64::from(draw(prng, 30_000)),
                recover_interval_ms: 1_000 + u64::from(draw(prng, 6_000)),
            },
            network: GossipNetwork {
                delay_min_us: 100,
                delay_max_us: 500 + u64::from(draw(prng, 20_000)),
                tail_ppm: rare(prng, 30_000),
                tail_max_ms: 2_000,
                loss_ppm: rare(prng, 150_000),
                duplicate_ppm: rare(prng, 50_000),
                reorder_ppm: rare(prng, 100_000),
                replay_ppm: rare(prng, 20_000),
            },
            faults: Vec::new(),
            lossy_to_the_end: false,
            misjudge: None,
        };
        let faults = fault::draw_all(prng, &config);
        Self { faults, ..config }
    }

    /// A thousand members, ten of which die, one every other second; `loss_ppm` of the packets are
    /// lost all the time.
    #[must_use]
    pub fn thousand(seed: u64, loss_ppm: u32) -> Self {
        Self::failing(seed, 1_000, 10, loss_ppm)
    }

    /// `members` of which `dead` die, one every other second, once all have met.
    #[must_use]
    pub fn failing(seed: u64, members: u32, dead: u32, loss_ppm: u32) -> Self {
        let formed_ms = 30_000;
        let deaths = (0..dead.min(members.saturating_sub(3))).map(|nth| GossipFault {
            at_ms: formed_ms + 2_000 * u64::from(nth),
            // Not the first three, through which the others join; spread over the rest.
            fault: GossipFaultKind::Crash {
                member: 4 + nth * (members - 3) / dead,
                restart_after_ms: None,
            },
        });
        Self {
            seed,
            members,
            start_within_ms: 10_000,
            until_ms: formed_ms + 2_000 * u64::from(dead),
            timings: GossipTimings::default(),
            network: GossipNetwork {
                delay_min_us: 500,
                delay_max_us: 500,
                loss_ppm,
                ..GossipNetwork::default()
            },
            faults: deaths.collect(),
            lossy_to_the_end: loss_ppm > 0,
            misjudge: None,
        }
    }

    pub(super) fn swim(&self, member: u32, seed: u64) -> Config {
        let ms = Duration::from_millis;
        let timings = &self.timings;
        Config {
            probe_interval: ms(timings.probe_interval_ms),
            probe_timeout: ms(timings.probe_timeout_ms),
            gossip_interval: ms(timings.gossip_interval_ms),
            sync_interval: ms(timings.sync_interval_ms),
            recover_interval: ms(timings.recover_interval_ms),
            ..Config::new(NodeId(u64::from(member)), CLUSTER, seed)
        }
    }
}

impl GossipNetwork {
    /// As the testkit wants it; with `losing` off nothing is lost, doubled or late.
    pub(super) fn faults(&self, losing: bool) -> LinkFaults {
        let min = Duration::from_micros(self.delay_min_us);
        let max = Duration::from_micros(self.delay_max_us.max(self.delay_min_us));
        let rate = |ppm: u32| if losing { ppm } else { 0 };
        LinkFaults {
            loss_ppm: rate(self.loss_ppm),
            duplicate_ppm: rate(self.duplicate_ppm),
            reorder_ppm: rate(self.reorder_ppm),
            replay_ppm: rate(self.replay_ppm),
            ..LinkFaults::none(Delay {
                min,
                max,
                tail_ppm: rate(self.tail_ppm),
                tail_max: Duration::from_millis(self.tail_max_ms),
            })
        }
    }
}

impl Default for GossipConfig {
    /// Ten members on a network that loses nothing.
    fn default() -> Self {
        Self {
            seed: 0,
            members: 10,
            start_within_ms: 1_000,
            until_ms: 30_000,
            timings: GossipTimings::default(),
            network: GossipNetwork::default(),
            faults: Vec::new(),
            lossy_to_the_end: false,
            misjudge: None,
        }
    }
}

impl Default for GossipTimings {
    /// Those of [`nori_swim::Config::new`].
    fn default() -> Self {
        Self {
            probe_interval_ms: 1_000,
            probe_timeout_ms: 500,
            gossip_interval_ms: 200,
            sync_interval_ms: 30_000,
            recover_interval_ms: 5_000,
        }
    }
}

impl Default for GossipNetwork {
    /// Half a millisecond, and nothing is lost.
    fn default() -> Self {
        Self {
            delay_min_us: 500,
            delay_max_us: 500,
            tail_ppm: 0,
            tail_max_ms: 0,
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            replay_ppm: 0,
        }
    }
}

pub(super) fn draw(prng: &mut Prng, bound: u32) -> u32 {
    u32::try_from(prng.below(u64::from(bound))).unwrap_or(0)
}

const CLUSTER: u64 = 0x474f_5353;
