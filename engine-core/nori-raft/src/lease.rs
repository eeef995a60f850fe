//! The leader's lease: how long reads need no round.
//!
//! **Invariant: while a lease holds no other leader can exist.** A supporter that answered a round
//! ignores candidates for the minimum election timeout after it heard the round; it heard it after
//! it was sent. So the lease counts from the *send* time of the newest round that a quorum answered,
//! and is shorter than that timeout by the clock drift allowed (dissertation §6.4.1). It dies with
//! the reign that owns it, and ends when the clock that it goes by is in doubt.

use alloc::collections::VecDeque;
use core::time::Duration;

use norikv_types::{Mono, Mutant, breaks};

use crate::raft::{Raft, Standing};

/// A lease and the rounds that may renew it.
#[derive(Debug)]
pub(crate) struct Lease {
    duration: Duration,
    /// When the newest confirmed round was sent.
    since: Option<Mono>,
    /// Rounds that are not confirmed and when they were sent.
    sent: VecDeque<(u64, Mono)>,
}

impl Lease {
    /// No lease yet.
    pub(crate) const fn new(duration: Duration) -> Self {
        Self {
            duration,
            since: None,
            sent: VecDeque::new(),
        }
    }

    /// A round is sent now.
    pub(crate) fn begin(&mut self, round: u64, now: Mono) {
        self.sent.push_back((round, now));
    }

    /// A quorum answered `round`.
    pub(crate) fn confirm(&mut self, round: u64) {
        while let Some(&(sent_round, at)) = self.sent.front()
            && sent_round <= round
        {
            self.since = Some(at);
            self.sent.pop_front();
        }
    }

    /// The lease ends now, and no round under way renews it.
    pub(crate) fn end(&mut self) {
        self.since = None;
        self.sent = VecDeque::new();
    }

    /// When the lease ends, if there is one.
    pub(crate) fn until(&self) -> Option<Mono> {
        self.since.map(|since| since + self.duration)
    }

    /// Whether the lease covers this moment.
    pub(crate) fn holds(&self, now: Mono) -> bool {
        self.until()
            .is_some_and(|until| now < until || breaks(Mutant::LeaseNeverEnds))
    }

    /// The fault of [`Mutant::LeaseFromReceive`](norikv_types::Mutant::LeaseFromReceive).
    pub(crate) const fn restart_at(&mut self, now: Mono) {
        self.since = Some(now);
    }
}

impl Raft {
    /// A clock that goes back, or skips what an awake leader would have been woken for twice, is no
    /// measure of the time that passed: the host was paused, or its clock was set. Such a clock may
    /// as well have stood still while supporters stopped waiting, as monotonic clocks do while a
    /// machine is suspended (`clock_gettime(2)`: "does not count time that the system is
    /// suspended"). The lease assumes a bounded drift (dissertation §6.4.1), so it ends, and only a
    /// round sent from now on brings another one.
    pub(crate) fn look_at_clock(&mut self, now: Mono) {
        if now == self.now {
            return;
        }
        let skipped = now.since(self.now) > SKIPPED_BEATS * self.config.heartbeat_interval;
        if now < self.now || skipped {
            self.doubt_clock();
        }
    }

    /// Whatever was measured by the clock so far is void.
    pub(crate) fn doubt_clock(&mut self) {
        if let Standing::Leader(reign) = &mut self.standing
            && !breaks(Mutant::LeaseOutlivesPause)
        {
            reign.lease.end();
        }
    }
}

/// Heartbeats that a leader may oversleep without a doubt about its clock.
const SKIPPED_BEATS: u32 = 2;

#[cfg(test)]
mod tests;
