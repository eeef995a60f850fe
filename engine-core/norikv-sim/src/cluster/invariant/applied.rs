//! If a node has applied an entry at an index, no other applies a different one there (Raft §5.4.3,
//! state-machine safety), each decides it the same way, and every later leader has it (Raft §5.4,
//! leader completeness). So replicas at the same applied index hold the same bytes.

use alloc::vec::Vec;

use nori_raft::Entry;
use norikv_node::{Decided, Outcome};
use norikv_types::{GroupId, LogIndex, NodeId, Term, Version};
use xxhash_rust::xxh3::xxh3_64;

use super::log_matching::fingerprint;
use super::term_log::TermLog;
use crate::cluster::Violation;

/// What was applied first at each index, from index 1 on.
#[derive(Debug, Default)]
pub(super) struct AppliedHistory {
    entries: Vec<(Term, u64)>,
    /// Fingerprints of what was decided; 0 where nobody has decided yet.
    outcomes: Vec<u64>,
}

impl AppliedHistory {
    pub(super) fn check(
        &mut self,
        node: NodeId,
        group: GroupId,
        entries: &[Entry],
    ) -> Result<(), Violation> {
        for entry in entries {
            let own = (entry.term, fingerprint(entry));
            let known = nth(entry.index).and_then(|nth| self.entries.get(nth));
            let fits = match known {
                Some(known) => *known == own,
                None => {
                    self.entries.push(own);
                    self.entries.len() as u64 == entry.index.0
                }
            };
            if !fits {
                return Err(Violation::AppliedAnother {
                    node,
                    group,
                    index: entry.index,
                });
            }
        }
        Ok(())
    }

    /// Whether somebody applied this entry.
    pub(super) fn is_applied(&self, version: Version) -> bool {
        let known = nth(version.index).and_then(|nth| self.entries.get(nth));
        known.is_some_and(|(term, _)| *term == version.term)
    }

    /// Checks what a node decided; returns the first index that nobody had decided before.
    pub(super) fn check_outcomes(
        &mut self,
        node: NodeId,
        group: GroupId,
        results: &[Decided],
    ) -> Result<LogIndex, Violation> {
        let fresh = LogIndex(self.outcomes.len() as u64 + 1);
        for decided in results {
            if decided.outcome == Outcome::Skipped {
                continue;
            }
            let differ = Violation::OutcomesDiffer {
                node,
                group,
                index: decided.version.index,
            };
            let bytes = postcard::to_allocvec(decided).unwrap_or_default();
            let own = xxh3_64(&bytes) | 1;
            let nth = nth(decided.version.index).unwrap_or(0);
            if self.outcomes.len() <= nth {
                self.outcomes.resize(nth + 1, 0);
            }
            let known = &mut self.outcomes[nth];
            if *known == 0 {
                *known = own;
            } else if *known != own {
                return Err(differ);
            }
        }
        Ok(fresh)
    }

    /// A new leader must have the last entry that anybody applied; log matching covers the others.
    pub(super) fn check_leader(
        &self,
        node: NodeId,
        group: GroupId,
        term: Term,
        log: &TermLog,
    ) -> Result<(), Violation> {
        let index = LogIndex(self.entries.len() as u64);
        let Some((entry_term, _)) = self.entries.last() else {
            return Ok(());
        };
        // A deposed leader of an old term may win nothing, but it may still hear of its election.
        let covered = index <= log.base().index || log.term_at(index) == Some(*entry_term);
        if covered || term < *entry_term {
            return Ok(());
        }
        Err(Violation::LeaderIncomplete {
            node,
            group,
            term,
            missing: Version {
                term: *entry_term,
                index,
            },
        })
    }
}

fn nth(index: LogIndex) -> Option<usize> {
    usize::try_from(index.0.checked_sub(1)?).ok()
}
