//! Connections between nodes, as each end's transport sees them.
//!
//! **Invariant: a node that is told that a connection is up was told before that the last one is
//! down.** A connection comes up some milliseconds after both processes run and nothing is cut, and
//! goes down soon after a process ended, or when a cut has outlasted the idle timeout.

use core::time::Duration;

use norikv_node::Input;
use norikv_types::NodeId;

use crate::cluster::Simulation;
use crate::cluster::simulation::Happening;
use crate::cluster::view::Happened;

impl Simulation {
    /// A process has started: connections come up both ways.
    pub(crate) fn connect(&mut self, host: usize) {
        let id = self.hosts[host].id;
        for other in 0..self.hosts.len() {
            if other == host {
                continue;
            }
            let peer = self.hosts[other].id;
            let delay = self.prng.duration(CONNECT_MIN, CONNECT_MAX);
            self.connection_later(host, peer, true, delay);
            self.connection_later(other, id, true, delay);
        }
    }

    /// A process has ended: its peers notice.
    pub(crate) fn disconnect(&mut self, node: NodeId) {
        for other in 0..self.hosts.len() {
            if self.hosts[other].connected.contains_key(&node) {
                let delay = self.prng.duration(NOTICE_MIN, NOTICE_MAX);
                self.connection_later(other, node, false, delay);
            }
        }
    }

    /// Links were cut or mended: cut connections go down after the idle timeout, others come up.
    pub(crate) fn links_changed(&mut self) {
        let cuts = self.network.cuts().collect();
        self.events.push(self.now, || Happened::Links { cuts });
        for host in 0..self.hosts.len() {
            let id = self.hosts[host].id;
            for other in 0..self.hosts.len() {
                let peer = self.hosts[other].id;
                if host == other {
                    continue;
                }
                let cut = self.network.is_cut(id, peer) || self.network.is_cut(peer, id);
                let connection = self.hosts[host].connected.get(&peer).copied();
                let connected = connection == Some(self.hosts[other].life);
                if cut && connection.is_some() {
                    self.connection_later(host, peer, false, IDLE_TIMEOUT);
                } else if !cut && !connected {
                    let delay = self.prng.duration(CONNECT_MIN, REDIAL_MAX);
                    self.connection_later(host, peer, true, delay);
                }
            }
        }
    }

    /// What was going to happen to a connection happens, if it still can.
    pub(crate) fn connection_changes(&mut self, host: usize, peer: NodeId, up: bool) {
        let Some(other) = self.host_of(peer) else {
            return;
        };
        let machine = &self.hosts[host];
        let id = machine.id;
        if machine.process.is_none() {
            return;
        }
        let connected = machine.connected.get(&peer).copied();
        let cut = self.network.is_cut(id, peer) || self.network.is_cut(peer, id);
        let possible = !cut && self.hosts[other].process.is_some();
        if up && possible {
            let life = self.hosts[other].life;
            if connected == Some(life) {
                return;
            }
            if connected.is_some() {
                self.feed(host, Input::PeerDown(peer));
            }
            self.hosts[host].connected.insert(peer, life);
            self.feed(host, Input::PeerUp(peer));
        } else if !up && connected.is_some() {
            let stale = connected != Some(self.hosts[other].life);
            if stale || !possible {
                self.hosts[host].connected.remove(&peer);
                self.feed(host, Input::PeerDown(peer));
            }
            if stale && possible {
                let delay = self.prng.duration(CONNECT_MIN, REDIAL_MAX);
                self.connection_later(host, peer, true, delay);
            }
        }
    }

    /// Something unreadable came in: both ends give the connection up and dial again.
    pub(crate) fn connection_breaks(&mut self, host: usize, peer: NodeId) {
        let id = self.hosts[host].id;
        let Some(other) = self.host_of(peer) else {
            return;
        };
        for (own, peer) in [(host, peer), (other, id)] {
            if self.hosts[own].connected.remove(&peer).is_some() {
                self.feed(own, Input::PeerDown(peer));
            }
            let delay = self.prng.duration(CONNECT_MIN, REDIAL_MAX);
            self.connection_later(own, peer, true, delay);
        }
    }

    fn connection_later(&mut self, host: usize, peer: NodeId, up: bool, delay: Duration) {
        self.schedule
            .push(self.now + delay, Happening::Connection { host, peer, up });
    }
}

const CONNECT_MIN: Duration = Duration::from_millis(1);
const CONNECT_MAX: Duration = Duration::from_millis(20);
const REDIAL_MAX: Duration = Duration::from_millis(300);
const NOTICE_MIN: Duration = Duration::from_millis(1);
const NOTICE_MAX: Duration = Duration::from_millis(800);
const IDLE_TIMEOUT: Duration = Duration::from_secs(3);
