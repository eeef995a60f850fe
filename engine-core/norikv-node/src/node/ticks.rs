//! Reads that meet a value which should have ended.
//!
//! **Invariant: what has ended is decided by the replicated time alone.** A read that meets a value
//! whose end has passed by this node's clock, but not by the replicated time, has the leader's clock
//! replicated first, once, and reads again.

use alloc::vec::Vec;

use norikv_types::{GroupId, WallMs};

use super::Node;
use super::errand::{Client, ErrandId, Stage};
use crate::wire::Work;
use crate::{Answer, Command, Consistency, Failure, Operation};

impl Node {
    /// The time of day here; 0 where the host has not told it.
    pub(super) fn wall(&self) -> WallMs {
        match self.wall {
            Some((at, wall)) => {
                let since = self.now.since(at).as_millis();
                WallMs(wall.0.saturating_add(u64::try_from(since).unwrap_or(0)))
            }
            None => WallMs(0),
        }
    }

    /// Whether the read has to wait until the replicated time has gone on.
    pub(super) fn awaits_tick(&mut self, id: ErrandId, answer: &Answer) -> bool {
        let ends = match answer {
            Answer::Value { expires_at, .. } => *expires_at,
            Answer::Page(page) => page.items.iter().filter_map(|item| item.expires_at).min(),
            _ => None,
        };
        let wall = self.wall();
        if ends.is_none_or(|at| at > wall) {
            return false;
        }
        let Some(errand) = self.errands.get_mut(id) else {
            return false;
        };
        if errand.ticked || errand.work.consistency() == Some(Consistency::StaleOk) {
            return false;
        }
        errand.ticked = true;
        let (group, deadline) = (errand.group, errand.deadline);
        self.errands.set_stage(id, Stage::AwaitsTick);
        let waiting = self.ticks.entry(group).or_default();
        waiting.push(id);
        if waiting.len() == 1 {
            let work = Work::Write {
                command: Command::new(Operation::Tick, None).encode(),
                repeatable: true,
            };
            self.errand(group, work, Client::Tick, deadline);
        }
        true
    }

    /// The replicated time of a group has gone on, or could not.
    pub(super) fn ticked(&mut self, group: GroupId, result: Result<Answer, Failure>) {
        let waiting: Vec<ErrandId> = self.ticks.remove(&group).unwrap_or_default();
        for id in waiting {
            let waits = self.errands.get(id).map(|errand| errand.stage);
            if waits != Some(Stage::AwaitsTick) {
                continue;
            }
            match &result {
                Ok(_) => self.retry(id),
                Err(failure) => self.finish(id, Err(failure.clone())),
            }
        }
    }
}
