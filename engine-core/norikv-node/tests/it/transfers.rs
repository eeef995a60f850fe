//! Snapshots whose way is cut, whose ends restart, and that are too many at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use norikv_node::driver::SnapshotTask;
use norikv_node::{Event, SessionId};
use norikv_types::{GroupId, NodeId, Prng};

use crate::cluster::Cluster;

const BACK: NodeId = NodeId(3);

/// Three nodes of which the third was away for too long, just started again.
fn returning(seed: u64, groups: u32, streams_max: u32) -> Cluster {
    let mut cluster = Cluster::with(3, seed, |config| {
        config.groups = groups;
        config.keep_log_bytes = 0;
        config.keep_log_entries = 4;
        config.snapshot.chunk_bytes = 256;
        config.snapshot.streams_max = streams_max;
        config.snapshot.stall_after = Duration::from_secs(1);
        config.snapshot.keep_for = Duration::from_secs(10);
    });
    cluster.until_ready();
    cluster.put(NodeId(1), "first", "1");
    cluster.kill(BACK);
    cluster.run_for(Duration::from_millis(10));
    write(&mut cluster, 60 * u64::from(groups), "value-value-value");
    cluster.flush(NodeId(1));
    cluster.flush(NodeId(2));
    // Until the follower has applied what the leader has released.
    cluster.run_for(Duration::from_millis(400));
    cluster.snapshot_tasks.clear();
    cluster.start(BACK);
    cluster
}

fn write(cluster: &mut Cluster, count: u64, value: &str) {
    for n in 0..count {
        cluster.put(NodeId(1), &format!("key-{n}"), value);
    }
}

/// What the third node was told to stage, by transfer.
fn staged(cluster: &Cluster) -> BTreeMap<SessionId, Vec<&[u8]>> {
    let mut staged: BTreeMap<_, Vec<&[u8]>> = BTreeMap::new();
    for (node, task) in &cluster.snapshot_tasks {
        if let SnapshotTask::Stage { session, bytes, .. } = task
            && *node == BACK
        {
            staged.entry(*session).or_default().push(bytes);
        }
    }
    staged
}

fn staged_count(cluster: &Cluster) -> usize {
    staged(cluster).values().map(Vec::len).sum()
}

fn installs(cluster: &Cluster) -> usize {
    let install = |task: &SnapshotTask| matches!(task, SnapshotTask::Install { .. });
    let tasks = cluster.snapshot_tasks.iter();
    tasks
        .filter(|(node, task)| *node == BACK && install(task))
        .count()
}

/// Who was told to export, each time.
fn exports(cluster: &Cluster) -> Vec<NodeId> {
    let export = |task: &SnapshotTask| matches!(task, SnapshotTask::Export { .. });
    let tasks = cluster.snapshot_tasks.iter();
    tasks
        .filter(|(_, task)| export(task))
        .map(|(node, _)| *node)
        .collect()
}

fn resumed(cluster: &Cluster) -> Vec<u32> {
    let chunk = |(_, event): &(NodeId, Event)| match event {
        Event::SnapshotResumed { chunk, .. } => Some(*chunk),
        _ => None,
    };
    cluster.events.iter().filter_map(chunk).collect()
}

/// The node that sends the third one its snapshot, once so many chunks came from it.
fn source_after(cluster: &mut Cluster, chunks: usize) -> NodeId {
    cluster.run_until(Duration::from_secs(5), "chunks", |cluster| {
        staged_count(cluster) >= chunks && !exports(cluster).is_empty()
    });
    exports(cluster)[0]
}

fn until_installed(cluster: &mut Cluster) {
    cluster.run_until(Duration::from_secs(30), "installed snapshot", |cluster| {
        installs(cluster) > 0
    });
    until_alike(cluster);
}

fn until_alike(cluster: &mut Cluster) {
    cluster.until_ready();
    cluster.run_until(Duration::from_secs(30), "equal replicas", |cluster| {
        let applied = |id| {
            let groups = cluster.status(NodeId(id)).groups;
            let replicas = groups.into_iter().filter_map(|group| group.replica);
            replicas
                .map(|replica| replica.applied_index)
                .collect::<Vec<_>>()
        };
        applied(3) == applied(1) && applied(2) == applied(1)
    });
    let groups = cluster.status(BACK).groups.len();
    for group in (0..groups as u32).map(GroupId) {
        let of = |id| cluster.servers[&NodeId(id)].storage.state(group);
        assert_eq!(of(3), of(1), "{group}");
        assert_eq!(of(3), of(2), "{group}");
    }
}

/// How many chunks a transfer has that nothing disturbs.
fn undisturbed(seed: u64) -> usize {
    let mut cluster = returning(seed, 1, 4);
    until_installed(&mut cluster);
    assert!(resumed(&cluster).is_empty());
    assert_eq!(exports(&cluster).len(), 1);
    staged_count(&cluster)
}

/// The receiver loses its connections.
fn cut_off(cluster: &mut Cluster) {
    for other in [NodeId(1), NodeId(2)] {
        cluster.disconnect(other, BACK);
    }
}

/// It has them again.
fn reconnect(cluster: &mut Cluster) {
    for other in [NodeId(1), NodeId(2)] {
        cluster.connect(other, BACK);
    }
}

#[test]
fn a_transfer_that_is_cut_at_any_chunk_goes_on_with_the_next() {
    let chunks = undisturbed(1);
    assert!(chunks > 8, "only {chunks} chunks");
    for cut in 1..chunks {
        let mut cluster = returning(1, 1, 4);
        let source = source_after(&mut cluster, cut);
        cluster.disconnect(source, BACK);
        let away = [20, 300, 700][cut % 3];
        cluster.run_for(Duration::from_millis(away));
        let before = staged_count(&cluster);
        cluster.connect(source, BACK);
        until_installed(&mut cluster);
        assert_eq!(exports(&cluster).len(), 1, "cut at {cut} for {away} ms");
        assert_eq!(staged(&cluster).len(), 1, "cut at {cut} for {away} ms");
        assert_eq!(staged_count(&cluster), chunks, "none twice");
        if before < chunks {
            assert_eq!(resumed(&cluster), [before as u32], "cut at {cut}");
        }
    }
}

#[test]
fn a_transfer_survives_that_its_receiver_hears_from_nobody_for_a_while() {
    for seed in 0..8 {
        let mut cluster = returning(seed, 1, 4);
        source_after(&mut cluster, 3 + seed as usize);
        cut_off(&mut cluster);
        // What is written meanwhile is in the log that is held for it.
        write(&mut cluster, 40, "later");
        cluster.flush(NodeId(1));
        cluster.flush(NodeId(2));
        cluster.run_for(Duration::from_secs(1));
        reconnect(&mut cluster);
        until_installed(&mut cluster);
        assert_eq!(exports(&cluster).len(), 1, "seed {seed}");
        assert_eq!(resumed(&cluster).len(), 1, "seed {seed}");
    }
}

#[test]
fn a_snapshot_whose_log_is_gone_meanwhile_is_fetched_anew() {
    for seed in 0..8 {
        let mut cluster = returning(seed, 1, 4);
        source_after(&mut cluster, 3 + seed as usize);
        cut_off(&mut cluster);
        // The log is held for ten seconds.
        cluster.run_for(Duration::from_secs(12));
        write(&mut cluster, 60, "another value");
        cluster.flush(NodeId(1));
        cluster.flush(NodeId(2));
        cluster.run_for(Duration::from_secs(1));
        reconnect(&mut cluster);
        until_installed(&mut cluster);
        assert_eq!(exports(&cluster).len(), 2, "seed {seed}");
        assert_eq!(staged(&cluster).len(), 2, "seed {seed}");
    }
}

#[test]
fn a_receiver_that_restarts_in_the_middle_begins_anew() {
    for seed in 0..8 {
        let mut cluster = returning(seed, 1, 4);
        source_after(&mut cluster, 2 + seed as usize);
        cluster.kill(BACK);
        cluster.run_for(Duration::from_millis(100 * seed));
        cluster.snapshot_tasks.clear();
        cluster.start(BACK);
        until_installed(&mut cluster);
        assert_eq!(staged(&cluster).len(), 1, "seed {seed}");
    }
}

#[test]
fn a_source_that_restarts_in_the_middle_has_nothing_left_of_it() {
    for seed in 0..8 {
        let mut cluster = returning(seed, 1, 4);
        let source = source_after(&mut cluster, 2 + seed as usize);
        cluster.kill(source);
        cluster.run_for(Duration::from_millis(300 * seed));
        cluster.start(source);
        until_installed(&mut cluster);
        // Chunks of two exports are never in one attempt.
        assert!(staged(&cluster).len() >= 2, "seed {seed}");
        assert!(resumed(&cluster).iter().all(|chunk| *chunk > 0));
    }
}

#[test]
fn the_first_source_is_a_follower_and_the_leader_steps_in_when_it_falls_silent() {
    for seed in 0..8 {
        let mut cluster = returning(seed, 1, 4);
        let source = source_after(&mut cluster, 4);
        let leader = cluster.leader(GroupId(0)).unwrap();
        assert_ne!(source, leader, "seed {seed}");
        cluster.disconnect(source, BACK);
        until_installed(&mut cluster);
        assert_eq!(exports(&cluster), [source, leader], "seed {seed}");
    }
}

#[test]
fn a_transfer_outlives_the_reign_in_which_it_began() {
    for seed in 0..8 {
        let mut cluster = returning(seed, 1, 4);
        let source = source_after(&mut cluster, 4);
        let leader = cluster.leader(GroupId(0)).unwrap();
        cluster.kill(leader);
        cluster.run_for(Duration::from_secs(3));
        assert_eq!(installs(&cluster), 1, "seed {seed}");
        assert_eq!(exports(&cluster), [source], "seed {seed}");
        cluster.start(leader);
        until_alike(&mut cluster);
    }
}

/// Sessions of a node between what opens one and what ends it: the most at once.
fn most_at_once(
    cluster: &Cluster,
    node: NodeId,
    change: impl Fn(&SnapshotTask) -> Option<(SessionId, bool)>,
) -> usize {
    let mut open = BTreeSet::new();
    let mut most = 0;
    for (_, task) in cluster.snapshot_tasks.iter().filter(|(of, _)| *of == node) {
        match change(task) {
            Some((session, true)) => open.insert(session),
            Some((session, false)) => open.remove(&session),
            None => continue,
        };
        most = most.max(open.len());
    }
    most
}

/// Where a chunk says that it is the last one.
const LAST: usize = 5;

#[test]
fn no_more_transfers_than_allowed_go_on_at_once_in_either_direction() {
    for streams_max in [1, 2, 3] {
        let mut cluster = returning(7, 8, streams_max);
        cluster.run_until(Duration::from_secs(30), "eight snapshots", |cluster| {
            installs(cluster) == 8
        });
        until_alike(&mut cluster);
        let incoming = most_at_once(&cluster, BACK, |task| match task {
            SnapshotTask::Stage { session, bytes, .. } => Some((*session, bytes[LAST] == 0)),
            _ => None,
        });
        assert_eq!(incoming, streams_max as usize);
        for source in [NodeId(1), NodeId(2)] {
            let outgoing = most_at_once(&cluster, source, |task| match task {
                SnapshotTask::Export { session, .. } => Some((*session, true)),
                SnapshotTask::Abandon { session } => Some((*session, false)),
                _ => None,
            });
            assert!(outgoing <= streams_max as usize, "{source}: {outgoing}");
        }
        assert_eq!(staged(&cluster).len(), 8, "each came whole, once");
    }
}

#[test]
fn one_that_stands_still_lets_the_others_go_first() {
    for seed in 0..4 {
        let mut cluster = returning(seed, 8, 1);
        let silent = source_after(&mut cluster, 1);
        // Nobody is told: frames just stay away.
        cluster.partition_pair(silent, BACK);
        cluster.run_for(Duration::from_secs(15));
        let done = installs(&cluster);
        assert!(done > 0, "seed {seed}: the first one keeps the only place");
        cluster.heal();
        cluster.run_for(Duration::from_secs(15));
        until_alike(&mut cluster);
        assert_eq!(installs(&cluster), 8, "seed {seed}");
    }
}

#[test]
fn a_sender_is_never_ahead_of_what_its_receiver_keeps_by_more_than_the_credit() {
    for window in [1, 2, 5] {
        let mut cluster = returning(2, 1, 4);
        for server in cluster.servers.values_mut() {
            server.config.snapshot.window = window;
        }
        for id in [1, 2, 3].map(NodeId) {
            cluster.kill(id);
            cluster.start(id);
        }
        cluster.snapshot_tasks.clear();
        // The harness answers for a chunk three milliseconds after it was handed over.
        let mut staging = BTreeMap::new();
        let mut seen = 0;
        let mut most = 0;
        while installs(&cluster) == 0 {
            cluster.step();
            for (node, task) in &cluster.snapshot_tasks[seen..] {
                if let SnapshotTask::Stage { session, .. } = task
                    && *node == BACK
                {
                    *staging.entry((*session, cluster.now)).or_insert(0) += 1;
                }
            }
            seen = cluster.snapshot_tasks.len();
            let kept = cluster.now - Duration::from_millis(3);
            staging.retain(|(_, at), _| *at > kept);
            most = most.max(staging.values().sum::<u32>());
        }
        assert!(most >= 1 && most <= window, "{most} of {window}");
        until_alike(&mut cluster);
    }
}

/// Chunks of a transfer begin with their first one, follow one another, and show the same.
fn assert_unmixed(cluster: &Cluster) {
    for (session, chunks) in staged(cluster) {
        for (number, chunk) in (0_u32..).zip(&chunks) {
            assert_eq!(chunk[12..16], number.to_le_bytes(), "{session:?}");
            assert_eq!(chunk[16..32], chunks[0][16..32], "{session:?} at {number}");
        }
    }
}

#[test]
fn whatever_breaks_on_the_way_the_replicas_become_alike_and_no_chunks_are_mixed() {
    let (mut went_on, mut began_anew) = (0, 0);
    for seed in 0..60 {
        let mut cluster = returning(seed, 4, 1 + (seed % 3) as u32);
        cluster.duplicate_ppm = 50_000;
        let mut prng = Prng::new(seed ^ 0x5a47);
        for _ in 0..12 {
            let id = NodeId(1 + prng.below(3));
            let other = NodeId(1 + id.0 % 3);
            match prng.below(8) {
                0 if cluster.is_running(id) => {
                    assert_unmixed(&cluster);
                    cluster.kill(id);
                    if id == BACK {
                        cluster.snapshot_tasks.clear();
                    }
                }
                1 if !cluster.is_running(id) => cluster.start(id),
                2 => cluster.partition_pair(id, other),
                3 | 4 => cluster.disconnect(id, other),
                5 if cluster.is_running(id) => cluster.flush(id),
                _ => cluster.connect(id, other),
            }
            let time = prng.duration(Duration::from_millis(1), Duration::from_millis(60));
            cluster.run_for(time);
            if prng.below(6) == 0 {
                cluster.run_for(Duration::from_millis(1_500));
            }
        }
        cluster.heal();
        for id in [1, 2, 3].map(NodeId) {
            if !cluster.is_running(id) {
                cluster.start(id);
            }
        }
        for (a, b) in [(1, 2), (2, 3), (3, 1)] {
            cluster.connect(NodeId(a), NodeId(b));
        }
        until_alike(&mut cluster);
        assert_unmixed(&cluster);
        went_on += resumed(&cluster).len();
        began_anew += staged(&cluster).len().saturating_sub(4);
    }
    println!("{went_on} went on, {began_anew} began anew");
    assert!(went_on > 5 && began_anew > 5);
}
