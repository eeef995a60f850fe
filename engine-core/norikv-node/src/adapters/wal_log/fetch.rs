//! Reading entries back while the log is written to.
//!
//! **Invariant: what comes out is what the group's log says now, or said when it was asked**: an
//! entry counts only with the term that the log has at its index, so one that was cut and stands
//! further up is never taken for its successor.

use alloc::format;
use alloc::vec::Vec;

use nori_raft::Entry;
use norikv_types::{GroupId, LogIndex, Term};

use super::group::Span;
use super::record::{Owned, group_of};
use super::{WalLog, port_error};
use crate::{PortError, PortErrorKind};

impl WalLog {
    /// As [`ReplicatedLog::read`](crate::ReplicatedLog::read).
    ///
    /// # Errors
    /// As there.
    pub(super) fn fetch(
        &self,
        group: GroupId,
        from: LogIndex,
        up_to: LogIndex,
        bytes_max: u64,
    ) -> Result<Vec<Entry>, PortError> {
        let (mut entries, mut next, mut room) = (Vec::new(), from, bytes_max);
        while next <= up_to && (entries.is_empty() || room > 0) {
            let Some(place) = self.find(group, next) else {
                break;
            };
            let before = entries.len();
            let read = self.fetch_span(group, place, up_to, &mut room, &mut entries);
            let found = (entries.len() - before) as u64;
            let gone = self.find(group, next).is_none();
            match read {
                // Released, or cut, while it was read.
                Ok(()) | Err(_) if gone => {
                    entries.truncate(before);
                    break;
                }
                Ok(()) if found == 0 && room == 0 => break,
                Ok(()) if found == 0 => {
                    let detail = format!("log: the entry {next} of {group} is not in its place");
                    return Err(PortError::new(PortErrorKind::Corrupt, detail));
                }
                // What was found before it is of use.
                Err(_) if found > 0 || !entries.is_empty() => break,
                Err(error) => return Err(error),
                Ok(()) => next = LogIndex(next.0 + found),
            }
        }
        Ok(entries)
    }

    /// Reads on from `next` within its span, as far as there is room.
    pub(super) fn fetch_span(
        &self,
        group: GroupId,
        (span, mut next, mut term): (Span, LogIndex, Term),
        up_to: LogIndex,
        room: &mut u64,
        entries: &mut Vec<Entry>,
    ) -> Result<(), PortError> {
        let last = up_to.min(span.high);
        for record in self.wal.iter_from(span.at).map_err(port_error)? {
            let (_, payload) = record.map_err(port_error)?;
            if group_of(&payload) != Some(group) {
                continue;
            }
            let Some(Owned::Append { entry, .. } | Owned::Rewrite { entry, .. }) =
                Owned::decode(&payload)
            else {
                continue;
            };
            if entry.index != next || entry.term != term {
                continue;
            }
            if entry.size() > *room && !entries.is_empty() {
                *room = 0;
                break;
            }
            *room = room.saturating_sub(entry.size());
            entries.push(entry);
            next = next.next();
            if next > last || *room == 0 {
                break;
            }
            let Some((_, _, next_term)) = self.find(group, next) else {
                break;
            };
            term = next_term;
        }
        Ok(())
    }

    /// The span of an entry that the log holds, its index and its term.
    pub(super) fn find(&self, group: GroupId, index: LogIndex) -> Option<(Span, LogIndex, Term)> {
        let state = self.state.lock();
        let held = state.groups.get(&group)?;
        Some((held.span_of(index)?, index, held.term_of(index)?))
    }
}
