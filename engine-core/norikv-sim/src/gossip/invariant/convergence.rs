//! **Once faults have ended, everybody who is well is seen alive by all who are, within a bound; and a
//! member that died is not live in the eyes of anybody within the bound of detection.**

use core::time::Duration;

use crate::gossip::GossipConfig;

/// How long it takes at most until everybody knows that a member died, with nothing else wrong:
///
/// - until somebody probes it: a member probes each other at least once in 2n − 1 periods (SWIM §4.3);
///   that none of the others begins with it for 40 periods is rarer than e⁻⁴⁰ (SWIM §3.2: the chance
///   that nobody picks it in a period tends to e⁻¹);
/// - periods that ill health stretches: a point for each period until it is well again, at most 8
///   (Lifeguard §III, LHA-Probe), so 1 + 2 + … + 9 periods;
/// - the longest suspicion: factor · multiplier · log₁₀ n periods (Lifeguard §III, LHA-Suspicion);
/// - until all heard of it: λ⌈log₂(n + 1)⌉ rounds of gossip (SWIM §4.1), twice, since it may begin with
///   a rumour of the suspicion.
pub(in crate::gossip) fn detection(config: &GossipConfig) -> Duration {
    let swim = config.swim(1, 0);
    let n = config.members;
    let period = swim.probe_interval;
    let until_probed = period * (2 * n - 1).min(40);
    let stretched = period * (1..=swim.health_max + 1).sum::<u32>();
    let log10_ceil = n.max(10).ilog10() + 1;
    let suspicion =
        period * swim.suspicion_multiplier * swim.suspicion_max_factor * log10_ceil.max(1);
    let rounds = swim.retransmit_multiplier * (u32::BITS - n.leading_zeros());
    until_probed + stretched + suspicion + swim.gossip_interval * 2 * rounds
}

/// How long it takes at most until all views are right, once faults have ended: detection; what
/// gossip missed comes with comparisons of whole tables, and those taken for faulty are tried one
/// at a time, by everybody at once.
pub(in crate::gossip) fn settling(config: &GossipConfig) -> Duration {
    let swim = config.swim(1, 0);
    detection(config) + swim.sync_interval * 8 + swim.recover_interval * 16
}
