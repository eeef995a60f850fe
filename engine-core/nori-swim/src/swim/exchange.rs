//! Whole tables: joining, anti-entropy, and the way back for those thought faulty.
//!
//! Two tables that differ meet like this: A sends the digest of its own; B, whose digest differs,
//! sends its table in pieces, each everything it knows of a range of ids; A takes each piece in and
//! answers with what it knows better in that range. Each packet helps by itself; lost ones are made
//! good by the next exchange.

use alloc::vec::Vec;

use norikv_types::{Mono, Mutant, NodeId, breaks};

use super::{Swim, header};
use crate::packet::{Builder, Message, Record, Room, table_room};
use crate::{Event, Member, MemberState};

/// The way in.
#[derive(Debug, Clone, Default)]
pub(super) struct Joining {
    seeds: Vec<NodeId>,
    answered: bool,
    attempts: u32,
    /// When to ask again; `None` when there is nobody to ask or somebody answered.
    pub(super) retry_at: Option<Mono>,
}

impl Swim {
    pub(super) fn join(&mut self, now: Mono, mut seeds: Vec<NodeId>) {
        seeds.retain(|seed| *seed != self.config.id && seed.0 != 0);
        seeds.sort_unstable();
        seeds.dedup();
        self.joining = Joining {
            seeds,
            ..Joining::default()
        };
        self.ask_seeds(now);
    }

    pub(super) fn tick_exchange(&mut self, now: Mono) {
        if self.joining.retry_at.is_some_and(|at| at <= now) {
            self.joining.attempts += 1;
            self.tell(Event::JoinUnanswered {
                attempts: self.joining.attempts,
            });
            self.ask_seeds(now);
        }
        if self.sync_at <= now {
            self.sync_at = now + self.config.sync_interval;
            self.sync();
        }
        if self.recover_at <= now && breaks(Mutant::FaultyNeverTriedAgain) {
            self.recover_at = now + self.config.recover_interval;
        } else if self.recover_at <= now {
            self.recover_at = now + self.config.recover_interval;
            self.recover();
        }
    }

    fn ask_seeds(&mut self, now: Mono) {
        let asks = !self.joining.seeds.is_empty();
        self.joining.retry_at = asks.then(|| now + self.config.join_interval);
        for seed in self.joining.seeds.clone() {
            self.send(seed, Message::Join, false);
        }
    }

    /// Shows a random live member the digest of this table.
    fn sync(&mut self) {
        let me = self.config.id;
        let chosen = self
            .table
            .sample(&mut self.prng, 1, me, MemberState::is_live);
        let digest = self.table.digest();
        for node in chosen {
            self.send(node, Message::Digest { digest }, false);
        }
    }

    /// Tries one faulty member, telling it so, and one seed that was never heard of: thus the sides
    /// of a healed partition find each other again.
    fn recover(&mut self) {
        let me = self.config.id;
        let faulty = |state| state == MemberState::Faulty;
        for node in self.table.sample(&mut self.prng, 1, me, faulty) {
            let sequence = self.next_sequence();
            self.send(node, Message::Ping { sequence }, false);
        }
        if !self.joining.answered {
            return;
        }
        let mut unmet = self.joining.seeds.clone();
        unmet.retain(|seed| self.table.get(*seed).is_none());
        self.prng.shuffle(&mut unmet);
        if let Some(seed) = unmet.first() {
            self.send(*seed, Message::Join, false);
        }
    }

    /// Answers a join with everything this node knows.
    pub(super) fn welcome(&mut self, from: NodeId) {
        let pieces = self.pieces(from, self.table.iter(), false);
        self.send_all(from, pieces);
    }

    /// Answers a digest that differs with the table, at most [`SYNC_PIECES_MAX`] of it, from a random
    /// place on.
    pub(super) fn compare(&mut self, from: NodeId, digest: u64) {
        if digest == self.table.digest() {
            return;
        }
        let mut pieces = self.pieces(from, self.table.iter(), false);
        if pieces.len() > SYNC_PIECES_MAX {
            let start = usize::try_from(self.prng.below(pieces.len() as u64)).unwrap_or(0);
            pieces.rotate_left(start);
            pieces.truncate(SYNC_PIECES_MAX);
        }
        self.send_all(from, pieces);
    }

    /// A table came: if from a seed, this node is in.
    pub(super) fn table_came(&mut self, now: Mono, from: NodeId) {
        if !self.joining.answered && self.joining.seeds.contains(&from) {
            self.joining.answered = true;
            self.joining.retry_at = None;
            // Pieces of the welcome may be lost: compare again soon.
            self.sync_at = now + self.config.probe_interval;
            self.tell(Event::Joined { seed: from });
        }
    }

    /// Takes a verdict that comes with a table, about one that lives in this node's eyes, for no more
    /// than a suspicion: after a partition each side holds verdicts on the other that are long out
    /// of date, and whoever lives shall have the time to refute them.
    pub(super) fn doubt_verdicts(&self, from: NodeId, records: &mut [Record]) {
        for record in records {
            if record.member.state == MemberState::Faulty
                && record.member.node != self.config.id
                && self
                    .table
                    .get(record.member.node)
                    .is_some_and(|known| known.state.is_live())
            {
                record.member.state = MemberState::Suspect;
                record.accuser = from;
            }
        }
    }

    /// Sends back what this node knows better about the ids `first..=last` than `said`.
    pub(super) fn complete(&mut self, from: NodeId, first: NodeId, last: NodeId, said: &[Record]) {
        let news = self.table.range(first..=last).filter(|known| {
            let mut same = said
                .iter()
                .filter(|record| record.member.node == known.node);
            same.all(|record| known.overrides(&record.member))
        });
        let news: Vec<Member> = news.cloned().collect();
        if !news.is_empty() {
            let pieces = self.pieces(from, news.iter(), true);
            self.send_all(from, pieces);
        }
    }

    /// Packs `members`, ascending, into packets whose id ranges follow on each other from first to
    /// last without a gap.
    fn pieces<'a>(
        &self,
        to: NodeId,
        members: impl Iterator<Item = &'a Member>,
        answer: bool,
    ) -> Vec<Builder> {
        let mut groups: Vec<(NodeId, Vec<&Member>)> = Vec::new();
        let room = table_room(self.config.packet_bytes_max);
        let mut left = Room::default();
        for member in members {
            if !left.take(member) {
                // The ranges begin at 0 and end at the highest id, so that both sides also compare
                // what only one of them knows.
                let first = if groups.is_empty() {
                    NodeId(0)
                } else {
                    member.node
                };
                groups.push((first, Vec::new()));
                left = room;
                let fits = left.take(member);
                assert!(fits, "a packet takes at least one record");
            }
            if let Some((_, group)) = groups.last_mut() {
                group.push(member);
            }
        }
        let nexts = groups.iter().skip(1).map(|(first, _)| NodeId(first.0 - 1));
        let lasts: Vec<NodeId> = nexts.chain([NodeId(u64::MAX)]).collect();
        let header = header(&self.config, &self.table, to);
        let mut pieces = Vec::with_capacity(groups.len());
        for ((first, group), last) in groups.iter().zip(lasts) {
            let message = Message::Table {
                first: *first,
                last,
                answer,
            };
            let mut builder = Builder::new(header, message, self.config.packet_bytes_max);
            for member in group {
                let accuser = self
                    .suspicions
                    .accuser(member.node)
                    .unwrap_or(self.config.id);
                let fits = builder.push(member, accuser);
                assert!(fits, "its room was counted");
            }
            pieces.push(builder);
        }
        pieces
    }

    fn send_all(&mut self, to: NodeId, pieces: Vec<Builder>) {
        for piece in pieces {
            self.output_packet(to, piece);
        }
    }
}

/// Packets that one digest may cause.
const SYNC_PIECES_MAX: usize = 64;
