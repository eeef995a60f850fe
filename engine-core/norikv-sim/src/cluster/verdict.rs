//! The end of a run: rest, service after healing, equal replicas, and the judgement of the history.
//!
//! **Invariant: nothing is judged before it had the time to come right**, and the first broken
//! promise stands.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;
use core::time::Duration;

use nori_raft::Role;
use norikv_node::{Answer, Item, MemberState, Node, PortErrorKind, Query};
use norikv_types::{ErrorKind, GroupId, Mono, NodeId};

use crate::cluster::workload::Judged;
use crate::cluster::{Simulation, Violation};

impl Simulation {
    /// Goes through the plan, until the cluster has come to rest, and judges what happened.
    pub fn run_to_the_end(&mut self) {
        self.trace.to_the_end = true;
        let end = Duration::from_millis(self.config.plan_end_ms());
        self.run_until(Mono::ZERO + end);
        self.end_free_will();
        self.come_to_rest();
        if !self.nemesis.left_broken.is_empty() {
            self.must_serve();
            self.heal_rest();
            self.come_to_rest();
        }
        self.must_serve();
        self.clients.watching = false;
        self.must_have_ended();
        self.compare_replicas();
        self.judge();
    }

    /// Runs until every client is done and every replica of every group has applied the same.
    fn come_to_rest(&mut self) {
        let began = self.now;
        while self.violation.is_none() {
            let restless = self.restless();
            if restless.is_none() {
                return;
            }
            let after = self.now.since(began);
            if after > REST_MAX {
                self.break_off(Violation::NotConverged {
                    after_ms: u64::try_from(after.as_millis()).unwrap_or(u64::MAX),
                    what: restless.unwrap_or_default(),
                });
                return;
            }
            self.run_until(self.now + REST_LOOK);
        }
    }

    /// A healed cluster, or a healed majority, answers a linearizable read of every key.
    fn must_serve(&mut self) {
        let before = self.clients.counters;
        self.read_everything();
        self.come_to_rest();
        let after = self.clients.counters;
        let failed = after.refused + after.unknown - before.refused - before.unknown;
        if failed > 0 {
            self.break_off(Violation::NotConverged {
                after_ms: 0,
                what: format!("{failed} reads were refused though everything needed is healed"),
            });
        }
    }

    /// Where no clock jumped, what was to end has ended once its time is over.
    fn must_have_ended(&mut self) {
        if !self.config.has_true_walls() || !self.clients.has_lent() {
            return;
        }
        self.run_until(self.now + TTL_MAX);
        self.clients.all_ended = true;
        self.look_everywhere();
        self.come_to_rest();
    }

    /// Why the cluster is not at rest.
    fn restless(&self) -> Option<String> {
        let mut suspects = Vec::new();
        if !self.clients.is_idle() {
            return Some(String::from("a client still waits"));
        }
        let mut led = BTreeMap::<GroupId, NodeId>::new();
        let mut followed = BTreeMap::<GroupId, NodeId>::new();
        let mut reached = BTreeMap::<GroupId, (NodeId, u64)>::new();
        for host in &self.hosts {
            if host.retired || self.nemesis.left_broken.contains(&host.id) {
                continue;
            }
            let Some(process) = &host.process else {
                return Some(format!("{} is down", host.id));
            };
            let status = process.node.status();
            if self.nemesis.left_broken.is_empty() {
                let doubted = status
                    .members
                    .iter()
                    .filter(|member| member.state != MemberState::Alive);
                suspects.extend(doubted.map(|member| (host.id, member.node, member.state)));
            }
            for group in status.groups {
                let Some(replica) = group.replica else {
                    continue;
                };
                if self.invariants.is_doubtful(host.id, group.group) {
                    continue;
                }
                if self.is_lacking(host.id, group.group) {
                    return Some(format!("{} lacks entries of {}", host.id, group.group));
                }
                if replica.role == Role::Leader {
                    led.insert(group.group, host.id);
                }
                if let Some(leader) = group.leader {
                    followed.insert(group.group, leader);
                }
                let (last, applied) = (replica.last_index.0, replica.applied_index.0);
                let (first, other) = *reached.entry(group.group).or_insert((host.id, applied));
                if group.leader.is_none() || last != applied || other != applied {
                    return Some(format!(
                        "{} at {}: leader {:?}, last {last}, applied {applied}; {first} applied {other}",
                        group.group, host.id, group.leader
                    ));
                }
            }
        }
        if self.operator.works && self.nemesis.left_broken.is_empty() {
            if let Some(host) = (0..self.hosts.len()).find(|host| self.needs_disks(*host)) {
                return Some(format!("{} waits for new disks", self.hosts[host].id));
            }
            let groups = (0..self.config.groups).map(GroupId);
            let why = |group| self.unwhole(group).or_else(|| self.lingers(group));
            if let Some(why) = groups.into_iter().find_map(why) {
                return Some(why);
            }
        }
        // A follower names its leader for a while after that one is gone.
        let orphan = followed
            .iter()
            .find(|(group, leader)| led.get(group) != Some(leader));
        if let Some((group, leader)) = orphan {
            return Some(format!("{group} follows {leader}, which does not lead it"));
        }
        // A node that stays down is rightly doubted.
        let up = |node: NodeId| {
            let host = self.host_of(node);
            host.is_some_and(|host| !self.hosts[host].retired && self.hosts[host].process.is_some())
        };
        suspects.retain(|(_, node, _)| up(*node));
        let (by, node, state) = suspects.first()?;
        Some(format!("{by} takes {node} for {state:?}"))
    }

    /// At rest every replica of a group holds the same bytes under the same versions.
    fn compare_replicas(&mut self) {
        let mut contents = BTreeMap::<GroupId, (NodeId, Vec<Item>)>::new();
        let mut differ = None;
        for (nth, host) in self.hosts.iter().enumerate() {
            // Who stopped for harm stands where it stood then.
            if host.retired {
                continue;
            }
            let Some(process) = &host.process else {
                continue;
            };
            host.read_clock(self.now);
            for group in held(&process.node) {
                if self.invariants.is_doubtful(host.id, group) {
                    continue;
                }
                let query = Query::Scan {
                    group,
                    prefix: bytes::Bytes::new(),
                    after: None,
                    limit: u32::MAX,
                    bytes_max: u32::MAX,
                };
                let items = match process.storage.query(&query) {
                    Ok(Answer::Page(page)) => page.items,
                    Ok(other) => {
                        differ = Some(Violation::UnexpectedFailure {
                            kind: ErrorKind::Internal,
                            message: format!("a scan was answered with {other:?}"),
                        });
                        continue;
                    }
                    Err(error) if error.kind == PortErrorKind::Corrupt && self.is_harmed(nth) => {
                        continue;
                    }
                    Err(error) => {
                        differ = Some(Violation::CannotOpen {
                            node: host.id,
                            error: error.to_string(),
                        });
                        continue;
                    }
                };
                let first = contents
                    .entry(group)
                    .or_insert_with(|| (host.id, items.clone()));
                if first.1 != items {
                    differ = Some(Violation::ReplicasDiffer {
                        group,
                        first: first.0,
                        second: host.id,
                    });
                }
            }
        }
        if let (Some(violation), None) = (differ, &self.violation) {
            self.break_off(violation);
        }
        for host in 0..self.hosts.len() {
            let machine = &self.hosts[host];
            let process = machine.process.as_ref().filter(|_| !machine.retired);
            let groups = process.map_or_else(Vec::new, |process| held(&process.node));
            for group in groups {
                self.look_at_content(host, group);
            }
        }
    }

    /// Judges the history. Also after another violation: the first one stands.
    pub(crate) fn judge(&mut self) {
        match self.clients.histories.judge() {
            Judged::Yes => {}
            Judged::Unknown { key } => self.undecided_key = Some(key),
            Judged::No { key, text, .. } => {
                self.break_off(Violation::NotLinearizable { key, text });
            }
        }
    }

    /// Why no order explains what clients were told, as an SVG document; `None` when one does.
    #[must_use]
    pub fn drawing(&self) -> Option<String> {
        match self.clients.histories.judge() {
            Judged::No { svg, .. } => Some(svg),
            Judged::Yes | Judged::Unknown { .. } => None,
        }
    }
}

/// The groups of which the node has a replica.
fn held(node: &Node) -> Vec<GroupId> {
    let groups = node.status().groups.into_iter();
    let held = groups.filter(|group| group.replica.is_some());
    held.map(|group| group.group).collect()
}

/// How long a healed cluster may take to come to rest.
const REST_MAX: Duration = Duration::from_secs(30);
/// Longer than any value lives that ends.
const TTL_MAX: Duration = Duration::from_secs(4);
const REST_LOOK: Duration = Duration::from_millis(100);
