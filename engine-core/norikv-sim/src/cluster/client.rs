//! Simulated clients: each asks, waits, repeats under the same name, and remembers what it heard.
//!
//! **Invariant: what the history says of an operation is what its client can know.** An attempt
//! without an answer may have taken effect; only "no" from the node for every attempt makes the
//! operation refused.

mod hearing;

use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use norikv_node::{Answer, Call, Consistency, Expect, Failure, Input, RequestId};
use norikv_testkit::{OperationId, ValueId};
use norikv_types::{GroupId, Mono, Prng, Version};

use crate::cluster::draw::draw_operation;
use crate::cluster::operator;
use crate::cluster::plan::{Action, Wanted};
use crate::cluster::simulation::Happening;
use crate::cluster::watcher::Watcher;
use crate::cluster::workload::{Histories, Op, Sees, TAGS};
use crate::cluster::{SimConfig, Simulation};

/// Every client, and every call under way.
#[derive(Debug)]
pub(crate) struct ClientSide {
    pub(crate) prng: Prng,
    pub(crate) histories: Histories,
    clients: Vec<Client>,
    pub(crate) watchers: Vec<Watcher>,
    /// Whether they go on.
    pub(crate) watching: bool,
    free: bool,
    /// Whether leases hold; else whoever wants one asks a majority.
    pub(crate) leases: bool,
    asked: BTreeMap<RequestId, Asked>,
    next_request: u64,
    next_value: u64,
    /// The last version that anybody saw of each key.
    versions: BTreeMap<u32, Version>,
    /// The last version of each key that somebody was told is written.
    acknowledged: BTreeMap<u32, Version>,
    /// The value that was last seen first in each tag.
    first_seen: BTreeMap<u32, ValueId>,
    /// Every value that was to end should have by now.
    pub(crate) all_ended: bool,
    pub(crate) counters: ClientCounters,
}

/// How the operations of a run ended.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, serde::Serialize)]
pub struct ClientCounters {
    /// Operations begun.
    pub invoked: u64,
    /// Answered.
    pub answered: u64,
    /// Surely without effect.
    pub refused: u64,
    /// Nobody knows.
    pub unknown: u64,
    /// Calls sent, repeats included.
    pub calls: u64,
    /// What busy clients were told to do and let be.
    pub let_be: u64,
    /// Changes that watchers were told.
    pub watched: u64,
    /// Pages of scans that were held against what happened.
    pub scanned: u64,
    /// Watches whose past was gone.
    pub compacted: u64,
    /// Values that were found to have ended.
    pub ended: u64,
    /// Numbers that were added to.
    pub added: u64,
    /// Transactions that did something.
    pub transacted: u64,
}

impl ClientCounters {
    /// Adds what another run counted.
    pub(crate) const fn add(&mut self, other: &Self) {
        self.invoked += other.invoked;
        self.answered += other.answered;
        self.refused += other.refused;
        self.unknown += other.unknown;
        self.calls += other.calls;
        self.let_be += other.let_be;
        self.watched += other.watched;
        self.scanned += other.scanned;
        self.compacted += other.compacted;
        self.ended += other.ended;
        self.added += other.added;
        self.transacted += other.transacted;
    }
}

#[derive(Debug, Default)]
struct Client {
    active: Option<Active>,
    /// What it has to do before it may rest.
    script: VecDeque<Action>,
}

/// An operation under way.
#[derive(Debug)]
struct Active {
    op: Op,
    operations: Vec<OperationId>,
    name: Bytes,
    attempts: u32,
    attempts_max: u32,
    /// What was acknowledged of its keys before it began: what it sees must not be older.
    floor: BTreeMap<u32, Version>,
    /// The attempt that it waits for.
    waits_for: Option<RequestId>,
    /// Some attempt may have taken effect, now or later.
    doubtful: bool,
}

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Caller {
    Client(usize),
    Watcher(usize),
    /// The operator, about a group; whether it moves replicas.
    Operator(GroupId, bool),
    /// The visitor of the page.
    Visitor,
}

/// A call under way.
#[derive(Debug, Clone)]
struct Asked {
    caller: Caller,
    host: usize,
    /// The group that it writes to.
    writes: Option<GroupId>,
}

/// Something at a client.
#[derive(Debug)]
pub(crate) enum ClientHappening {
    /// The client goes on: with its operation, or with a new one.
    Wake { client: usize },
    /// A watcher goes on.
    Watch { watcher: usize },
    /// A call reaches a node.
    Arrive {
        host: usize,
        request: RequestId,
        call: Call,
        patience: Duration,
    },
    /// The client hears of its call.
    Hear { request: RequestId, heard: Heard },
}

/// What a client hears.
#[derive(Debug)]
pub(crate) enum Heard {
    Answered(Result<Answer, Failure>),
    /// No process listens there.
    NotConnected,
    /// The connection broke, or patience ended.
    Nothing,
}

impl ClientSide {
    pub(crate) fn new(config: &SimConfig, mut prng: Prng) -> Self {
        let watchers = 0..config.clients.watchers;
        Self {
            watchers: watchers.map(|_| Watcher::new(&mut prng)).collect(),
            watching: true,
            prng,
            histories: Histories::new(),
            clients: (0..config.clients.count)
                .map(|_| Client::default())
                .collect(),
            free: config.clients.free,
            leases: config.has_leases(),
            asked: BTreeMap::new(),
            next_request: 1,
            next_value: 1,
            versions: BTreeMap::new(),
            acknowledged: BTreeMap::new(),
            first_seen: BTreeMap::new(),
            all_ended: false,
            counters: ClientCounters::default(),
        }
    }

    /// Whether no client waits for anything or has anything left to do.
    pub(crate) fn is_idle(&self) -> bool {
        self.clients
            .iter()
            .all(|client| client.active.is_none() && client.script.is_empty())
    }

    /// Whether anybody wrote a value that ends.
    pub(crate) fn has_lent(&self) -> bool {
        !self.histories.mortals.operations().is_empty()
    }

    /// What a client asks to carry out an entry of the plan.
    fn op(&mut self, action: &Action) -> Option<Op> {
        let expect = |key: &u32, wanted: &Wanted| match (wanted, self.versions.get(key)) {
            (Wanted::Any, _) | (Wanted::Seen, None) => Expect::Any,
            (Wanted::Absent, _) => Expect::Absent,
            (Wanted::Seen, Some(version)) => Expect::Version(*version),
        };
        Some(match action {
            Action::Put {
                key,
                expect: want,
                once,
                ..
            } => {
                let expect = expect(key, want);
                let value = self.new_value();
                Op::Put {
                    key: *key,
                    value,
                    expect,
                    once: *once,
                }
            }
            Action::Delete {
                key, expect: want, ..
            } => Op::Delete {
                key: *key,
                expect: expect(key, want),
            },
            Action::Get {
                key, consistency, ..
            } => Op::Get {
                key: *key,
                consistency: self.trusted(*consistency),
            },
            Action::Scan { consistency, .. } => Op::Scan {
                consistency: self.trusted(*consistency),
            },
            Action::Lend {
                key,
                ttl_ms,
                expect: want,
                ..
            } => Op::Lend {
                key: *key,
                value: self.new_value(),
                ttl_ms: *ttl_ms,
                expect: match want {
                    Wanted::Absent => Expect::Absent,
                    Wanted::Any | Wanted::Seen => Expect::Any,
                },
            },
            Action::TakeBack { key, .. } => Op::TakeBack { key: *key },
            Action::Look {
                key, consistency, ..
            } => Op::Look {
                key: *key,
                consistency: self.trusted(*consistency),
            },
            Action::Add { key, by, .. } => Op::Add { key: *key, by: *by },
            Action::Count {
                key, consistency, ..
            } => Op::Count {
                key: *key,
                consistency: self.trusted(*consistency),
            },
            Action::Transact { tag, deal, .. } => Op::Transact {
                tag: *tag % TAGS,
                deal: *deal,
                values: [self.new_value(), self.new_value()],
                seen: self.first_seen.get(&(*tag % TAGS)).copied(),
            },
            _ => return None,
        })
    }

    const fn new_value(&mut self) -> ValueId {
        let value = ValueId(self.next_value);
        self.next_value += 1;
        value
    }

    const fn trusted(&self, wanted: Consistency) -> Consistency {
        match wanted {
            Consistency::Lease if !self.leases => Consistency::Linearizable,
            wanted => wanted,
        }
    }

    fn request(&mut self, asked: Asked) -> RequestId {
        let request = RequestId(self.next_request);
        self.next_request += 1;
        self.counters.calls += 1;
        self.asked.insert(request, asked);
        request
    }
}

impl Simulation {
    pub(crate) fn begin_clients(&mut self) {
        for watcher in 0..self.clients.watchers.len() {
            let at = self.now + Duration::from_millis(self.clients.prng.below(500));
            let wake = ClientHappening::Watch { watcher };
            self.schedule.push(at, Happening::Client(wake));
        }
        for client in 0..self.clients.clients.len() {
            if !self.clients.free {
                return;
            }
            let at = self.now + Duration::from_millis(100 + self.clients.prng.below(400));
            self.wake(client, at);
        }
    }

    /// Has the clients read every key between them, linearizably, once they are done with what they
    /// do.
    pub(crate) fn read_everything(&mut self) {
        let count = self.clients.clients.len();
        for key in 0..self.config.clients.keys {
            let Some(client) = (key as usize).checked_rem(count) else {
                return;
            };
            self.clients.clients[client].script.push_back(Action::Get {
                client: u32::try_from(client).unwrap_or(0),
                key,
                consistency: Consistency::Linearizable,
            });
        }
        for client in 0..count {
            self.wake(client, self.now);
        }
    }

    /// Has the clients look whether any value is left that was to end.
    pub(crate) fn look_everywhere(&mut self) {
        let count = self.clients.clients.len();
        for key in 0..self.config.clients.keys {
            let Some(client) = (key as usize).checked_rem(count) else {
                return;
            };
            self.clients.clients[client].script.push_back(Action::Look {
                client: u32::try_from(client).unwrap_or(0),
                key,
                consistency: Consistency::Linearizable,
            });
            self.wake(client, self.now);
        }
    }

    /// A client is told to do something. One that has too much to do already lets it be.
    pub(crate) fn instruct(&mut self, client: u32, action: Action) {
        let nth = client as usize;
        match self.clients.clients.get_mut(nth) {
            Some(client) if client.script.len() < SCRIPT_MAX => {
                client.script.push_back(action);
                self.wake(nth, self.now);
            }
            _ => self.clients.counters.let_be += 1,
        }
    }

    /// Lets free clients do only what they are told from now on.
    pub(crate) fn end_free_will(&mut self) {
        self.clients.free = false;
    }

    /// A visitor of the page writes. What comes of it is among the events of the view.
    pub fn put(&mut self, key: &[u8], value: &[u8]) -> RequestId {
        let call = Call::Put {
            key: Bytes::copy_from_slice(key),
            value: Bytes::copy_from_slice(value),
            expect: Expect::Any,
            idempotency: None,
            ttl_ms: None,
        };
        let writes = Some(self.group_of(key));
        let host = self.pick_host();
        self.ask(Caller::Visitor, host, call, writes)
    }

    pub(crate) fn client(&mut self, happening: ClientHappening) {
        match happening {
            ClientHappening::Wake { client } => self.client_goes_on(client),
            ClientHappening::Watch { watcher } => self.watch_on(watcher),
            ClientHappening::Arrive {
                host,
                request,
                call,
                patience,
            } => {
                let machine = &mut self.hosts[host];
                let deadline = machine.local(self.now + patience);
                let Some(process) = &mut machine.process else {
                    self.hear_later(request, Heard::NotConnected);
                    return;
                };
                process.calls.insert(request);
                self.feed(
                    host,
                    Input::Call {
                        request,
                        call,
                        deadline,
                    },
                );
            }
            ClientHappening::Hear { request, heard } => {
                if let Some(asked) = self.clients.asked.remove(&request) {
                    self.hears(request, &asked, heard);
                }
            }
        }
    }

    /// A node answered a call.
    pub(crate) fn reply(
        &mut self,
        host: usize,
        request: RequestId,
        result: Result<Answer, Failure>,
    ) {
        if let Some(process) = &mut self.hosts[host].process {
            process.calls.remove(&request);
        }
        let writes = self
            .clients
            .asked
            .get(&request)
            .and_then(|asked| asked.writes);
        if let (
            Some(group),
            Ok(
                Answer::Written { version }
                | Answer::Counted { version, .. }
                | Answer::Transacted { version, .. },
            ),
        ) = (writes, &result)
        {
            let checked = self.invariants.acknowledged(group, *version);
            self.check(checked);
        }
        let lost = self.config.clients.answer_loss_ppm;
        if self.now < self.faults_end && self.clients.prng.chance_ppm(lost) {
            return;
        }
        self.hear_later(request, Heard::Answered(result));
    }

    /// A process ended: whoever waited for it notices.
    pub(crate) fn hang_up(&mut self, calls: BTreeSet<RequestId>) {
        for request in calls {
            self.hear_later(request, Heard::Nothing);
        }
    }

    fn client_goes_on(&mut self, client: usize) {
        if self.clients.clients[client].active.is_none() {
            let side = &mut self.clients;
            let action = match side.clients[client].script.pop_front() {
                Some(action) => action,
                None if side.free => {
                    let own = u32::try_from(client).unwrap_or(0);
                    draw_operation(&mut side.prng, own, self.config.clients.keys)
                }
                None => return,
            };
            if let Some(op) = side.op(&action) {
                self.begin(client, op);
            }
        }
        let value_bytes_max = self.config.clients.value_bytes_max;
        let Some(active) = &mut self.clients.clients[client].active else {
            return;
        };
        if active.waits_for.is_some() {
            return;
        }
        active.attempts += 1;
        let call = active
            .op
            .call(active.name.clone(), value_bytes_max, &self.tags);
        let writes = match &call {
            Call::Put { key, .. } | Call::Delete { key, .. } | Call::Increment { key, .. } => {
                Some(self.group_of(key))
            }
            Call::Transaction { transaction, .. } => {
                transaction.keys().next().map(|key| self.group_of(key))
            }
            Call::Get { .. } | Call::Scan { .. } | Call::Watch { .. } | Call::Admin(_) => None,
        };
        let host = self.pick_host();
        let request = self.ask(Caller::Client(client), host, call, writes);
        if let Some(active) = &mut self.clients.clients[client].active {
            active.waits_for = Some(request);
        }
    }

    fn begin(&mut self, client: usize, op: Op) {
        let keys = self.config.clients.keys;
        let side = &mut self.clients;
        side.counters.invoked += 1;
        let operations = if self.config.clients.judged {
            op.invoke(&mut side.histories, client as u64, keys, self.now)
        } else {
            Vec::new()
        };
        let patient = !op.is_once() && (side.prng.below(10) != 0 || !op.is_write());
        let mut floor = BTreeMap::new();
        match op.sees() {
            Sees::Key(key) => floor.extend(side.acknowledged.get_key_value(&key)),
            Sees::Everything => floor.clone_from(&side.acknowledged),
            Sees::MaybeOld => {}
        }
        side.clients[client].active = Some(Active {
            op,
            operations,
            name: Bytes::from(format!("client-{client}/{}", side.counters.invoked)),
            attempts: 0,
            attempts_max: if patient { ATTEMPTS_MAX } else { 1 },
            floor,
            waits_for: None,
            doubtful: false,
        });
    }

    pub(crate) fn ask(
        &mut self,
        caller: Caller,
        host: usize,
        call: Call,
        writes: Option<GroupId>,
    ) -> RequestId {
        let patience = Duration::from_millis(match &call {
            Call::Admin(_) => operator::PATIENCE_MS,
            _ if call.is_write() => self.config.clients.patience_ms,
            _ => self.config.clients.read_patience_ms,
        });
        let request = self.clients.request(Asked {
            caller,
            host,
            writes,
        });
        let arrives = self.now + self.config.links.delay.draw(&mut self.clients.prng);
        let arrive = ClientHappening::Arrive {
            host,
            request,
            call,
            patience,
        };
        self.schedule.push(arrives, Happening::Client(arrive));
        // Longer than the node's own deadline, which should come first.
        let nothing = ClientHappening::Hear {
            request,
            heard: Heard::Nothing,
        };
        let at = arrives + patience + PATIENCE_MORE;
        self.schedule.push(at, Happening::Client(nothing));
        request
    }

    fn hear_later(&mut self, request: RequestId, heard: Heard) {
        let at = self.now + self.config.links.delay.draw(&mut self.clients.prng);
        let hear = ClientHappening::Hear { request, heard };
        self.schedule.push(at, Happening::Client(hear));
    }

    fn wake(&mut self, client: usize, at: Mono) {
        let wake = ClientHappening::Wake { client };
        self.schedule.push(at, Happening::Client(wake));
    }

    pub(crate) fn pick_host(&mut self) -> usize {
        let bound = self.hosts.len() as u64;
        usize::try_from(self.clients.prng.below(bound)).unwrap_or(0)
    }
}

impl ClientHappening {
    /// The node at which it happens, if it waits while that one stands still.
    pub(crate) const fn host(&self) -> Option<usize> {
        match self {
            Self::Arrive { host, .. } => Some(*host),
            Self::Wake { .. } | Self::Watch { .. } | Self::Hear { .. } => None,
        }
    }
}

/// What a client has before it at most.
const SCRIPT_MAX: usize = 4;
const ATTEMPTS_MAX: u32 = 40;
const PATIENCE_MORE: Duration = Duration::from_millis(200);
