//! Counting, transactions, values that end and watches in a cluster that loses its nodes.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use norikv_node::{
    Answer, Call, Change, Check, Compare, Consistency, Expect, Failure, Input, Step, StepAnswer,
    Transaction, WatchEvent,
};
use norikv_types::{Applied, ErrorKind, GroupId, LogIndex, NodeId, Prng, WallMs};

use crate::cluster::{Cluster, put, put_if, written};

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn incr(key: &str, by: i64, name: Option<&str>) -> Call {
    Call::Increment {
        key: bytes(key),
        by,
        idempotency: name.map(bytes),
    }
}

fn put_for(key: &str, value: &str, ttl_ms: u64) -> Call {
    Call::Put {
        key: bytes(key),
        value: bytes(value),
        expect: Expect::Any,
        idempotency: None,
        ttl_ms: Some(ttl_ms),
    }
}

fn step_put(key: &str, value: &str) -> Step {
    Step::Put {
        key: bytes(key),
        value: bytes(value),
        ttl_ms: None,
    }
}

fn counted(result: Result<Answer, Failure>) -> i64 {
    match result {
        Ok(Answer::Counted { value, .. }) => value,
        other => panic!("{other:?}"),
    }
}

fn kind(result: Result<Answer, Failure>) -> ErrorKind {
    let failure = result.unwrap_err();
    assert_eq!(failure.applied, Applied::No, "{failure}");
    failure.kind
}

/// Tells every running node the time of day, each with an error of its own.
fn tell_time(cluster: &mut Cluster, wall: u64, errors: [u64; 3]) {
    for (id, error) in (1..).map(NodeId).zip(errors) {
        if cluster.is_running(id) {
            cluster.input(id, Input::Wall(WallMs(wall + error)));
        }
    }
}

/// Kills the leader of the group of `key` and waits for another one.
fn depose(cluster: &mut Cluster, group: GroupId) -> NodeId {
    let leader = cluster.leader(group).unwrap();
    cluster.kill(leader);
    cluster.run_for(Duration::from_secs(2));
    leader
}

fn assert_alike(cluster: &Cluster) {
    for group in (0..8).map(GroupId) {
        let of = |id| cluster.servers[&NodeId(id)].storage.state(group);
        assert_eq!(of(2), of(1), "{group}");
        assert_eq!(of(3), of(1), "{group}");
    }
}

#[test]
fn a_counter_counts_every_increment_once_through_crashes() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        for n in 1..=30_i64 {
            let at = NodeId(n.unsigned_abs() % 3 + 1);
            let name = format!("n{n}");
            if n % 10 == 0 {
                let dead = depose(&mut cluster, GroupId(2));
                let at = if at == dead {
                    NodeId(dead.0 % 3 + 1)
                } else {
                    at
                };
                assert_eq!(counted(cluster.call(at, incr("hello", 1, Some(&name)))), n);
                cluster.start(dead);
                cluster.until_ready();
            }
            // Asked for again and again, elsewhere too.
            for at in [at, NodeId(1), NodeId(2)] {
                let again = cluster.call(at, incr("hello", 1, Some(&name)));
                assert_eq!(counted(again), n, "the first answer");
            }
        }
        let other = cluster.call(NodeId(1), incr("hello", 2, Some("n1")));
        assert_eq!(kind(other), ErrorKind::IdempotencyMismatch);
        cluster.run_for(Duration::from_secs(2));
        assert_alike(&cluster);
    }
}

#[test]
fn what_cannot_be_counted_is_refused_by_its_kind() {
    let mut cluster = Cluster::new(3, 1);
    cluster.until_ready();
    cluster.put(NodeId(1), "hello", "world");
    let refused = cluster.call(NodeId(2), incr("hello", 1, None));
    assert_eq!(kind(refused), ErrorKind::NotANumber);
    cluster.put(NodeId(1), "hello", &i64::MAX.to_string());
    let refused = cluster.call(NodeId(2), incr("hello", 1, None));
    assert_eq!(kind(refused), ErrorKind::Overflow);
    let read = cluster.get(NodeId(3), "hello", Consistency::Linearizable);
    assert_eq!(read, Some(i64::MAX.to_string()));
}

#[test]
fn of_sixteen_concurrent_compare_and_sets_one_succeeds() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let requests: Vec<_> = (0..16_u64)
            .map(|n| {
                let call = put_if("hello", &format!("{n}"), Expect::Absent, None);
                cluster.begin(NodeId(n % 3 + 1), call, Duration::from_secs(5))
            })
            .collect();
        let results = requests.into_iter().map(|request| cluster.finish(request));
        let succeeded = results.filter(Result::is_ok).count();
        assert_eq!(succeeded, 1);
    }
}

#[test]
fn a_transaction_happens_whole_once_or_not_at_all() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let (from, to) = ("{bank}.ann", "{bank}.bob");
        let group = GroupId(u32::from(norikv_placement::shard_of(b"bank").0 / 128));
        cluster.put(NodeId(1), from, "50");
        cluster.put(NodeId(1), to, "50");
        let mut balance = 50;
        for n in 0..12_u64 {
            let transaction = Transaction {
                compares: vec![Compare {
                    key: bytes(from),
                    check: Check::Value(bytes(&format!("{balance}"))),
                }],
                then: vec![
                    step_put(from, &format!("{}", balance - 1)),
                    step_put(to, &format!("{}", 101 - balance)),
                    Step::Get { key: bytes(to) },
                ],
                otherwise: vec![Step::Get { key: bytes(from) }],
            };
            let call = Call::Transaction {
                transaction,
                idempotency: Some(bytes(&format!("t{n}"))),
            };
            let dead = (n % 4 == 3).then(|| depose(&mut cluster, group));
            let at = NodeId(dead.map_or(n % 3, |dead| dead.0) % 3 + 1);
            let first = cluster.call(at, call.clone());
            let Ok(Answer::Transacted {
                succeeded, answers, ..
            }) = &first
            else {
                panic!("{first:?}");
            };
            assert!(succeeded, "{first:?}");
            assert_eq!(answers[..2], [StepAnswer::Done, StepAnswer::Done]);
            balance -= 1;
            // The comparison does not hold any more, but the name does.
            assert_eq!(cluster.call(at, call), first);
            if let Some(dead) = dead {
                cluster.start(dead);
                cluster.until_ready();
            }
            let read = |cluster: &mut Cluster, key| {
                let read = cluster.get(NodeId(1), key, Consistency::Linearizable);
                read.unwrap().parse::<i32>().unwrap()
            };
            let sum = read(&mut cluster, from) + read(&mut cluster, to);
            assert_eq!(sum, 100);
        }
        cluster.run_for(Duration::from_secs(2));
        assert_alike(&cluster);
    }
}

#[test]
fn a_transaction_over_several_groups_is_refused_and_names_the_shards() {
    let mut cluster = Cluster::new(3, 1);
    cluster.until_ready();
    let transaction = Transaction {
        then: vec![step_put("hello", "1"), step_put("world", "2")],
        ..Transaction::default()
    };
    let call = Call::Transaction {
        transaction,
        idempotency: None,
    };
    let failure = cluster.call(NodeId(1), call).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::SeveralGroups);
    for named in ["309", "752"] {
        assert!(failure.message.contains(named), "{failure}");
    }
    assert_eq!(cluster.get(NodeId(1), "hello", Consistency::Lease), None);
}

#[test]
fn a_value_is_gone_when_its_time_has_passed_and_not_earlier() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let errors = [0, 40, 15];
        tell_time(&mut cluster, 1_000_000, errors);
        let at = cluster.now;
        written(cluster.call(NodeId(1), put_for("hello", "v", 3_000)));
        let lived = |cluster: &Cluster| cluster.now.since(at);
        let mut expired = false;
        while lived(&cluster) < Duration::from_secs(6) {
            for (node, consistency) in [
                (NodeId(1), Consistency::Linearizable),
                (NodeId(2), Consistency::Lease),
                (NodeId(3), Consistency::Linearizable),
            ] {
                let before = lived(&cluster);
                let read = cluster.get(node, "hello", consistency);
                let after = lived(&cluster);
                if before >= Duration::from_millis(3_500) {
                    assert_eq!(read, None, "after {before:?}");
                }
                if after < Duration::from_millis(2_900) {
                    assert_eq!(read.as_deref(), Some("v"), "after {after:?}");
                }
                assert!(!expired || read.is_none(), "what has ended stays so");
                expired = read.is_none();
            }
            cluster.run_for(Duration::from_millis(200));
        }
        assert!(expired);
        let again = put_if("hello", "new", Expect::Absent, None);
        written(cluster.call(NodeId(2), again));
        cluster.run_for(Duration::from_secs(1));
        assert_alike(&cluster);
    }
}

#[test]
fn a_leader_whose_clock_is_behind_brings_nothing_back() {
    let mut cluster = Cluster::new(3, 3);
    cluster.until_ready();
    let leader = cluster.leader(GroupId(2)).unwrap();
    tell_time(&mut cluster, 1_000_000, [0; 3]);
    cluster.input(leader, Input::Wall(WallMs(2_000_000)));
    written(cluster.call(leader, put_for("hello", "v", 1_000)));
    cluster.run_for(Duration::from_millis(1_500));
    assert_eq!(cluster.get(leader, "hello", Consistency::Lease), None);
    // The next leader's clock is a quarter of an hour behind.
    let dead = depose(&mut cluster, GroupId(2));
    let at = NodeId(dead.0 % 3 + 1);
    let read = cluster.get(at, "hello", Consistency::Linearizable);
    assert_eq!(read, None);
    written(cluster.call(at, put_for("hello", "w", 1_000)));
    let read = cluster.call(
        at,
        Call::Get {
            key: bytes("hello"),
            consistency: Consistency::Linearizable,
        },
    );
    let Ok(Answer::Value { expires_at, .. }) = read else {
        panic!("{read:?}");
    };
    assert!(expires_at.unwrap() > WallMs(2_000_000), "{expires_at:?}");
    cluster.start(dead);
    cluster.until_ready();
    cluster.run_for(Duration::from_secs(1));
    assert_alike(&cluster);
}

#[test]
fn sessions_and_times_survive_snapshots_and_restarts() {
    for seed in 0..3 {
        let mut cluster = Cluster::with(3, seed, |config| {
            config.keep_log_bytes = 0;
            config.keep_log_entries = 4;
            config.snapshot.chunk_bytes = 512;
        });
        cluster.until_ready();
        tell_time(&mut cluster, 1_000_000, [0; 3]);
        cluster.kill(NodeId(3));
        cluster.run_for(Duration::from_millis(10));
        let mut first = Vec::new();
        for n in 0..40 {
            let call = put_if(
                "hello",
                &format!("{n}"),
                Expect::Any,
                Some(&format!("n{n}")),
            );
            first.push(written(cluster.call(NodeId(1), call)));
        }
        written(cluster.call(NodeId(1), put_for("hello", "short", 60_000)));
        cluster.flush(NodeId(1));
        cluster.flush(NodeId(2));
        cluster.start(NodeId(3));
        cluster.until_ready();
        cluster.run_for(Duration::from_secs(2));
        assert_alike(&cluster);
        // The one that got a snapshot leads now.
        cluster.partition(&[NodeId(1)]);
        cluster.run_for(Duration::from_secs(3));
        for (n, version) in first.into_iter().enumerate() {
            let call = put_if(
                "hello",
                &format!("{n}"),
                Expect::Any,
                Some(&format!("n{n}")),
            );
            assert_eq!(written(cluster.call(NodeId(3), call)), version);
        }
        cluster.heal();
        cluster.run_for(Duration::from_secs(3));
        assert_alike(&cluster);
    }
}

/// A client that watches and remembers.
struct Watcher {
    cursor: Vec<(GroupId, LogIndex)>,
    events: BTreeMap<GroupId, Vec<WatchEvent>>,
}

impl Watcher {
    fn new(cluster: &mut Cluster) -> Self {
        let mut watcher = Self {
            cursor: Vec::new(),
            events: BTreeMap::new(),
        };
        watcher.page(cluster, NodeId(1)).unwrap();
        assert_eq!(watcher.cursor.len(), 8);
        watcher
    }

    fn page(&mut self, cluster: &mut Cluster, at: NodeId) -> Result<usize, Failure> {
        let call = Call::Watch {
            prefix: bytes("key"),
            cursor: self.cursor.clone(),
            limit: 5,
        };
        let request = cluster.begin(at, call, Duration::from_millis(700));
        let page = match cluster.finish(request)? {
            Answer::Watched(page) => page,
            other => panic!("{other:?}"),
        };
        let count = page.events.len();
        for event in page.events {
            let seen = self.cursor.iter().find(|(group, _)| *group == event.group);
            assert!(event.version.index > seen.unwrap().1, "{event:?} again");
            self.events.entry(event.group).or_default().push(event);
        }
        self.cursor = page.cursor;
        Ok(count)
    }
}

#[test]
fn a_watcher_hears_of_every_version_once_whoever_leads_and_whomever_it_asks() {
    for seed in 0..5 {
        let mut cluster = Cluster::new(3, seed);
        cluster.until_ready();
        let mut watcher = Watcher::new(&mut cluster);
        let mut prng = Prng::new(seed);
        let mut written_at = BTreeMap::new();
        for n in 0..60_u64 {
            let at = NodeId(prng.below(3) + 1);
            if !cluster.is_running(at) {
                continue;
            }
            let key = format!("key-{}", prng.below(10));
            let call = match prng.below(4) {
                0 => Call::Delete {
                    key: bytes(&key),
                    expect: Expect::Any,
                    idempotency: None,
                },
                1 => put(&format!("other-{n}"), "x"),
                _ => put_if(&key, &format!("{n}"), Expect::Any, Some(&format!("n{n}"))),
            };
            let watched = !matches!(&call, Call::Put { key, .. } if key.starts_with(b"other"));
            let group = GroupId(u32::from(
                norikv_placement::shard_of(key.as_bytes()).0 / 128,
            ));
            if let Ok(Answer::Written { version }) = cluster.call(at, call)
                && watched
            {
                written_at.insert((group, version.index), bytes(&key));
            }
            if prng.below(6) == 0 {
                let at = NodeId(prng.below(3) + 1);
                if cluster.is_running(at) {
                    watcher.page(&mut cluster, at).unwrap();
                }
            }
            if n % 20 == 10 {
                let dead = depose(&mut cluster, GroupId(2));
                cluster.run_for(Duration::from_secs(1));
                cluster.start(dead);
                cluster.until_ready();
            }
        }
        cluster.run_for(Duration::from_secs(1));
        while watcher
            .page(&mut cluster, NodeId(prng.below(3) + 1))
            .unwrap()
            > 0
        {}
        let heard: BTreeMap<_, _> = watcher
            .events
            .iter()
            .flat_map(|(group, events)| {
                assert!(events.is_sorted_by_key(|event| event.version.index));
                let heard = events.iter();
                heard.map(|event| ((*group, event.version.index), event.key.clone()))
            })
            .collect();
        let total: usize = watcher.events.values().map(Vec::len).sum();
        assert_eq!(total, heard.len(), "nothing twice");
        for (at, key) in &written_at {
            assert_eq!(heard.get(at), Some(key), "seed {seed}: {at:?} was missed");
        }
    }
}

#[test]
fn a_watch_waits_for_what_happens_and_is_answered_with_it() {
    let mut cluster = Cluster::new(3, 4);
    cluster.until_ready();
    let mut watcher = Watcher::new(&mut cluster);
    let call = Call::Watch {
        prefix: bytes("key"),
        cursor: watcher.cursor.clone(),
        limit: 5,
    };
    let waiting = cluster.begin(NodeId(2), call, Duration::from_secs(20));
    cluster.run_for(Duration::from_secs(1));
    assert!(!cluster.replies.contains_key(&waiting));
    cluster.put(NodeId(1), "elsewhere", "x");
    let version = cluster.put(NodeId(1), "key-1", "v");
    let Ok(Answer::Watched(page)) = cluster.finish(waiting) else {
        panic!("it is a page");
    };
    assert_eq!(page.events.len(), 1);
    assert_eq!(page.events[0].version, version);
    assert!(matches!(&page.events[0].change, Change::Put { value, .. } if value == "v"));
    // Nothing else: an empty page at the deadline, whose cursor goes on.
    watcher.cursor = page.cursor;
    assert_eq!(watcher.page(&mut cluster, NodeId(3)).unwrap(), 0);
}

#[test]
fn a_past_that_is_gone_is_refused_with_the_oldest_position() {
    let mut cluster = Cluster::new(3, 5);
    cluster.until_ready();
    let mut watcher = Watcher::new(&mut cluster);
    for n in 0..20 {
        cluster.put(NodeId(1), "key-1", &format!("{n}"));
    }
    cluster.run_for(Duration::from_secs(1));
    for id in (1..=3).map(NodeId) {
        cluster.flush(id);
        cluster.kill(id);
    }
    for id in (1..=3).map(NodeId) {
        cluster.start(id);
    }
    cluster.until_ready();
    let failure = watcher.page(&mut cluster, NodeId(1)).unwrap_err();
    assert_eq!(failure.kind, ErrorKind::Compacted);
    let (group, oldest) = failure.oldest.unwrap();
    let position = watcher.cursor.iter_mut().find(|(own, _)| *own == group);
    position.unwrap().1 = oldest;
}

#[test]
fn a_node_without_a_replica_watches_through_one_that_has() {
    let mut cluster = Cluster::with(5, 6, |config| config.replication = 3);
    cluster.until_ready();
    for at in (1..=5).map(NodeId) {
        let mut watcher = Watcher {
            cursor: Vec::new(),
            events: BTreeMap::new(),
        };
        watcher.page(&mut cluster, at).unwrap();
        assert_eq!(watcher.cursor.len(), 8);
        for n in 0..8 {
            cluster.put(NodeId(1), &format!("key-{n}"), "v");
        }
        let mut heard = 0;
        for _ in 0..20 {
            heard += watcher.page(&mut cluster, at).unwrap();
        }
        assert_eq!(heard, 8, "{at}");
    }
}
