//! The lives of processes: how one starts over what its disks hold, and how it ends.
//!
//! **Invariant: a process that ran leaves nothing behind but its disks**, and who waited for it
//! notices.

use alloc::string::ToString;
use core::time::Duration;

use norikv_node::{PortError, PortErrorKind, ReplicatedLog as _};

use crate::cluster::nemesis::NemesisHappening;
use crate::cluster::simulation::Happening;
use crate::cluster::view::Happened;
use crate::cluster::{Simulation, Violation};

impl Simulation {
    /// Starts a process. A disk whose power goes meanwhile is tried again later.
    pub(crate) fn start(&mut self, host: usize) {
        let boot = self.prng.next_u64();
        let machine = &mut self.hosts[host];
        if machine.retired {
            return;
        }
        let found = machine.start(self.now, &self.config, &self.router, boot);
        let lost_power = machine.log_disk.is_off() || machine.data_disk.is_off();
        let id = machine.id;
        match found {
            _ if lost_power => {
                self.stop(host, true);
                let again_ms = 20 + self.prng.below(1_000);
                self.restart_after(host, again_ms);
            }
            Err(PortError {
                kind: PortErrorKind::NoSpace,
                ..
            }) if machine.full_until >= self.now => {
                let wait = machine.full_until.since(self.now);
                self.schedule.push(
                    self.now + wait + Duration::from_millis(1),
                    Happening::Nemesis(NemesisHappening::Restart { host }),
                );
            }
            Err(PortError {
                kind: PortErrorKind::Corrupt,
                ..
            }) if self.is_harmed(host) => {
                self.nemesis.detected += 1;
                self.hosts[host].retired = true;
            }
            Err(error) => self.break_off(Violation::CannotOpen {
                node: id,
                error: error.to_string(),
            }),
            Ok(found) => {
                self.hosts[host].log_disk.clear_failures();
                self.hosts[host].data_disk.clear_failures();
                self.hosts[host].halted = false;
                self.hosts[host].disk_failing = false;
                self.trace.started(self.now, id);
                let process = self.hosts[host].process.as_ref();
                let report = process.map(|process| process.wal.report());
                self.salvaged(id, &report.unwrap_or_default());
                for found in found {
                    let checked = self.invariants.restarted(id, &found);
                    self.check(checked);
                    self.nemesis.salvaged.doubted += u64::from(found.restored.amnesia);
                }
                self.events
                    .push(self.now, || Happened::Started { node: id });
                self.drain(host);
                self.connect(host);
            }
        }
    }

    /// Ends a process.
    pub(crate) fn stop(&mut self, host: usize, power_cut: bool) {
        let machine = &mut self.hosts[host];
        let id = machine.id;
        let calls = machine
            .process
            .as_mut()
            .map(|process| core::mem::take(&mut process.calls));
        let ran = calls.is_some();
        machine.stop(power_cut, &mut self.prng);
        if ran {
            self.trace.stopped(self.now, id);
            self.events.push(self.now, || Happened::Stopped {
                node: id,
                power_cut,
            });
            self.hang_up(calls.unwrap_or_default());
            self.disconnect(id);
        }
    }
}
