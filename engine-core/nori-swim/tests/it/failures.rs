//! What the failure detector finds, and what it must not find.

use std::time::Duration;

use nori_swim::{Event, MemberState};
use norikv_types::{Mono, NodeId};

use crate::cluster::Cluster;

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// SWIM §3: completeness. The bound is two rounds of probing by any of the others, the shortest
/// suspicion at that size, and a few gossip rounds; `Config::new` says 4 s to 6.8 s for those.
#[test]
fn a_crashed_member_is_faulty_everywhere_within_its_bound() {
    for (count, bound) in [(3, 12), (5, 16), (10, 16), (25, 20), (50, 20)] {
        for seed in 1..=3 {
            let mut cluster = Cluster::formed(seed, count, secs(10));
            cluster.crash(count);
            let took = cluster.run_until(secs(bound), |c| c.all_see(count, MemberState::Faulty));
            assert!(
                took >= secs(4),
                "nobody is convicted before the shortest suspicion: {took:?}"
            );
            println!("{count} nodes, seed {seed}: faulty everywhere after {took:?}");
        }
    }
}

#[test]
fn two_that_crash_together_are_both_found() {
    let mut cluster = Cluster::formed(11, 10, secs(10));
    cluster.crash(4);
    cluster.crash(9);
    cluster.run_until(secs(30), |c| {
        c.all_see(4, MemberState::Faulty) && c.all_see(9, MemberState::Faulty)
    });
}

#[test]
fn a_quiet_network_has_no_suspicion_at_all() {
    for count in [3, 20] {
        let mut cluster = Cluster::formed(count, count, secs(10));
        cluster.run(secs(300));
        assert_eq!(cluster.told(MemberState::Suspect), 0);
        cluster.assert_all_alive();
    }
}

/// SWIM §4.2: suspicion keeps lost packets from costing a healthy member its place.
#[test]
fn a_lossy_network_suspects_but_convicts_nobody() {
    for seed in 1..=5 {
        let mut cluster = Cluster::formed(seed, 12, secs(10));
        (cluster.loss_ppm, cluster.duplicate_ppm) = (150_000, 50_000);
        cluster.delay = (Duration::from_millis(1), Duration::from_millis(120));
        cluster.run(secs(300));
        assert_eq!(cluster.told(MemberState::Faulty), 0, "at 15 % loss");
        cluster.loss_ppm = 0;
        cluster.run_until(secs(60), Cluster::all_alive);
    }
}

/// No healthy, reachable member stays faulty, whatever was said while half of all packets was lost.
#[test]
fn after_a_storm_everybody_is_alive_again() {
    for seed in 1..=5 {
        let mut cluster = Cluster::formed(seed, 8, secs(10));
        (cluster.loss_ppm, cluster.duplicate_ppm) = (600_000, 100_000);
        cluster.run(secs(240));
        assert!(
            cluster.told(MemberState::Suspect) > 0,
            "60 % loss is not noticed"
        );
        cluster.loss_ppm = 0;
        cluster.run_until(secs(120), Cluster::all_alive);
        cluster.run(secs(60));
        cluster.assert_all_alive();
    }
}

#[test]
fn a_healed_partition_finds_together_by_itself() {
    for (count, side) in [(3, 1), (4, 2), (10, 5), (20, 3)] {
        let mut cluster = Cluster::formed(count, count, secs(10));
        let nodes: Vec<u64> = (1..=count).collect();
        let (left, right) = nodes.split_at(side);
        cluster.partition(&[left, right]);
        cluster.run(secs(180));
        for observer in &nodes {
            for node in &nodes {
                let together = left.contains(observer) == left.contains(node);
                let expected = if together {
                    MemberState::Alive
                } else {
                    MemberState::Faulty
                };
                assert_eq!(
                    cluster.state(*observer, *node),
                    Some(expected),
                    "{observer} on {node}"
                );
            }
        }
        let verdicts = cluster.told(MemberState::Faulty);
        cluster.heal();
        let took = cluster.run_until(secs(60), Cluster::all_alive);
        cluster.run(secs(60));
        cluster.assert_all_alive();
        assert_eq!(
            cluster.told(MemberState::Faulty),
            verdicts,
            "healing convicts nobody"
        );
        println!("{count} nodes split at {side}: whole again after {took:?}");
    }
}

/// Lifeguard §III: a member that did not listen is at fault itself, and accuses nobody for it.
#[test]
fn a_paused_member_returns_and_convicts_nobody() {
    let mut cluster = Cluster::formed(21, 5, secs(10));
    cluster.pause(2);
    cluster.run_until(secs(40), |c| {
        c.all_see(2, MemberState::Faulty) || c.state(1, 2) == Some(MemberState::Faulty)
    });
    cluster.run(secs(60));
    let woke = cluster.now;
    cluster.resume(2);
    cluster.run_until(secs(30), Cluster::all_alive);
    let by_sleeper = |(at, who, event): &&(Mono, NodeId, Event)| {
        let convicts = matches!(
            event,
            Event::MemberChanged {
                state: MemberState::Faulty,
                ..
            }
        );
        *at >= woke && *who == NodeId(2) && convicts
    };
    assert_eq!(cluster.events.iter().find(by_sleeper), None);
    assert!(cluster.events.iter().any(|(_, who, event)| {
        *who == NodeId(2) && matches!(event, Event::Overslept { late_ms } if *late_ms > 60_000)
    }));
}

/// Lifeguard §III: an isolated member blames itself, so its health falls; it recovers with the net.
#[test]
fn isolation_shows_in_local_health_and_passes() {
    let mut cluster = Cluster::formed(31, 6, secs(10));
    cluster.partition(&[&[6]]);
    cluster.run(secs(10));
    assert!(
        cluster.swim(6).health() >= 3,
        "six failed probes: {}",
        cluster.swim(6).health()
    );
    assert!(cluster.swim(1).health() <= 1, "the others got their nacks");
    cluster.heal();
    cluster.run(secs(120));
    cluster.assert_all_alive();
    assert_eq!(cluster.swim(6).health(), 0);
}

#[test]
fn the_same_seed_sends_the_same_packets_at_the_same_times() {
    let trace = |seed| {
        let mut cluster = Cluster::formed(seed, 6, secs(10));
        cluster.loss_ppm = 300_000;
        cluster.crash(3);
        cluster.run(secs(40));
        cluster.trace().to_vec()
    };
    assert_eq!(trace(5), trace(5));
    assert_ne!(trace(5), trace(6));
}
