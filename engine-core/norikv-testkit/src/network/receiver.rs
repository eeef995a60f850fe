//! A node that takes its messages slowly.

use core::time::Duration;

use norikv_types::Mono;

/// Hands a node's messages out one at a time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Receiver {
    /// Between two messages; more than zero, so that two never come at one time and no message that
    /// arrives later can get ahead of one that waits.
    service: Duration,
    /// Slow no more; only what waits is still handed out first.
    ending: bool,
    /// When the next message can be taken.
    free_at: Mono,
}

impl Receiver {
    pub(super) const fn new() -> Self {
        Self {
            service: LEAST,
            ending: true,
            free_at: Mono::ZERO,
        }
    }

    pub(super) fn set(&mut self, service: Duration) {
        self.service = service.max(LEAST);
        self.ending = service.is_zero();
    }

    /// When a message that arrives at `at` can be taken.
    pub(super) fn due(&self, at: Mono) -> Mono {
        self.free_at.max(at)
    }

    /// A message is taken at `at`. Returns whether the receiver is as fast again as all others.
    pub(super) fn take(&mut self, at: Mono) -> bool {
        let waited = self.free_at > at;
        self.free_at = at + self.service;
        self.ending && !waited
    }

    /// A new life: nothing waits.
    pub(super) const fn reset(&mut self) {
        self.free_at = Mono::ZERO;
    }
}

const LEAST: Duration = Duration::from_nanos(1);
