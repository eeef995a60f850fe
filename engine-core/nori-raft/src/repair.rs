//! Entries that storage held once and cannot read any more come back from peers.
//!
//! **Invariant: a replica that lost something of its log neither votes nor campaigns, acknowledges
//! and applies nothing at or above the first entry it lacks, and never cuts what it still has.** What
//! it stored it may have promised: an entry that was committed with its word is not to be lost
//! because it forgot the entry (Alagappan et al., *Protocol-Aware Recovery*, FAST '18).
//!
//! It asks the leader and then the other peers for each stretch in order. An entry is taken when its
//! term is known from both sides of the stretch and is the same (log matching, Raft §5.3), or when
//! it follows on what is here and the peer knows it to be committed or leads this term. It is *rewritten*: said again in
//! its place. Where the end of the log is gone, what was stored there is not known: the replica is
//! whole again once its log agrees with a leader's or is committed as far as it ever reached, or
//! holds an entry of a term after all that it may have acknowledged (leader completeness, §5.4.3).

mod hole;

use alloc::boxed::Box;
use alloc::vec::Vec;

use norikv_types::{LogIndex, Mono, Mutant, NodeId, Term, Version, breaks};

use self::hole::{Close, Hole};
use crate::entries::Entries;
use crate::entry::{Entry, Payload, Restored, Stretch};
use crate::error::Misuse;
use crate::event::Event;
use crate::io::{Output, Reader};
use crate::message::{Body, LogPiece};
use crate::raft::{Raft, Standing};
use crate::receiving::INDEX_MAX;
use crate::status::PeerState;

/// What a replica lacks of its log.
#[derive(Debug)]
pub(crate) struct Repair {
    /// Ascending and disjoint, each before the end of the log.
    holes: Vec<Hole>,
    /// The log was longer.
    lost: Option<Lost>,
    /// Term and vote may be lost: only a new life as a learner helps.
    amnesia: bool,
    /// What came back and is not in a write yet.
    rewrites: Vec<Entry>,
    /// When to ask next.
    ask_at: Mono,
    /// Whom to ask next.
    turn: usize,
}

/// The end of a log that is gone.
#[derive(Debug, Clone, Copy)]
struct Lost {
    /// It reached this far.
    up_to: LogIndex,
    /// No entry of it was acknowledged in a later term.
    term: Term,
}

/// What became of an entry that came back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Taken {
    Yes,
    /// It is not proven, or not the next one.
    Not,
    /// It cannot stand before what stands here.
    Conflicts,
}

impl Repair {
    /// What `restored` lacks; `None`: nothing. Terms are known where both neighbours agree.
    pub(crate) fn of(restored: &Restored, now: Mono) -> Option<Box<Self>> {
        let last = restored.last_index();
        let term_of = |index: LogIndex| match index == restored.snapshot.index {
            true => Some(restored.snapshot.term),
            false => {
                let entries = &restored.entries;
                let at = entries.binary_search_by_key(&index, |entry| entry.index);
                at.ok()
                    .and_then(|at| entries.get(at))
                    .map(|entry| entry.term)
            }
        };
        let (mut holes, mut lost) = (Vec::new(), None);
        for &Stretch { from, up_to } in &restored.damaged {
            if from > last {
                let term = restored.hard_state.term;
                lost = Some(Lost { up_to, term });
            } else {
                let same = term_of(from.prev()) == term_of(up_to.next());
                holes.push(Hole::new(from, up_to, same));
            }
        }
        if holes.is_empty() && lost.is_none() && !restored.amnesia {
            return None;
        }
        Some(Box::new(Self {
            holes,
            lost,
            amnesia: restored.amnesia,
            rewrites: Vec::new(),
            ask_at: now,
            turn: 0,
        }))
    }

    /// The first entry that is not durable again.
    fn first_lacking(&self) -> Option<LogIndex> {
        self.holes.first().map(|hole| hole.from)
    }

    /// The first entry that did not come back yet, below the log's end.
    fn first_unfilled(&self) -> Option<LogIndex> {
        let hole = self.holes.iter().find(|hole| !hole.is_filled())?;
        Some(hole.filled.next())
    }

    /// What to ask for, `last` being the log's end.
    fn wanted(&self, last: LogIndex) -> Option<Stretch> {
        match self.holes.iter().find(|hole| !hole.is_filled()) {
            Some(hole) if hole.close == Close::Asked => Some(Stretch {
                from: hole.up_to.next(),
                up_to: hole.up_to.next(),
            }),
            Some(hole) => Some(Stretch {
                from: hole.filled.next(),
                // With what closes an unknown stretch.
                up_to: match hole.is_term_known {
                    true => hole.up_to,
                    false => hole.up_to.next(),
                },
            }),
            None => self
                .lost
                .filter(|lost| lost.up_to > last)
                .map(|lost| Stretch {
                    from: last.next(),
                    up_to: lost.up_to,
                }),
        }
    }
}

impl Raft {
    /// Whether the replica lacks something that it may have promised.
    #[must_use]
    pub const fn is_damaged(&self) -> bool {
        self.repair.is_some()
    }

    /// Up to here the log is whole and durable.
    pub(crate) fn whole_to(&self) -> LogIndex {
        let lacking = self
            .repair
            .as_ref()
            .and_then(|repair| repair.first_lacking());
        lacking.map_or(INDEX_MAX, LogIndex::prev)
    }

    /// The first entry below the log's end that did not come back yet.
    pub(crate) fn unfilled_from(&self) -> Option<LogIndex> {
        self.repair
            .as_ref()
            .and_then(|repair| repair.first_unfilled())
    }

    /// Whether nothing is known of the entry at `index` but that it was there.
    pub(crate) fn is_unknown(&self, index: LogIndex) -> bool {
        self.repair.as_ref().is_some_and(|repair| {
            let mut holes = repair.holes.iter();
            holes.any(|hole| !hole.is_term_known && hole.filled < index && index <= hole.up_to)
        })
    }

    /// Whether the replica may not even acknowledge.
    pub(crate) fn is_amnesic(&self) -> bool {
        self.repair.as_ref().is_some_and(|repair| repair.amnesia)
    }

    /// When to ask for what is lacking.
    pub(crate) fn repair_at(&self) -> Option<Mono> {
        let repair = self.repair.as_ref()?;
        repair.wanted(self.log.last_index()).map(|_| repair.ask_at)
    }

    /// Entries were found that cannot be read: those in memory are written again, the others are
    /// asked for.
    pub(crate) fn damaged(&mut self, from: LogIndex, up_to: LogIndex) {
        let from = from.max(self.log.start().index.next());
        let up_to = up_to.min(self.durability.stored_index());
        if from > up_to {
            return;
        }
        self.event(Event::EntriesDamaged { from, up_to });
        let now = self.now;
        let repair = self.repair.get_or_insert_with(|| {
            Box::new(Repair {
                holes: Vec::new(),
                lost: None,
                amnesia: false,
                rewrites: Vec::new(),
                ask_at: now,
                turn: 0,
            })
        });
        let recent_from = self.log.recent_from();
        if up_to >= recent_from {
            let readable = self.log.recent(from.max(recent_from), up_to);
            repair.rewrites.extend(readable.cloned());
            self.durability.stage_rewrites();
        }
        let mut index = from;
        while index <= up_to && index < recent_from {
            let mut holes = repair.holes.iter();
            if !holes.any(|hole| (hole.from..=hole.up_to).contains(&index)) {
                let place = repair.holes.partition_point(|hole| hole.up_to < index);
                repair.holes.insert(place, Hole::new(index, index, true));
            }
            index = index.next();
        }
    }

    /// Asks the next peer for what is lacking, the leader first.
    pub(crate) fn ask_for_entries(&mut self) {
        if self.repair_at().is_none_or(|at| self.now < at) {
            return;
        }
        let last = self.log.last_index();
        let peers = self.peers();
        let Some(repair) = &mut self.repair else {
            return;
        };
        let Some(wanted) = repair.wanted(last) else {
            return;
        };
        repair.ask_at = self.now + self.config.election_timeout_min;
        let turn = repair.turn;
        repair.turn += 1;
        let leader = self.leader.filter(|leader| *leader != self.config.id);
        let to = match leader {
            Some(leader) if turn % 2 == 0 => Some(leader),
            _ if peers.is_empty() => None,
            _ => peers.get(turn / 2 % peers.len()).copied(),
        };
        if let Some(to) = to {
            self.say(to, Body::FetchEntries(wanted));
        }
    }

    /// # Errors
    /// What nobody can ask for.
    pub(crate) fn check_fetch(wanted: Stretch) -> Result<(), Misuse> {
        let is_sound =
            wanted.from.0 > 0 && wanted.from <= wanted.up_to && wanted.up_to <= INDEX_MAX;
        is_sound.then_some(()).ok_or(Misuse::OutOfRange)
    }

    /// # Errors
    /// What is no stretch of a log.
    pub(crate) fn check_piece(term: Term, piece: &LogPiece) -> Result<(), Misuse> {
        if piece.prev.index > INDEX_MAX || piece.prev.term > term {
            return Err(Misuse::OutOfRange);
        }
        let mut last: Option<Version> = (!piece.entries.is_empty()).then_some(piece.prev);
        for entry in &piece.entries {
            let follows =
                last.is_none_or(|last| entry.index == last.index.next() && entry.term >= last.term);
            if !follows || entry.term.0 == 0 || entry.index > INDEX_MAX || entry.index.0 == 0 {
                return Err(Misuse::EntryOrder);
            }
            last = Some(entry.version());
        }
        match last.is_some_and(|last| last.term > term) {
            true => Err(Misuse::EntryTerm),
            false => Ok(()),
        }
    }

    /// A peer lacks entries of its log.
    pub(crate) fn receive_fetch(&mut self, from: NodeId, wanted: Stretch) {
        let start = self.log.start().index;
        if wanted.from <= start {
            // Not here any more. A leader has a snapshot for it.
            if let Standing::Leader(reign) = &mut self.standing
                && let Some(peer) = reign.peer_mut(from)
                && !matches!(peer.progress, crate::progress::Progress::Snapshot(_))
            {
                peer.lacks(wanted.from);
                let export = peer.needs_snapshot(start);
                self.event(Event::PeerStateChanged {
                    peer: from,
                    state: PeerState::Snapshot,
                });
                if export {
                    self.outputs.push_back(Output::ExportSnapshot { to: from });
                }
            }
            return;
        }
        let durable = self.durability.durable_index().min(self.whole_to());
        let up_to = wanted.up_to.min(self.log.last_index().min(durable));
        if wanted.from > up_to {
            return;
        }
        let bytes_max = u64::from(self.config.append_bytes_max);
        if wanted.from < self.log.recent_from() {
            self.outputs.push_back(Output::FetchEntries {
                reader: Reader::Repair(from),
                from: wanted.from,
                up_to,
                bytes_max,
            });
            return;
        }
        let mut bytes = 0;
        let fits = self.log.recent(wanted.from, up_to).take_while(|entry| {
            bytes += entry.size();
            bytes <= bytes_max || bytes == entry.size()
        });
        let entries = fits.cloned().collect();
        self.send_piece(from, entries);
    }

    /// What a peer lacks goes to it.
    pub(crate) fn send_piece(&mut self, to: NodeId, entries: Entries) {
        let Some(first) = entries.first() else {
            return;
        };
        let index = first.index.prev();
        let Some(term) = self.log.term(index) else {
            return;
        };
        let entries = match self.membership.current().is_witness(to) {
            true => entries.for_witness(),
            false => entries,
        };
        let piece = LogPiece {
            prev: Version { term, index },
            entries,
            commit_index: self.commit_index,
        };
        self.say(to, Body::Entries(piece));
    }

    /// Entries of a peer's log, which this one asked for.
    pub(crate) fn receive_piece(&mut self, from: NodeId, term: Term, piece: &LogPiece) {
        let leads = term == self.term && self.leader == Some(from);
        let mut took = self.hear_what_is_behind(piece, leads);
        let mut prev = piece.prev;
        for (at, entry) in piece.entries.iter().enumerate() {
            // What lies before it here may be void, and what is committed follows on something else.
            let follows = self.log.contains(prev) && !self.is_unknown(prev.index);
            let proven = leads || entry.index <= piece.commit_index;
            let next = piece.entries.get(at + 1);
            if self.take_back(entry, next, follows && proven, leads) != Taken::Yes {
                break;
            }
            took = true;
            prev = entry.version();
        }
        if let Some(repair) = self.repair.as_mut().filter(|_| took) {
            // It answers: ask it for the rest at once.
            repair.ask_at = self.now;
            repair.turn = repair.turn.saturating_sub(1);
        }
    }

    /// A piece that begins right behind a stretch says what the last entry of that was. Whether it
    /// did.
    fn hear_what_is_behind(&mut self, piece: &LogPiece, leads: bool) -> bool {
        let Some(first) = piece.entries.first() else {
            return false;
        };
        let is_here = self.log.contains(first.version());
        let is_known = !self.is_unknown(first.index);
        let Some(repair) = &mut self.repair else {
            return false;
        };
        let hole = repair.holes.iter_mut().find(|hole| !hole.is_filled());
        let Some(hole) = hole.filter(|hole| hole.close == Close::Asked) else {
            return false;
        };
        if !is_known || first.index != hole.up_to.next() || piece.prev.index != hole.up_to {
            return false;
        }
        match (is_here, leads) {
            (true, _) => hole.close = Close::Term(piece.prev.term),
            (false, true) => hole.close = Close::Differs(self.term),
            (false, false) => return false,
        }
        true
    }

    /// Takes an entry that is lacking, if it is the next one and proven. `next` is what the sender's
    /// log has behind it, where that is known.
    fn take_back(
        &mut self,
        entry: &Entry,
        next: Option<&Entry>,
        trusted: bool,
        leads: bool,
    ) -> Taken {
        let last = self.log.last();
        let Some(repair) = &mut self.repair else {
            return Taken::Not;
        };
        let Some(hole) = repair.holes.iter_mut().find(|hole| !hole.is_filled()) else {
            let wanted = repair.lost.is_some_and(|lost| entry.index <= lost.up_to);
            let follows = entry.index == last.index.next() && entry.term >= last.term;
            if wanted && trusted && follows && entry.term <= self.term {
                self.log.push(entry.clone());
                self.durability.stage_entries(entry.index);
                self.configuration_came_back(entry);
                if leads && self.following.received_index == last.index {
                    self.following.received_index = entry.index;
                }
                return Taken::Yes;
            }
            return match wanted && entry.index <= last.index {
                true => Taken::Yes,
                false => Taken::Not,
            };
        };
        if entry.index <= hole.filled {
            return Taken::Yes;
        }
        if entry.index != hole.filled.next() {
            return Taken::Not;
        }
        let below = self.log.term(hole.filled);
        let behind = hole.up_to.next();
        let above = self.log.term(behind);
        let is_last = entry.index == hole.up_to;
        let proven = if let (Close::Term(term), true) = (hole.close, is_last) {
            match entry.term == term {
                true => Taken::Yes,
                false => Taken::Conflicts,
            }
        } else if leads && is_last && hole.close == Close::Differs(self.term) {
            Taken::Conflicts
        } else if hole.is_term_known {
            match self.log.term(entry.index) == Some(entry.term) {
                true => Taken::Yes,
                false => Taken::Conflicts,
            }
        } else if below > Some(entry.term) || above.is_some_and(|above| entry.term > above) {
            Taken::Conflicts
        } else if !trusted {
            Taken::Not
        } else if entry.index < hole.up_to || above.is_none() || behind <= self.commit_index {
            Taken::Yes
        } else {
            // The stretch closes: what stands behind it here must be what stands there, or two
            // logs would be taken for one.
            match next.filter(|next| next.index == behind) {
                Some(next) if Some(next.term) == above => Taken::Yes,
                Some(_) => Taken::Conflicts,
                None => {
                    hole.close = Close::Asked;
                    Taken::Not
                }
            }
        };
        if proven != Taken::Yes && !breaks(Mutant::RepairTakesAnyTerm) {
            return proven;
        }
        hole.filled = entry.index;
        hole.write = self.durability.stage_rewrites();
        repair.rewrites.push(entry.clone());
        self.log.fill(entry.version());
        self.configuration_came_back(entry);
        Taken::Yes
    }

    fn configuration_came_back(&mut self, entry: &Entry) {
        if let Payload::Configuration(configuration) = &entry.payload {
            self.membership
                .insert(entry.index, (**configuration).clone());
            self.configuration_changed();
        }
    }

    /// An append of this term's leader reaches into what is lacking: takes what fits, and cuts where
    /// the leader's log is another one.
    pub(crate) fn take_back_from_leader(&mut self, entries: &Entries) {
        if !self.is_damaged() {
            return;
        }
        for (at, entry) in entries.iter().enumerate() {
            if self
                .unfilled_from()
                .is_none_or(|unfilled| unfilled != entry.index)
            {
                continue;
            }
            if self.take_back(entry, entries.get(at + 1), true, true) == Taken::Conflicts {
                // What follows is not the leader's either (Raft §5.3).
                self.log.truncate(entry.index);
                self.cut_damage(entry.index);
                self.event(Event::LogTruncated { from: entry.index });
                if self.membership.truncate(entry.index) {
                    self.configuration_changed();
                }
                return;
            }
        }
    }

    /// The log was cut at `from`.
    pub(crate) fn cut_damage(&mut self, from: LogIndex) {
        if let Some(repair) = &mut self.repair {
            repair.rewrites.retain(|entry| entry.index < from);
            repair.holes.retain(|hole| hole.from < from);
            if let Some(hole) = repair.holes.last_mut() {
                if hole.up_to >= from.prev() {
                    hole.close = Close::Unknown;
                }
                hole.up_to = hole.up_to.min(from.prev());
                hole.filled = hole.filled.min(hole.up_to);
            }
        }
    }

    /// Entries up to `index` are not needed any more. With `end` the log was replaced by what is up
    /// to `index`, and ended there before.
    pub(crate) fn skip_damage(&mut self, index: LogIndex, end: Option<LogIndex>) {
        let term = self.term;
        let Some(repair) = &mut self.repair else {
            return;
        };
        repair.rewrites.retain(|entry| entry.index > index);
        repair.holes.retain(|hole| hole.up_to > index);
        for hole in &mut repair.holes {
            hole.from = hole.from.max(index.next());
            hole.filled = hole.filled.max(index);
        }
        if let Some(up_to) = end {
            repair.holes.clear();
            repair.rewrites.clear();
            if up_to > index && repair.lost.is_none_or(|lost| lost.up_to < up_to) {
                repair.lost = Some(Lost { up_to, term });
            }
        }
    }

    /// What goes into the next write beside new entries.
    pub(crate) fn take_rewrites(&mut self) -> Entries {
        match &mut self.repair {
            Some(repair) => core::mem::take(&mut repair.rewrites).into(),
            None => Entries::new(),
        }
    }

    /// Looks whether what came back is durable, and whether that is all.
    pub(crate) fn settle_repair(&mut self) {
        let Some(repair) = &mut self.repair else {
            return;
        };
        let agreed = self.following.received_index.max(self.commit_index);
        let last = agreed.min(self.durability.durable_index());
        let term_at = self.log.term(last);
        for hole in &mut repair.holes {
            if hole.filled >= hole.from && self.durability.is_complete(hole.write) {
                hole.from = hole.filled.next();
            }
        }
        repair.holes.retain(|hole| hole.from <= hole.up_to);
        let regained =
            |lost: &Lost| last >= lost.up_to || term_at.is_some_and(|term| term > lost.term);
        if repair.holes.is_empty() && repair.lost.as_ref().is_some_and(regained) {
            repair.lost = None;
        }
        let done = repair.holes.is_empty() && repair.lost.is_none() && repair.rewrites.is_empty();
        if done && !repair.amnesia {
            self.repair = None;
            self.event(Event::Repaired);
        }
    }

    /// The other members that hold whole entries, by id.
    fn peers(&self) -> Vec<NodeId> {
        let configuration = self.membership.current();
        let mut members = configuration.members();
        members.retain(|id| *id != self.config.id && !configuration.is_witness(*id));
        members
    }
}
