//! Three replicas of `nori-raft`.

use std::collections::VecDeque;
use std::time::Duration;

use anyhow::{Result, ensure};
use bytes::Bytes;
use nori_raft::{
    Config, Input, Message, Output, Payload, ProposalId, Raft, Restored, Role, WriteId,
};
use norikv_types::{LogIndex, Mono, NodeId};

use super::payloads::{Applied, Payloads};
use super::trio::{Mailed, Trio};
use crate::allocations::uncounted;

#[derive(Debug)]
struct Replica {
    raft: Raft,
    log: Payloads,
    applied: Applied,
    /// What came in and was not looked at.
    inbox: VecDeque<(NodeId, Message)>,
    /// Writes that were done and not reported.
    written: VecDeque<WriteId>,
    /// Whether entries were applied and not reported.
    has_applied: bool,
}

#[derive(Debug)]
struct NoriTrio {
    now: Mono,
    replicas: [Replica; 3],
    messages: u64,
    proposed: u64,
    prepared: VecDeque<Bytes>,
}

/// Builds a group and elects its first replica.
pub(super) fn build(seed: u64, log_bytes: usize) -> Result<Box<dyn Trio>> {
    let replica = |id: u64| -> Result<Replica> {
        let config = Config::new(NodeId(id), (1..=3).map(NodeId), seed * 3 + id);
        Ok(Replica {
            raft: Raft::new(config, Restored::fresh(), Mono::ZERO)?,
            log: uncounted(|| Payloads::new(1, log_bytes)),
            applied: uncounted(Applied::new),
            inbox: uncounted(|| VecDeque::with_capacity(64)),
            written: uncounted(|| VecDeque::with_capacity(64)),
            has_applied: false,
        })
    };
    let mut trio = NoriTrio {
        now: Mono::ZERO,
        replicas: [replica(1)?, replica(2)?, replica(3)?],
        messages: 0,
        proposed: 0,
        prepared: VecDeque::new(),
    };
    // Only the first one hears that time passes.
    trio.now += Duration::from_millis(300);
    trio.input(0, Input::Timeout);
    trio.work(0);
    let role = trio.replicas[0].raft.role();
    ensure!(role == Role::Leader, "the first replica is {role:?}");
    Ok(Box::new(trio))
}

impl NoriTrio {
    fn input(&mut self, at: usize, input: Input) {
        let taken = self.replicas[at].raft.handle_input(self.now, input);
        assert!(taken.is_ok(), "{taken:?}");
    }

    fn carry_out(&mut self, at: usize, output: Output) {
        let replica = &mut self.replicas[at];
        match output {
            Output::Persist(persist) => {
                for entry in &persist.entries {
                    let payload: &[u8] = match &entry.payload {
                        Payload::Command(command) => command,
                        _ => &[],
                    };
                    replica.log.write(entry.index.0, payload);
                }
                replica.written.push_back(persist.write);
            }
            Output::Send { to, message } => {
                self.messages += 1;
                let to = usize::try_from(to.0 - 1).unwrap_or(usize::MAX);
                let from = NodeId(at as u64 + 1);
                self.replicas[to].inbox.push_back((from, message));
            }
            Output::Apply { entries } => {
                for entry in &entries {
                    let index = entry.index.0;
                    replica.applied.apply(index, replica.log.read(index));
                }
                replica.has_applied = true;
            }
            Output::Dropped { reason, .. } => panic!("a proposal was dropped: {reason:?}"),
            Output::FetchEntries { .. } => panic!("nobody is far behind"),
            _ => {}
        }
    }
}

impl Mailed for NoriTrio {
    fn has_mail(&self, at: usize) -> bool {
        !self.replicas[at].inbox.is_empty()
    }

    fn deliver(&mut self, at: usize) {
        while let Some((from, message)) = self.replicas[at].inbox.pop_front() {
            self.input(at, Input::Receive { from, message });
        }
    }

    fn carry_out_all(&mut self, at: usize) {
        loop {
            while let Some(output) = self.replicas[at].raft.poll_output() {
                self.carry_out(at, output);
            }
            let replica = &mut self.replicas[at];
            let has_applied = std::mem::take(&mut replica.has_applied);
            if replica.written.is_empty() && !has_applied {
                return;
            }
            while let Some(write) = self.replicas[at].written.pop_front() {
                self.input(at, Input::Durable(write));
            }
            if has_applied {
                let last = LogIndex(self.replicas[at].applied.index);
                self.input(at, Input::Applied(last));
            }
        }
    }
}

impl Trio for NoriTrio {
    fn prepare(&mut self, payloads: Vec<Vec<u8>>) {
        // Made shared where it is made: that memory is the payload's.
        let shared = |payload| {
            let payload = Bytes::from(payload);
            drop(payload.clone());
            payload
        };
        self.prepared.extend(payloads.into_iter().map(shared));
    }

    fn propose(&mut self, batch: usize) {
        for _ in 0..batch {
            let Some(command) = self.prepared.pop_front() else {
                panic!("so many are prepared");
            };
            self.proposed += 1;
            let proposal = ProposalId(self.proposed);
            self.input(0, Input::Propose { proposal, command });
        }
        self.work(0);
        assert_eq!(self.replicas[0].applied.count, self.proposed);
    }

    fn heartbeat(&mut self) {
        if let Some(at) = self.replicas[0].raft.poll_timeout() {
            self.now = self.now.max(at);
        }
        for at in 0..3 {
            if (self.replicas[at].raft.poll_timeout()).is_some_and(|due| due <= self.now) {
                self.input(at, Input::Timeout);
            }
            self.work(at);
        }
    }

    fn compact(&mut self) {
        for at in 0..3 {
            let index = LogIndex(self.replicas[at].applied.index);
            self.input(at, Input::Compact(index));
            self.work(at);
        }
    }

    fn host_bytes(&self) -> usize {
        size_of::<Self>() - 3 * size_of::<Raft>()
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn applied(&self) -> [(u64, u64); 3] {
        [0, 1, 2].map(|at: usize| self.replicas[at].applied.digest())
    }
}
