//! Reading the log back: from the oldest table on, record by record.
//!
//! **Invariant: what comes out is what the records say in their order, without gaps, or an error.**
//! Entries may come in any order in between: those that were rewritten stand behind those that
//! follow them.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use nori_raft::{Entry, HardState};
use nori_wal::{Lsn, Replayed, SegmentInfo};
use norikv_types::{GroupId, LogIndex, Mutant, Version, breaks};

use super::group::GroupState;
use super::record::{Owned, Record};
use super::table;
use crate::{GroupLog, PortError, PortErrorKind};

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Replay {
    groups: BTreeMap<GroupId, Held>,
    /// The first record that the log vouched for and that makes no sense.
    nonsense: Option<PortError>,
}

#[derive(Debug, Default)]
struct Held {
    hard_state: HardState,
    start: Version,
    /// The last index that a table stated or a record made.
    last: LogIndex,
    /// Each entry and where it stands.
    entries: BTreeMap<LogIndex, (Lsn, Entry)>,
}

impl Replay {
    /// Takes in the next table or record; at the end, gives the new segment its table.
    pub(super) fn take(&mut self, replayed: Replayed<'_>) {
        match replayed {
            Replayed::Table(bytes) => match table::decode(bytes) {
                Some(rows) => rows.iter().for_each(|row| self.state_row(row)),
                None => self.make_no_sense(format!("a segment's table of {} bytes", bytes.len())),
            },
            Replayed::Record { lsn, payload, .. } => match Owned::decode(payload) {
                Some(record) => self.apply(lsn, record),
                None => self.make_no_sense(format!("the record at {lsn}")),
            },
            // A log that will be refused must not be told anew: the evidence would be gone.
            Replayed::End { table } if self.check().is_ok() => {
                *table = table::encode(self.groups.iter().map(|(&group, held)| held.row(group)));
            }
            Replayed::End { .. } => {}
        }
    }

    /// What every group starts from, its entries where `segments` has them.
    ///
    /// # Errors
    /// `Corrupt` when a record makes no sense or entries are missing.
    pub(super) fn finish(
        self,
        segments: &[SegmentInfo],
    ) -> Result<BTreeMap<GroupId, (GroupState, GroupLog)>, PortError> {
        self.check()?;
        let mut groups = BTreeMap::new();
        for (group, held) in self.groups {
            let Held {
                hard_state,
                start,
                entries,
                ..
            } = held;
            let mut state = GroupState::default();
            state.apply(&Record::Reset { group, at: start }, 0);
            state.apply(&Record::HardState { group, hard_state }, 0);
            for (lsn, entry) in entries.values() {
                let segment = segments.iter().rfind(|segment| segment.base <= *lsn);
                let number = segment.map_or(0, |segment| segment.number);
                state.apply(&Record::Append { group, entry }, number);
            }
            let entries: Vec<Entry> = entries.into_values().map(|(_, entry)| entry).collect();
            let log = GroupLog {
                hard_state,
                start,
                entries,
            };
            groups.insert(group, (state, log));
        }
        Ok(groups)
    }

    fn check(&self) -> Result<(), PortError> {
        if let Some(nonsense) = &self.nonsense {
            return Err(nonsense.clone());
        }
        self.groups
            .iter()
            .try_for_each(|(group, held)| held.check(*group))
    }

    fn state_row(&mut self, row: &table::Row) {
        let held = self.groups.entry(row.group).or_default();
        held.hard_state = row.hard_state;
        held.release(row.start);
        held.last = row.last;
    }

    fn apply(&mut self, lsn: Lsn, record: Owned) {
        match record {
            Owned::Append { group, entry } => {
                let held = self.groups.entry(group).or_default();
                let _cut = held.entries.split_off(&entry.index);
                held.last = entry.index;
                held.entries.insert(entry.index, (lsn, entry));
            }
            Owned::Rewrite { group, entry } => {
                let held = self.groups.entry(group).or_default();
                if breaks(Mutant::RewriteCuts) {
                    held.last = entry.index;
                    let _cut = held.entries.split_off(&entry.index);
                }
                if entry.index > held.start.index {
                    held.entries.insert(entry.index, (lsn, entry));
                }
            }
            Owned::HardState { group, hard_state } => {
                self.groups.entry(group).or_default().hard_state = hard_state;
            }
            Owned::Reset { group, at } => {
                let held = self.groups.entry(group).or_default();
                held.entries.clear();
                held.start = at;
                held.last = at.index;
            }
            Owned::Release { group, up_to } => {
                self.groups.entry(group).or_default().release(up_to);
            }
        }
    }

    fn make_no_sense(&mut self, what: alloc::string::String) {
        self.nonsense.get_or_insert_with(|| {
            let detail = format!("log: {what} passes its checks but cannot be read; was it written by a later version?");
            PortError::new(PortErrorKind::Corrupt, detail)
        });
    }
}

impl Held {
    fn row(&self, group: GroupId) -> table::Row {
        let Self {
            hard_state,
            start,
            last,
            ..
        } = *self;
        table::Row {
            group,
            hard_state,
            start,
            last,
        }
    }

    fn release(&mut self, up_to: Version) {
        if up_to.index > self.start.index {
            self.start = up_to;
            self.last = self.last.max(up_to.index);
            self.entries = self.entries.split_off(&up_to.index.next());
        }
    }

    /// Whether every entry above `start` up to the last one is there.
    fn check(&self, group: GroupId) -> Result<(), PortError> {
        let expected = self.last.0 - self.start.index.0;
        let first = self.entries.keys().next().copied();
        let last = self.entries.keys().next_back().copied();
        let whole = self.entries.len() as u64 == expected
            && (expected == 0
                || (first == Some(self.start.index.next()) && last == Some(self.last)));
        if whole {
            return Ok(());
        }
        let (start, last, count) = (self.start.index, self.last, self.entries.len());
        let detail =
            format!("log: of the entries {start}..={last} of {group} only {count} are there");
        Err(PortError::new(PortErrorKind::Corrupt, detail))
    }
}
