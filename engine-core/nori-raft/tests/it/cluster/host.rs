//! One node's host: feeds its replica and does what it says, checking all of it.

use std::time::Duration;

use nori_raft::{Body, Event, Input, Message, Output, Raft, ReadMode, Reader, Role, SnapshotMeta};
use norikv_types::{Mono, NodeId};

use super::{Cluster, Happening};
use crate::checker::Violation;

impl Cluster {
    pub(super) fn input(&mut self, id: NodeId, input: Input) -> Result<(), Violation> {
        let now = self.local(id);
        let lazy = self.prng.chance_ppm(200_000);
        let Some(raft) = &mut self.node(id).raft else {
            if let Input::Read { read, .. } = input {
                self.reads.remove(&read);
            }
            return Ok(());
        };
        raft.handle_input(now, input)
            .map_err(|error| format!("{id} got: {error}"))?;
        if lazy {
            let boot = self.node(id).boot;
            self.plan(
                Duration::from_micros(100),
                Happening::Drain { node: id, boot },
            );
            return Ok(());
        }
        self.drain(id)
    }

    pub(super) fn drain(&mut self, id: NodeId) -> Result<(), Violation> {
        loop {
            let Some(output) = self.node(id).raft.as_mut().and_then(Raft::poll_output) else {
                break;
            };
            self.output(id, output)?;
        }
        self.note_commit(id)?;
        let node = self.node(id);
        let (Some(raft), boot) = (&node.raft, node.boot) else {
            return Ok(());
        };
        let leader = raft
            .leader()
            .filter(|leader| raft.is_quiescent() && *leader != id);
        let watches = leader.map(|leader| (leader, self.nodes[&leader].boot));
        let node = self.node(id);
        let before = node.watches.map(|(leader, _)| leader);
        if before != watches.map(|(leader, _)| leader) {
            node.watches = watches;
            if watches.is_some() {
                self.plan(WATCH_EVERY, Happening::Watch { node: id, boot });
            }
        }
        let node = self.node(id);
        let Some(raft) = &node.raft else {
            return Ok(());
        };
        let deadline = raft.poll_timeout();
        if let Some(at) = deadline
            && node.wake_at != Some(at)
        {
            node.wake_at = Some(at);
            let rate = i128::from(1_000_000 + node.rate_ppm);
            let global = i128::from(at.as_nanos()) * 1_000_000 / rate + 1;
            let global = Mono::from_nanos(u64::try_from(global).unwrap()).max(self.now);
            let late = match self.prng.below(20) {
                0 => self
                    .prng
                    .duration(Duration::ZERO, Duration::from_millis(30)),
                _ => Duration::ZERO,
            };
            self.sequence += 1;
            let happening = Happening::Wake { node: id, boot, at };
            self.agenda
                .insert((global + late, self.sequence), happening);
        }
        Ok(())
    }

    /// Checks what the replica newly takes for committed. Its mirror is up to date.
    pub(super) fn note_commit(&mut self, id: NodeId) -> Result<(), Violation> {
        let node = self.nodes.get_mut(&id).unwrap();
        let Some(commit_index) = node.raft.as_ref().map(Raft::commit_index) else {
            return Ok(());
        };
        if commit_index < node.commit_index {
            return Err(format!("{id} went back in its commit index"));
        }
        let from = std::mem::replace(&mut node.commit_index, commit_index);
        self.checker.committed(id, from, commit_index, &node.mirror)
    }

    pub(super) fn output(&mut self, id: NodeId, output: Output) -> Result<(), Violation> {
        let boot = self.node(id).boot;
        match output {
            Output::Persist(persist) => {
                let delay = self.prng.duration(Duration::ZERO, self.faults.disk_max);
                let node = self.nodes.get_mut(&id).unwrap();
                node.mirror.write(&persist);
                self.counts.resets += u64::from(persist.reset.is_some());
                self.checker
                    .stored(id, &node.mirror, persist.entries.len())?;
                node.writes.push_back(persist);
                // Completions come in order: each pops the front.
                self.plan(delay, Happening::DiskDone { node: id, boot });
            }
            Output::Send { to, message } => self.send(id, to, message)?,
            Output::Apply { entries } => {
                self.note_commit(id)?;
                let node = self.nodes.get_mut(&id).unwrap();
                for entry in &entries {
                    if entry.index != node.handed_out.next() || node.installing.is_some() {
                        return Err(format!(
                            "apply: {id} got {} after {}",
                            entry.version(),
                            node.handed_out
                        ));
                    }
                    node.handed_out = entry.index;
                    self.checker.applied(id, entry, &node.disk)?;
                }
                let last = entries.last().ok_or("apply: no entries")?;
                let snapshot = SnapshotMeta {
                    index: last.index,
                    term: last.term,
                };
                let delay = self.prng.duration(Duration::ZERO, self.faults.disk_max);
                self.plan(
                    delay,
                    Happening::Applied {
                        node: id,
                        boot,
                        snapshot,
                    },
                );
            }
            Output::FetchEntries {
                reader,
                from,
                up_to,
                bytes_max,
            } => {
                match reader {
                    Reader::Apply => self.counts.fetched_to_apply += 1,
                    Reader::Peer(_) => self.counts.fetched_for_peers += 1,
                    Reader::Repair(_) => self.counts.fetched_to_repair += 1,
                }
                let entries = self.node(id).disk.read(from, up_to, bytes_max);
                let delay = self.prng.duration(Duration::ZERO, self.faults.disk_max);
                self.plan(
                    delay,
                    Happening::Fetched {
                        node: id,
                        boot,
                        reader,
                        from,
                        entries,
                    },
                );
            }
            Output::ReadReady { read, index } => {
                let (needed, mode) = self.reads.remove(&read).ok_or("read: answered twice")?;
                self.counts.reads += 1;
                self.counts.lease_reads += u64::from(mode == ReadMode::Lease);
                let leads = self.nodes[&id].role == Role::Leader;
                self.counts.reads_elsewhere += u64::from(!leads);
                self.checker.read(id, needed, index)?;
            }
            Output::ReadRefused { read, .. } => {
                self.reads.remove(&read).ok_or("read: answered twice")?;
            }
            Output::ExportSnapshot { to } => {
                let term = self.node(id).raft.as_ref().unwrap().term();
                let delay = self.delay();
                self.plan(
                    delay,
                    Happening::Exported {
                        node: id,
                        boot,
                        to,
                        term,
                    },
                );
            }
            Output::InstallSnapshot { snapshot } => {
                self.node(id).installing = Some(snapshot);
                let max = self.faults.delay_max * 10;
                let delay = self.prng.duration(Duration::ZERO, max);
                self.plan(
                    delay,
                    Happening::Installed {
                        node: id,
                        boot,
                        snapshot,
                    },
                );
            }
            Output::Event(event) => self.event(id, &event)?,
            Output::Transferred { .. } => self.counts.transfers += 1,
            Output::Appended { .. } | Output::Dropped { .. } => {}
        }
        Ok(())
    }

    /// Wakes a replica whose leader ended, started anew or cannot be heard.
    pub(super) fn watch(&mut self, id: NodeId) -> Result<(), Violation> {
        let Some((leader, seen)) = self.nodes[&id].watches else {
            return Ok(());
        };
        let target = &self.nodes[&leader];
        let gone = target.raft.is_none() || target.boot != seen;
        if gone || self.cut.contains(&(leader, id)) {
            let heard = self.local(id);
            return self.input(id, Input::Wake { heard });
        }
        let boot = self.nodes[&id].boot;
        self.plan(WATCH_EVERY, Happening::Watch { node: id, boot });
        Ok(())
    }

    pub(super) fn event(&mut self, id: NodeId, event: &Event) -> Result<(), Violation> {
        let node = self.nodes.get_mut(&id).unwrap();
        self.checker.event(id, event, &node.mirror)?;
        match *event {
            Event::RoleChanged { role, .. } => {
                node.role = role;
                self.counts.leaders += u64::from(role == Role::Leader);
            }
            Event::TermChanged { term } => {
                if term <= node.term {
                    return Err(format!("{id} went back in its term"));
                }
                node.term = term;
            }
            Event::CommitAdvanced { commit_index } if node.role == Role::Leader => {
                let term = node.term;
                let node = &self.nodes[&id];
                // By what is in force now, or by what was before the inputs that led here.
                let now = node.raft.as_ref().and_then(Raft::configuration).cloned();
                let before = node.mirror.configuration().cloned();
                let released = node.mirror.base.index;
                let before = before.or_else(|| self.checker.configuration_at(released));
                let configurations = now.into_iter().chain(before);
                let disks = self.nodes.iter().map(|(id, node)| (*id, &node.disk));
                self.checker
                    .leader_committed(id, term, commit_index, disks, configurations)?;
            }
            Event::LogTruncated { .. } => self.counts.truncations += 1,
            Event::Quiesced { .. } => self.counts.slept += 1,
            Event::Repaired => self.counts.repairs += 1,
            _ => {}
        }
        Ok(())
    }

    pub(super) fn send(
        &mut self,
        from: NodeId,
        to: NodeId,
        message: Message,
    ) -> Result<(), Violation> {
        let node = &self.nodes[&from];
        self.checker
            .sent(from, to, &message, &node.disk, &node.mirror)?;
        if self.prng.chance_ppm(self.faults.loss_ppm) {
            return Ok(());
        }
        // Through the codec that the node uses.
        let bytes = postcard::to_allocvec(&message).map_err(|error| error.to_string())?;
        let message: Message = postcard::from_bytes(&bytes).map_err(|error| error.to_string())?;
        if self.prng.chance_ppm(self.faults.duplicate_ppm) {
            let delay = self.delay();
            self.plan(
                delay,
                Happening::Deliver {
                    from,
                    to,
                    message: message.clone(),
                },
            );
        }
        let slow = match message.body {
            Body::AppendReply(_) => self.faults.reply_delay,
            _ => Duration::ZERO,
        };
        let delay = self.delay() + slow;
        self.plan(delay, Happening::Deliver { from, to, message });
        Ok(())
    }
}

/// How often a host hears whether other nodes are alive.
const WATCH_EVERY: Duration = Duration::from_millis(60);
