//! The member table: what this node believes of everybody, itself included.
//!
//! **Invariant: this node's own record is in it, and records only move up** (see [`crate::Member`]).

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::RangeInclusive;

use norikv_types::{NodeId, Prng};
use xxhash_rust::xxh64::Xxh64;

use crate::{Member, MemberState};

/// All members by id.
#[derive(Debug, Clone)]
pub(crate) struct Table {
    members: BTreeMap<NodeId, Member>,
    me: NodeId,
    /// Members that are alive or suspect, this node included if it is.
    live: u32,
}

impl Table {
    pub(crate) fn new(own: Member) -> Self {
        let me = own.node;
        Self {
            members: BTreeMap::from([(me, own)]),
            me,
            live: 1,
        }
    }

    pub(crate) fn get(&self, node: NodeId) -> Option<&Member> {
        self.members.get(&node)
    }

    pub(crate) fn own(&self) -> &Member {
        let Some(own) = self.members.get(&self.me) else {
            unreachable!("a node's own record is always there");
        };
        own
    }

    /// Puts `member` in.
    pub(crate) fn set(&mut self, member: Member) {
        let now_live = member.state.is_live();
        let before = self.members.insert(member.node, member);
        let was_live = before.is_some_and(|old| old.state.is_live());
        self.live = self.live + u32::from(now_live) - u32::from(was_live);
    }

    pub(crate) const fn live(&self) -> u32 {
        self.live
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    pub(crate) fn range(&self, nodes: RangeInclusive<NodeId>) -> impl Iterator<Item = &Member> {
        self.members.range(nodes).map(|(_, member)| member)
    }

    /// Everybody else in one of the states that `wanted` takes, ascending.
    pub(crate) fn others(&self, wanted: impl Fn(MemberState) -> bool) -> Vec<NodeId> {
        let others = self
            .iter()
            .filter(|member| member.node != self.me && wanted(member.state));
        others.map(|member| member.node).collect()
    }

    /// Up to `count` others in one of the wanted states, uniformly drawn, without `except`.
    pub(crate) fn sample(
        &self,
        prng: &mut Prng,
        count: u32,
        except: NodeId,
        wanted: impl Fn(MemberState) -> bool,
    ) -> Vec<NodeId> {
        let mut all = self.others(wanted);
        all.retain(|node| *node != except);
        let mut drawn = Vec::new();
        while drawn.len() < usize::try_from(count).unwrap_or(usize::MAX) && !all.is_empty() {
            let pick = prng.below(all.len() as u64);
            drawn.push(all.swap_remove(usize::try_from(pick).unwrap_or(0)));
        }
        drawn
    }

    /// A hash over who stands how at which incarnation: equal tables, equal digests.
    pub(crate) fn digest(&self) -> u64 {
        let mut hash = Xxh64::new(0);
        for member in self.iter() {
            hash.update(&member.node.0.to_le_bytes());
            hash.update(&member.incarnation.0.to_le_bytes());
            hash.update(member.state.as_str().as_bytes());
        }
        hash.digest()
    }
}

#[cfg(test)]
mod tests;
