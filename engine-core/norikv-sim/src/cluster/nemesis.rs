//! What goes wrong, drawn from the seed.
//!
//! **Invariant: every fault ends by itself, and at the end of the faults everything is healed**: the
//! links mended, the disks well, every process running. What a power cut took stays lost.

use alloc::collections::BTreeMap;
use alloc::string::ToString;
use alloc::vec::Vec;
use core::time::Duration;

use nori_env::{IoErrorKind, IoOp};
use norikv_node::PortError;
use norikv_testkit::{Delay, FailPoint, LinkFaults};
use norikv_types::{Mono, NodeId, Prng};

use crate::cluster::config::FaultKind;
use crate::cluster::simulation::Happening;
use crate::cluster::view::Happened;
use crate::cluster::{Simulation, Violation};

/// Who lets things go wrong.
#[derive(Debug)]
pub(crate) struct Nemesis {
    prng: Prng,
    pub(crate) struck: BTreeMap<FaultKind, u64>,
}

/// A fault begins or ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum NemesisHappening {
    Strike,
    Mend,
    Calm,
    Unslow { host: usize },
    Restart { host: usize },
    End,
}

impl Nemesis {
    pub(crate) const fn new(prng: Prng) -> Self {
        Self {
            prng,
            struck: BTreeMap::new(),
        }
    }
}

impl Simulation {
    pub(crate) fn begin_faults(&mut self) {
        let faults = &self.config.faults;
        if faults.weights.list().iter().all(|(_, weight)| *weight == 0) {
            return;
        }
        let (from, until) = (Mono::ZERO + faults.from, Mono::ZERO + faults.until);
        self.nemesis_at(from, NemesisHappening::Strike);
        self.nemesis_at(until, NemesisHappening::End);
    }

    pub(crate) fn nemesis(&mut self, happening: NemesisHappening) {
        match happening {
            NemesisHappening::Strike => self.strike(),
            NemesisHappening::Mend => self.heal(),
            NemesisHappening::Calm => self.network.set_faults(self.config.network),
            NemesisHappening::Unslow { host } => self.hosts[host].disk_slowness = 1,
            NemesisHappening::Restart { host } => self.start_again(host),
            NemesisHappening::End => self.end_faults(),
        }
    }

    /// Starts the process again after a while.
    pub(crate) fn restart_later(&mut self, host: usize) {
        let at = self.now + self.fault_duration();
        self.nemesis_at(at, NemesisHappening::Restart { host });
    }

    /// A node stopped for a failure of its disk. That is right if its disk was made to fail.
    pub(crate) fn halted(&mut self, host: usize, error: &PortError) {
        if !self.hosts[host].disk_failing {
            self.break_off(Violation::Halted {
                node: self.hosts[host].id,
                error: error.to_string(),
            });
        }
    }

    fn strike(&mut self) {
        if self.now >= Mono::ZERO + self.config.faults.until {
            return;
        }
        let pause = self
            .nemesis
            .prng
            .duration(Duration::from_millis(20), self.config.faults.pause_max);
        self.nemesis_at(self.now + pause, NemesisHappening::Strike);
        let kind = self.draw_fault();
        *self.nemesis.struck.entry(kind).or_default() += 1;
        self.events.push(self.now, || Happened::Fault { kind });
        let host = self.draw_host();
        let until = self.now + self.fault_duration();
        match kind {
            FaultKind::Kill => self.take_down(host, false),
            FaultKind::PowerCut => self.take_down(host, true),
            FaultKind::Blackout => {
                for host in 0..self.hosts.len() {
                    self.take_down(host, true);
                }
            }
            FaultKind::Partition => {
                let (mut left, mut right) = (Vec::new(), Vec::new());
                for host in &self.hosts {
                    let half = self.nemesis.prng.below(2) == 0;
                    if half { &mut left } else { &mut right }.push(host.id);
                }
                self.partition(&[&left, &right]);
                self.nemesis_at(until, NemesisHappening::Mend);
            }
            FaultKind::Isolate => {
                let alone = self.hosts[host].id;
                let others: Vec<NodeId> = self.others(alone);
                self.partition(&[&[alone], &others]);
                self.nemesis_at(until, NemesisHappening::Mend);
            }
            FaultKind::OneWay => {
                let from = self.hosts[host].id;
                for to in self.others(from) {
                    if self.nemesis.prng.below(2) == 0 {
                        self.cut(from, to);
                    } else if self.nemesis.prng.below(2) == 0 {
                        self.cut(to, from);
                    }
                }
                self.nemesis_at(until, NemesisHappening::Mend);
            }
            FaultKind::Pause => {
                if self.hosts[host].process.is_some() {
                    self.hosts[host].paused_until = until;
                }
            }
            FaultKind::SlowDisk => {
                let slowness = [5, 20, 100, 300];
                let pick = usize::try_from(self.nemesis.prng.below(4)).unwrap_or(0);
                self.hosts[host].disk_slowness = slowness[pick];
                self.nemesis_at(until, NemesisHappening::Unslow { host });
            }
            FaultKind::Storm => {
                self.storm();
                self.nemesis_at(until, NemesisHappening::Calm);
            }
            FaultKind::SyncFailure => {
                let point = FailPoint::nth(
                    IoOp::Sync,
                    self.nemesis.prng.below(8),
                    IoErrorKind::SyncFailed,
                );
                let machine = &mut self.hosts[host];
                if machine.process.is_some() {
                    machine.disk_failing = true;
                    if self.nemesis.prng.below(2) == 0 {
                        machine.log_disk.fail(point);
                    } else {
                        machine.data_disk.fail(point);
                    }
                    self.nemesis_at(until, NemesisHappening::Restart { host });
                }
            }
        }
    }

    fn storm(&mut self) {
        let prng = &mut self.nemesis.prng;
        let mut draw = |bound: u64| u32::try_from(prng.below(bound)).unwrap_or(0);
        self.network.set_faults(LinkFaults {
            delay: Delay {
                max: Duration::from_millis(1 + u64::from(draw(60))),
                tail_ppm: draw(100_000),
                ..self.config.network.delay
            },
            loss_ppm: draw(300_000),
            duplicate_ppm: draw(200_000),
            reorder_ppm: draw(300_000),
            ..LinkFaults::default()
        });
    }

    fn take_down(&mut self, host: usize, power_cut: bool) {
        self.stop(host, power_cut);
        self.restart_later(host);
    }

    /// Starts a process; one that still runs, since its disk failed, is ended before. Now and then
    /// the power goes again while it recovers.
    fn start_again(&mut self, host: usize) {
        let machine = &self.hosts[host];
        if machine.process.is_some() && !machine.disk_failing {
            return;
        }
        let power_cut = self.nemesis.prng.below(2) == 0;
        self.stop(host, power_cut);
        let faults = &self.config.faults;
        let more = self.now < Mono::ZERO + faults.until && faults.weights.power_cut > 0;
        if more && self.nemesis.prng.below(4) == 0 {
            let mutations = self.nemesis.prng.below(12);
            let machine = &self.hosts[host];
            if self.nemesis.prng.below(2) == 0 {
                machine.log_disk.power_off_after(mutations);
            } else {
                machine.data_disk.power_off_after(mutations);
            }
        }
        self.start(host);
    }

    fn end_faults(&mut self) {
        self.heal();
        self.network.set_faults(self.config.network);
        for host in 0..self.hosts.len() {
            let machine = &mut self.hosts[host];
            machine.paused_until = Mono::ZERO;
            machine.disk_slowness = 1;
            self.start_again(host);
        }
    }

    fn draw_fault(&mut self) -> FaultKind {
        let list = self.config.faults.weights.list();
        let total: u64 = list.iter().map(|(_, weight)| u64::from(*weight)).sum();
        let mut pick = self.nemesis.prng.below(total);
        for (kind, weight) in list {
            match pick.checked_sub(u64::from(weight)) {
                Some(rest) => pick = rest,
                None => return kind,
            }
        }
        FaultKind::Kill
    }

    fn draw_host(&mut self) -> usize {
        let bound = self.hosts.len() as u64;
        usize::try_from(self.nemesis.prng.below(bound)).unwrap_or(0)
    }

    fn fault_duration(&mut self) -> Duration {
        let max = self.config.faults.duration_max;
        let min = Duration::from_millis(20).min(max);
        self.nemesis.prng.duration(min, max)
    }

    fn others(&self, node: NodeId) -> Vec<NodeId> {
        let ids = self.hosts.iter().map(|host| host.id);
        ids.filter(|id| *id != node).collect()
    }

    fn nemesis_at(&mut self, at: Mono, happening: NemesisHappening) {
        self.schedule.push(at, Happening::Nemesis(happening));
    }
}
