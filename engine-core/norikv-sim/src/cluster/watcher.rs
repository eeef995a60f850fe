//! Clients that watch: each follows what happens to keys with a prefix, page by page.
//!
//! **Invariant: the cursor of a page is where the next begins**, whatever was answered in between;
//! only where the past is gone a watcher begins anew. Every other one begins behind a scan, the
//! rest wherever the groups stand.

use alloc::vec::Vec;
use core::time::Duration;

use bytes::Bytes;
use norikv_node::{Answer, Call, Consistency, Page, RequestId, WatchPage};
use norikv_types::{ErrorKind, GroupId, LogIndex, Prng};

use crate::cluster::Simulation;
use crate::cluster::client::{Caller, ClientHappening, Heard};
use crate::cluster::invariant::Scanned;
use crate::cluster::simulation::Happening;
use crate::cluster::workload::is_mortal;

/// Someone who watches.
#[derive(Debug)]
pub(crate) struct Watcher {
    prefix: Bytes,
    cursor: Vec<(GroupId, LogIndex)>,
    waits_for: Option<RequestId>,
}

impl Watcher {
    pub(crate) fn new(prng: &mut Prng) -> Self {
        let prefixes: [&[u8]; 4] = [b"", b"k/", b"k/0000", b"m/"];
        let nth = usize::try_from(prng.below(4)).unwrap_or(0);
        Self {
            prefix: Bytes::from_static(prefixes[nth]),
            cursor: Vec::new(),
            waits_for: None,
        }
    }
}

impl Simulation {
    /// A watcher asks for its next page.
    pub(crate) fn watch_on(&mut self, nth: usize) {
        let Some(watcher) = self.clients.watchers.get(nth) else {
            return;
        };
        if watcher.waits_for.is_some() || !self.clients.watching {
            return;
        }
        let limit = 1 + u32::try_from(self.clients.prng.below(40)).unwrap_or(0);
        let call = match watcher.cursor.is_empty() && nth.is_multiple_of(2) {
            true => Call::Scan {
                prefix: watcher.prefix.clone(),
                after: None,
                limit,
                consistency: Consistency::StaleOk,
                cursor: Vec::new(),
            },
            false => Call::Watch {
                prefix: watcher.prefix.clone(),
                cursor: watcher.cursor.clone(),
                limit,
            },
        };
        let host = self.pick_host();
        let request = self.ask(Caller::Watcher(nth), host, call, None);
        self.clients.watchers[nth].waits_for = Some(request);
    }

    /// A watcher hears of its call.
    pub(crate) fn watcher_hears(&mut self, nth: usize, request: RequestId, heard: Heard) {
        let watcher = &mut self.clients.watchers[nth];
        if watcher.waits_for != Some(request) {
            return;
        }
        watcher.waits_for = None;
        let mut pause_ms = 20;
        match heard {
            Heard::Answered(Ok(Answer::Watched(page))) => {
                self.check_page(nth, &page);
                self.clients.counters.watched += page.events.len() as u64;
                self.clients.watchers[nth].cursor = page.cursor;
            }
            Heard::Answered(Ok(Answer::Page(page))) => {
                let prefix = watcher.prefix.clone();
                self.check_scan(&prefix, &page);
                self.clients.watchers[nth].cursor = page.cursor;
            }
            Heard::Answered(Err(failure)) if failure.kind == ErrorKind::Compacted => {
                self.clients.counters.compacted += 1;
                watcher.cursor.clear();
            }
            _ => pause_ms = 100,
        }
        let pause = Duration::from_millis(1 + self.clients.prng.below(pause_ms));
        let wake = ClientHappening::Watch { watcher: nth };
        self.schedule
            .push(self.now + pause, Happening::Client(wake));
    }

    /// Checks a scan's first page.
    pub(crate) fn check_scan(&mut self, prefix: &[u8], page: &Page) {
        let scanned = Scanned {
            prefix,
            page,
            ends: is_mortal,
        };
        let checked = self.invariants.scanned(scanned, |key| self.group_of(key));
        self.clients.counters.scanned += 1;
        self.check(checked);
    }

    fn check_page(&mut self, nth: usize, page: &WatchPage) {
        let watcher = &self.clients.watchers[nth];
        let checked = self
            .invariants
            .watched(&watcher.prefix, &watcher.cursor, page);
        self.check(checked);
    }
}
