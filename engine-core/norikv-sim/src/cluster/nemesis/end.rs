//! The end of the faults.
//!
//! **Invariant: everything is healed that a restart can heal**, and where the plan says so a
//! majority first, which must serve while the rest stays broken.

use alloc::vec::Vec;
use core::time::Duration;

use norikv_types::{GroupId, Mono, NodeId};

use crate::cluster::Simulation;

impl Simulation {
    /// The last fault is over. Where the plan says so, a majority is healed first.
    pub(super) fn end_faults(&mut self) {
        if self.config.heal_majority_first {
            let mut ids: Vec<NodeId> = self.hosts.iter().map(|host| host.id).collect();
            self.nemesis.prng.shuffle(&mut ids);
            self.look_for_mended();
            let lost = self.without();
            ids.sort_by_key(|id| !lost.contains(id));
            ids.truncate(self.config.spare_replicas());
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
        self.expect_leaders();
    }

    /// Heals what was left broken while the majority had to serve.
    pub(crate) fn heal_rest(&mut self) {
        self.nemesis.left_broken.clear();
        self.heal_all();
        self.expect_leaders();
    }

    /// From now on each group has what it needs.
    fn expect_leaders(&mut self) {
        let groups = (0..self.config.groups).map(GroupId);
        self.convergence.begin(self.now, groups);
    }

    /// Heals everything but what is left broken.
    fn heal_all(&mut self) {
        self.heal_links();
        for host in 0..self.hosts.len() {
            let machine = &mut self.hosts[host];
            machine.paused_until = Mono::ZERO;
            machine.receiver_slow_until = Mono::ZERO;
            machine.disk_slowness = 1;
            machine.input_cost = Duration::ZERO;
            machine.full_until = Mono::ZERO;
            machine.log_disk.set_capacity(None);
            machine.data_disk.set_capacity(None);
            self.network.slow_receiver(machine.id, Duration::ZERO);
            self.start_again(host);
        }
    }

    /// Starts a process; one that still runs, since its disk failed, is ended before.
    pub(super) fn start_again(&mut self, host: usize) {
        let machine = &self.hosts[host];
        if self.nemesis.left_broken.contains(&machine.id)
            || (machine.process.is_some()
                && !machine.disk_failing
                && !machine.halted
                && !machine.retired)
        {
            return;
        }
        let lost_power = machine.log_disk.is_off() || machine.data_disk.is_off();
        let power_cut = lost_power || self.nemesis.prng.below(2) == 0;
        self.stop(host, power_cut);
        self.start(host);
    }
}
