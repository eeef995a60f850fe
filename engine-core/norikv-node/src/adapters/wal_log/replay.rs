//! Reading the log back: from the oldest table on, record by record.
//!
//! **Invariant: what comes out is what the records say in their order, without gaps, or an error.**
//! Entries may come in any order in between: those that were rewritten stand behind those that
//! follow them.
//!
//! Where bytes are corrupt, what stood in them is not known: it may have cut, replaced or released
//! anything. So behind them nothing is proven until a table says what all groups are. An entry from
//! before them still counts if it was committed then, or if a later entry of its term is known, or
//! the table's last one is: the leader of that term had it before it (log matching, Raft §5.3). All
//! others up to the last index are damaged; a group without a table behind the damage is doubtful.
//! Of its hard state it is known what the records behind the damage imply: no entry is stored
//! before its term is, and none is known to be committed before it is stored.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use nori_raft::{Entry, HardState, Stretch};
use nori_wal::{Lsn, Replayed, SegmentInfo};
use norikv_types::{GroupId, LogIndex, Mutant, Term, Version, breaks};

use super::group::{GroupState, Place};
use super::record::{Owned, Record};
use super::table::{self, Table};
use crate::{GroupLog, PortError, PortErrorKind};

/// What was read so far.
#[derive(Debug, Default)]
pub(super) struct Replay {
    groups: BTreeMap<GroupId, Held>,
    /// The first record that the log vouched for and that makes no sense.
    nonsense: Option<PortError>,
    /// Where each corrupt range ends.
    damage: Vec<Lsn>,
    /// A group that is not known may have been written to.
    pub(super) is_partial: bool,
}

#[derive(Debug, Default)]
struct Held {
    hard_state: HardState,
    start: Version,
    /// The last index that a table stated or a record made.
    last: LogIndex,
    /// Each entry and where it stands.
    entries: BTreeMap<LogIndex, (Lsn, Entry)>,
    /// The entries in here stand before damage and may have been replaced in it.
    suspect: Option<Stretch>,
    is_doubtful: bool,
}

impl Replay {
    /// Takes in the next table or record; at the end, gives the new segment its table.
    pub(super) fn take(&mut self, replayed: Replayed<'_>) {
        match replayed {
            Replayed::Table(bytes) => match table::decode(bytes) {
                Some(table) => self.state(&table),
                None => self.make_no_sense(format!("a segment's table of {} bytes", bytes.len())),
            },
            Replayed::Record { lsn, payload, .. } => match Owned::decode(payload) {
                Some(record) => self.apply(lsn, record),
                None => self.make_no_sense(format!("the record at {lsn}")),
            },
            Replayed::Corrupt(range) => {
                self.damage.push(range.lsns.end);
                self.is_partial = true;
                for held in self.groups.values_mut() {
                    held.doubt();
                }
            }
            Replayed::End { table } => {
                self.groups.values_mut().for_each(Held::resolve);
                // A log that will be refused must not be told anew: the evidence would be gone.
                if self.check().is_ok() {
                    let rows = self.groups.iter().map(|(&group, held)| held.row(group));
                    *table = table::encode(rows, self.is_partial);
                }
            }
        }
    }

    /// What every group starts from, its entries where `segments` has them.
    ///
    /// # Errors
    /// `Corrupt` when a record makes no sense or entries are missing though nothing is damaged.
    pub(super) fn finish(
        self,
        segments: &[SegmentInfo],
    ) -> Result<BTreeMap<GroupId, (GroupState, GroupLog)>, PortError> {
        self.check()?;
        let mut groups = BTreeMap::new();
        for (group, held) in self.groups {
            let damaged = held.damaged();
            let Held {
                hard_state,
                start,
                entries,
                is_doubtful,
                ..
            } = held;
            let mut state = GroupState::default();
            let nowhere = Place {
                segment: 0,
                lsn: Lsn(0),
            };
            state.apply(&Record::Reset { group, at: start }, nowhere);
            state.apply(&Record::HardState { group, hard_state }, nowhere);
            let mut before = Lsn(0);
            for (lsn, entry) in entries.values() {
                let segment = segments.iter().rfind(|segment| segment.base <= *lsn);
                let place = Place {
                    segment: segment.map_or(0, |segment| segment.number),
                    lsn: *lsn,
                };
                let apart = self.damage.iter().any(|end| before < *end && end <= lsn);
                state.found(entry, place, apart);
                before = *lsn;
            }
            let entries: Vec<Entry> = entries.into_values().map(|(_, entry)| entry).collect();
            let reached = damaged
                .last()
                .filter(|stretch| stretch.up_to > state.last());
            state.lost = reached.map(|stretch| Version {
                term: hard_state.term,
                index: stretch.up_to,
            });
            state.is_doubtful = is_doubtful;
            let log = GroupLog {
                hard_state,
                start,
                entries,
                damaged,
                is_doubtful,
            };
            groups.insert(group, (state, log));
        }
        Ok(groups)
    }

    fn check(&self) -> Result<(), PortError> {
        if let Some(nonsense) = &self.nonsense {
            return Err(nonsense.clone());
        }
        if !self.damage.is_empty() {
            return Ok(());
        }
        self.groups
            .iter()
            .try_for_each(|(group, held)| held.check(*group))
    }

    /// Says what all groups are.
    fn state(&mut self, table: &Table) {
        self.is_partial = table.is_partial;
        for row in &table.rows {
            let held = self.groups.entry(row.group).or_default();
            held.hard_state = row.hard_state;
            held.release(row.start);
            held.vouch(row.last);
            let _cut = held.entries.split_off(&row.last.index.next());
            held.last = row.last.index;
            held.is_doubtful = row.is_doubtful;
        }
    }

    fn apply(&mut self, lsn: Lsn, record: Owned) {
        match record {
            Owned::Append { group, entry } => {
                let held = self.held(group);
                held.vouch(entry.version());
                let _cut = held.entries.split_off(&entry.index);
                held.last = entry.index;
                held.reach(entry.term);
                held.entries.insert(entry.index, (lsn, entry));
            }
            Owned::Rewrite { group, entry } => {
                let held = self.held(group);
                if breaks(Mutant::RewriteCuts) {
                    held.last = entry.index;
                    let _cut = held.entries.split_off(&entry.index);
                }
                if entry.index > held.start.index {
                    held.vouch(entry.version());
                    held.reach(entry.term);
                    held.entries.insert(entry.index, (lsn, entry));
                }
            }
            Owned::HardState { group, hard_state } => {
                let held = self.held(group);
                held.hard_state = hard_state;
                if held.is_doubtful {
                    held.last = held.last.max(hard_state.commit_index);
                }
            }
            Owned::Reset { group, at } => {
                let held = self.held(group);
                // Whoever forgets everything has nothing to doubt.
                held.is_doubtful &= at != Version::default();
                held.entries.clear();
                held.suspect = None;
                held.start = at;
                held.last = at.index;
            }
            Owned::Release { group, up_to } => {
                self.held(group).release(up_to);
            }
            Owned::State { table } => self.state(&table),
        }
    }

    /// A group; one that is not known may have been lost whole.
    fn held(&mut self, group: GroupId) -> &mut Held {
        let is_doubtful = self.is_partial;
        self.groups.entry(group).or_insert_with(|| Held {
            is_doubtful,
            ..Held::default()
        })
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
            is_doubtful,
            ..
        } = *self;
        let known = match last == start.index {
            true => Some(start.term),
            false => self.entries.get(&last).map(|(_, entry)| entry.term),
        };
        table::Row {
            group,
            hard_state,
            start,
            last: Version {
                term: known.unwrap_or_default(),
                index: last,
            },
            is_doubtful,
        }
    }

    fn release(&mut self, up_to: Version) {
        if up_to.index > self.start.index {
            self.start = up_to;
            self.last = self.last.max(up_to.index);
            self.entries = self.entries.split_off(&up_to.index.next());
        }
    }

    /// An entry of this term is stored.
    fn reach(&mut self, term: Term) {
        if self.is_doubtful && term > self.hard_state.term {
            self.hard_state.term = term;
            self.hard_state.voted_for = None;
        }
    }

    /// Damage follows.
    fn doubt(&mut self) {
        self.resolve();
        self.is_doubtful = true;
        let from = self.hard_state.commit_index.max(self.start.index).next();
        let up_to = self.last;
        self.suspect = (from <= up_to).then_some(Stretch { from, up_to });
    }

    /// The log holds `at`, as is known from behind the damage.
    fn vouch(&mut self, at: Version) {
        let Some(Stretch { from, up_to }) = self.suspect else {
            return;
        };
        if at.index < from || at.term.0 == 0 {
            return;
        }
        let mut suspects = self.entries.range(from..=up_to.min(at.index));
        if let Some((&proven, _)) = suspects.rfind(|(_, (_, entry))| entry.term == at.term) {
            let from = proven.next();
            self.suspect = (from <= up_to).then_some(Stretch { from, up_to });
        }
        if let Some(suspect) = &mut self.suspect {
            // What stands at and above it is not from before the damage.
            suspect.up_to = suspect.up_to.min(at.index);
            if self
                .entries
                .get(&at.index)
                .is_none_or(|(_, entry)| entry.term != at.term)
            {
                suspect.up_to = suspect.up_to.min(at.index.prev());
            }
            if suspect.up_to < suspect.from {
                self.suspect = None;
            }
        }
    }

    /// What nothing vouched for does not count.
    fn resolve(&mut self) {
        if let Some(Stretch { from, up_to }) = self.suspect.take() {
            self.entries
                .retain(|index, _| !(from..=up_to).contains(index));
        }
    }

    /// Entries that are missing up to the last one.
    fn damaged(&self) -> Vec<Stretch> {
        let mut stretches = Vec::new();
        let mut next = self.start.index.next();
        let indexes = self.entries.keys().copied();
        for index in indexes.chain([self.last.next()]) {
            if index > next {
                stretches.push(Stretch {
                    from: next,
                    up_to: index.prev(),
                });
            }
            next = index.next();
        }
        stretches
    }

    /// Whether every entry above `start` up to the last one is there.
    fn check(&self, group: GroupId) -> Result<(), PortError> {
        let Some(missing) = self.damaged().first().copied() else {
            return Ok(());
        };
        let (start, last, count) = (self.start.index, self.last, self.entries.len());
        let detail = format!(
            "log: of the entries {start}..={last} of {group} only {count} are there, not {}",
            missing.from
        );
        Err(PortError::new(PortErrorKind::Corrupt, detail))
    }
}
