//! Carries out what goes wrong by plan.
//!
//! **Invariant: every fault ends by itself, and at the end of the faults everything is healed that
//! can be**: the links mended, the disks well, every process running. What a power cut took stays
//! lost. Harm that no restart mends is kept from striking where it would leave too few good copies
//! of what was acknowledged.

use alloc::collections::BTreeSet;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use nori_env::{IoErrorKind, IoOp, ObjectKind};
use norikv_node::PortError;
use norikv_testkit::{FailPoint, Lie, LinkFaults, Scope};
use norikv_types::{Mono, NodeId, Prng};

use crate::cluster::coverage::Coverage;
use crate::cluster::plan::{Action, FaultKind};
use crate::cluster::simulation::Happening;
use crate::cluster::view::Happened;
use crate::cluster::{Simulation, Violation};

/// What is wrong at the moment, and what was.
#[derive(Debug)]
pub(crate) struct Nemesis {
    prng: Prng,
    pub(crate) coverage: Coverage,
    /// Cut directions, and until when.
    cuts: Vec<(Mono, NodeId, NodeId)>,
    /// Flapping directions: until when, and in which period.
    flaps: Vec<(Mono, NodeId, NodeId, Duration)>,
    /// How the whole network behaves, and until when; the last one counts.
    storms: Vec<(Mono, LinkFaults)>,
    /// Nodes whose disks lost what no restart brings back.
    pub(crate) harmed: BTreeSet<NodeId>,
    /// Nodes that are left broken while the others must serve.
    pub(crate) left_broken: BTreeSet<NodeId>,
    /// Strikes that would have left too few good copies.
    pub(crate) held_back: u64,
    /// Nodes that found their harm and stopped.
    pub(crate) detected: u64,
}

/// A fault ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NemesisHappening {
    /// Some fault of the links may be over.
    Links,
    DiskQuick {
        host: usize,
    },
    CpuQuick {
        host: usize,
    },
    ReceiverQuick {
        node: NodeId,
    },
    Room {
        host: usize,
    },
    Restart {
        host: usize,
    },
    /// The last fault is over.
    End,
}

impl Nemesis {
    pub(crate) const fn new(prng: Prng) -> Self {
        Self {
            prng,
            coverage: Coverage::new(),
            cuts: Vec::new(),
            flaps: Vec::new(),
            storms: Vec::new(),
            harmed: BTreeSet::new(),
            left_broken: BTreeSet::new(),
            held_back: 0,
            detected: 0,
        }
    }
}

impl Simulation {
    /// Puts the plan into the schedule.
    pub(crate) fn begin_plan(&mut self) {
        for (nth, entry) in self.config.plan.iter().enumerate() {
            let at = Mono::ZERO + Duration::from_millis(entry.at_ms);
            self.schedule.push(at, Happening::Entry(nth));
        }
        let end = self.config.faults_end_ms();
        if end > 0 {
            self.nemesis_at(Duration::from_millis(end), NemesisHappening::End);
        }
    }

    pub(crate) fn nemesis(&mut self, happening: NemesisHappening) {
        match happening {
            NemesisHappening::Links => self.links_expire(),
            NemesisHappening::DiskQuick { host } => {
                if self.now >= self.hosts[host].disk_slow_until {
                    self.hosts[host].disk_slowness = 1;
                }
            }
            NemesisHappening::CpuQuick { host } => {
                if self.now >= self.hosts[host].cpu_slow_until {
                    self.hosts[host].input_cost = Duration::ZERO;
                }
            }
            NemesisHappening::ReceiverQuick { node } => {
                self.network.slow_receiver(node, Duration::ZERO);
            }
            NemesisHappening::Room { host } => {
                if self.now >= self.hosts[host].full_until {
                    self.hosts[host].log_disk.set_capacity(None);
                    self.hosts[host].data_disk.set_capacity(None);
                }
            }
            NemesisHappening::Restart { host } => self.start_again(host),
            NemesisHappening::End => self.end_faults(),
        }
    }

    /// Lets an entry of the plan happen that no client does.
    pub(crate) fn strike(&mut self, action: &Action) {
        let Some(kind) = action.fault() else {
            return;
        };
        let host = match action.node() {
            Some(node) => match self.host_of(NodeId(u64::from(node))) {
                Some(host) => host,
                // A plan for more nodes than there are.
                None => return,
            },
            None => 0,
        };
        if kind.is_lasting() && !self.may_harm(self.hosts[host].id) {
            self.nemesis.held_back += 1;
            return;
        }
        let phases = self.phases(action.node().map(|_| host));
        self.nemesis.coverage.struck(kind, phases);
        self.events.push(self.now, || Happened::Fault { kind });
        match action {
            Action::Kill { for_ms, .. } => self.take_down(host, false, *for_ms),
            Action::PowerCut { for_ms, .. } => self.take_down(host, true, *for_ms),
            Action::Blackout { for_ms } => {
                for host in 0..self.hosts.len() {
                    self.take_down(host, true, *for_ms);
                }
            }
            Action::CrashAtWrite {
                disk,
                writes,
                for_ms,
                ..
            } => {
                if self.hosts[host].process.is_some() {
                    self.hosts[host].disk_failing = true;
                    self.hosts[host]
                        .disk(*disk)
                        .power_off_after(u64::from(*writes));
                    self.restart_after(host, *for_ms);
                }
            }
            Action::Pause { for_ms, .. } => {
                if self.hosts[host].process.is_some() {
                    self.hosts[host].paused_until = self.now + ms(*for_ms);
                }
            }
            Action::SlowCpu {
                input_us, for_ms, ..
            } => {
                let until = self.now + ms(*for_ms);
                let machine = &mut self.hosts[host];
                machine.input_cost = Duration::from_micros(u64::from(*input_us));
                machine.cpu_slow_until = until;
                self.nemesis_after(*for_ms, NemesisHappening::CpuQuick { host });
            }
            Action::JumpWall { by_ms, .. } => self.hosts[host].jump_wall(*by_ms),
            Action::SlowDisk { times, for_ms, .. } => {
                let until = self.now + ms(*for_ms);
                let machine = &mut self.hosts[host];
                machine.disk_slowness = (*times).max(1);
                machine.disk_slow_until = until;
                self.nemesis_after(*for_ms, NemesisHappening::DiskQuick { host });
            }
            Action::SyncFailure {
                disk,
                syncs,
                for_ms,
                ..
            } => {
                let machine = &mut self.hosts[host];
                if machine.process.is_some() {
                    machine.disk_failing = true;
                    let nth = u64::from(*syncs);
                    let point = FailPoint::nth(IoOp::Sync, nth, IoErrorKind::SyncFailed);
                    machine.disk(*disk).fail(point);
                    self.restart_after(host, *for_ms);
                }
            }
            Action::DiskFull { disk, for_ms, .. } => {
                let machine = &mut self.hosts[host];
                machine.disk_failing = true;
                machine.full_until = machine.full_until.max(self.now + ms(*for_ms));
                let full = machine.disk(*disk).used();
                machine.disk(*disk).set_capacity(Some(full));
                self.nemesis_after(*for_ms, NemesisHappening::Room { host });
                self.restart_after(host, for_ms + 1);
            }
            Action::BitRot { .. } | Action::LatentSector { .. } | Action::Misdirect { .. } => {
                self.damage(host, action);
            }
            Action::Wipe { .. } => self.wipe(host),
            _ => self.strike_links(action),
        }
    }

    /// A node that was taken down starts again after a while.
    pub(crate) fn restart_after(&mut self, host: usize, for_ms: u64) {
        self.nemesis_after(for_ms, NemesisHappening::Restart { host });
    }

    /// A node stopped for a failure of its disk. That is right if its disk was made to fail.
    pub(crate) fn halted(&mut self, host: usize, error: &PortError) {
        let machine = &self.hosts[host];
        let id = machine.id;
        if self.nemesis.harmed.contains(&id) {
            self.nemesis.detected += 1;
            self.hosts[host].retired = true;
        } else if !machine.disk_failing {
            self.break_off(Violation::Halted {
                node: id,
                error: error.to_string(),
            });
        }
    }

    /// Mends every cut, and has the network behave as it does without faults.
    pub(crate) fn heal_links(&mut self) {
        self.nemesis.cuts.clear();
        self.nemesis.flaps.clear();
        self.nemesis.storms.clear();
        self.links_expire();
    }

    /// Cuts directions of links until `until`.
    pub(crate) fn cut_until(
        &mut self,
        until: Mono,
        cuts: impl IntoIterator<Item = (NodeId, NodeId)>,
    ) {
        let cuts = cuts.into_iter().map(|(from, to)| (until, from, to));
        self.nemesis.cuts.extend(cuts);
        self.links_expire();
    }

    /// Heals what was left broken while the majority had to serve.
    pub(crate) fn heal_rest(&mut self) {
        self.nemesis.left_broken.clear();
        self.heal_all();
    }

    fn strike_links(&mut self, action: &Action) {
        let all: Vec<u32> = (1..=self.config.nodes).collect();
        let (cuts, for_ms) = match action {
            Action::Partition { nodes, for_ms } => {
                let others = all.iter().filter(|node| !nodes.contains(node));
                let others: Vec<u32> = others.copied().collect();
                (between(nodes, &others), *for_ms)
            }
            Action::Cut { from, to, for_ms } => (alloc::vec![(id(*from), id(*to))], *for_ms),
            Action::Bridge { node, for_ms } => {
                let others = all.into_iter().filter(|other| other != node);
                let mut left: Vec<u32> = others.collect();
                let right = left.split_off(left.len() / 2);
                (between(&left, &right), *for_ms)
            }
            Action::Mesh { links, for_ms } => {
                let cuts = links
                    .iter()
                    .flat_map(|(one, other)| between(&[*one], &[*other]));
                (cuts.collect(), *for_ms)
            }
            Action::Clog { from, to, for_ms } => {
                let until = self.now + ms(*for_ms);
                self.network.clog(id(*from), id(*to), until);
                return;
            }
            Action::Flap {
                from,
                to,
                period_ms,
                for_ms,
            } => {
                let until = self.now + ms(*for_ms);
                let period = ms((*period_ms).max(1));
                let flap = (until, id(*from), id(*to), period);
                self.nemesis.flaps.push(flap);
                (Vec::new(), *for_ms)
            }
            Action::SlowReceiver {
                node,
                message_us,
                for_ms,
            } => {
                let service = Duration::from_micros(u64::from(*message_us));
                let node = id(*node);
                self.network.slow_receiver(node, service);
                self.nemesis_after(*for_ms, NemesisHappening::ReceiverQuick { node });
                return;
            }
            Action::Storm { links, for_ms } => {
                self.nemesis.storms.push((self.now + ms(*for_ms), *links));
                (Vec::new(), *for_ms)
            }
            _ => return,
        };
        self.cut_until(self.now + ms(for_ms), cuts);
        self.nemesis_after(for_ms, NemesisHappening::Links);
    }

    /// Brings the network in line with the faults that are still on.
    fn links_expire(&mut self) {
        let now = self.now;
        self.nemesis.cuts.retain(|(until, ..)| *until > now);
        self.nemesis.flaps.retain(|(until, ..)| *until > now);
        self.nemesis.storms.retain(|(until, _)| *until > now);
        self.network.heal();
        for (_, from, to) in &self.nemesis.cuts {
            self.network.cut(*from, *to);
        }
        for (until, from, to, period) in &self.nemesis.flaps {
            self.network.flap(*from, *to, *period, *until);
        }
        let storm = self.nemesis.storms.last().map(|(_, links)| *links);
        self.network.set_faults(storm.unwrap_or(self.config.links));
        self.links_changed();
    }

    /// Whether enough good copies of everything are left if `node` loses its own.
    fn may_harm(&self, node: NodeId) -> bool {
        let harmed = &self.nemesis.harmed;
        let after = harmed.len() + usize::from(!harmed.contains(&node));
        after <= (self.config.replication as usize - 1) / 2
    }

    /// Damages what a disk holds. A node that meets it has to say so.
    fn damage(&mut self, host: usize, action: &Action) {
        let prng = &mut self.nemesis.prng;
        let machine = &self.hosts[host];
        let hit = match action {
            Action::BitRot { disk, .. } => machine
                .sealed(*disk, prng)
                .and_then(|scope| machine.disk(*disk).rot(prng, scope))
                .is_some(),
            Action::LatentSector { disk, .. } => machine
                .sealed(*disk, prng)
                .and_then(|scope| machine.disk(*disk).break_random_sector(prng, scope))
                .is_some(),
            Action::Misdirect { writes, .. } => {
                let lie = Lie::misdirected_write(prng.next_u64())
                    .on(Scope::Kind(ObjectKind::Table))
                    .after(u64::from(*writes));
                machine.data_disk.lie(lie);
                true
            }
            _ => false,
        };
        if hit {
            self.nemesis.harmed.insert(self.hosts[host].id);
        }
    }

    fn wipe(&mut self, host: usize) {
        self.stop(host, true);
        let machine = &mut self.hosts[host];
        machine.retired = true;
        machine.log_disk.wipe();
        machine.data_disk.wipe();
        let id = machine.id;
        self.nemesis.harmed.insert(id);
        self.nemesis.detected += 1;
    }

    fn take_down(&mut self, host: usize, power_cut: bool, for_ms: u64) {
        self.stop(host, power_cut);
        self.restart_after(host, for_ms);
    }

    /// Starts a process; one that still runs, since its disk failed, is ended before.
    fn start_again(&mut self, host: usize) {
        let machine = &self.hosts[host];
        if self.nemesis.left_broken.contains(&machine.id)
            || (machine.process.is_some() && !machine.disk_failing && !machine.retired)
        {
            return;
        }
        let lost_power = machine.log_disk.is_off() || machine.data_disk.is_off();
        let power_cut = lost_power || self.nemesis.prng.below(2) == 0;
        self.stop(host, power_cut);
        self.start(host);
    }

    /// The last fault is over. Where the plan says so, a majority is healed first.
    fn end_faults(&mut self) {
        if self.config.heal_majority_first {
            let spare = (self.config.replication as usize - 1) / 2;
            let mut ids: Vec<NodeId> = self.hosts.iter().map(|host| host.id).collect();
            self.nemesis.prng.shuffle(&mut ids);
            ids.sort_by_key(|id| !self.nemesis.harmed.contains(id));
            ids.truncate(spare);
            self.nemesis.left_broken = ids.into_iter().collect();
        }
        self.heal_all();
        let broken: Vec<NodeId> = self.nemesis.left_broken.iter().copied().collect();
        for node in broken {
            if self.nemesis.prng.below(2) == 0 {
                self.kill(node);
            } else {
                let others = self.others(node);
                let cuts = others
                    .into_iter()
                    .flat_map(|other| [(node, other), (other, node)]);
                self.cut_until(Mono::MAX, cuts);
            }
        }
    }

    /// Heals everything but what is left broken.
    fn heal_all(&mut self) {
        self.heal_links();
        for host in 0..self.hosts.len() {
            let machine = &mut self.hosts[host];
            machine.paused_until = Mono::ZERO;
            machine.disk_slowness = 1;
            machine.input_cost = Duration::ZERO;
            machine.full_until = Mono::ZERO;
            machine.log_disk.set_capacity(None);
            machine.data_disk.set_capacity(None);
            self.network.slow_receiver(machine.id, Duration::ZERO);
            self.start_again(host);
        }
    }

    pub(crate) fn others(&self, node: NodeId) -> Vec<NodeId> {
        let ids = self.hosts.iter().map(|host| host.id);
        ids.filter(|id| *id != node).collect()
    }

    fn nemesis_after(&mut self, for_ms: u64, happening: NemesisHappening) {
        let at = self.now + ms(for_ms);
        self.schedule.push(at, Happening::Nemesis(happening));
    }

    fn nemesis_at(&mut self, at: Duration, happening: NemesisHappening) {
        self.schedule
            .push(Mono::ZERO + at, Happening::Nemesis(happening));
    }
}

impl FaultKind {
    /// Whether no restart mends it.
    const fn is_lasting(self) -> bool {
        matches!(
            self,
            Self::BitRot | Self::LatentSector | Self::Misdirect | Self::Wipe
        )
    }
}

fn between(left: &[u32], right: &[u32]) -> Vec<(NodeId, NodeId)> {
    let mut cuts = Vec::new();
    for from in left {
        for to in right {
            cuts.push((id(*from), id(*to)));
            cuts.push((id(*to), id(*from)));
        }
    }
    cuts
}

fn id(node: u32) -> NodeId {
    NodeId(u64::from(node))
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
