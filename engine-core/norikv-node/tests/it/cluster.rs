//! A whole cluster in one thread: virtual time, a network with drawn delays, workers run inline.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use nori_observe::Meter;
use norikv_node::driver::{
    ApplyWorker, JobWorker, LogTask, LogWorker, ReadTask, ReadWorker, SnapshotTask, SnapshotWorker,
    Task, restore, route,
};
use norikv_node::{
    Answer, Call, Consistency, Event, Expect, Failure, Input, Lane, Maintenance, Node, NodeConfig,
    NodeStatus, RequestId,
};
use norikv_types::{GroupId, Mono, NodeId, Prng, Version};

use crate::allocator;
use crate::memory::{MemoryLog, MemoryStorage};

pub(crate) struct Cluster {
    pub(crate) now: Mono,
    pub(crate) servers: BTreeMap<NodeId, Server>,
    queue: BTreeMap<(Mono, u64), (NodeId, u64, Input)>,
    sequence: u64,
    prng: Prng,
    /// Ordered pairs that cannot reach each other.
    cut: BTreeSet<(NodeId, NodeId)>,
    /// Lanes, from one to another, on which every frame is lost.
    pub(crate) deaf: BTreeSet<(NodeId, NodeId, Lane)>,
    /// When the last frame of a lane arrives: lanes are streams.
    lanes: BTreeMap<(NodeId, NodeId, Lane), Mono>,
    pub(crate) replies: BTreeMap<RequestId, (Mono, Result<Answer, Failure>)>,
    requests: u64,
    pub(crate) events: Vec<(NodeId, Event)>,
    boots: u64,
    pub(crate) duplicate_ppm: u32,
    pub(crate) delay_max: Duration,
    /// What the snapshot workers were told to do.
    pub(crate) snapshot_tasks: Vec<(NodeId, SnapshotTask)>,
    /// Frames sent, by sender and receiver.
    pub(crate) frames: BTreeMap<(NodeId, NodeId), u64>,
    /// Whether the others hear of a node's end or start only from itself.
    pub(crate) silent: bool,
}

pub(crate) struct Server {
    pub(crate) config: NodeConfig,
    pub(crate) storage: MemoryStorage,
    pub(crate) log: MemoryLog,
    /// Counts the starts: what was under way to an earlier one never arrives.
    pub(crate) start: u64,
    /// Lookups that its storage answered.
    pub(crate) lookups: u64,
    running: Option<Running>,
}

struct Running {
    node: Node,
    log: LogWorker,
    apply: ApplyWorker,
    read: ReadWorker,
    snapshot: SnapshotWorker,
    job: JobWorker,
}

/// "hello" is in shard 309, so in the third of eight groups.
pub(crate) const HELLO: GroupId = GroupId(2);

impl Cluster {
    pub(crate) fn new(nodes: u64, seed: u64) -> Self {
        Self::with(nodes, seed, |_| {})
    }

    pub(crate) fn with(nodes: u64, seed: u64, change: impl Fn(&mut NodeConfig)) -> Self {
        println!("seed {seed}");
        let ids: Vec<NodeId> = (1..=nodes).map(NodeId).collect();
        let mut cluster = Self {
            now: Mono::from_nanos(1),
            servers: BTreeMap::new(),
            queue: BTreeMap::new(),
            sequence: 0,
            prng: Prng::new(seed),
            cut: BTreeSet::new(),
            deaf: BTreeSet::new(),
            lanes: BTreeMap::new(),
            replies: BTreeMap::new(),
            requests: 0,
            events: Vec::new(),
            boots: 0,
            duplicate_ppm: 0,
            delay_max: Duration::from_millis(3),
            snapshot_tasks: Vec::new(),
            frames: BTreeMap::new(),
            silent: false,
        };
        for id in &ids {
            let mut config = NodeConfig::new(*id, ids.clone(), 7);
            config.seed = seed.wrapping_mul(31).wrapping_add(id.0);
            config.address = Bytes::from(format!("127.0.0.1:{}", 7_000 + id.0));
            change(&mut config);
            let server = Server {
                storage: MemoryStorage::new(config.groups),
                log: MemoryLog::default(),
                start: 0,
                lookups: 0,
                running: None,
                config,
            };
            cluster.servers.insert(*id, server);
        }
        for id in ids {
            cluster.start(id);
        }
        cluster
    }

    pub(crate) fn start(&mut self, id: NodeId) {
        self.boots += 1;
        let server = self.servers.get_mut(&id).unwrap();
        assert!(server.running.is_none());
        server.config.boot = self.boots;
        server.start += 1;
        let groups = Node::groups_of(&server.config).unwrap();
        let storage = Arc::new(server.storage.live().clone());
        let restored = restore(&server.log, &*storage, groups.iter().copied()).unwrap();
        let log: Arc<MemoryLog> = Arc::new(server.log.clone());
        let meter = Meter::new();
        server.running = Some(Running {
            node: Node::new(server.config.clone(), restored, &meter, self.now).unwrap(),
            log: LogWorker::new(log.clone()),
            apply: ApplyWorker::new(storage.clone()),
            read: ReadWorker::new(storage.clone(), log.clone()),
            snapshot: SnapshotWorker::new(storage.clone()),
            job: JobWorker::new(storage, log, groups),
        });
        self.drain(id);
        for peer in self.others(id) {
            if self.servers[&peer].running.is_some() && !self.is_cut(id, peer) && !self.silent {
                // Later than the end of the start before is noticed.
                self.input_later(peer, Input::PeerUp(id), Duration::from_millis(3));
            }
        }
    }

    /// Ends a node at once; what its storage had not flushed is gone.
    pub(crate) fn kill(&mut self, id: NodeId) {
        let server = self.servers.get_mut(&id).unwrap();
        assert!(server.running.take().is_some());
        server.start += 1;
        server.storage.crash();
        for peer in self.others(id) {
            if self.servers[&peer].running.is_some() && !self.silent {
                self.input_later(peer, Input::PeerDown(id), Duration::from_millis(2));
            }
        }
    }

    /// A node that does not run gets an empty disk, and knows it.
    pub(crate) fn lose_disk(&mut self, id: NodeId) {
        let server = self.servers.get_mut(&id).unwrap();
        assert!(server.running.is_none());
        server.storage = MemoryStorage::new(server.config.groups);
        server.log = MemoryLog::default();
        server.config.founder = false;
    }

    /// Ends a node; how many bytes of heap it had, without its log, its storage and its workers.
    pub(crate) fn weigh(&mut self, id: NodeId) -> usize {
        let running = self.servers.get_mut(&id).unwrap().running.take().unwrap();
        let Running { node, .. } = running;
        let before = allocator::live();
        drop(node);
        usize::try_from(before - allocator::live()).unwrap()
    }

    pub(crate) fn is_running(&self, id: NodeId) -> bool {
        self.servers[&id].running.is_some()
    }

    fn others(&self, id: NodeId) -> Vec<NodeId> {
        self.servers
            .keys()
            .copied()
            .filter(|peer| *peer != id)
            .collect()
    }

    fn is_cut(&self, a: NodeId, b: NodeId) -> bool {
        self.cut.contains(&(a, b)) || self.cut.contains(&(b, a))
    }

    /// Cuts `side` off from the others, silently.
    pub(crate) fn partition(&mut self, side: &[NodeId]) {
        for a in side {
            for b in self.others(*a) {
                if !side.contains(&b) {
                    self.cut.insert((*a, b));
                }
            }
        }
    }

    pub(crate) fn heal(&mut self) {
        self.cut.clear();
    }

    /// Cuts two nodes off from each other, silently.
    pub(crate) fn partition_pair(&mut self, a: NodeId, b: NodeId) {
        self.cut.insert((a, b));
    }

    /// Breaks the connection of two nodes: both notice, and reach each other no more.
    pub(crate) fn disconnect(&mut self, a: NodeId, b: NodeId) {
        self.cut.insert((a, b));
        self.input(a, Input::PeerDown(b));
        self.input(b, Input::PeerDown(a));
    }

    /// Connects what [`disconnect`](Self::disconnect) broke.
    pub(crate) fn connect(&mut self, a: NodeId, b: NodeId) {
        self.cut.remove(&(a, b));
        self.input(a, Input::PeerUp(b));
        self.input(b, Input::PeerUp(a));
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.servers[&id].running.as_ref().unwrap().node
    }

    pub(crate) fn log(&self, id: NodeId) -> &MemoryLog {
        &self.servers[&id].log
    }

    pub(crate) fn status(&self, id: NodeId) -> NodeStatus {
        self.node(id).status()
    }

    pub(crate) fn leader(&self, group: GroupId) -> Option<NodeId> {
        self.servers
            .iter()
            .filter_map(|(id, server)| Some((*id, server.running.as_ref()?.node.status())))
            .filter_map(|(id, status)| {
                let replica = status.groups.into_iter().nth(group.0 as usize)?.replica?;
                (replica.role == nori_raft::Role::Leader).then_some((replica.term, id))
            })
            .max()
            .map(|(_, id)| id)
    }

    /// Has everything applied flushed, and tells the node.
    pub(crate) fn flush(&mut self, id: NodeId) {
        let server = self.servers.get_mut(&id).unwrap();
        server.storage.flush();
        let (_, inputs) = server.running.as_mut().unwrap().job.step(1 << 20);
        for input in inputs {
            self.input(id, input);
        }
    }

    pub(crate) fn input(&mut self, id: NodeId, input: Input) {
        if let Some(running) = &mut self.servers.get_mut(&id).unwrap().running {
            running.node.handle_input(self.now, input);
            self.drain(id);
        }
    }

    fn input_later(&mut self, id: NodeId, input: Input, after: Duration) {
        self.input_at(id, input, self.now + after);
    }

    fn input_at(&mut self, id: NodeId, input: Input, at: Mono) {
        self.sequence += 1;
        let start = self.servers[&id].start;
        self.queue.insert((at, self.sequence), (id, start, input));
    }

    fn drain(&mut self, id: NodeId) {
        let mut batch: Vec<LogTask> = Vec::new();
        let mut inputs: Vec<(u64, Input)> = Vec::new();
        loop {
            let server = self.servers.get_mut(&id).unwrap();
            let running = server.running.as_mut().unwrap();
            let Some(output) = running.node.poll_output() else {
                break;
            };
            match route(output) {
                Task::Log(task) => batch.push(task),
                Task::Apply(task) => {
                    inputs.extend(running.apply.run(&task).map(|input| (2, input)));
                    let pressure = running.apply.pressure();
                    inputs.extend(pressure.map(|input| (2, input)));
                }
                Task::Read(task) => {
                    server.lookups += u64::from(matches!(task, ReadTask::Query { .. }));
                    inputs.push((1, running.read.run(&task)));
                }
                Task::Snapshot(task) => {
                    inputs.extend(running.snapshot.run(&task).map(|input| (3, input)));
                    self.snapshot_tasks.push((id, task));
                }
                Task::Job(task) => {
                    inputs.extend(running.job.run(&task).into_iter().map(|input| (3, input)));
                    while running.job.step(1 << 20).0 == Maintenance::More {}
                }
                Task::Send { to, lane, frame } => self.send(id, to, lane, frame),
                Task::Datagram { to, packet } => self.datagram(id, to, packet),
                Task::Reply { request, result } => {
                    let before = self.replies.insert(request, (self.now, result));
                    assert!(before.is_none(), "{request:?} was answered twice");
                }
                Task::Event(event) => self.events.push((id, event)),
            }
        }
        let running = self.servers.get_mut(&id).unwrap().running.as_mut().unwrap();
        inputs.extend(running.log.run(&batch).into_iter().map(|input| (1, input)));
        for (millis, input) in inputs {
            self.input_later(id, input, Duration::from_millis(millis));
        }
    }

    fn delay(&mut self) -> Duration {
        self.prng
            .duration(Duration::from_micros(200), self.delay_max)
    }

    fn send(&mut self, from: NodeId, to: NodeId, lane: Lane, bytes: Bytes) {
        *self.frames.entry((from, to)).or_default() += 1;
        if self.deaf.contains(&(from, to, lane)) {
            return;
        }
        let arrival = self.now + self.delay();
        let last = self.lanes.entry((from, to, lane)).or_default();
        let arrival = arrival.max(*last + Duration::from_nanos(1));
        *last = arrival;
        let frame = Input::Frame { from, lane, bytes };
        if self.prng.chance_ppm(self.duplicate_ppm) {
            let again = arrival + self.delay();
            self.input_at(to, frame.clone(), again);
        }
        self.input_at(to, frame, arrival);
    }

    fn datagram(&mut self, from: NodeId, to: NodeId, bytes: Bytes) {
        let arrival = self.now + self.delay();
        self.input_at(to, Input::Datagram { from, bytes }, arrival);
    }

    /// The next thing that happens.
    pub(crate) fn step(&mut self) {
        let queued = self.queue.first_key_value().map(|((at, _), _)| *at);
        let timer = self
            .servers
            .iter()
            .filter_map(|(id, server)| Some((server.running.as_ref()?.node.poll_timeout()?, *id)))
            .min();
        match (queued, timer) {
            (Some(at), Some((timer, id))) if timer < at => self.fire(timer, id),
            (None, Some((timer, id))) => self.fire(timer, id),
            (Some(_), _) => {
                let ((at, _), (id, start, input)) = self.queue.pop_first().unwrap();
                self.now = self.now.max(at);
                let crossing = match &input {
                    Input::Frame { from, .. } | Input::Datagram { from, .. } => Some(*from),
                    _ => None,
                };
                let lost = crossing.is_some_and(|from| self.is_cut(from, id));
                if !lost && self.servers[&id].start == start {
                    self.input(id, input);
                }
            }
            // Every node is down: time goes on all the same.
            (None, None) => self.now += Duration::from_millis(10),
        }
    }

    fn fire(&mut self, at: Mono, id: NodeId) {
        self.now = self.now.max(at);
        self.input(id, Input::Timeout);
    }

    /// Time goes on without one node: what reaches it waits, and its clock rings first of all.
    pub(crate) fn stand_still(&mut self, id: NodeId, time: Duration) {
        let end = self.now + time;
        let mut still = self.servers.get_mut(&id).unwrap().running.take();
        let mut waiting = Vec::new();
        while self.now < end {
            let due = self
                .queue
                .iter()
                .filter(|((at, _), (to, ..))| *at < end && *to == id);
            let due: Vec<_> = due.map(|(when, _)| *when).collect();
            waiting.extend(due.iter().filter_map(|when| self.queue.remove(when)));
            self.step();
        }
        self.servers.get_mut(&id).unwrap().running = still.take();
        self.input(id, Input::Timeout);
        for (to, start, input) in waiting {
            if self.servers[&to].start == start {
                self.input(to, input);
            }
        }
    }

    pub(crate) fn run_for(&mut self, time: Duration) {
        let end = self.now + time;
        while self.now < end {
            self.step();
        }
    }

    /// Runs until `done`, at most `limit`.
    pub(crate) fn run_until(&mut self, limit: Duration, what: &str, done: impl Fn(&Self) -> bool) {
        let end = self.now + limit;
        while !done(self) {
            if self.now >= end {
                self.describe();
                panic!("no {what} within {limit:?}");
            }
            self.step();
        }
    }

    /// Prints every replica that is not ready.
    fn describe(&self) {
        for (id, server) in &self.servers {
            let Some(running) = &server.running else {
                println!("{id} is down");
                continue;
            };
            let status = running.node.status();
            println!("{id}: halted {}, {} calls", status.halted, status.calls);
            for group in status.groups {
                if let Some(replica) = group.replica.filter(|replica| !replica.ready) {
                    println!("  {} led by {:?}: {replica:?}", group.group, group.leader);
                    if let Some(leader) = self.leader(group.group) {
                        let status = self.status(leader);
                        println!("    {leader}: {:?}", status.groups[group.group.0 as usize]);
                    }
                }
            }
        }
    }

    pub(crate) fn until_ready(&mut self) {
        self.run_until(Duration::from_secs(5), "ready cluster", |cluster| {
            let mut running = cluster
                .servers
                .values()
                .filter_map(|server| server.running.as_ref());
            running.all(|running| running.node.ready())
        });
    }

    pub(crate) fn begin(&mut self, at: NodeId, call: Call, timeout: Duration) -> RequestId {
        self.requests += 1;
        let request = RequestId(self.requests);
        let deadline = self.now + timeout;
        self.input(
            at,
            Input::Call {
                request,
                call,
                deadline,
            },
        );
        request
    }

    /// Hands a node many calls at once, before it is drained.
    pub(crate) fn begin_all(&mut self, at: NodeId, calls: Vec<Call>) -> Vec<RequestId> {
        let deadline = self.now + Duration::from_secs(5);
        let mut requests = Vec::new();
        for call in calls {
            self.requests += 1;
            let request = RequestId(self.requests);
            let input = Input::Call {
                request,
                call,
                deadline,
            };
            let server = self.servers.get_mut(&at).unwrap();
            server
                .running
                .as_mut()
                .unwrap()
                .node
                .handle_input(self.now, input);
            requests.push(request);
        }
        self.drain(at);
        requests
    }

    pub(crate) fn finish(&mut self, request: RequestId) -> Result<Answer, Failure> {
        self.run_until(Duration::from_secs(30), "answer", |cluster| {
            cluster.replies.contains_key(&request)
        });
        self.replies[&request].1.clone()
    }

    pub(crate) fn call(&mut self, at: NodeId, call: Call) -> Result<Answer, Failure> {
        let request = self.begin(at, call, Duration::from_secs(5));
        self.finish(request)
    }

    pub(crate) fn put(&mut self, at: NodeId, key: &str, value: &str) -> Version {
        written(self.call(at, put(key, value)))
    }

    pub(crate) fn get(
        &mut self,
        at: NodeId,
        key: &str,
        consistency: Consistency,
    ) -> Option<String> {
        let key = Bytes::copy_from_slice(key.as_bytes());
        match self.call(at, Call::Get { key, consistency }) {
            Ok(Answer::Value { value, .. }) => Some(String::from_utf8(value.to_vec()).unwrap()),
            Ok(Answer::Absent) => None,
            other => panic!("{other:?}"),
        }
    }
}

pub(crate) fn put(key: &str, value: &str) -> Call {
    put_if(key, value, Expect::Any, None)
}

pub(crate) fn put_if(key: &str, value: &str, expect: Expect, idempotency: Option<&str>) -> Call {
    Call::Put {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        expect,
        idempotency: idempotency.map(|name| Bytes::copy_from_slice(name.as_bytes())),
        ttl_ms: None,
    }
}

pub(crate) fn written(result: Result<Answer, Failure>) -> Version {
    match result {
        Ok(Answer::Written { version }) => version,
        other => panic!("{other:?}"),
    }
}
