//! The standard swarm: what a seed makes of a plan.
//!
//! **Invariant: each seed switches some faults on and leaves others off**, since faults hide each
//! other when all are always on, and draws how strong they are.

use alloc::vec::Vec;
use core::time::Duration;

use norikv_node::Consistency;
use norikv_testkit::{Delay, LinkFaults};
use norikv_types::Prng;

use crate::cluster::plan::{Action, Deal, Disk, Entry, FaultKind, Wanted};
use crate::cluster::workload::TAGS;
use crate::cluster::{Clients, SimConfig, Sizes};

impl SimConfig {
    /// Three nodes or a few more, mostly eight groups, clients that ask about a hundred times a
    /// second, and whatever faults the seed draws.
    #[must_use]
    pub fn standard(seed: u64) -> Self {
        let nodes = match Prng::new(seed ^ SIZE).below(8) {
            0 | 1 => 4,
            2 => 5,
            _ => 3,
        };
        Self::drawn(seed, nodes, UNTIL_MS)
    }

    /// The same for another number of nodes and another length, in virtual milliseconds of faults.
    #[must_use]
    pub fn drawn(seed: u64, nodes: u32, until_ms: u64) -> Self {
        let prng = &mut Prng::new(seed ^ SWARM);
        let mut config = Self {
            watched: false,
            until_ms,
            ..Self::calm(seed, nodes)
        };
        let shape = &mut Prng::new(seed ^ SHAPE);
        config.groups = draw_groups(shape);
        if config.groups > 16 || shape.below(2) == 0 {
            config.quiesce_after_ms = 100 + u64::from(draw(shape, 2_000));
        }
        let idle = shape.below(3) == 0;
        config.clients = draw_clients(prng);
        config.links = draw_links(prng);
        config.storage = draw_sizes(prng, config.clients.value_bytes_max);
        config.drift_ppm_max = rare(prng, 4_500);
        config.heal_majority_first = draw(prng, 2) == 0;
        config.plan = Deck::draw(prng, nodes, config.clients).deal(prng, until_ms);
        let operator = &mut Prng::new(seed ^ OPERATOR);
        if operator.below(2) == 0 {
            let deck = Deck::operators(operator, &config);
            config.plan.extend(deck.deal(operator, until_ms));
        }
        draw_operations(prng, &mut config, idle);
        config.plan.sort_by_key(|entry| entry.at_ms);
        config
    }
}

/// Mostly as many as a small cluster has; some one, and some many, of which few are busy. Each has
/// as many shards as every other.
fn draw_groups(prng: &mut Prng) -> u32 {
    match prng.below(64) {
        0..=3 => 1,
        4..=6 => 2,
        7..=9 => 4,
        10..=13 => 16,
        14 | 15 => 32,
        16 => 64,
        _ => 8,
    }
}

fn draw_clients(prng: &mut Prng) -> Clients {
    Clients {
        count: 4 + draw(prng, 5),
        keys: 3 + draw(prng, 30),
        value_bytes_max: [16, 200, 3_000, 20_000][draw(prng, 4) as usize],
        patience_ms: 300 + u64::from(draw(prng, 2_000)),
        read_patience_ms: 300 + u64::from(draw(prng, 2_000)),
        answer_loss_ppm: rare(prng, 50_000),
        watchers: draw(prng, 3),
        judged: true,
        ..Clients::default()
    }
}

fn draw_links(prng: &mut Prng) -> LinkFaults {
    LinkFaults {
        delay: Delay {
            min: Duration::from_micros(100),
            max: Duration::from_micros(500 + u64::from(draw(prng, 4_000))),
            tail_ppm: rare(prng, 20_000),
            tail_max: draw_tail(prng),
        },
        loss_ppm: rare(prng, 20_000),
        duplicate_ppm: rare(prng, 20_000),
        reorder_ppm: rare(prng, 50_000),
        replay_ppm: rare(prng, 20_000),
        truncate_ppm: rare(prng, 500),
        flip_ppm: rare(prng, 500),
    }
}

fn draw_sizes(prng: &mut Prng, value_bytes_max: u32) -> Sizes {
    let bits = |prng: &mut Prng, low: u32, span: u32| 1_u64 << (low + draw(prng, span));
    Sizes {
        // A segment holds at least the largest batch, which holds at least a value.
        segment_bytes: bits(prng, 14, 6).max(u64::from(value_bytes_max.next_power_of_two()) * 8),
        memtable_bytes: bits(prng, 15, 5),
        table_bytes: bits(prng, 15, 4),
        keep_log_bytes: bits(prng, 12, 8),
        keep_log_entries: bits(prng, 4, 8),
        unflushed_bytes_max: bits(prng, 15, 6),
        append_bytes_max: [1, 4 << 10, 512 << 10][draw(prng, 3) as usize],
    }
}

/// Operations all the time, or now and then with nothing to do in between.
fn draw_operations(prng: &mut Prng, config: &mut SimConfig, idle: bool) {
    let per_second = 100 + u64::from(draw(prng, 100));
    let end = config.until_ms + 1_000;
    let clients = &config.clients;
    for _ in 0..end * per_second / 1_000 {
        let at_ms = 100 + prng.below(end);
        let client = draw(prng, clients.count);
        let action = draw_operation(prng, client, clients.keys);
        if idle && at_ms % 4_000 > 1_000 {
            continue;
        }
        config.plan.push(Entry { at_ms, action });
    }
}

/// One operation of a client that does what it likes.
pub(crate) fn draw_operation(prng: &mut Prng, client: u32, keys: u32) -> Action {
    let key = draw(prng, keys);
    let consistency = match prng.below(20) {
        0 => Consistency::StaleOk,
        1..=9 => Consistency::Lease,
        10..=14 => Consistency::Follower,
        _ => Consistency::Linearizable,
    };
    let expect = match prng.below(6) {
        0 => Wanted::Absent,
        1 => Wanted::Seen,
        _ => Wanted::Any,
    };
    match prng.below(100) {
        0..=36 => Action::Put {
            client,
            key,
            once: prng.below(4) == 0,
            expect,
        },
        37..=43 => Action::Delete {
            client,
            key,
            expect,
        },
        44..=73 => Action::Get {
            client,
            key,
            consistency,
        },
        74..=77 => Action::Scan {
            client,
            consistency,
        },
        78..=81 => Action::Lend {
            client,
            key: key % 4,
            ttl_ms: 1 + u64::from([draw(prng, 50), draw(prng, 3_000)][draw(prng, 2) as usize]),
            expect: match expect {
                Wanted::Absent => Wanted::Absent,
                Wanted::Any | Wanted::Seen => Wanted::Any,
            },
        },
        82 => Action::TakeBack {
            client,
            key: key % 4,
        },
        83..=86 => Action::Look {
            client,
            key: key % 4,
            consistency,
        },
        87..=91 => Action::Add {
            client,
            key: key % 3,
            by: i64::from(draw(prng, 200)) - 100,
        },
        92..=93 => Action::Count {
            client,
            key: key % 3,
            consistency,
        },
        _ => Action::Transact {
            client,
            tag: key % TAGS,
            deal: [Deal::Fill, Deal::Move, Deal::Exchange, Deal::Read][draw(prng, 4) as usize],
        },
    }
}

/// The faults of one run: kinds with weights, how often and for how long.
struct Deck {
    nodes: u32,
    groups: u32,
    clients: Clients,
    weights: Vec<(FaultKind, u32)>,
    pause_max_ms: u32,
    for_max_ms: u32,
}

impl Deck {
    fn draw(prng: &mut Prng, nodes: u32, clients: Clients) -> Self {
        let weights = FaultKind::ALL
            .into_iter()
            .filter(|kind| !kind.is_operators())
            .map(|kind| match kind {
                // It takes the leases out of a run.
                FaultKind::JumpClock if draw(prng, 4) > 0 => (kind, 0),
                _ => (kind, rare(prng, weight_max(kind))),
            })
            .collect();
        Self {
            nodes,
            groups: 1,
            clients,
            weights,
            pause_max_ms: 200 + draw(prng, 2_500),
            for_max_ms: 200 + draw(prng, 3_500),
        }
    }

    /// What an operator does, and what takes one to mend.
    fn operators(prng: &mut Prng, config: &SimConfig) -> Self {
        let kinds = FaultKind::ALL.into_iter();
        let own = kinds.filter(|kind| kind.is_operators());
        Self {
            nodes: config.nodes,
            groups: config.groups,
            clients: config.clients,
            weights: own
                .map(|kind| (kind, rare(prng, weight_max(kind))))
                .collect(),
            pause_max_ms: 200 + draw(prng, 2_500),
            for_max_ms: 200 + draw(prng, 3_500),
        }
    }

    fn deal(&self, prng: &mut Prng, until_ms: u64) -> Vec<Entry> {
        let mut plan = Vec::new();
        let total = self.weights.iter().map(|(_, weight)| weight).sum();
        if total == 0 {
            return plan;
        }
        let mut at_ms = 500 + u64::from(draw(prng, 1_500));
        while at_ms < until_ms {
            let mut pick = draw(prng, total);
            for (kind, weight) in &self.weights {
                match pick.checked_sub(*weight) {
                    Some(rest) => pick = rest,
                    None => {
                        let action = self.fault(prng, *kind, until_ms - at_ms);
                        if let Action::Pause { for_ms, .. } = action {
                            self.ask_across(prng, at_ms, for_ms, &mut plan);
                        }
                        plan.push(Entry { at_ms, action });
                        break;
                    }
                }
            }
            at_ms += 20 + u64::from(draw(prng, self.pause_max_ms));
        }
        plan
    }

    /// While a process stands still others write, and it goes on with reads by its lease.
    fn ask_across(&self, prng: &mut Prng, at_ms: u64, for_ms: u64, plan: &mut Vec<Entry>) {
        for key in 0..draw(prng, 4).min(self.clients.keys) {
            let mut ask = |at_ms, action| plan.push(Entry { at_ms, action });
            let action = Action::Put {
                client: draw(prng, self.clients.count),
                key,
                once: false,
                expect: Wanted::Any,
            };
            ask(at_ms + for_ms * 3 / 4, action);
            let action = Action::Get {
                client: draw(prng, self.clients.count),
                key,
                consistency: Consistency::Lease,
            };
            ask(at_ms + for_ms - 1 - prng.below(20), action);
        }
    }

    /// A fault of a kind that lasts at most `left_ms`.
    fn fault(&self, prng: &mut Prng, kind: FaultKind, left_ms: u64) -> Action {
        let node = 1 + draw(prng, self.nodes);
        let other = 1 + (node + draw(prng, self.nodes.max(2) - 1)) % self.nodes;
        // Some faults are over before anybody notices.
        let longest = [300.min(self.for_max_ms), self.for_max_ms][usize::from(draw(prng, 3) > 0)];
        let for_ms = (20 + u64::from(draw(prng, longest))).min(left_ms);
        let disk = match draw(prng, 2) {
            0 => Disk::Log,
            _ => Disk::Data,
        };
        match kind {
            FaultKind::Kill => Action::Kill { node, for_ms },
            FaultKind::PowerCut => Action::PowerCut { node, for_ms },
            FaultKind::CrashAtWrite => Action::CrashAtWrite {
                node,
                disk,
                writes: draw(prng, 30),
                for_ms,
            },
            FaultKind::Blackout => Action::Blackout { for_ms },
            FaultKind::Pause => Action::Pause { node, for_ms },
            FaultKind::SlowCpu => Action::SlowCpu {
                node,
                input_us: 50 + draw(prng, 2_000),
                for_ms,
            },
            // Less than the ten minutes for which a group remembers the names of writes: by a clock
            // that is further ahead they are over.
            FaultKind::JumpWall => Action::JumpWall {
                node,
                by_ms: i64::from(draw(prng, 200_000)) - 100_000,
            },
            FaultKind::JumpClock => Action::JumpClock {
                node,
                by_ms: 1 + u64::from(draw(prng, 2_000)),
            },
            FaultKind::Partition => {
                let mut nodes: Vec<u32> = (1..=self.nodes).collect();
                prng.shuffle(&mut nodes);
                nodes.truncate(1 + draw(prng, self.nodes.max(2) - 1) as usize);
                nodes.sort_unstable();
                Action::Partition { nodes, for_ms }
            }
            FaultKind::Cut => Action::Cut {
                from: node,
                to: other,
                for_ms,
            },
            FaultKind::Bridge => Action::Bridge { node, for_ms },
            FaultKind::Mesh => Action::Mesh {
                links: self.mesh(prng),
                for_ms,
            },
            FaultKind::Clog => Action::Clog {
                from: node,
                to: other,
                for_ms,
            },
            FaultKind::Flap => Action::Flap {
                from: node,
                to: other,
                period_ms: 10 + u64::from(draw(prng, 400)),
                for_ms,
            },
            FaultKind::SlowReceiver => Action::SlowReceiver {
                node,
                message_us: 100 + draw(prng, 5_000),
                for_ms,
            },
            FaultKind::Storm => Action::Storm {
                links: draw_storm(prng),
                for_ms,
            },
            FaultKind::SlowDisk => Action::SlowDisk {
                node,
                times: [5, 20, 100, 300, 1_000, 3_000][draw(prng, 6) as usize],
                for_ms,
            },
            FaultKind::SyncFailure => Action::SyncFailure {
                node,
                disk,
                syncs: draw(prng, 8),
                for_ms,
            },
            FaultKind::DiskFull => Action::DiskFull { node, disk, for_ms },
            FaultKind::BitRot => Action::BitRot { node, disk },
            FaultKind::LatentSector => Action::LatentSector { node, disk },
            FaultKind::Misdirect => Action::Misdirect {
                node,
                writes: draw(prng, 10),
            },
            FaultKind::Wipe => Action::Wipe { node },
            FaultKind::Replace => Action::Replace { node, for_ms },
            FaultKind::Transfer => Action::Transfer {
                group: draw(prng, self.groups),
                to: node,
            },
            FaultKind::ChangeReplicas => {
                let (add, remove) = match draw(prng, 8) {
                    0 => (alloc::vec![node], Vec::new()),
                    1 => (Vec::new(), alloc::vec![other]),
                    _ => (alloc::vec![node], alloc::vec![other]),
                };
                Action::ChangeReplicas {
                    group: draw(prng, self.groups),
                    add,
                    remove,
                }
            }
        }
    }

    /// Links to cut so that what is left still connects all: of each node in a drawn order one link
    /// to a node before it stays.
    fn mesh(&self, prng: &mut Prng) -> Vec<(u32, u32)> {
        let mut order: Vec<u32> = (1..=self.nodes).collect();
        prng.shuffle(&mut order);
        let mut links = Vec::new();
        for (nth, node) in (0..).zip(&order) {
            let stays = draw(prng, nth);
            for (mth, other) in (0..nth).zip(&order) {
                if mth != stays && draw(prng, 4) > 0 {
                    links.push((*other.min(node), *other.max(node)));
                }
            }
        }
        links
    }
}

fn draw_storm(prng: &mut Prng) -> LinkFaults {
    LinkFaults {
        delay: Delay {
            min: Duration::from_micros(100),
            max: Duration::from_millis(1 + u64::from(draw(prng, 60))),
            tail_ppm: draw(prng, 100_000),
            tail_max: draw_tail(prng),
        },
        loss_ppm: draw(prng, 300_000),
        duplicate_ppm: draw(prng, 200_000),
        reorder_ppm: draw(prng, 300_000),
        replay_ppm: draw(prng, 200_000),
        truncate_ppm: rare(prng, 5_000),
        flip_ppm: rare(prng, 5_000),
    }
}

/// Shorter than an election takes, or longer.
fn draw_tail(prng: &mut Prng) -> Duration {
    Duration::from_millis([200, 800][draw(prng, 2) as usize])
}

/// How likely a kind is at most, beside the others. What ends a node for good is rarest.
const fn weight_max(kind: FaultKind) -> u32 {
    match kind {
        FaultKind::Kill
        | FaultKind::PowerCut
        | FaultKind::CrashAtWrite
        | FaultKind::Partition
        | FaultKind::ChangeReplicas => 10,
        FaultKind::Cut
        | FaultKind::Pause
        | FaultKind::SlowCpu
        | FaultKind::SlowDisk
        | FaultKind::Storm
        | FaultKind::Bridge
        | FaultKind::Mesh
        | FaultKind::Clog
        | FaultKind::Flap
        | FaultKind::SlowReceiver => 6,
        FaultKind::Blackout
        | FaultKind::SyncFailure
        | FaultKind::DiskFull
        | FaultKind::JumpWall
        | FaultKind::JumpClock
        | FaultKind::Transfer
        | FaultKind::Replace => 4,
        FaultKind::BitRot | FaultKind::LatentSector | FaultKind::Misdirect | FaultKind::Wipe => 2,
    }
}

/// Half of the time nothing, else up to `max`.
fn rare(prng: &mut Prng, max: u32) -> u32 {
    if prng.below(2) == 0 {
        draw(prng, max)
    } else {
        0
    }
}

fn draw(prng: &mut Prng, bound: u32) -> u32 {
    u32::try_from(prng.below(u64::from(bound.max(1)))).unwrap_or(0)
}

const UNTIL_MS: u64 = 16_000;
const SWARM: u64 = 0x5157_4152_4d00_0001;
const SHAPE: u64 = 0x5157_4152_4d00_0002;
const SIZE: u64 = 0x5157_4152_4d00_0003;
const OPERATOR: u64 = 0x5157_4152_4d00_0004;
