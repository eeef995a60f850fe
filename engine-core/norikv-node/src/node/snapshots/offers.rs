//! Snapshots that this leader told its followers to fetch.
//!
//! **Invariant: Raft hears of each offer's end exactly once**, unless this replica leads no more.
//! The log behind a snapshot is held while it is on its way, and a while longer, so that the
//! follower finds the entries that come after it.

use alloc::vec::Vec;

use nori_raft as raft;
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Term, Version};

use super::Snapshots;
use crate::node::Node;
use crate::wire::{Item, SnapshotOffer, SnapshotProgress, SnapshotState};
use crate::{Lane, SnapshotOptions};

/// An offer to a follower.
#[derive(Debug)]
pub(super) struct Offer {
    term: Term,
    source: NodeId,
    at_least: LogIndex,
    /// What the follower gets shows this.
    at: Option<Version>,
    /// Raft was told so: everything it shows is applied as far as Raft has heard.
    announced: bool,
    /// The follower has all of it.
    received: bool,
    /// The follower has answered.
    answered: bool,
    sent: Mono,
    heard: Mono,
}

/// What is remembered of an offer that ended.
#[derive(Debug)]
pub(super) struct Held {
    /// Log behind this index is needed until the follower goes on from it, or the moment comes.
    index: Option<LogIndex>,
    until: Mono,
    /// Nothing came of it, for what this node did.
    blamed: Option<NodeId>,
}

/// How an offer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Ending {
    /// The follower has all of it.
    Received,
    /// The source could not, or was silent.
    Failed,
    /// The follower is out of reach.
    Lost,
}

impl Offer {
    pub(super) fn deadline(&self, options: &SnapshotOptions) -> Mono {
        let give_up = self.heard + options.stall_after;
        match self.answered {
            true => give_up,
            false => give_up.min(self.sent + options.resend_after),
        }
    }

    fn item(&self, group: GroupId) -> Item {
        Item::Offer(SnapshotOffer {
            group,
            term: self.term,
            source: self.source,
            at_least: self.at_least,
        })
    }
}

impl Snapshots {
    /// Log behind this index is needed by a follower that gets a snapshot now, or just got one.
    pub(crate) fn oldest_needed(&self, group: GroupId, now: Mono) -> Option<LogIndex> {
        let all = (group, NodeId(0))..=(group, NodeId(u64::MAX));
        let sending = (self.offers.range(all.clone())).filter_map(|(_, offer)| offer.at);
        let held = (self.held.range(all)).filter(|(_, held)| held.until > now);
        let held = held.filter_map(|(_, held)| held.index);
        sending.map(|at| at.index).chain(held).min()
    }
}

impl Node {
    /// Raft wants a follower to get a snapshot. It asks anew only when it no longer counts on the
    /// offer before.
    pub(in crate::node) fn offer_snapshot(&mut self, group: GroupId, to: NodeId) {
        let Some(replica) = self.groups.get(&group) else {
            return;
        };
        let offer = Offer {
            term: replica.term,
            source: self.choose_source(group, to),
            at_least: replica.raft.status().log_start.index,
            at: None,
            announced: false,
            received: false,
            answered: false,
            sent: self.now,
            heard: self.now,
        };
        self.frames.push(to, Lane::Snapshot, &offer.item(group));
        self.snapshots.offers.insert((group, to), offer);
    }

    /// The replica that is the source of the fewest snapshots; this leader only where no other one
    /// can be, has less to do, or the one before did nothing.
    fn choose_source(&self, group: GroupId, to: NodeId) -> NodeId {
        let own = self.config.id;
        let held = self.snapshots.held.get(&(group, to));
        let blamed = held.and_then(|held| held.blamed);
        let Some(replica) = self.groups.get(&group) else {
            return own;
        };
        if blamed.is_some_and(|node| node != own) {
            return own;
        }
        let status = replica.raft.status();
        let members = status.configuration.as_ref();
        let able = |peer: &&raft::PeerStatus| {
            let reached = peer.match_index >= status.log_start.index;
            let has_data = members.is_some_and(|members| !members.is_witness(peer.id));
            let streams = peer.state == raft::PeerState::Replicate;
            peer.id != to && streams && reached && has_data && !self.down.contains(&peer.id)
        };
        let load = |node: NodeId| {
            let offers = self.snapshots.offers.values();
            offers.filter(|offer| offer.source == node).count()
        };
        let others = status.peers.iter().filter(able).map(|peer| peer.id);
        let best = others.min_by_key(|node| (load(*node), *node));
        best.filter(|node| load(*node) <= load(own)).unwrap_or(own)
    }

    /// A follower says how far the snapshot is.
    pub(in crate::node) fn snapshot_progress(&mut self, from: NodeId, progress: SnapshotProgress) {
        let key = (progress.group, from);
        let offer = self.snapshots.offers.get_mut(&key);
        let Some(offer) = offer.filter(|offer| offer.term == progress.term) else {
            return;
        };
        offer.heard = self.now;
        offer.answered = true;
        if progress.at.is_some() {
            offer.at = progress.at;
        }
        match progress.state {
            SnapshotState::Coming => {}
            SnapshotState::Received => offer.received = true,
            SnapshotState::Failed => return self.end_offer(key, Ending::Failed),
        }
        self.announce_offer(key);
    }

    /// Tells Raft of snapshots that show nothing it has not heard to be applied: the applier, and
    /// another source, may be ahead of the inputs.
    pub(in crate::node) fn announce_offers(&mut self, group: GroupId) {
        let waiting: Vec<_> = (self.snapshots.offers)
            .range((group, NodeId(0))..=(group, NodeId(u64::MAX)))
            .filter(|(_, offer)| offer.at.is_some())
            .map(|(key, _)| *key)
            .collect();
        for key in waiting {
            self.announce_offer(key);
        }
    }

    fn announce_offer(&mut self, key: (GroupId, NodeId)) {
        let (group, to) = key;
        let applied = self.groups.get(&group).map(|replica| replica.applied);
        let Some(offer) = self.snapshots.offers.get_mut(&key) else {
            return;
        };
        let Some(at) = offer.at else {
            return;
        };
        let received = offer.received;
        if !offer.announced && applied.is_some_and(|applied| at.index <= applied.index) {
            offer.announced = true;
            let snapshot = Some(raft::SnapshotMeta {
                index: at.index,
                term: at.term,
            });
            self.raft_input(group, raft::Input::SnapshotExported { to, snapshot });
        } else if !offer.announced {
            return;
        }
        if received {
            self.end_offer(key, Ending::Received);
        }
    }

    /// Ends an offer and tells Raft, which asks anew if the follower still needs one.
    fn end_offer(&mut self, key: (GroupId, NodeId), ending: Ending) {
        let Some(offer) = self.snapshots.offers.remove(&key) else {
            return;
        };
        let (group, to) = key;
        let blamed = match ending {
            Ending::Received => None,
            Ending::Failed => Some(offer.source),
            Ending::Lost => self.snapshots.held.get(&key).and_then(|held| held.blamed),
        };
        self.snapshots.held.insert(
            key,
            Held {
                index: offer.at.map(|at| at.index),
                until: self.now + self.config.snapshot.keep_for,
                blamed,
            },
        );
        let input = match offer.announced {
            true => raft::Input::SnapshotSent {
                to,
                ok: ending == Ending::Received,
            },
            false => raft::Input::SnapshotExported { to, snapshot: None },
        };
        self.raft_input(group, input);
    }

    pub(super) fn tick_offers(&mut self) {
        let options = self.config.snapshot.clone();
        let due: Vec<_> = (self.snapshots.offers.iter())
            .filter(|(_, offer)| offer.deadline(&options) <= self.now)
            .map(|(key, _)| *key)
            .collect();
        for key in due {
            let Some(offer) = self.snapshots.offers.get_mut(&key) else {
                continue;
            };
            if self.now >= offer.heard + options.stall_after {
                self.end_offer(key, Ending::Failed);
                continue;
            }
            offer.sent = self.now;
            let (group, to) = key;
            self.frames.push(to, Lane::Snapshot, &offer.item(group));
        }
        self.snapshots.held.retain(|_, held| held.until > self.now);
    }

    pub(super) fn peer_lost_for_offers(&mut self, peer: NodeId) {
        let lost: Vec<_> = (self.snapshots.offers.iter())
            .filter(|((_, to), offer)| *to == peer || offer.source == peer)
            .map(|(key, _)| *key)
            .collect();
        for key in lost {
            let ending = match key.1 == peer {
                true => Ending::Lost,
                false => Ending::Failed,
            };
            self.end_offer(key, ending);
        }
    }

    /// Entries are sent to a follower. Whether it can go on by them; Raft tries that also with one
    /// that then needs a snapshot.
    pub(in crate::node) fn caught_up(&mut self, group: GroupId, peer: NodeId) {
        if !self.snapshots.held.contains_key(&(group, peer)) {
            return;
        }
        let status = self.groups.get(&group).map(|replica| replica.raft.status());
        let goes_on = status.is_some_and(|status| {
            let start = status.log_start.index;
            let mut peers = status.peers.iter();
            peers.any(|of| of.id == peer && of.match_index >= start)
        });
        if goes_on {
            self.snapshots.held.remove(&(group, peer));
        }
    }

    /// This replica does not lead any more: whoever does makes its own offers.
    pub(in crate::node) fn abandon_offers(&mut self, group: GroupId) {
        self.snapshots.offers.retain(|(of, _), _| *of != group);
        self.snapshots.held.retain(|(of, _), _| *of != group);
    }
}
