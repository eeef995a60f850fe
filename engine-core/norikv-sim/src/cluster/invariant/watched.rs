//! A watch tells everything that happened behind its cursor, in order, each thing once: no version is
//! left out and none is told twice.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;
use core::ops::Bound;

use bytes::Bytes;
use nori_raft::{Entry, Payload};
use norikv_node::{Change, Command, Decided, Operation, Outcome, Step, WatchEvent, WatchPage};
use norikv_types::{GroupId, LogIndex, Version};
use xxhash_rust::xxh3::xxh3_64;

use crate::cluster::Violation;

/// What happened to the keys of a group, by where in its log.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<LogIndex, Vec<Changed>>);

/// A key, and a fingerprint of its value; `None`: it was removed.
type Changed = (Bytes, Option<u64>);

impl Changes {
    /// Takes in what an entry came to.
    pub(super) fn add(&mut self, entry: &Entry, decided: &Decided) {
        let Payload::Command(bytes) = &entry.payload else {
            return;
        };
        let Ok(command) = Command::decode(bytes) else {
            return;
        };
        let changed = changed(command.operation, &decided.outcome, entry.version());
        if !changed.is_empty() {
            self.0.insert(entry.index, changed);
        }
    }

    /// The keys that begin with `prefix` when the group is at `at`: where each was written, and a
    /// fingerprint of its value.
    pub(super) fn standing_at(
        &self,
        at: LogIndex,
        prefix: &[u8],
    ) -> BTreeMap<Bytes, (LogIndex, u64)> {
        let mut stands = BTreeMap::new();
        for (index, changed) in self.0.range(..=at) {
            for (key, put) in changed.iter().filter(|(key, _)| key.starts_with(prefix)) {
                match put {
                    Some(value) => stands.insert(key.clone(), (*index, *value)),
                    None => stands.remove(key),
                };
            }
        }
        stands
    }

    /// Checks what a watch of `prefix` was told of a group for its position going from `from` to
    /// `to`.
    pub(super) fn check<'a>(
        &self,
        group: GroupId,
        prefix: &[u8],
        (from, to): (LogIndex, LogIndex),
        told: impl Iterator<Item = &'a WatchEvent>,
    ) -> Result<(), Violation> {
        let wrong = |index| Violation::WatchedWrong {
            group,
            index,
            from,
            to,
        };
        if to < from {
            return Err(wrong(to));
        }
        let behind = (Bound::Excluded(from), Bound::Included(to.max(from.next())));
        let happened = self.0.range(behind);
        let mut happened = happened
            .flat_map(|(index, changed)| changed.iter().map(move |own| (*index, own)))
            .filter(|(index, (key, _))| *index <= to && key.starts_with(prefix));
        for event in told {
            let index = event.version.index;
            let value = match &event.change {
                Change::Put { value, .. } => Some(xxh3_64(value)),
                Change::Delete => None,
            };
            match happened.next() {
                Some((own, (key, put))) if own == index && *key == event.key && *put == value => {}
                _ => return Err(wrong(index)),
            }
        }
        match happened.next() {
            Some((index, _)) => Err(wrong(index)),
            None => Ok(()),
        }
    }
}

/// What a page says of one group.
pub(super) fn of_group(page: &WatchPage, group: GroupId) -> impl Iterator<Item = &WatchEvent> {
    page.events.iter().filter(move |event| event.group == group)
}

/// What an operation changed; of several changes of one key the last counts.
fn changed(operation: Operation, outcome: &Outcome, own: Version) -> Vec<Changed> {
    match (operation, outcome) {
        (Operation::Put { key, value, .. }, Outcome::Written { version }) if *version == own => {
            alloc::vec![(key, Some(xxh3_64(&value)))]
        }
        (Operation::Delete { key, .. }, Outcome::Written { version }) if *version == own => {
            alloc::vec![(key, None)]
        }
        (Operation::Increment { key, .. }, Outcome::Counted { version, value })
            if *version == own =>
        {
            let text = alloc::format!("{value}");
            alloc::vec![(key, Some(xxh3_64(text.as_bytes())))]
        }
        (
            Operation::Transaction(transaction),
            Outcome::Transacted {
                version, succeeded, ..
            },
        ) if *version == own => {
            let mut changed: Vec<Changed> = Vec::new();
            let steps = match succeeded {
                true => transaction.then,
                false => transaction.otherwise,
            };
            for step in steps {
                let change = match step {
                    Step::Put { key, value, .. } => (key, Some(xxh3_64(&value))),
                    Step::Delete { key } => (key, None),
                    Step::Get { .. } => continue,
                };
                changed.retain(|(key, _)| *key != change.0);
                changed.push(change);
            }
            changed
        }
        _ => Vec::new(),
    }
}
