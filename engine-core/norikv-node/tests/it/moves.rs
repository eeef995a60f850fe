//! Replicas that move from node to node.

use std::time::Duration;

use norikv_node::{Admin, Answer, Call, Consistency, Failure, Lane, Replicas};
use norikv_types::{ErrorKind, GroupId, NodeId, Version};

use crate::cluster::{Cluster, HELLO};

fn four(seed: u64) -> Cluster {
    let mut cluster = Cluster::new(4, seed);
    cluster.until_ready();
    cluster
}

fn change(
    cluster: &mut Cluster,
    at: NodeId,
    add: &[NodeId],
    remove: &[NodeId],
) -> Result<Replicas, Failure> {
    let (add, remove) = (add.to_vec(), remove.to_vec());
    let admin = Admin::ChangeReplicas {
        group: HELLO,
        add,
        remove,
    };
    let request = cluster.begin(at, Call::Admin(admin), Duration::from_secs(20));
    cluster.finish(request).map(|answer| match answer {
        Answer::Replicas(replicas) => replicas,
        other => panic!("{other:?}"),
    })
}

/// Who votes in the group, by what its leader says.
fn voters(cluster: &Cluster) -> Vec<NodeId> {
    let leader = cluster.leader(HELLO).unwrap();
    let replica = cluster.status(leader).groups[2].replica.clone().unwrap();
    replica.configuration.unwrap().voters().to_vec()
}

fn stranger(cluster: &Cluster) -> NodeId {
    let voters = voters(cluster);
    let mut all = cluster.servers.keys().copied();
    all.find(|id| !voters.contains(id)).unwrap()
}

fn holds(cluster: &Cluster, id: NodeId) -> bool {
    cluster.status(id).groups[2].replica.is_some()
}

fn until_erased(cluster: &mut Cluster, id: NodeId) {
    cluster.run_until(Duration::from_secs(20), "removal", |cluster| {
        !holds(cluster, id)
    });
    cluster.run_for(Duration::from_millis(100));
    let server = &cluster.servers[&id];
    assert_eq!(server.storage.state(HELLO).applied, Version::default());
    let kept = server.log.kept(HELLO);
    assert_eq!((kept.start, kept.entries), Default::default());
    assert_eq!(kept.hard_state, Default::default());
}

fn same_everywhere(cluster: &mut Cluster) {
    cluster.run_for(Duration::from_secs(2));
    let voters = voters(cluster);
    let states: Vec<_> = voters
        .iter()
        .map(|id| cluster.servers[id].storage.state(HELLO))
        .collect();
    assert!(states.iter().all(|state| *state == states[0]), "{voters:?}");
    assert!(states[0].applied.index.0 > 1);
}

#[test]
fn a_replica_is_added_and_another_removed_and_nothing_is_lost() {
    for seed in 0..10 {
        let mut cluster = four(seed);
        let (old, new) = (voters(&cluster), stranger(&cluster));
        cluster.put(NodeId(1), "hello", "before");
        let replicas = change(&mut cluster, NodeId(1), &[new], &[]).unwrap();
        assert_eq!(replicas.voters, [1, 2, 3, 4].map(NodeId));
        cluster.put(NodeId(2), "hello", "between");
        let gone = old[(seed % 3) as usize];
        let replicas = change(&mut cluster, NodeId(4), &[], &[gone]).unwrap();
        assert!(!replicas.voters.contains(&gone) && replicas.voters.len() == 3);
        until_erased(&mut cluster, gone);
        cluster.until_ready();
        // From every node, the one without a replica included.
        for id in (1..=4).map(NodeId) {
            for consistency in [Consistency::Follower, Consistency::Linearizable] {
                let started = cluster.now;
                let read = cluster.get(id, "hello", consistency);
                assert_eq!(read, Some("between".into()));
                let waited = cluster.now.since(started);
                assert!(waited < Duration::from_millis(200), "{id}: {waited:?}");
            }
            cluster.put(id, "hello", "between");
        }
        same_everywhere(&mut cluster);
    }
}

#[test]
fn a_replica_is_replaced_in_one_change_by_a_snapshot() {
    for seed in 0..10 {
        let mut cluster = Cluster::with(4, seed, |config| {
            config.keep_log_bytes = 0;
            config.keep_log_entries = 4;
            config.snapshot.chunk_bytes = 64;
        });
        cluster.until_ready();
        let (old, new) = (voters(&cluster), stranger(&cluster));
        for n in 0..60 {
            cluster.put(NodeId(1), "hello", &format!("{n}"));
        }
        for id in &old {
            cluster.flush(*id);
        }
        let gone = old[(seed % 3) as usize];
        let replicas = change(&mut cluster, NodeId(1), &[new], &[gone]).unwrap();
        assert!(replicas.voters.contains(&new) && !replicas.voters.contains(&gone));
        assert!(replicas.outgoing.is_empty() && replicas.learners.is_empty());
        until_erased(&mut cluster, gone);
        cluster.put(gone, "hello", "after");
        same_everywhere(&mut cluster);
        // The same again: it is done already.
        assert_eq!(
            change(&mut cluster, gone, &[new], &[gone]).unwrap().voters,
            replicas.voters
        );
    }
}

#[test]
fn a_removed_replica_stays_away_after_a_restart_and_may_return_empty() {
    for seed in 0..5 {
        let mut cluster = four(seed);
        let (old, new) = (voters(&cluster), stranger(&cluster));
        cluster.put(NodeId(1), "hello", "1");
        let gone = old[0];
        change(&mut cluster, NodeId(1), &[new], &[gone]).unwrap();
        until_erased(&mut cluster, gone);
        cluster.kill(gone);
        cluster.start(gone);
        cluster.run_for(Duration::from_secs(3));
        assert!(
            !holds(&cluster, gone),
            "the plan has it here, the removal counts"
        );
        let replicas = change(&mut cluster, NodeId(1), &[gone], &[new]).unwrap();
        assert!(replicas.voters.contains(&gone));
        until_erased(&mut cluster, new);
        cluster.put(gone, "hello", "2");
        same_everywhere(&mut cluster);
        cluster.kill(gone);
        cluster.start(gone);
        cluster.until_ready();
        assert!(holds(&cluster, gone));
    }
}

#[test]
fn a_node_that_was_away_when_it_was_removed_learns_of_it() {
    for seed in 0..10 {
        let mut cluster = four(seed);
        let (old, new) = (voters(&cluster), stranger(&cluster));
        let gone = old[(seed % 3) as usize];
        let at = old[((seed + 1) % 3) as usize];
        cluster.put(at, "hello", "1");
        cluster.partition(&[gone]);
        cluster.run_for(Duration::from_secs(2));
        change(&mut cluster, at, &[new], &[gone]).unwrap();
        cluster.run_for(Duration::from_secs(4));
        assert!(holds(&cluster, gone), "nobody could tell it");
        cluster.heal();
        until_erased(&mut cluster, gone);
        cluster.put(gone, "hello", "2");
        same_everywhere(&mut cluster);
    }
}

#[test]
fn a_removed_node_that_knows_an_older_configuration_than_it_has_applied_learns_of_it() {
    for seed in 0..10 {
        let mut cluster = four(seed);
        let (old, new) = (voters(&cluster), stranger(&cluster));
        let leader = cluster.leader(HELLO).unwrap();
        let gone = old.into_iter().find(|id| *id != leader).unwrap();
        let admin = Admin::ChangeReplicas {
            group: HELLO,
            add: vec![new],
            remove: vec![gone],
        };
        let request = cluster.begin(leader, Call::Admin(admin), Duration::from_secs(20));
        // It gets the configuration with the learner, and never hears that it is committed.
        cluster.run_until(Duration::from_secs(5), "learner", |cluster| {
            let replica = cluster.status(gone).groups[2].replica.clone().unwrap();
            replica.configuration.unwrap().learners().contains(&new)
        });
        cluster.partition(&[gone]);
        assert!(cluster.finish(request).is_ok());
        cluster.run_for(Duration::from_secs(2));
        cluster.heal();
        until_erased(&mut cluster, gone);
        cluster.put(gone, "hello", "2");
        same_everywhere(&mut cluster);
    }
}

#[test]
fn a_learner_that_was_removed_while_it_was_away_learns_of_it() {
    for seed in 0..10 {
        let mut cluster = four(seed);
        let (at, new) = (cluster.leader(HELLO).unwrap(), stranger(&cluster));
        let admin = |add: &[NodeId], remove: &[NodeId]| {
            Call::Admin(Admin::ChangeReplicas {
                group: HELLO,
                add: add.to_vec(),
                remove: remove.to_vec(),
            })
        };
        let request = cluster.begin(
            at,
            admin(&[new], &[]),
            Duration::from_millis(100 + 50 * seed),
        );
        cluster.run_until(Duration::from_secs(5), "learner", |cluster| {
            holds(cluster, new)
        });
        // It does not vote yet, and may not even know that it learns.
        cluster.partition(&[new]);
        cluster.finish(request).ok();
        cluster.run_for(Duration::from_secs(1));
        let request = cluster.begin(at, admin(&[], &[new]), Duration::from_secs(20));
        assert!(cluster.finish(request).is_ok());
        cluster.run_for(Duration::from_secs(2));
        assert!(holds(&cluster, new), "nobody could tell it");
        cluster.heal();
        until_erased(&mut cluster, new);
        cluster.put(new, "hello", "2");
        same_everywhere(&mut cluster);
    }
}

#[test]
fn a_node_without_a_replica_asks_another_one_than_one_that_was_dead_before_it_started() {
    let mut cluster = four(1);
    let asks = stranger(&cluster);
    cluster.put(asks, "hello", "1");
    // The first one that the plan names.
    let dead = voters(&cluster)[0];
    cluster.kill(asks);
    cluster.kill(dead);
    cluster.run_for(Duration::from_secs(5));
    cluster.start(asks);
    cluster.run_for(Duration::from_secs(5));
    let read = cluster.get(asks, "hello", Consistency::Linearizable);
    assert_eq!(read, Some("1".into()));
}

#[test]
fn a_removal_that_a_crash_interrupts_is_completed_at_the_next_start() {
    for seed in 0..20 {
        let mut cluster = four(seed);
        let (old, new) = (voters(&cluster), stranger(&cluster));
        cluster.put(NodeId(1), "hello", "1");
        let gone = old[0];
        let replicas = change(&mut cluster, new, &[new], &[gone]).unwrap();
        assert!(!replicas.voters.contains(&gone));
        cluster.run_for(Duration::from_millis(seed));
        cluster.kill(gone);
        cluster.start(gone);
        until_erased(&mut cluster, gone);
        cluster.put(gone, "hello", "2");
        same_everywhere(&mut cluster);
    }
}

#[test]
fn a_change_goes_on_under_another_leader() {
    for seed in 0..10 {
        let mut cluster = four(seed);
        let (old, new) = (voters(&cluster), stranger(&cluster));
        cluster.put(NodeId(1), "hello", "1");
        let leader = cluster.leader(HELLO).unwrap();
        let gone = *old.iter().find(|id| **id != leader).unwrap();
        let admin = Admin::ChangeReplicas {
            group: HELLO,
            add: vec![new],
            remove: vec![gone],
        };
        let request = cluster.begin(new, Call::Admin(admin), Duration::from_secs(20));
        cluster.run_for(Duration::from_millis(2 * seed));
        cluster.kill(leader);
        cluster.run_for(Duration::from_secs(1));
        cluster.start(leader);
        assert!(cluster.finish(request).is_ok());
        let voters = voters(&cluster);
        assert!(voters.contains(&new) && !voters.contains(&gone));
        until_erased(&mut cluster, gone);
        same_everywhere(&mut cluster);
    }
}

#[test]
fn a_node_with_a_new_disk_promises_nothing_until_it_was_made_a_learner() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        for n in 0..30 {
            cluster.put(NodeId(1), "hello", &format!("{n}"));
        }
        let wiped = NodeId(seed % 3 + 1);
        cluster.kill(wiped);
        cluster.lose_disk(wiped);
        cluster.run_for(Duration::from_secs(2));
        cluster.start(wiped);
        cluster.run_until(Duration::from_secs(30), "the move back", |cluster| {
            (0..8).map(GroupId).all(|group| {
                let Some(leader) = cluster.leader(group) else {
                    return false;
                };
                let status = cluster.status(leader);
                let replica = status.groups[group.0 as usize].replica.as_ref().unwrap();
                let configuration = replica.configuration.as_ref().unwrap();
                let votes = configuration.voters().contains(&wiped);
                let begun = cluster.status(wiped).groups[group.0 as usize]
                    .replica
                    .is_some();
                votes && begun && cluster.node(wiped).ready()
            })
        });
        same_everywhere(&mut cluster);
        // It counts again: the cluster can do without another one.
        let other = NodeId(wiped.0 % 3 + 1);
        cluster.kill(other);
        cluster.run_for(Duration::from_millis(10));
        cluster.put(wiped, "hello", "after");
        assert_eq!(
            cluster.get(wiped, "hello", Consistency::Linearizable),
            Some("after".into())
        );
    }
}

#[test]
fn a_new_disk_cannot_elect_a_leader_that_lacks_what_was_acknowledged() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let leader = cluster.leader(HELLO).unwrap();
        let other = NodeId(leader.0 % 3 + 1);
        let wiped = NodeId(other.0 % 3 + 1);
        // Acknowledged by the leader and the node that then loses its disk.
        cluster.partition(&[other]);
        cluster.put(leader, "hello", "acknowledged");
        cluster.kill(wiped);
        cluster.kill(leader);
        cluster.lose_disk(wiped);
        cluster.heal();
        cluster.start(wiped);
        cluster.run_for(Duration::from_secs(10));
        assert_eq!(cluster.leader(HELLO), None, "two of three know too little");
        cluster.start(leader);
        assert_eq!(
            cluster.get(wiped, "hello", Consistency::Linearizable),
            Some("acknowledged".into())
        );
    }
}

#[test]
fn nobody_is_invited_before_the_configuration_that_makes_it_a_learner_is_committed() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let leader = cluster.leader(HELLO).unwrap();
        let other = NodeId(leader.0 % 3 + 1);
        let wiped = NodeId(other.0 % 3 + 1);
        // The other hears that the leader is there, and gets no entry.
        cluster.deaf.insert((leader, other, Lane::Append));
        cluster.put(leader, "hello", "acknowledged");
        cluster.kill(wiped);
        cluster.lose_disk(wiped);
        cluster.start(wiped);
        let end = cluster.now + Duration::from_secs(3);
        while cluster.now < end && !holds(&cluster, wiped) {
            cluster.step();
        }
        cluster.kill(leader);
        cluster.run_for(Duration::from_secs(5));
        // By its log the one with the new disk votes, and that one has no log to compare with.
        assert_eq!(
            cluster.leader(HELLO),
            None,
            "the other lacks what was acknowledged"
        );
        cluster.deaf.clear();
        cluster.start(leader);
        assert_eq!(
            cluster.get(wiped, "hello", Consistency::Linearizable),
            Some("acknowledged".into())
        );
    }
}

fn transfer(cluster: &mut Cluster, at: NodeId, to: NodeId) -> Result<Replicas, Failure> {
    let admin = Admin::Transfer { group: HELLO, to };
    let request = cluster.begin(at, Call::Admin(admin), Duration::from_secs(5));
    cluster.finish(request).map(|answer| match answer {
        Answer::Replicas(replicas) => replicas,
        other => panic!("{other:?}"),
    })
}

#[test]
fn a_leader_hands_over_to_another_voter_while_writes_go_on() {
    for seed in 0..10 {
        let mut cluster = four(seed);
        for n in 0..6 {
            let voters = voters(&cluster);
            let to = voters[(seed as usize + n) % 3];
            let at = NodeId(1 + (seed + n as u64) % 4);
            let write = cluster.begin(
                at,
                crate::cluster::put("hello", "v"),
                Duration::from_secs(5),
            );
            let replicas = transfer(&mut cluster, at, to).unwrap();
            assert_eq!(replicas.leader, Some(to));
            assert_eq!(cluster.leader(HELLO), Some(to));
            crate::cluster::written(cluster.finish(write));
            cluster.put(at, "hello", "v");
        }
        let failure = {
            let none = stranger(&cluster);
            transfer(&mut cluster, NodeId(1), none).unwrap_err()
        };
        assert_eq!(failure.kind, ErrorKind::Invalid);
    }
}

#[test]
fn a_leader_that_is_removed_hands_over_first() {
    for seed in 0..10 {
        let mut cluster = four(seed);
        let new = stranger(&cluster);
        let leader = cluster.leader(HELLO).unwrap();
        cluster.put(leader, "hello", "1");
        let replicas = change(&mut cluster, leader, &[new], &[leader]).unwrap();
        assert!(!replicas.voters.contains(&leader), "{replicas:?}");
        until_erased(&mut cluster, leader);
        cluster.put(leader, "hello", "2");
        same_everywhere(&mut cluster);
    }
}

#[test]
fn what_cannot_be_done_is_refused_and_says_why() {
    let mut cluster = four(1);
    let failure = change(&mut cluster, NodeId(1), &[NodeId(9)], &[]).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Invalid);
    assert!(failure.message.contains('9'), "{failure}");
    let failure = change(&mut cluster, NodeId(1), &[], &[]).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Invalid);
    let all = voters(&cluster);
    let failure = change(&mut cluster, NodeId(1), &[], &all).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Invalid);
    assert!(failure.message.contains("no voter"), "{failure}");
    // A learner that cannot catch up.
    let new = stranger(&cluster);
    cluster.kill(new);
    let admin = Admin::ChangeReplicas {
        group: HELLO,
        add: vec![new],
        remove: vec![],
    };
    let request = cluster.begin(all[0], Call::Admin(admin), Duration::from_secs(3));
    let failure = cluster.finish(request).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::TimedOut);
    assert!(failure.message.contains("is a learner"), "{failure}");
}
