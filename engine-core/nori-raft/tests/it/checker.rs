//! What must hold after every step, whatever happened (Raft figure 3, and what is durable).

use std::collections::{BTreeMap, BTreeSet};

use nori_raft::{
    AppendOutcome, AppendReply, Body, Configuration, Entry, Event, Message, Payload, Role,
    VoteResult,
};
use norikv_types::{LogIndex, NodeId, Term};

use crate::disk::Disk;

/// Everything that was ever seen to be promised, over all nodes and their lives.
#[derive(Debug, Default)]
pub(crate) struct Checker {
    leaders: BTreeMap<Term, NodeId>,
    votes: BTreeMap<(NodeId, Term), NodeId>,
    /// By (index, term): the term before it and its payload.
    entries: BTreeMap<(LogIndex, Term), (Term, Payload)>,
    /// By index.
    committed: BTreeMap<LogIndex, Entry>,
    /// Highest index that any node knows to be committed.
    pub(crate) commit_index: LogIndex,
    /// The newest committed one.
    configuration: Option<Configuration>,
    /// How many were committed.
    pub(crate) configurations: u64,
}

/// Whether two replicas may hold this at one (term, index): the same, or one of them is a witness's
/// and the other a command, which is what counts from then on.
fn alike(known: &mut Payload, payload: &Payload) -> bool {
    match (&known, payload) {
        (Payload::Command(_), Payload::Elided) => return true,
        (Payload::Elided, Payload::Command(_)) => known.clone_from(payload),
        _ => {}
    }
    known == payload
}

/// A broken promise.
pub(crate) type Violation = String;

impl Checker {
    /// Log matching (Raft §5.3): the same (index, term) has one payload and one predecessor.
    pub(crate) fn stored(
        &mut self,
        id: NodeId,
        mirror: &Disk,
        count: usize,
    ) -> Result<(), Violation> {
        for entry in mirror.entries.iter().rev().take(count) {
            let before = mirror.term(entry.index.prev()).unwrap_or_default();
            let seen = self
                .entries
                .entry((entry.index, entry.term))
                .or_insert_with(|| (before, entry.payload.clone()));
            if seen.0 != before || !alike(&mut seen.1, &entry.payload) {
                return Err(format!("log matching: {id} at {}", entry.version()));
            }
        }
        Ok(())
    }

    pub(crate) fn event(
        &mut self,
        id: NodeId,
        event: &Event,
        mirror: &Disk,
    ) -> Result<(), Violation> {
        if let Event::RoleChanged {
            role: Role::Leader,
            term,
        } = event
        {
            // Election safety (Raft §5.2).
            let leader = *self.leaders.entry(*term).or_insert(id);
            if leader != id {
                return Err(format!(
                    "election safety: {leader} and {id} lead term {term}"
                ));
            }
            // Leader completeness (Raft §5.4.3).
            let held_to = mirror.base.index.max(mirror.flushed.index);
            for (index, entry) in self.committed.range(held_to.next()..) {
                if entry.term < *term && mirror.term(*index) != Some(entry.term) {
                    return Err(format!(
                        "leader completeness: {id} leads term {term} without {}",
                        entry.version()
                    ));
                }
            }
        }
        Ok(())
    }

    /// The replica's commit index moved; `mirror` is its log.
    pub(crate) fn committed(
        &mut self,
        id: NodeId,
        from: LogIndex,
        to: LogIndex,
        mirror: &Disk,
    ) -> Result<(), Violation> {
        self.commit_index = self.commit_index.max(to);
        let mut index = from.next();
        while index <= to {
            if let Some(entry) = mirror.entry(index) {
                if let Payload::Configuration(configuration) = &entry.payload
                    && !self.committed.contains_key(&index)
                {
                    self.configured(id, configuration)?;
                }
                let known = self.committed.entry(index).or_insert_with(|| entry.clone());
                if known.version() != entry.version() || !alike(&mut known.payload, &entry.payload)
                {
                    return Err(format!(
                        "state machine safety: {id} committed {} where {} was",
                        entry.version(),
                        known.version()
                    ));
                }
            }
            index = index.next();
        }
        Ok(())
    }

    /// A leader committed up to `index` in `term`: by figure 2 an entry of its own term, durable on
    /// a quorum.
    pub(crate) fn leader_committed<'a>(
        &self,
        id: NodeId,
        term: Term,
        index: LogIndex,
        disks: impl Iterator<Item = (NodeId, &'a Disk)>,
        mut configurations: impl Iterator<Item = Configuration>,
    ) -> Result<(), Violation> {
        let holders: BTreeSet<NodeId> = disks
            .filter(|(_, disk)| {
                // What a node acknowledged before it lost it counts: it remembers that it lost it.
                disk.flushed.index.max(disk.lost_to) >= index || disk.term(index) == Some(term)
            })
            .map(|(id, _)| id)
            .collect();
        let decides = |configuration: Configuration| {
            let quorum = configuration.quorum();
            quorum.vote_result(|id| Some(holders.contains(&id))) == VoteResult::Won
        };
        if !configurations.any(decides) {
            return Err(format!(
                "commit: {id} in term {term} committed {index} with durable copies on {holders:?}"
            ));
        }
        Ok(())
    }

    /// Configuration safety (dissertation §4.1, §4.3): every majority before a change meets every
    /// majority after it.
    fn configured(&mut self, id: NodeId, next: &Configuration) -> Result<(), Violation> {
        self.configurations += 1;
        let Some(before) = self.configuration.replace(next.clone()) else {
            return Ok(());
        };
        let mut all = before.all_voters();
        all.extend(next.all_voters());
        all.sort();
        all.dedup();
        let decides = |configuration: &Configuration, set: usize| {
            let inside = |id| all.iter().position(|other| *other == id);
            let vote = |id| Some(inside(id).is_some_and(|at| set >> at & 1 == 1));
            configuration.quorum().vote_result(vote) == VoteResult::Won
        };
        for set in 0..1_usize << all.len() {
            if decides(&before, set) && decides(next, !set) {
                return Err(format!(
                    "configuration safety: {id} went from {before:?} to {next:?}"
                ));
            }
        }
        Ok(())
    }

    /// The configuration of a state machine that applied everything up to `index`.
    pub(crate) fn configuration_at(&self, index: LogIndex) -> Option<Configuration> {
        let up_to = self.committed.range(..=index).rev();
        up_to
            .map(|(_, entry)| &entry.payload)
            .find_map(|payload| match payload {
                Payload::Configuration(configuration) => Some((**configuration).clone()),
                _ => None,
            })
    }

    /// State machine safety (Raft §5.4.3): one command an index, applied only when durable here.
    pub(crate) fn applied(&self, id: NodeId, entry: &Entry, disk: &Disk) -> Result<(), Violation> {
        let known = self.committed.get(&entry.index);
        let same = known.is_some_and(|known| {
            let mut payload = known.payload.clone();
            known.version() == entry.version() && alike(&mut payload, &entry.payload)
        });
        if !same {
            return Err(format!(
                "apply: {id} applied {} uncommitted",
                entry.version()
            ));
        }
        if disk.flushed.index < entry.index && disk.term(entry.index) != Some(entry.term) {
            return Err(format!("apply: {id} applied {} undurable", entry.version()));
        }
        Ok(())
    }

    /// Nothing is said before it is durable; one vote a term.
    pub(crate) fn sent(
        &mut self,
        id: NodeId,
        to: NodeId,
        message: &Message,
        disk: &Disk,
        mirror: &Disk,
    ) -> Result<(), Violation> {
        let term = message.term;
        if let Body::VoteReply { granted: true } = message.body {
            let vote = *self.votes.entry((id, term)).or_insert(to);
            if vote != to {
                return Err(format!(
                    "vote once: {id} voted for {vote} and {to} in {term}"
                ));
            }
            if disk.hard_state.term != term || disk.hard_state.voted_for != Some(to) {
                return Err(format!(
                    "durable votes: {id} said its vote in {term} too early"
                ));
            }
        }
        if disk.hard_state.term < term {
            return Err(format!(
                "durable terms: {id} spoke of term {term} too early"
            ));
        }
        if let Body::AppendReply(AppendReply {
            outcome: AppendOutcome::Accepted { match_index, .. },
            ..
        }) = message.body
            && match_index > disk.flushed.index
            && (disk.term(match_index).is_none()
                || disk.term(match_index) != mirror.term(match_index))
        {
            return Err(format!(
                "durable entries: {id} acknowledged {match_index} too early"
            ));
        }
        let lacks = |index: &LogIndex| {
            let mut damaged = disk.damaged.range(disk.flushed.index.next()..);
            damaged.next().is_some_and(|first| first <= index)
        };
        match &message.body {
            Body::AppendReply(AppendReply {
                outcome: AppendOutcome::Accepted { match_index, .. },
                ..
            }) if lacks(match_index) => {
                return Err(format!("whole logs: {id} acknowledged what it lost"));
            }
            Body::VoteReply { granted: true } if lacks(&disk.last()) => {
                return Err(format!("whole logs: {id} votes without what it lost"));
            }
            _ => {}
        }
        Ok(())
    }

    /// A read is served from a state at or after everything committed before it was asked.
    pub(crate) fn read(
        &self,
        id: NodeId,
        needed: LogIndex,
        index: LogIndex,
    ) -> Result<(), Violation> {
        if index < needed {
            return Err(format!(
                "stale read: {id} serves {index} where {needed} was committed"
            ));
        }
        Ok(())
    }
}
