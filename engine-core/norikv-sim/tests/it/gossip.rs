//! The gossip world over many seeds, and the thousand members.

use norikv_sim::gossip::{self, GossipConfig, GossipCounters, GossipKind, GossipViolation};

/// `NORIKV_SIM_GOSSIP_SEEDS=1..10000` runs others.
fn seeds() -> std::ops::Range<u64> {
    let text = std::env::var("NORIKV_SIM_GOSSIP_SEEDS").unwrap_or_else(|_| String::from("1..121"));
    let (from, to) = text.split_once("..").expect("FROM..TO");
    from.parse().expect("a number")..to.parse().expect("a number")
}

#[test]
fn no_seed_of_the_standard_swarm_breaks_a_promise_of_gossip_and_every_fault_strikes() {
    let mut sum = GossipCounters::default();
    let mut network = norikv_testkit::NetworkCounters::default();
    let mut broken = Vec::new();
    for seed in seeds() {
        let report = gossip::run(&GossipConfig::standard(seed));
        if report.violation.is_some() {
            broken.push(report.to_string());
        }
        sum = sum.plus(&report.counters);
        network += report.network;
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
    println!("{sum:?} {network:?}");
    for kind in GossipKind::ALL {
        assert!(sum.faults.of(kind) > 0, "{kind:?} never struck");
    }
    let struck = [
        network.tailed,
        network.lost,
        network.duplicated,
        network.reordered,
        network.replayed,
        network.cut,
        network.slowed,
        sum.false_verdicts,
        sum.refutations,
    ];
    assert!(struck.iter().all(|count| *count > 0), "{struck:?}");
}

#[test]
fn a_seed_of_the_gossip_world_gives_the_same_report_each_time() {
    let mut hashes = Vec::new();
    for seed in 1..=10 {
        let config = GossipConfig::standard(seed);
        let (first, again) = (gossip::run(&config), gossip::run(&config));
        assert_eq!(first, again, "seed {seed}");
        hashes.push(first.hash);
    }
    hashes.sort_unstable();
    hashes.dedup();
    assert_eq!(hashes.len(), 10);
}

#[test]
fn a_gossip_scenario_survives_as_text() {
    for seed in 1..=200 {
        let config = GossipConfig::standard(seed);
        let text = toml::to_string(&config).expect("it can be written");
        let read: GossipConfig = toml::from_str(&text).expect("it can be read");
        assert_eq!(read, config, "seed {seed}:\n{text}");
    }
    assert!(toml::from_str::<GossipConfig>("sed = 7").is_err());
}

#[test]
fn a_check_that_takes_a_living_member_for_dead_fails() {
    let mut config = GossipConfig::failing(3, 8, 1, 0);
    assert_eq!(gossip::run(&config).violation, None);
    config.misjudge = Some(2);
    let violation = gossip::run(&config).violation;
    assert!(
        matches!(violation, Some(GossipViolation::NotConverged { .. })),
        "{violation:?}"
    );
}

#[test]
fn two_hundred_members_notice_five_deaths_and_forget_nobody() {
    let report = gossip::run(&GossipConfig::failing(1, 200, 5, 0));
    println!("{report}");
    assert_eq!(report.violation, None, "{report}");
    assert_eq!(report.figures.first_faulty.count(), 5);
    assert_eq!(report.counters.false_verdicts, 0);
}
