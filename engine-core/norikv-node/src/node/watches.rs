//! Calls that wait for what happens.
//!
//! **Invariant: a watch answers with whole indexes only, and its cursor covers exactly what it has
//! answered with**, so whoever asks with it sees every event once. A watch holds one page at most;
//! what does not fit waits in the storage, which says when it no longer has it.
//!
//! Groups with a replica here are read together when something was applied to one of them; the
//! others are asked for at a replica of theirs, a second at a time.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use norikv_types::{Applied, ErrorKind, GroupId, LogIndex, Mono};

use super::Node;
use super::errand::{Client, ErrandId};
use super::metrics::CallKind;
use crate::wire::Work;
use crate::{
    Answer, Failure, Output, PortError, Query, ReadToken, RequestId, WatchEvent, WatchPage,
};

/// The node's name for a watch. Also its name for the storage, with [`WATCH`] set.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct WatchId(u64);

/// Watches under way.
#[derive(Debug, Default)]
pub(crate) struct Watches {
    next: u64,
    by_id: BTreeMap<WatchId, Watch>,
    deadlines: BTreeSet<(Mono, WatchId)>,
}

#[derive(Debug)]
struct Watch {
    client: WatchClient,
    started: Mono,
    deadline: Mono,
    prefix: Bytes,
    limit: u32,
    /// How far each group was seen; `None` until a replica elsewhere has said where it is.
    cursor: BTreeMap<GroupId, Option<LogIndex>>,
    /// Groups of which there may be something to read here.
    stale: BTreeSet<GroupId>,
    /// With the storage.
    reading: bool,
    /// It is answered as soon as every group's position is known.
    at_once: bool,
}

/// Who waits for it.
#[derive(Debug, Clone, Copy)]
enum WatchClient {
    Host(RequestId),
    /// Another node.
    Errand(ErrandId),
}

impl WatchId {
    const fn token(self) -> ReadToken {
        ReadToken(WATCH | self.0)
    }

    /// The watch that a lookup is for; `None`: it is an errand's.
    pub(crate) fn of(read: ReadToken) -> Option<Self> {
        (read.0 & WATCH != 0).then_some(Self(read.0 & !WATCH))
    }
}

impl Watches {
    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(crate) fn poll_timeout(&self) -> Option<Mono> {
        self.deadlines.first().map(|(at, _)| *at)
    }

    fn insert(&mut self, watch: Watch) -> WatchId {
        self.next += 1;
        let id = WatchId(self.next);
        self.deadlines.insert((watch.deadline, id));
        self.by_id.insert(id, watch);
        id
    }

    fn remove(&mut self, id: WatchId) -> Option<Watch> {
        let watch = self.by_id.remove(&id)?;
        self.deadlines.remove(&(watch.deadline, id));
        Some(watch)
    }
}

impl Watch {
    fn page(&self, events: Vec<WatchEvent>) -> WatchPage {
        let seen = |(group, seen): (&GroupId, &Option<LogIndex>)| Some((*group, (*seen)?));
        WatchPage {
            events,
            cursor: self.cursor.iter().filter_map(seen).collect(),
        }
    }

    fn knows_all(&self) -> bool {
        self.cursor.values().all(Option::is_some)
    }
}

impl Node {
    /// A host's caller watches every group.
    pub(super) fn watch(
        &mut self,
        request: RequestId,
        deadline: Mono,
        prefix: Bytes,
        cursor: &[(GroupId, LogIndex)],
        limit: u32,
    ) {
        let mut positions: BTreeMap<GroupId, Option<LogIndex>> = (0..self.router.groups())
            .map(|group| (GroupId(group), None))
            .collect();
        for (group, index) in cursor {
            positions.insert(*group, Some(*index));
        }
        let client = WatchClient::Host(request);
        let at_once = cursor.is_empty();
        self.watch_groups(client, deadline, prefix, positions, limit, at_once);
    }

    /// Another node watches one group of which there is a replica here.
    pub(super) fn watch_for_peer(&mut self, id: ErrandId) {
        let Some(errand) = self.errands.get(id) else {
            return;
        };
        let Work::Watch {
            prefix,
            after,
            limit,
        } = &errand.work
        else {
            return;
        };
        let positions = [(errand.group, *after)].into();
        let (prefix, limit, at_once) = (prefix.clone(), *limit, after.is_none());
        let (client, deadline) = (WatchClient::Errand(id), errand.deadline);
        self.watch_groups(client, deadline, prefix, positions, limit, at_once);
    }

    fn watch_groups(
        &mut self,
        client: WatchClient,
        deadline: Mono,
        prefix: Bytes,
        mut cursor: BTreeMap<GroupId, Option<LogIndex>>,
        limit: u32,
        at_once: bool,
    ) {
        let mut elsewhere = Vec::new();
        let mut stale = BTreeSet::new();
        for (group, seen) in &mut cursor {
            match self.groups.get(group) {
                Some(replica) => {
                    seen.get_or_insert(replica.applied.index);
                    stale.insert(*group);
                }
                None => elsewhere.push(*group),
            }
        }
        let id = self.watches.insert(Watch {
            client,
            started: self.now,
            deadline,
            prefix,
            limit: limit.min(self.config.limits.scan_items_max),
            cursor,
            stale,
            reading: false,
            at_once,
        });
        for group in elsewhere {
            self.watch_elsewhere(id, group);
        }
        self.go_on_watching(id);
    }

    /// Asks a node that has a replica of the group.
    fn watch_elsewhere(&mut self, id: WatchId, group: GroupId) {
        let Some(watch) = self.watches.by_id.get(&id) else {
            return;
        };
        if watch.deadline <= self.now {
            return;
        }
        let work = Work::Watch {
            prefix: watch.prefix.clone(),
            after: watch.cursor.get(&group).copied().flatten(),
            limit: watch.limit,
        };
        let deadline = watch.deadline.min(self.now + ELSEWHERE);
        self.errand(group, work, Client::Watch(id), deadline);
    }

    /// Answers or reads, if there is a reason to.
    fn go_on_watching(&mut self, id: WatchId) {
        let Some(watch) = self.watches.by_id.get_mut(&id) else {
            return;
        };
        if watch.at_once && watch.knows_all() {
            return self.answer_watch(id, Vec::new());
        }
        if watch.reading || watch.stale.is_empty() {
            return;
        }
        let mut positions = Vec::new();
        let mut moved = Vec::new();
        for group in core::mem::take(&mut watch.stale) {
            match watch.cursor.get(&group).copied().flatten() {
                Some(seen) if self.groups.contains_key(&group) => positions.push((group, seen)),
                _ => moved.push(group),
            }
        }
        if !positions.is_empty() {
            watch.reading = true;
            let query = Query::Watch {
                positions,
                prefix: watch.prefix.clone(),
                limit: watch.limit,
                bytes_max: self.config.limits.scan_bytes_max,
            };
            self.outbox.push_back(Output::Read {
                read: id.token(),
                query,
            });
        }
        for group in moved {
            self.watch_elsewhere(id, group);
        }
    }

    /// Something was applied to a group, or it is not here any more.
    pub(super) fn wake_watches(&mut self, group: GroupId) {
        let ids: Vec<WatchId> = self.watches.by_id.keys().copied().collect();
        for id in ids {
            if let Some(watch) = self.watches.by_id.get_mut(&id)
                && watch.cursor.contains_key(&group)
            {
                watch.stale.insert(group);
                self.go_on_watching(id);
            }
        }
    }

    /// The storage has looked for a watch.
    pub(super) fn watch_read(&mut self, id: WatchId, result: Result<Answer, PortError>) {
        if let Some(watch) = self.watches.by_id.get_mut(&id) {
            watch.reading = false;
            let result = result.map_err(|error| {
                let message = format!("reading failed: {error}");
                Failure::refused(error.error_kind(), message)
            });
            self.watched(id, result);
        }
    }

    /// A part of a watch is there.
    pub(super) fn watched(&mut self, id: WatchId, result: Result<Answer, Failure>) {
        let Some(watch) = self.watches.by_id.get_mut(&id) else {
            return;
        };
        match result {
            Ok(Answer::Watched(page)) => {
                for (group, seen) in page.cursor {
                    let known = watch.cursor.entry(group).or_default();
                    *known = (*known).max(Some(seen));
                }
                match page.events.is_empty() {
                    true => self.go_on_watching(id),
                    false => self.answer_watch(id, page.events),
                }
            }
            Ok(Answer::Compacted { group, oldest }) => {
                let message = format!("what happened in {group} is known from {oldest} on");
                let mut failure = Failure::refused(ErrorKind::Compacted, message);
                failure.oldest = Some((group, oldest));
                self.end_watch(id, Err(failure));
            }
            Ok(_) => {
                let message = "a watch was answered with something else";
                self.end_watch(id, Err(Failure::refused(ErrorKind::Internal, message)));
            }
            Err(failure) => self.end_watch(id, Err(failure)),
        }
    }

    /// A node elsewhere has answered for a group.
    pub(super) fn watched_elsewhere(
        &mut self,
        id: WatchId,
        group: GroupId,
        result: Result<Answer, Failure>,
    ) {
        let quiet = match &result {
            Ok(Answer::Watched(page)) => page.events.is_empty(),
            Err(failure) => failure.kind == ErrorKind::TimedOut,
            Ok(_) => false,
        };
        if result.is_ok() || !quiet {
            self.watched(id, result);
        }
        if quiet {
            self.watch_elsewhere(id, group);
        }
    }

    fn answer_watch(&mut self, id: WatchId, events: Vec<WatchEvent>) {
        if let Some(watch) = self.watches.by_id.get(&id) {
            let page = watch.page(events);
            self.end_watch(id, Ok(Answer::Watched(page)));
        }
    }

    fn end_watch(&mut self, id: WatchId, result: Result<Answer, Failure>) {
        let Some(watch) = self.watches.remove(id) else {
            return;
        };
        match watch.client {
            WatchClient::Host(request) => {
                self.reply_to_host(request, CallKind::Watch, watch.started, result);
            }
            WatchClient::Errand(errand) => self.finish(errand, result),
        }
    }

    pub(super) fn expire_watches(&mut self) {
        while let Some(&(at, id)) = self.watches.deadlines.first()
            && at <= self.now
        {
            match self.watches.by_id.get(&id).is_some_and(Watch::knows_all) {
                true => self.answer_watch(id, Vec::new()),
                false => {
                    let message = "not every group has said where it is";
                    let failure = Failure::refused(ErrorKind::TimedOut, message);
                    self.end_watch(id, Err(failure));
                }
            }
        }
    }

    pub(super) fn fail_watches(&mut self) {
        let ids: Vec<WatchId> = self.watches.by_id.keys().copied().collect();
        for id in ids {
            let failure = self.halted_failure(Applied::No);
            self.end_watch(id, Err(failure));
        }
    }
}

/// Set in the tokens of watches: errands never come to have so many.
const WATCH: u64 = 1 << 63;
/// How long a node elsewhere is asked to wait for events.
const ELSEWHERE: Duration = Duration::from_secs(1);
