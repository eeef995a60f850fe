//! Harm that no restart mends, and the nodes that find it.
//!
//! **Invariant: enough good copies of everything acknowledged are left**, votes and ends of logs
//! included: what would leave too few is held back. A node whose storage is harmed stays down when
//! it says so, since it could only come back with amnesia; what a log lost its peers bring back.

use alloc::collections::BTreeSet;
use alloc::string::ToString;

use nori_env::ObjectKind;
use norikv_node::{PortError, PortErrorKind};
use norikv_testkit::{Lie, Scope};
use norikv_types::NodeId;

use crate::cluster::plan::{Action, Disk};
use crate::cluster::{Simulation, Violation};

impl Simulation {
    /// Whether enough good copies of everything are left if `node` loses its own.
    pub(super) fn may_harm(&mut self, node: NodeId) -> bool {
        self.look_for_mended();
        let mut without = self.without();
        without.insert(node);
        without.len() <= self.config.spare_replicas()
    }

    /// The nodes whose copies do not count: their disks lost something that is not known to be
    /// back.
    pub(super) fn without(&self) -> BTreeSet<NodeId> {
        let mut without: BTreeSet<NodeId> = self.nemesis.harmed.clone();
        without.extend(&self.nemesis.rotten);
        without.extend(&self.operator.incomplete);
        without
    }

    /// Damages what a disk holds. A node that meets it has to say so.
    pub(super) fn damage(&mut self, host: usize, action: &Action) -> bool {
        let prng = &mut self.nemesis.prng;
        let machine = &self.hosts[host];
        let tables = Scope::Kind(ObjectKind::Table);
        let hit = match action {
            Action::BitRot {
                disk: Disk::Log, ..
            }
            | Action::LatentSector {
                disk: Disk::Log, ..
            } => return self.damage_log(host, action),
            Action::BitRot { .. } => machine.data_disk.rot(prng, tables).is_some(),
            Action::LatentSector { .. } => machine
                .data_disk
                .break_random_sector(prng, tables)
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
        hit
    }

    /// Replaces the disks of a node; `false` when it is down for good already.
    pub(super) fn wipe(&mut self, host: usize) -> bool {
        if self.hosts[host].retired {
            return false;
        }
        self.stop(host, true);
        let machine = &mut self.hosts[host];
        machine.retired = true;
        machine.log_disk.wipe();
        machine.data_disk.wipe();
        let id = machine.id;
        self.nemesis.harmed.insert(id);
        true
    }

    /// A node stopped for a failure of its disk. That is right if its disk was made to fail.
    pub(crate) fn halted(&mut self, host: usize, error: &PortError) {
        let found_harm = error.kind == PortErrorKind::Corrupt && self.is_harmed(host);
        let machine = &mut self.hosts[host];
        let found_no_room = error.kind == PortErrorKind::NoSpace && self.now <= machine.full_until;
        let id = machine.id;
        let in_log_only = machine.data_disk.damage().is_empty();
        machine.halted = true;
        if found_harm {
            self.nemesis.detected += 1;
            machine.retired = !in_log_only;
            if in_log_only {
                let after_ms = 20 + self.nemesis.prng.below(1_000);
                self.restart_after(host, after_ms);
            }
        } else if !machine.disk_failing && !found_no_room {
            self.break_off(Violation::Halted {
                node: id,
                error: error.to_string(),
            });
        }
    }

    /// Whether the disks of a node hold something else than what was written there.
    pub(crate) fn is_harmed(&self, host: usize) -> bool {
        let machine = &self.hosts[host];
        !machine.log_disk.damage().is_empty() || !machine.data_disk.damage().is_empty()
    }

    /// Whether some node may rightly say that its disks are harmed: to a client, or to a node that
    /// forwards a client's call.
    pub(crate) fn any_harm(&self) -> bool {
        (0..self.hosts.len()).any(|host| self.is_harmed(host))
    }
}
