//! Coming, going and coming back.

use std::time::Duration;

use bytes::Bytes;
use nori_swim::{Config, Event, Incarnation, MemberState};
use norikv_types::NodeId;

use crate::cluster::{CLUSTER, Cluster};

const fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn clusters_of_any_size_form_within_seconds() {
    for count in [1, 2, 3, 10, 50] {
        let mut cluster = Cluster::new(count);
        for node in 1..=count {
            cluster.start(node, &[1]);
        }
        let took = cluster.run_until(secs(5), Cluster::all_alive);
        println!("{count} nodes know each other after {took:?}");
        let digests: Vec<u64> = (1..=count)
            .map(|node| cluster.swim(node).digest())
            .collect();
        assert!(digests.windows(2).all(|pair| pair[0] == pair[1]));
    }
}

#[test]
fn a_cluster_forms_over_a_network_that_loses_a_third() {
    for seed in 1..=5 {
        let mut cluster = Cluster::new(seed);
        cluster.loss_ppm = 330_000;
        for node in 1..=10 {
            cluster.start(node, &[1, 2]);
        }
        let everyone_met = |c: &Cluster| (1..=10).all(|node| c.swim(node).members().count() == 10);
        cluster.run_until(secs(60), everyone_met);
    }
}

#[test]
fn joining_is_told_only_when_a_seed_answered() {
    let mut cluster = Cluster::new(1);
    cluster.start(1, &[2, 3]);
    cluster.run(secs(5));
    let joined = |c: &Cluster, id: u64| {
        c.events
            .iter()
            .any(|(_, who, event)| *who == NodeId(id) && matches!(event, Event::Joined { .. }))
    };
    assert!(!joined(&cluster, 1));
    let attempts = cluster
        .events
        .iter()
        .filter_map(|(_, _, event)| match event {
            Event::JoinUnanswered { attempts } => Some(*attempts),
            _ => None,
        });
    assert!(attempts.max() >= Some(4));
    cluster.start(2, &[1, 3]);
    cluster.run(secs(3));
    assert!(joined(&cluster, 1) && joined(&cluster, 2));
    cluster.assert_all_alive();
}

/// Two halves that formed without each other merge once they can: an unmet seed is asked on.
#[test]
fn islands_that_share_an_unmet_seed_become_one_cluster() {
    let mut cluster = Cluster::new(2);
    cluster.partition(&[&[1, 2], &[3, 4]]);
    for node in 1..=4 {
        cluster.start(node, &[1, 2, 3, 4]);
    }
    cluster.run(secs(60));
    assert_eq!(cluster.state(1, 3), None);
    cluster.heal();
    cluster.run_until(secs(60), Cluster::all_alive);
}

#[test]
fn a_restarted_member_overrides_its_earlier_life() {
    for count in [2, 3, 10] {
        let mut cluster = Cluster::formed(count, count, secs(10));
        cluster.crash(2);
        cluster.run_until(secs(60), |c| c.all_see(2, MemberState::Faulty));
        cluster.start(2, &[1, 3]);
        let took = cluster.run_until(secs(5), Cluster::all_alive);
        println!("{count} nodes: alive again after {took:?}");
        assert!(cluster.swim(2).incarnation() > Incarnation(0));
        cluster.run(secs(60));
        cluster.assert_all_alive();
    }
}

#[test]
fn a_restart_that_nobody_noticed_leaves_no_trace() {
    let mut cluster = Cluster::formed(3, 5, secs(10));
    cluster.crash(4);
    cluster.run(Duration::from_millis(300));
    cluster.start(4, &[1, 2]);
    cluster.run(secs(60));
    cluster.assert_all_alive();
    assert_eq!(cluster.told(MemberState::Faulty), 0);
}

#[test]
fn metadata_of_a_new_life_reaches_everybody() {
    let mut cluster = Cluster::formed(4, 5, secs(10));
    cluster.crash(4);
    let mut config = Config::new(NodeId(4), CLUSTER, 99);
    config.metadata = Bytes::from_static(b"127.0.0.1:9000");
    cluster.start_with(config, &[1, 2]);
    let told = |c: &Cluster| {
        (1..=5).all(|node| c.swim(node).member(NodeId(4)).unwrap().metadata == "127.0.0.1:9000")
    };
    cluster.run_until(secs(5), told);
    assert!(cluster.swim(4).incarnation() > Incarnation(0));
}

#[test]
fn a_member_that_leaves_is_left_and_never_faulty() {
    for count in [2, 3, 20] {
        let mut cluster = Cluster::formed(count, count, secs(10));
        cluster.leave(2);
        cluster.run_until(secs(3), |c| c.all_see(2, MemberState::Left));
        cluster.run(secs(20));
        let told = |(_, who, event): &(_, NodeId, Event)| {
            *who == NodeId(2) && *event == Event::LeaveFinished
        };
        assert_eq!(
            cluster
                .events
                .iter()
                .filter(|told_by| told(told_by))
                .count(),
            1
        );
        assert_eq!(cluster.swim(2).poll_timeout(), None);
        cluster.crash(2);
        cluster.run(secs(60));
        assert!(cluster.all_see(2, MemberState::Left));
        assert_eq!(cluster.told(MemberState::Suspect), 0);
    }
}

#[test]
fn one_that_left_may_return() {
    let mut cluster = Cluster::formed(5, 4, secs(10));
    cluster.leave(3);
    cluster.run(secs(10));
    cluster.crash(3);
    cluster.start(3, &[1, 2]);
    cluster.run_until(secs(5), Cluster::all_alive);
}

#[test]
fn another_cluster_on_the_same_wires_stays_another_cluster() {
    let mut cluster = Cluster::formed(6, 3, secs(10));
    cluster.start_with(Config::new(NodeId(9), CLUSTER + 1, 1), &[1, 2, 3]);
    cluster.run(secs(20));
    assert_eq!(cluster.state(1, 9), None);
    assert_eq!(cluster.swim(9).members().count(), 1);
    assert!(cluster.swim(1).stats().foreign >= 10);
    assert_eq!(cluster.swim(1).stats().malformed, 0);
}
