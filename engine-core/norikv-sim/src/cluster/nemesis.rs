//! Carries out what goes wrong by plan.
//!
//! **Invariant: a fault counts as struck only if it took hold**, and all but lasting harm ends by
//! itself. What a power cut took stays lost.

mod end;
mod harm;
mod links;
mod salvage;

pub use self::salvage::Salvaged;

use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use nori_env::{IoErrorKind, IoOp};
use norikv_testkit::{FailPoint, LinkFaults};
use norikv_types::{GroupId, Mono, NodeId, Prng};

use crate::cluster::Simulation;
use crate::cluster::coverage::Coverage;
use crate::cluster::plan::{Action, FaultKind};
use crate::cluster::simulation::Happening;
use crate::cluster::view::Happened;

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
    /// Nodes whose logs lost what their peers bring back.
    pub(crate) rotten: BTreeSet<NodeId>,
    /// Replicas that lack something of their log, as they say.
    pub(crate) in_repair: BTreeSet<(NodeId, GroupId)>,
    /// What came of damage in logs.
    pub(crate) salvaged: Salvaged,
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
        host: usize,
    },
    Room {
        host: usize,
    },
    Restart {
        host: usize,
    },
    /// The operator looks after its groups.
    Operator,
    /// The last fault is over.
    End,
}

impl Nemesis {
    pub(crate) fn new(prng: Prng) -> Self {
        Self {
            prng,
            coverage: Coverage::new(),
            cuts: Vec::new(),
            flaps: Vec::new(),
            storms: Vec::new(),
            harmed: BTreeSet::new(),
            rotten: BTreeSet::new(),
            in_repair: BTreeSet::new(),
            salvaged: Salvaged::default(),
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
        if self.operator.works {
            self.nemesis_after(0, NemesisHappening::Operator);
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
            NemesisHappening::ReceiverQuick { host } => {
                if self.now >= self.hosts[host].receiver_slow_until {
                    self.network
                        .slow_receiver(self.hosts[host].id, Duration::ZERO);
                }
            }
            NemesisHappening::Room { host } => self.room_again(host),
            NemesisHappening::Restart { host } => self.start_again(host),
            NemesisHappening::Operator => self.operator_looks(),
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
        if self.take_hold(host, action) {
            self.nemesis.coverage.struck(kind, phases);
            self.events.push(self.now, || Happened::Fault { kind });
        }
    }

    /// Does it; `false` when there was nothing to do it to.
    fn take_hold(&mut self, host: usize, action: &Action) -> bool {
        let runs = self.hosts[host].process.is_some();
        match action {
            Action::Kill { for_ms, .. } => {
                self.take_down(host, false, *for_ms);
                return runs;
            }
            // What a process that died had not synced is lost only now.
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
                if runs {
                    self.hosts[host].disk_failing = true;
                    self.hosts[host]
                        .disk(*disk)
                        .power_off_after(u64::from(*writes));
                    self.restart_after(host, *for_ms);
                }
                return runs;
            }
            Action::Pause { for_ms, .. } => {
                let machine = &mut self.hosts[host];
                if runs {
                    machine.paused_until = machine.paused_until.max(self.now + ms(*for_ms));
                }
                return runs;
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
            Action::JumpClock { by_ms, .. } => self.hosts[host].jump_clock(ms(*by_ms)),
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
                if runs {
                    machine.disk_failing = true;
                    let nth = u64::from(*syncs);
                    let point = FailPoint::nth(IoOp::Sync, nth, IoErrorKind::SyncFailed);
                    machine.disk(*disk).fail(point);
                    self.restart_after(host, *for_ms);
                }
                return runs;
            }
            Action::DiskFull { disk, for_ms, .. } => {
                let machine = &mut self.hosts[host];
                machine.full_until = machine.full_until.max(self.now + ms(*for_ms));
                let full = machine.disk(*disk).used();
                machine.disk(*disk).set_capacity(Some(full));
                self.nemesis_after(*for_ms, NemesisHappening::Room { host });
            }
            Action::BitRot { .. } | Action::LatentSector { .. } | Action::Misdirect { .. } => {
                return self.damage(host, action);
            }
            Action::Wipe { .. } => return self.wipe(host),
            Action::Replace { for_ms, .. } => self.replace(host, *for_ms),
            Action::Transfer { .. } | Action::ChangeReplicas { .. } => {
                return self.operate(action);
            }
            _ => return self.strike_links(action),
        }
        true
    }

    /// There is room on the disks again. Who rode it out goes on; who halted is started again.
    fn room_again(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        if self.now < machine.full_until {
            return;
        }
        machine.log_disk.set_capacity(None);
        machine.data_disk.set_capacity(None);
        if machine.halted || machine.process.is_none() {
            self.start_again(host);
        }
    }

    /// A node that was taken down starts again after a while.
    pub(crate) fn restart_after(&mut self, host: usize, for_ms: u64) {
        self.nemesis_after(for_ms, NemesisHappening::Restart { host });
    }

    fn take_down(&mut self, host: usize, power_cut: bool, for_ms: u64) {
        self.stop(host, power_cut);
        self.restart_after(host, for_ms);
    }

    pub(crate) fn others(&self, node: NodeId) -> Vec<NodeId> {
        let ids = self.hosts.iter().map(|host| host.id);
        ids.filter(|id| *id != node).collect()
    }

    pub(crate) fn nemesis_after(&mut self, for_ms: u64, happening: NemesisHappening) {
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
            Self::BitRot | Self::LatentSector | Self::Misdirect | Self::Wipe | Self::Replace
        )
    }
}

fn id(node: u32) -> NodeId {
    NodeId(u64::from(node))
}

const fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}
