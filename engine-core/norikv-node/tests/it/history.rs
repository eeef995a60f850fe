//! Clients at random while nodes die, part and return: what they were told must be linearizable.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use norikv_node::{Answer, Call, Consistency, Expect, Failure, RequestId};
use norikv_testkit::{
    Expect as ModelExpect, History, OperationId, Verdict, VersionedInput, VersionedKey,
    VersionedOutput, linearizable,
};
use norikv_types::{Applied, ErrorKind, NodeId, Prng, Version};

use crate::cluster::Cluster;

type Judged = History<u64, VersionedInput<u64, Version>, VersionedOutput<u64, Version>>;

struct Clients {
    prng: Prng,
    history: Judged,
    /// What each client waits for, and from which start of which node.
    waiting: BTreeMap<u64, (RequestId, OperationId, (NodeId, u64))>,
    /// The newest version that anybody saw, for compare-and-sets that may succeed.
    seen: BTreeMap<u64, Version>,
    values: u64,
}

impl Clients {
    fn collect(&mut self, cluster: &Cluster) {
        // A node that was killed answers nobody: nobody knows what became of those calls.
        self.waiting.retain(|_, (request, _, (node, start))| {
            cluster.replies.contains_key(request) || cluster.servers[node].start == *start
        });
        let answered: Vec<u64> = self
            .waiting
            .iter()
            .filter(|(_, (request, _, _))| cluster.replies.contains_key(request))
            .map(|(client, _)| *client)
            .collect();
        for client in answered {
            let (request, operation, _) = self.waiting.remove(&client).unwrap();
            let (at, result) = &cluster.replies[&request];
            let key = self.history.operation(operation).key;
            match output_of(result) {
                Some(output) => {
                    match output {
                        VersionedOutput::Written(version)
                        | VersionedOutput::Value(_, version)
                        | VersionedOutput::Conflict(Some(version)) => {
                            self.seen.insert(key, version);
                        }
                        VersionedOutput::Absent | VersionedOutput::Conflict(None) => {}
                    }
                    self.history.returned(operation, output, *at);
                }
                None => {
                    if matches!(result, Err(failure) if failure.applied == Applied::No) {
                        self.history.refused(operation);
                    }
                }
            }
        }
    }

    fn ask(&mut self, cluster: &mut Cluster, client: u64) {
        if self.waiting.contains_key(&client) {
            return;
        }
        let nodes: Vec<NodeId> = cluster
            .servers
            .keys()
            .copied()
            .filter(|id| cluster.is_running(*id))
            .collect();
        if nodes.is_empty() {
            return;
        }
        let at = nodes[self.prng.below(nodes.len() as u64) as usize];
        let key = self.prng.below(4);
        let bytes = Bytes::from(format!("key-{key}"));
        let expect = match (self.prng.below(4), self.seen.get(&key)) {
            (0, Some(version)) => Expect::Version(*version),
            (1, _) => Expect::Absent,
            _ => Expect::Any,
        };
        let modelled = match expect {
            Expect::Any => ModelExpect::Any,
            Expect::Absent => ModelExpect::Absent,
            Expect::Version(version) => ModelExpect::Version(version),
        };
        self.values += 1;
        let named = self.prng.chance_ppm(500_000);
        let idempotency = named.then(|| Bytes::from(format!("name-{}", self.values)));
        let (input, call) = match self.prng.below(8) {
            0..4 => {
                let consistency = match self.prng.chance_ppm(500_000) {
                    true => Consistency::Linearizable,
                    false => Consistency::Lease,
                };
                let call = Call::Get {
                    key: bytes,
                    consistency,
                };
                (VersionedInput::Get, call)
            }
            4 => (
                VersionedInput::Delete { expect: modelled },
                Call::Delete {
                    key: bytes,
                    expect,
                    idempotency,
                },
            ),
            _ => (
                VersionedInput::Put {
                    value: self.values,
                    expect: modelled,
                },
                Call::Put {
                    key: bytes,
                    value: Bytes::from(format!("{}", self.values)),
                    expect,
                    idempotency,
                    ttl_ms: None,
                },
            ),
        };
        let operation = self.history.invoke(client, key, input, cluster.now);
        let request = cluster.begin(at, call, Duration::from_millis(1_500));
        let start = cluster.servers[&at].start;
        self.waiting
            .insert(client, (request, operation, (at, start)));
    }
}

fn output_of(result: &Result<Answer, Failure>) -> Option<VersionedOutput<u64, Version>> {
    match result {
        Ok(Answer::Written { version }) => Some(VersionedOutput::Written(*version)),
        Ok(Answer::Value { value, version, .. }) => {
            let value = std::str::from_utf8(value).unwrap().parse().unwrap();
            Some(VersionedOutput::Value(value, *version))
        }
        Ok(Answer::Absent) => Some(VersionedOutput::Absent),
        Err(failure) if failure.kind == ErrorKind::PreconditionFailed => {
            Some(VersionedOutput::Conflict(failure.actual))
        }
        Err(_) => None,
        Ok(other) => panic!("{other:?}"),
    }
}

fn disturb(cluster: &mut Cluster, prng: &mut Prng) {
    let id = NodeId(prng.below(cluster.servers.len() as u64) + 1);
    match prng.below(6) {
        0 if cluster.is_running(id) => cluster.kill(id),
        0 | 1 if !cluster.is_running(id) => cluster.start(id),
        2 => cluster.partition(&[id]),
        3 if cluster.is_running(id) => cluster.flush(id),
        _ => cluster.heal(),
    }
}

fn run(seed: u64, nodes: u64) -> usize {
    let mut cluster = Cluster::with(nodes, seed, |config| {
        config.keep_log_bytes = 0;
        config.keep_log_entries = 8;
        config.snapshot.chunk_bytes = 64;
        config.snapshot.stall_after = Duration::from_secs(1);
    });
    let mut prng = Prng::new(seed ^ 0xfa17);
    let mut clients = Clients {
        prng: Prng::new(seed ^ 0xc11e),
        history: Judged::new(),
        waiting: BTreeMap::new(),
        seen: BTreeMap::new(),
        values: 0,
    };
    cluster.until_ready();
    cluster.duplicate_ppm = 20_000;
    cluster.delay_max = Duration::from_millis(20);
    let mut next_fault = cluster.now;
    let end = cluster.now + Duration::from_secs(20);
    while cluster.now < end {
        for client in 0..5 {
            clients.ask(&mut cluster, client);
        }
        cluster.run_for(Duration::from_millis(5));
        clients.collect(&cluster);
        if cluster.now >= next_fault {
            next_fault = cluster.now + prng.duration(Duration::ZERO, Duration::from_millis(800));
            disturb(&mut cluster, &mut prng);
        }
    }
    cluster.heal();
    for id in (1..=nodes).map(NodeId) {
        if !cluster.is_running(id) {
            cluster.start(id);
        }
    }
    cluster.run_for(Duration::from_secs(3));
    clients.collect(&cluster);
    assert!(
        clients.waiting.is_empty(),
        "seed {seed}: a call was never answered"
    );
    cluster.until_ready();
    let verdict = linearizable(&clients.history, &VersionedKey::new());
    assert!(matches!(verdict, Verdict::Yes), "seed {seed}: {verdict:?}");
    clients
        .history
        .operations()
        .iter()
        .filter(|operation| matches!(operation.outcome, norikv_testkit::Outcome::Returned { .. }))
        .count()
}

#[test]
fn clients_of_three_failing_nodes_see_one_history() {
    for seed in 0..15 {
        let returned = run(seed, 3);
        println!("seed {seed}: {returned} operations answered");
        assert!(
            returned > 100,
            "seed {seed}: only {returned} operations answered"
        );
    }
}

#[test]
fn clients_of_five_failing_nodes_see_one_history() {
    for seed in 100..108 {
        let returned = run(seed, 5);
        println!("seed {seed}: {returned} operations answered");
        assert!(
            returned > 100,
            "seed {seed}: only {returned} operations answered"
        );
    }
}
