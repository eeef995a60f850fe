//! A node whose log lost entries: its peers give them back while the cluster serves.

use std::time::Duration;

use norikv_node::{Consistency, Event};
use norikv_types::NodeId;

use crate::cluster::{Cluster, HELLO};

#[test]
fn entries_that_one_log_lost_come_back_from_peers_while_the_cluster_serves() {
    for seed in 0..10 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        for number in 0..20 {
            cluster.put(NodeId(1), "hello", &format!("value {number}"));
        }
        let leader = cluster.leader(HELLO).unwrap();
        let hurt = NodeId(leader.0 % 3 + 1);
        cluster.kill(hurt);
        let lost = cluster.log(hurt).damage(HELLO);
        cluster.start(hurt);
        // The other two serve meanwhile.
        cluster.put(leader, "hello", "meanwhile");
        cluster.run_until(Duration::from_secs(10), "repaired", |cluster| {
            cluster.log(hurt).kept(HELLO).damaged.is_empty()
        });
        cluster.until_ready();
        let kept = cluster.log(hurt).kept(HELLO);
        let whole = cluster.log(leader).kept(HELLO);
        for index in lost.from.0..=lost.up_to.0 {
            let at = |log: &norikv_node::GroupLog| {
                let entries = log.entries.iter();
                entries
                    .clone()
                    .find(|entry| entry.index.0 == index)
                    .cloned()
            };
            assert_eq!(at(&kept), at(&whole), "seed {seed}, entry {index}");
        }
        let told = |wanted: fn(&nori_raft::Event) -> bool| {
            cluster.events.iter().any(|(node, event)| {
                *node == hurt
                    && matches!(event, Event::Raft { group: HELLO, event } if wanted(event))
            })
        };
        assert!(told(|event| matches!(
            event,
            nori_raft::Event::EntriesDamaged { .. }
        )));
        assert!(told(|event| matches!(event, nori_raft::Event::Repaired)));
        // It votes and leads again, and has applied what it lost.
        cluster.kill(leader);
        assert_eq!(
            cluster.get(hurt, "hello", Consistency::Linearizable),
            Some("meanwhile".into()),
            "seed {seed}"
        );
    }
}

#[test]
fn what_rots_in_the_log_of_a_node_that_runs_is_found_and_repaired() {
    for seed in 0..10 {
        let mut cluster = Cluster::with(3, seed, |config| {
            config.scrub.interval = Some(Duration::from_millis(50));
        });
        cluster.until_ready();
        for number in 0..20 {
            cluster.put(NodeId(1), "hello", &format!("value {number}"));
        }
        let leader = cluster.leader(HELLO).unwrap();
        // The leader itself, or a follower.
        let hurt = NodeId((leader.0 + seed) % 3 + 1);
        let whole = cluster.log(hurt).kept(HELLO).entries;
        cluster.log(hurt).damage(HELLO);
        cluster.run_until(Duration::from_secs(10), "repaired", |cluster| {
            cluster.log(hurt).kept(HELLO).damaged.is_empty()
        });
        assert_eq!(cluster.log(hurt).kept(HELLO).entries, whole, "seed {seed}");
        // It was told once for each entry.
        let found = cluster.events.iter().filter(|(node, event)| {
            let event = match event {
                Event::Raft {
                    group: HELLO,
                    event,
                } if *node == hurt => event,
                _ => return false,
            };
            matches!(event, nori_raft::Event::EntriesDamaged { .. })
        });
        let found: Vec<_> = found.collect();
        assert_eq!(found.len(), 3, "seed {seed}: {found:?}");
    }
}
