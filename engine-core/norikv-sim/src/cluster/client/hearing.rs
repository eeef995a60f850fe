//! What a client makes of what it hears.
//!
//! **Invariant: an operation ends once**: answered, refused for sure, or of unknown outcome for ever.

use alloc::vec::Vec;
use core::time::Duration;

use norikv_node::{Answer, Failure, RequestId};
use norikv_types::{Applied, ErrorKind, Remedy, Version};

use super::{Asked, Caller, Heard};
use crate::cluster::invariant::fresh;
use crate::cluster::view::Happened;
use crate::cluster::workload::{Op, PREFIX, key_number};
use crate::cluster::{Simulation, Violation};

impl Simulation {
    pub(super) fn hears(&mut self, request: RequestId, asked: &Asked, heard: Heard) {
        if let Caller::Watcher(nth) = asked.caller {
            self.watcher_hears(nth, request, heard);
            return;
        }
        if let Caller::Operator(group, moves) = asked.caller {
            self.operator_hears(group, moves, &heard);
            return;
        }
        let Caller::Client(client) = asked.caller else {
            let node = self.hosts[asked.host].id;
            self.events.push(self.now, || Happened::Visitor {
                request,
                node,
                result: match heard {
                    Heard::Answered(result) => result,
                    Heard::NotConnected => Err(Failure::refused(
                        ErrorKind::NoLeader,
                        "no process listens there",
                    )),
                    Heard::Nothing => Err(Failure::new(
                        ErrorKind::TimedOut,
                        Applied::Unknown,
                        "no answer",
                    )),
                },
            });
            return;
        };
        // An attempt that was given up says nothing any more.
        match &mut self.clients.clients[client].active {
            Some(active) if active.waits_for == Some(request) => active.waits_for = None,
            _ => return,
        }
        match heard {
            Heard::Answered(Ok(answer)) => self.answered(client, &answer),
            Heard::Answered(Err(failure)) => self.failed(client, &failure),
            Heard::NotConnected => self.try_again(client),
            Heard::Nothing => {
                self.doubt(client);
                self.try_again(client);
            }
        }
    }

    fn answered(&mut self, client: usize, answer: &Answer) {
        let Some(active) = self.clients.clients[client].active.take() else {
            return;
        };
        let value_bytes_max = self.config.clients.value_bytes_max;
        let seen: Vec<(Option<u32>, Version)> = match (answer, active.op) {
            (Answer::Transacted { .. }, _) => Vec::new(),
            (
                Answer::Written { version }
                | Answer::Value { version, .. }
                | Answer::Counted { version, .. },
                op,
            ) => alloc::vec![(op.key(), *version)],
            (Answer::Page(page), _) => page
                .items
                .iter()
                .map(|item| (key_number(&item.key), item.version))
                .collect(),
            _ => Vec::new(),
        };
        if let (Answer::Written { version } | Answer::Counted { version, .. }, Some(key)) =
            (answer, active.op.key())
        {
            let last = self.clients.acknowledged.entry(key).or_default();
            *last = (*last).max(*version);
        }
        if let (Answer::Page(page), Op::Scan { .. }) = (answer, active.op) {
            self.check_scan(PREFIX, page);
        }
        for (key, version) in seen {
            if let Some(key) = key {
                self.check(fresh::check(key, version, &active.floor));
                self.clients.versions.insert(key, version);
            }
        }
        let side = &mut self.clients;
        side.counters.answered += 1;
        match (answer, active.op) {
            (Answer::Absent, Op::Look { .. }) => side.counters.ended += 1,
            (Answer::Counted { .. }, _) => side.counters.added += 1,
            (Answer::Transacted { .. }, Op::Transact { tag, .. }) => {
                side.counters.transacted += 1;
                if let Some(value) = active.op.seen_first(answer, value_bytes_max) {
                    side.first_seen.insert(tag, value);
                }
            }
            (Answer::Value { .. }, Op::Look { key, .. }) if side.all_ended => {
                self.break_off(Violation::Outlived { key });
            }
            _ => {}
        }
        let written = active.op.answered(
            &mut self.clients.histories,
            &active.operations,
            answer,
            value_bytes_max,
            self.now,
        );
        if let Err(unknown) = written {
            self.break_off(Violation::UnknownValue { key: unknown.key });
        }
        self.rest(client);
    }

    fn failed(&mut self, client: usize, failure: &Failure) {
        let Some(active) = &mut self.clients.clients[client].active else {
            return;
        };
        if failure.applied != Applied::No && active.op.is_write() {
            active.doubtful = true;
        }
        match failure.kind {
            ErrorKind::PreconditionFailed => {
                let doubtful = active.doubtful;
                if let (Some(key), Some(actual)) = (active.op.key(), failure.actual) {
                    let checked = fresh::check(key, actual, &active.floor);
                    self.check(checked);
                }
                let Some(active) = &mut self.clients.clients[client].active else {
                    return;
                };
                let operations = core::mem::take(&mut active.operations);
                let op = active.op;
                self.clients.clients[client].active = None;
                if doubtful {
                    // An earlier attempt may still take effect, whatever this one met.
                    self.clients.counters.unknown += 1;
                } else {
                    self.clients.counters.answered += 1;
                    let histories = &mut self.clients.histories;
                    op.conflicted(histories, &operations, failure, self.now);
                }
                self.rest(client);
            }
            // Who lost what no restart brings back may say so.
            ErrorKind::Corrupt if self.any_harm() => self.try_again(client),
            kind if kind.remedy() == Remedy::Fix || kind == ErrorKind::Corrupt => {
                self.break_off(Violation::UnexpectedFailure {
                    kind,
                    message: failure.message.clone(),
                });
            }
            _ => self.try_again(client),
        }
    }

    fn doubt(&mut self, client: usize) {
        if let Some(active) = &mut self.clients.clients[client].active {
            active.doubtful |= active.op.is_write();
        }
    }

    /// Repeats the operation after a while, or gives it up.
    fn try_again(&mut self, client: usize) {
        let Some(active) = &mut self.clients.clients[client].active else {
            return;
        };
        if active.attempts < active.attempts_max {
            let at = self.now + Duration::from_millis(5 + self.clients.prng.below(100));
            self.wake(client, at);
            return;
        }
        let Some(active) = self.clients.clients[client].active.take() else {
            return;
        };
        if active.doubtful {
            self.clients.counters.unknown += 1;
        } else {
            self.clients.counters.refused += 1;
            for id in active.operations {
                self.clients.histories.refused(active.op.space(), id);
            }
        }
        self.rest(client);
    }

    fn rest(&mut self, client: usize) {
        let side = &mut self.clients;
        let idle = side.clients[client].script.is_empty();
        let think = match idle && side.free {
            true => Duration::from_millis(self.config.clients.think_max_ms),
            false => Duration::from_millis(1),
        };
        let pause = side.prng.duration(Duration::ZERO, think);
        self.wake(client, self.now + pause);
    }
}
