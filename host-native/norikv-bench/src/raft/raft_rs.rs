//! Three replicas of `raft-rs`, over the same log in memory.

use std::collections::VecDeque;

use anyhow::{Context, Result, ensure};
use raft::eraftpb::{ConfState, Entry, HardState, Message, Snapshot};
use raft::storage::GetEntriesContext;
use raft::{Config, RaftState, RawNode, StateRole, Storage, StorageError};

use super::payloads::{Applied, Payloads};
use super::trio::{Mailed, Trio};
use crate::allocations::uncounted;

/// A replica's log as the library wants to read it.
#[derive(Debug)]
struct Store {
    state: RaftState,
    log: Payloads,
    /// The terms of the entries in `log`, and of the one before them.
    terms: VecDeque<u64>,
}

struct Replica {
    raft: RawNode<Store>,
    applied: Applied,
    inbox: VecDeque<Message>,
}

struct RaftRsTrio {
    replicas: [Replica; 3],
    messages: u64,
    proposed: u64,
    prepared: VecDeque<Vec<u8>>,
}

/// Builds a group and elects its first replica.
pub(super) fn build(_seed: u64, log_bytes: usize) -> Result<Box<dyn Trio>> {
    let logger = slog::Logger::root(slog::Discard, slog::o!());
    let replica = |id: u64| -> Result<Replica> {
        // As `nori-raft`: a heartbeat each tick, elections after 3 to 6 of them.
        let config = Config {
            id,
            election_tick: 3,
            heartbeat_tick: 1,
            max_size_per_msg: 1 << 20,
            max_inflight_msgs: 256,
            check_quorum: true,
            pre_vote: true,
            ..Config::default()
        };
        let mut raft = RawNode::new(&config, uncounted(|| Store::new(log_bytes)), &logger)?;
        // The faster way by far.
        raft.set_batch_append(true);
        Ok(Replica {
            raft,
            applied: uncounted(Applied::new),
            inbox: uncounted(|| VecDeque::with_capacity(64)),
        })
    };
    let mut trio = RaftRsTrio {
        replicas: [replica(1)?, replica(2)?, replica(3)?],
        messages: 0,
        proposed: 0,
        prepared: VecDeque::new(),
    };
    trio.replicas[0].raft.campaign()?;
    trio.work(0);
    let role = trio.replicas[0].raft.raft.state;
    ensure!(role == StateRole::Leader, "the first replica is {role:?}");
    Ok(Box::new(trio))
}

impl RaftRsTrio {
    fn carry_out(&mut self, at: usize) {
        let mut ready = self.replicas[at].raft.ready();
        self.send(ready.take_messages());
        self.replicas[at].apply(&ready.take_committed_entries());
        let store = self.replicas[at].raft.mut_store();
        for entry in ready.entries() {
            store.write(entry);
        }
        if let Some(state) = ready.hs() {
            store.state.hard_state = state.clone();
        }
        self.send(ready.take_persisted_messages());
        let mut light = self.replicas[at].raft.advance(ready);
        if let Some(commit) = light.commit_index() {
            let store = self.replicas[at].raft.mut_store();
            store.state.hard_state.commit = commit;
        }
        self.send(light.take_messages());
        self.replicas[at].apply(&light.take_committed_entries());
        self.replicas[at].raft.advance_apply();
    }

    fn send(&mut self, messages: Vec<Message>) {
        for message in messages {
            self.messages += 1;
            let to = usize::try_from(message.to - 1).unwrap_or(usize::MAX);
            self.replicas[to].inbox.push_back(message);
        }
    }
}

impl Replica {
    fn apply(&mut self, entries: &[Entry]) {
        let log = &self.raft.store().log;
        for entry in entries {
            self.applied.apply(entry.index, log.read(entry.index));
        }
    }
}

impl Mailed for RaftRsTrio {
    fn has_mail(&self, at: usize) -> bool {
        !self.replicas[at].inbox.is_empty()
    }

    fn deliver(&mut self, at: usize) {
        while let Some(message) = self.replicas[at].inbox.pop_front() {
            let stepped = self.replicas[at].raft.step(message);
            assert!(stepped.is_ok(), "{stepped:?}");
        }
    }

    fn carry_out_all(&mut self, at: usize) {
        while self.replicas[at].raft.has_ready() {
            self.carry_out(at);
        }
    }
}

impl Trio for RaftRsTrio {
    fn prepare(&mut self, payloads: Vec<Vec<u8>>) {
        self.prepared.extend(payloads);
    }

    fn propose(&mut self, batch: usize) {
        for _ in 0..batch {
            let Some(payload) = self.prepared.pop_front() else {
                panic!("so many are prepared");
            };
            self.proposed += 1;
            let proposed = self.replicas[0].raft.propose(Vec::new(), payload);
            assert!(proposed.is_ok(), "{proposed:?}");
        }
        self.work(0);
        assert_eq!(self.replicas[0].applied.count, self.proposed);
    }

    fn heartbeat(&mut self) {
        for at in 0..3 {
            self.replicas[at].raft.tick();
            self.work(at);
        }
    }

    fn compact(&mut self) {
        for replica in &mut self.replicas {
            let applied = replica.applied.index;
            replica.raft.mut_store().compact(applied);
        }
    }

    fn messages(&self) -> u64 {
        self.messages
    }

    fn applied(&self) -> [(u64, u64); 3] {
        [0, 1, 2].map(|at: usize| self.replicas[at].applied.digest())
    }

    fn host_bytes(&self) -> usize {
        let core = size_of::<RawNode<Store>>() - size_of::<Store>();
        size_of::<Self>() - 3 * core
    }
}

impl Store {
    fn new(log_bytes: usize) -> Self {
        let voters = ConfState::from((vec![1, 2, 3], Vec::new()));
        let mut terms = VecDeque::with_capacity(log_bytes / 128 + 64);
        terms.push_back(0);
        Self {
            state: RaftState::new(HardState::default(), voters),
            log: Payloads::new(1, log_bytes),
            terms,
        }
    }

    fn write(&mut self, entry: &Entry) {
        let (first, _) = self.log.range();
        let keep = usize::try_from(entry.index - first + 1).unwrap_or(usize::MAX);
        self.terms.truncate(keep);
        self.terms.push_back(entry.term);
        self.log.write(entry.index, &entry.data);
        let (now_first, _) = self.log.range();
        self.forget(now_first - first);
    }

    fn compact(&mut self, index: u64) {
        let (first, _) = self.log.range();
        self.log.compact(index);
        let (now_first, _) = self.log.range();
        self.forget(now_first - first);
    }

    fn forget(&mut self, count: u64) {
        for _ in 0..count {
            self.terms.pop_front();
        }
    }

    fn term_of(&self, index: u64) -> Option<u64> {
        let (first, _) = self.log.range();
        let offset = (index + 1).checked_sub(first)?;
        self.terms.get(usize::try_from(offset).ok()?).copied()
    }
}

impl Storage for Store {
    fn initial_state(&self) -> raft::Result<RaftState> {
        Ok(self.state.clone())
    }

    fn entries(
        &self,
        low: u64,
        high: u64,
        max_size: impl Into<Option<u64>>,
        _context: GetEntriesContext,
    ) -> raft::Result<Vec<Entry>> {
        let (first, _) = self.log.range();
        if low < first {
            return Err(StorageError::Compacted.into());
        }
        let (max, mut size) = (max_size.into().unwrap_or(u64::MAX), 0);
        let mut entries = Vec::new();
        for index in low..high {
            let payload = self.log.read(index);
            size += payload.len() as u64 + 16;
            if size > max && !entries.is_empty() {
                break;
            }
            let mut entry = Entry {
                index,
                term: self.term_of(index).unwrap_or(0),
                ..Entry::default()
            };
            entry.data = payload.to_vec().into();
            entries.push(entry);
        }
        Ok(entries)
    }

    fn term(&self, index: u64) -> raft::Result<u64> {
        let term = self.term_of(index).context("known");
        term.map_err(|_error| StorageError::Unavailable.into())
    }

    fn first_index(&self) -> raft::Result<u64> {
        Ok(self.log.range().0)
    }

    fn last_index(&self) -> raft::Result<u64> {
        Ok(self.log.range().1)
    }

    fn snapshot(&self, _request_index: u64, _to: u64) -> raft::Result<Snapshot> {
        Err(StorageError::SnapshotTemporarilyUnavailable.into())
    }
}
