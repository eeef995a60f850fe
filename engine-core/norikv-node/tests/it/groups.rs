//! Many groups on a node: what they cost when there is nothing to do, and that they wake.

use std::time::Duration;

use norikv_node::NodeConfig;
use norikv_types::{GroupId, Mutant, NodeId};

use crate::cluster::{Cluster, put, written};

const ALL: u32 = 1_024;
const INTERVAL: Duration = Duration::from_millis(150);

fn groups(count: u32) -> impl Fn(&mut NodeConfig) {
    move |config| config.groups = count
}

fn sleepy(count: u32) -> impl Fn(&mut NodeConfig) {
    move |config| {
        config.groups = count;
        config.raft.quiesce_after = Some(Duration::from_secs(1));
    }
}

/// Replicas that sleep, over all nodes.
fn asleep(cluster: &Cluster) -> usize {
    let running = cluster.servers.keys().filter(|id| cluster.is_running(**id));
    let replicas = running.flat_map(|id| cluster.status(*id).groups);
    replicas
        .filter(|group| group.replica.as_ref().is_some_and(|replica| replica.asleep))
        .count()
}

fn until_asleep(cluster: &mut Cluster, replicas: usize) {
    for _ in 0..40 {
        if asleep(cluster) == replicas {
            return;
        }
        cluster.run_for(INTERVAL);
    }
    panic!("{} of {replicas} replicas sleep", asleep(cluster));
}

/// Most frames that one node sent to another in an interval, over `intervals`.
fn frames_per_interval(cluster: &mut Cluster, intervals: u32) -> u64 {
    cluster.frames.clear();
    cluster.run_for(INTERVAL * intervals);
    assert_eq!(cluster.frames.len(), 6, "every node to every other");
    let most = cluster.frames.values().max().copied().unwrap();
    most.div_ceil(u64::from(intervals))
}

#[test]
fn a_node_sends_two_frames_an_interval_for_any_number_of_awake_groups() {
    let mut cluster = Cluster::with(3, 5, groups(ALL));
    cluster.until_ready();
    cluster.run_for(Duration::from_secs(1));
    // Its own heartbeats, and its answers to the other's.
    assert_eq!(frames_per_interval(&mut cluster, 20), 2);
}

#[test]
fn a_node_sends_one_frame_an_interval_for_any_number_of_sleeping_groups() {
    let mut cluster = Cluster::with(3, 6, sleepy(ALL));
    cluster.until_ready();
    until_asleep(&mut cluster, 3 * ALL as usize);
    assert_eq!(frames_per_interval(&mut cluster, 20), 1);
    assert_eq!(asleep(&cluster), 3 * ALL as usize, "and nothing woke");
}

#[test]
fn a_write_wakes_its_group_alone_and_it_falls_asleep_again() {
    let mut cluster = Cluster::with(3, 7, sleepy(16));
    cluster.until_ready();
    until_asleep(&mut cluster, 48);
    for node in [1, 2, 3] {
        cluster.put(NodeId(node), "k", "v");
        assert_eq!(asleep(&cluster), 45);
        until_asleep(&mut cluster, 48);
    }
}

/// What the leader of every group's key is, and that all can be written, within the limits of an
/// awake cluster.
fn assert_serves(cluster: &mut Cluster, through: u64) {
    let puts = (0..64).map(|key| put(&key.to_string(), "v")).collect();
    let requests = cluster.begin_all(NodeId(through), puts);
    let begin = cluster.now;
    for request in requests {
        written(cluster.finish(request));
    }
    let took = cluster.now.since(begin);
    assert!(took < Duration::from_millis(1_300), "{took:?}");
}

#[test]
fn sleeping_groups_elect_another_leader_when_theirs_falls_silent() {
    let mut cluster = Cluster::with(3, 8, sleepy(64));
    cluster.until_ready();
    until_asleep(&mut cluster, 192);
    cluster.silent = true;
    cluster.kill(NodeId(2));
    cluster.run_for(Duration::from_millis(1_300));
    for group in (0..64).map(GroupId) {
        let leader = cluster.leader(group);
        assert!(leader.is_some(), "{group} has no leader");
    }
    assert_serves(&mut cluster, 1);
}

#[test]
fn sleeping_groups_elect_another_leader_when_the_connection_to_theirs_is_lost() {
    let mut cluster = Cluster::with(3, 9, sleepy(64));
    cluster.until_ready();
    until_asleep(&mut cluster, 192);
    cluster.kill(NodeId(3));
    cluster.run_for(Duration::from_millis(5));
    assert_serves(&mut cluster, 1);
}

/// A node is started anew faster than its silence is noticed; which groups that it led have a
/// leader soon after?
fn led_after_a_quick_restart() -> usize {
    let mut cluster = Cluster::with(3, 10, sleepy(64));
    cluster.until_ready();
    until_asleep(&mut cluster, 192);
    cluster.silent = true;
    cluster.kill(NodeId(1));
    cluster.run_for(Duration::from_millis(20));
    cluster.start(NodeId(1));
    // Its own clocks do not run out before: they have begun anew just now.
    cluster.run_for(Duration::from_millis(160));
    let seen = [NodeId(2), NodeId(3)].map(|id| cluster.status(id).groups);
    let awake = |group: &norikv_node::GroupStatus| !group.replica.as_ref().unwrap().asleep;
    let both = seen[0].iter().zip(&seen[1]);
    both.filter(|(a, b)| awake(a) && awake(b)).count()
}

#[test]
fn groups_wake_when_their_leader_comes_back_as_another_start() {
    let noticed = led_after_a_quick_restart();
    assert!(noticed > 10, "{noticed} groups were woken");
    let _planted = Mutant::NewStartUnnoticed.plant();
    assert_eq!(led_after_a_quick_restart(), 0);
}

#[test]
fn a_cluster_that_was_killed_asleep_serves_again() {
    let mut cluster = Cluster::with(3, 11, sleepy(64));
    cluster.until_ready();
    assert_serves(&mut cluster, 2);
    until_asleep(&mut cluster, 192);
    for id in 1..=3 {
        cluster.kill(NodeId(id));
    }
    for id in 1..=3 {
        cluster.start(NodeId(id));
    }
    cluster.until_ready();
    assert_serves(&mut cluster, 3);
}

#[test]
fn a_node_cut_off_while_all_sleep_neither_disturbs_nor_serves() {
    let mut cluster = Cluster::with(3, 12, sleepy(16));
    cluster.until_ready();
    until_asleep(&mut cluster, 48);
    cluster.partition(&[NodeId(3)]);
    cluster.run_for(Duration::from_secs(3));
    assert_serves(&mut cluster, 1);
    cluster.heal();
    cluster.run_for(Duration::from_secs(2));
    assert_serves(&mut cluster, 3);
    until_asleep(&mut cluster, 48);
}

/// Bytes of heap of a node in which all groups sleep, after some writes to each.
fn weight(count: u32) -> usize {
    let mut cluster = Cluster::with(3, 13, sleepy(count));
    cluster.until_ready();
    let puts = (0..count * 4)
        .map(|key| put(&key.to_string(), "v"))
        .collect();
    for request in cluster.begin_all(NodeId(1), puts) {
        written(cluster.finish(request));
    }
    until_asleep(&mut cluster, 3 * count as usize);
    // Requests that came in from others are remembered for a while, whatever groups there are.
    cluster.weigh(NodeId(1))
}

#[test]
fn a_sleeping_replica_takes_half_a_kibibyte() {
    let (few, all) = (weight(8), weight(ALL));
    let each = (all - few) / (ALL as usize - 8);
    println!("{all} bytes for {ALL} groups, {few} for 8: {each} bytes a replica");
    assert!(each <= 512, "{each} bytes a replica");
    assert!(all <= 2 << 20, "{all} bytes for {ALL} groups");
}

#[test]
fn the_log_kept_for_followers_is_as_much_for_any_number_of_groups() {
    let kept = |groups| {
        let config = NodeConfig::new(NodeId(1), vec![NodeId(1)], 7).with_groups(groups);
        let groups = u64::from(groups);
        (
            config.keep_log_bytes * groups,
            config.keep_log_entries * groups,
        )
    };
    let usual = NodeConfig::new(NodeId(1), vec![NodeId(1)], 7);
    assert_eq!(kept(8).0, usual.keep_log_bytes * 8);
    for groups in [1, 64, ALL] {
        assert_eq!(kept(groups), kept(8), "{groups}");
    }
}

#[test]
fn a_node_that_stood_still_reads_what_came_meanwhile_before_it_doubts_its_leaders() {
    let mut cluster = Cluster::with(3, 14, sleepy(64));
    cluster.until_ready();
    until_asleep(&mut cluster, 192);
    for _ in 0..5 {
        cluster.stand_still(NodeId(2), Duration::from_secs(2));
        cluster.run_for(INTERVAL * 4);
        assert_eq!(asleep(&cluster), 192);
    }
}
