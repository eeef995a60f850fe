//! What is held until which write is durable.
//!
//! **Invariant: a message that speaks of stored state leaves only after the write that stored it,
//! and every write before it, were reported durable** (Raft figure 2: "updated on stable storage
//! before responding"). A report counts for exactly what that write stored *and* no later write
//! cut: when a truncation is staged, everything that earlier writes stored at or above it stops
//! counting at once, so a late report for entries that were cut and appended anew proves nothing.

use alloc::collections::VecDeque;

use norikv_types::{LogIndex, Mutant, NodeId, Term, breaks};
use serde::{Deserialize, Serialize};

use crate::entry::SnapshotMeta;
use crate::message::Message;

/// The name of one write. Numbers grow by one from 1; the term is the replica's when it was issued.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct WriteId {
    /// Its number; first, so that ids order by it.
    pub number: u64,
    /// The term it was issued in.
    pub term: Term,
}

/// Writes under way and what waits for them.
#[derive(Debug)]
pub(crate) struct Durability {
    /// Number of the next write to be issued; what is staged now goes into it.
    next: u64,
    /// Every write up to this number is durable.
    completed: u64,
    /// Issued and not completed, in order; the front is `completed + 1`.
    pending: VecDeque<Pending>,
    /// The write that carries the current term and vote.
    hard_state_write: u64,
    /// Whether the hard state changed since the last write was issued.
    hard_state_staged: bool,
    /// Whether entries are said again in the next write.
    rewrites_staged: bool,
    /// First entry that is not in an issued write.
    staged_from: Option<LogIndex>,
    /// A snapshot that replaced the log since the last write was issued.
    staged_reset: Option<SnapshotMeta>,
    /// The log up to here is durable.
    durable_index: LogIndex,
    /// Entries up to here are stored; less where a durable snapshot covers more.
    stored_index: LogIndex,
    /// Messages that wait, in order, each with the write it waits for.
    held: VecDeque<Held>,
}

/// What goes into one write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Staged {
    pub(crate) write: WriteId,
    pub(crate) hard_state: bool,
    pub(crate) reset: Option<SnapshotMeta>,
    pub(crate) entries_from: Option<LogIndex>,
}

#[derive(Debug)]
struct Pending {
    write: WriteId,
    /// Last entry that is durable with it and that nothing cut since; never falls along the queue.
    last: LogIndex,
    done: bool,
}

#[derive(Debug)]
struct Held {
    needs: u64,
    to: NodeId,
    message: Message,
}

impl Durability {
    /// Nothing under way; the log up to `durable_index` was read back from disk.
    pub(crate) const fn new(durable_index: LogIndex) -> Self {
        Self {
            next: 1,
            completed: 0,
            pending: VecDeque::new(),
            hard_state_write: 0,
            hard_state_staged: false,
            rewrites_staged: false,
            staged_from: None,
            staged_reset: None,
            durable_index,
            stored_index: durable_index,
            held: VecDeque::new(),
        }
    }

    /// Everything up to `durable_index` is durable and was reported; the next write is `next`.
    pub(crate) const fn resumed(next: u64, durable_index: LogIndex) -> Self {
        let mut durability = Self::new(durable_index);
        durability.next = next;
        durability.completed = next - 1;
        durability.hard_state_write = next - 1;
        durability
    }

    /// The term or the vote changed: the next write carries it.
    pub(crate) const fn stage_hard_state(&mut self) {
        self.hard_state_staged = true;
        self.hard_state_write = self.next;
    }

    /// Entries at and above `from` are new; whatever was stored there before is void.
    #[inline]
    pub(crate) fn stage_entries(&mut self, from: LogIndex) {
        self.staged_from = Some(self.staged_from.map_or(from, |first| first.min(from)));
        self.cut(from.prev());
    }

    /// Entries of the log are said again; the number of the write that carries them.
    pub(crate) const fn stage_rewrites(&mut self) -> u64 {
        self.rewrites_staged = true;
        self.next
    }

    /// A durable snapshot replaced the log: entries that writes under way store are void.
    pub(crate) fn stage_reset(&mut self, snapshot: SnapshotMeta) {
        self.cut(LogIndex(0));
        self.staged_from = None;
        self.staged_reset = Some(snapshot);
        self.durable_index = snapshot.index;
        self.stored_index = snapshot.index;
    }

    /// A durable snapshot covers the log up to `index`, whether or not its entries are on disk.
    pub(crate) fn covered(&mut self, index: LogIndex) {
        self.durable_index = self.durable_index.max(index);
    }

    /// Takes what is staged as the next write; `last` is the log's last index. `None`: nothing is.
    #[inline]
    pub(crate) fn issue(&mut self, term: Term, last: LogIndex) -> Option<Staged> {
        if !self.is_staged() {
            return None;
        }
        self.rewrites_staged = false;
        let write = WriteId {
            number: self.next,
            term,
        };
        self.next += 1;
        let staged = Staged {
            write,
            hard_state: core::mem::take(&mut self.hard_state_staged),
            reset: self.staged_reset.take(),
            entries_from: self.staged_from.take(),
        };
        assert!(
            staged.entries_from.is_none_or(|from| from <= last),
            "a cut without new entries cannot be written"
        );
        self.pending.push_back(Pending {
            write,
            last: match staged.entries_from {
                Some(_) => last,
                None => self
                    .pending
                    .back()
                    .map_or(LogIndex(0), |pending| pending.last),
            },
            done: false,
        });
        Some(staged)
    }

    /// Whether this write was ever issued under this name and may still be reported (again).
    pub(crate) fn knows(&self, write: WriteId) -> bool {
        if write.number <= self.completed {
            return write.number > 0;
        }
        self.position(write)
            .is_some_and(|at| self.pending[at].write == write)
    }

    /// A write was reported durable. True if more is durable now than before.
    #[inline]
    pub(crate) fn complete(&mut self, write: WriteId) -> bool {
        if let Some(at) = self.position(write) {
            self.pending[at].done = true;
            if breaks(Mutant::LaterWriteCompletesEarlier) {
                (self.pending.range_mut(..at)).for_each(|pending| pending.done = true);
            }
        }
        let before = self.completed;
        while let Some(pending) = self.pending.pop_front_if(|pending| pending.done) {
            assert!(
                pending.write.number == self.completed + 1,
                "writes complete in the order they were issued"
            );
            self.completed = pending.write.number;
            self.durable_index = self.durable_index.max(pending.last);
            self.stored_index = self.stored_index.max(pending.last);
        }
        self.completed > before
    }

    /// Holds `message` until the write `needs` and all before it are durable, after everything
    /// held already. Gives it back if it may go at once.
    #[inline]
    pub(crate) fn hold(&mut self, needs: u64, to: NodeId, message: Message) -> Option<Message> {
        if needs <= self.completed {
            return Some(message);
        }
        let needs = self.held.back().map_or(needs, |held| held.needs.max(needs));
        if let Some(back) = self.held.back_mut()
            && back.needs == needs
            && back.to == to
            && message.covers(&back.message)
        {
            back.message = message;
            return None;
        }
        self.held.push_back(Held { needs, to, message });
        None
    }

    /// The next held message that may go; of acknowledgements in a row only the last.
    #[inline]
    pub(crate) fn release(&mut self) -> Option<(NodeId, Message)> {
        loop {
            if self.held.front()?.needs > self.completed {
                return None;
            }
            let held = self.held.pop_front()?;
            let covered = self.held.front().is_some_and(|next| {
                next.needs <= self.completed
                    && next.to == held.to
                    && next.message.covers(&held.message)
            });
            if !covered {
                return Some((held.to, held.message));
            }
        }
    }

    /// Forgets held messages: they speak of a term that is over.
    pub(crate) fn drop_held(&mut self) {
        self.held.clear();
    }

    /// Whether all there is is durable and nothing waits for it.
    pub(crate) fn is_idle(&self) -> bool {
        self.pending.is_empty() && self.held.is_empty() && self.newest_write() < self.next
    }

    /// Gives back the room for writes under way; there is none.
    pub(crate) fn trim(&mut self) {
        self.pending.shrink_to_fit();
        self.held.shrink_to_fit();
    }

    /// The write that carries the current term and vote.
    pub(crate) const fn hard_state_write(&self) -> u64 {
        self.hard_state_write
    }

    /// Whether this write and all before it are durable.
    pub(crate) const fn is_complete(&self, write: u64) -> bool {
        write <= self.completed
    }

    /// Whether the current term and vote are durable.
    pub(crate) const fn hard_state_durable(&self) -> bool {
        self.hard_state_write <= self.completed
    }

    /// The write after which everything appended so far is durable.
    pub(crate) const fn newest_write(&self) -> u64 {
        if self.is_staged() {
            self.next
        } else {
            self.next - 1
        }
    }

    /// Whether anything waits for the next write.
    pub(crate) const fn is_staged(&self) -> bool {
        self.staged_from.is_some()
            || self.staged_reset.is_some()
            || self.hard_state_staged
            || self.rewrites_staged
    }

    /// The log up to here is durable.
    pub(crate) const fn durable_index(&self) -> LogIndex {
        self.durable_index
    }

    /// Entries up to here can be read back.
    pub(crate) const fn stored_index(&self) -> LogIndex {
        self.stored_index
    }

    /// Nothing above `keep` counts as stored any more.
    fn cut(&mut self, keep: LogIndex) {
        self.durable_index = self.durable_index.min(keep);
        self.stored_index = self.stored_index.min(keep);
        if breaks(Mutant::CutWritesCount) {
            return;
        }
        for pending in self.pending.iter_mut().rev() {
            if pending.last <= keep {
                break;
            }
            pending.last = keep;
        }
    }

    fn position(&self, write: WriteId) -> Option<usize> {
        let front = self.pending.front()?.write.number;
        let at = usize::try_from(write.number.checked_sub(front)?).ok()?;
        (at < self.pending.len()).then_some(at)
    }
}

#[cfg(test)]
mod tests;
