//! Carries out what nodes say.
//!
//! **Invariant: after every input a node is asked until it falls silent, and everything it says is
//! checked before it is done.**

use alloc::vec::Vec;
use core::time::Duration;

use norikv_node::driver::{Task, route};
use norikv_node::{Event, Lane, Output};
use norikv_types::{GroupId, NodeId, Prng};

use crate::cluster::host::{Queues, Worker};
use crate::cluster::invariant::{Lease, bounded, lease};
use crate::cluster::simulation::Happening;
use crate::cluster::view::Happened;
use crate::cluster::{Simulation, Violation, frame};

impl Simulation {
    /// Carries out what a node says until it falls silent.
    pub(crate) fn drain(&mut self, host: usize) {
        let id = self.hosts[host].id;
        while let Some(process) = &mut self.hosts[host].process {
            let Some(output) = process.node.poll_output() else {
                break;
            };
            self.trace.output(self.now, id, &output);
            let checked = self.observe(id, &output);
            self.check(checked);
            self.carry_out(host, output);
        }
        self.check_lost_leases(id);
        let machine = &mut self.hosts[host];
        let local = machine
            .process
            .as_ref()
            .and_then(|process| process.node.poll_timeout());
        machine.deadline = local.map(|local| machine.world(local));
        let waiting = machine.process.as_ref().map(|process| process.queues.len());
        self.check(bounded::check(id, waiting.unwrap_or(0)));
        self.schedule_work(host);
    }

    fn observe(&mut self, node: NodeId, output: &Output) -> Result<(), Violation> {
        match output {
            Output::Persist { group, persist } => self.invariants.persist(node, *group, persist),
            Output::Apply { group, entries } => self.invariants.apply(node, *group, entries),
            Output::Install { session, group, at } => {
                self.invariants.install(node, *session, *group, *at);
                Ok(())
            }
            Output::ReleaseLog { group, up_to } => {
                self.invariants.released(node, *group, *up_to);
                Ok(())
            }
            Output::Event(Event::Raft {
                group,
                event: nori_raft::Event::RoleChanged { role, term },
            }) => {
                self.invariants.role_changed(node, *group, *role, *term)?;
                match role {
                    nori_raft::Role::Leader => {
                        let leases = self.leases(*group);
                        lease::check(*group, leases.filter(|lease| lease.term < *term))
                    }
                    _ => Ok(()),
                }
            }
            Output::Event(Event::Raft {
                group,
                event: nori_raft::Event::CommitAdvanced { commit_index },
            }) => self.invariants.commit_advanced(node, *group, *commit_index),
            Output::Event(Event::Raft {
                event: nori_raft::Event::Quiesced { .. },
                ..
            }) => {
                self.slept += 1;
                Ok(())
            }
            Output::Event(Event::Raft {
                event: nori_raft::Event::Woke { .. },
                ..
            }) => {
                self.woke += 1;
                Ok(())
            }
            Output::Event(Event::SnapshotInstalled { .. }) => {
                self.snapshots_installed += 1;
                Ok(())
            }
            Output::Event(Event::SnapshotResumed { .. }) => {
                self.snapshots_resumed += 1;
                Ok(())
            }
            Output::Event(Event::ReplicaRemoved { group }) => {
                self.operator.counters.removed += 1;
                self.nemesis.in_repair.remove(&(node, *group));
                self.invariants.removed(node, *group)
            }
            Output::Event(Event::ReplicaBegun { group }) => {
                self.operator.counters.begun += 1;
                self.invariants.begun(node, *group)
            }
            Output::Event(Event::Misuse {
                group,
                from,
                detail,
            }) => Err(Violation::Misuse {
                node,
                group: *group,
                from: *from,
                detail: detail.clone(),
            }),
            Output::Send {
                to,
                lane: Lane::Control | Lane::Append,
                frame,
            } => frame::raft_messages(frame)
                .iter()
                .try_for_each(|(group, message)| self.invariants.said(node, *to, *group, message)),
            _ => Ok(()),
        }
    }

    fn carry_out(&mut self, host: usize, output: Output) {
        let id = self.hosts[host].id;
        let task = route(output);
        match task {
            Task::Send { to, lane, frame } => self.send(host, to, Some(lane), frame),
            Task::Datagram { to, packet } => self.send(host, to, None, packet),
            Task::Reply { request, result } => self.reply(host, request, result),
            Task::Event(event) => {
                if let Event::Raft { group, event } = &event {
                    self.log_changed(id, *group, event);
                }
                if let Event::Halted(error) = &event {
                    self.halted(host, error);
                }
                self.events
                    .push(self.now, || Happened::Node { node: id, event });
            }
            Task::Log(task) => self.queue(host, |queues| queues.log.push(task)),
            Task::Apply(task) => self.queue(host, |queues| queues.apply.push_back(task)),
            Task::Read(task) => self.queue(host, |queues| queues.read.push_back(task)),
            Task::Snapshot(task) => self.queue(host, |queues| queues.snapshot.push_back(task)),
            Task::Job(task) => self.queue(host, |queues| queues.job.push_back(task)),
        }
    }

    fn queue(&mut self, host: usize, put: impl FnOnce(&mut Queues)) {
        if let Some(process) = &mut self.hosts[host].process {
            put(&mut process.queues);
        }
    }

    pub(crate) fn schedule_work(&mut self, host: usize) {
        let machine = &mut self.hosts[host];
        let (life, slowness) = (machine.life, machine.disk_slowness);
        let Some(process) = &mut machine.process else {
            return;
        };
        for worker in Worker::ALL {
            let queues = &mut process.queues;
            if queues.busy & worker.bit() == 0 && queues.waits(worker) {
                queues.busy |= worker.bit();
                let at = self.now + worker.latency(slowness, &mut self.prng);
                self.schedule
                    .push(at, Happening::Work { host, life, worker });
            }
        }
    }

    /// Who lost a group without knowing must not renew its lease by answers that come late.
    fn check_lost_leases(&mut self, node: NodeId) {
        let groups: Vec<GroupId> = self.invariants.lost_without_knowing(node).collect();
        for group in groups {
            let own = self.leases(group).filter(|lease| lease.holder == node);
            let checked = lease::check(group, own);
            self.check(checked);
        }
    }

    /// Every lease on the group that counts.
    fn leases(&self, group: GroupId) -> impl Iterator<Item = Lease> {
        let trusted = self.hosts.iter().filter(|_| self.clients.leases);
        trusted.filter_map(move |host| {
            let groups = host.process.as_ref()?.node.status().groups;
            let replica = groups.into_iter().find(|own| own.group == group)?.replica?;
            Some(Lease {
                holder: host.id,
                term: replica.term,
                left: replica.lease_until?.since(host.local(self.now)),
            })
        })
    }
}

impl Worker {
    /// How long a run takes on disks that are `slowness` times slower than usual.
    fn latency(self, slowness: u32, prng: &mut Prng) -> Duration {
        let (min, max) = match self {
            Self::Log => (100, 500),
            Self::Apply => (10, 60),
            Self::Read => (5, 40),
            Self::Snapshot => (30, 200),
            Self::Job => (30, 300),
        };
        let tail = if prng.chance_ppm(5_000) { 10 } else { 1 };
        let usual = prng.duration(Duration::from_micros(min), Duration::from_micros(max));
        (usual * slowness * tail).min(LATENCY_MAX)
    }
}

/// The longest that a worker takes, however slow its disk.
const LATENCY_MAX: Duration = Duration::from_secs(2);
