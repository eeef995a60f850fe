//! Waiting for another thread, or doing its work where there is none.
//!
//! **Invariant: a wake after [`Park::ticket`] is never missed by the wait that holds the ticket.**
//! Take the ticket, look at the condition, then wait.

use core::fmt;
use core::time::Duration;

use super::{AtomicU64, Ordering};

/// A place where threads wait for a change that another thread announces.
///
/// With feature `std` a waiter sleeps. Without it there is one thread, so a waiter does the work it
/// waits for: it calls `step` until it is woken or nothing is left to do.
#[derive(Default)]
pub struct Park {
    wakes: AtomicU64,
    #[cfg(feature = "std")]
    lock: parking_lot::Mutex<()>,
    #[cfg(feature = "std")]
    changed: parking_lot::Condvar,
}

/// Why a wait ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waited {
    /// Someone called [`Park::wake`].
    Woken,
    /// The timeout passed first.
    TimedOut,
    /// There is no other thread and nothing left to step: waiting on cannot help.
    Idle,
}

impl Park {
    /// A place where nobody waits yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The wakes so far, for [`wait`](Self::wait).
    #[must_use]
    pub fn ticket(&self) -> u64 {
        self.wakes.load(Ordering::Acquire)
    }

    /// Ends every wait whose ticket was taken before.
    pub fn wake(&self) {
        #[cfg(feature = "std")]
        {
            let guard = self.lock.lock();
            self.wakes.fetch_add(1, Ordering::AcqRel);
            drop(guard);
            self.changed.notify_all();
        }
        #[cfg(not(feature = "std"))]
        self.wakes.fetch_add(1, Ordering::AcqRel);
    }

    /// Sleeps until a wake after `ticket` was taken, at most for `timeout`. `step` is not called.
    #[cfg(feature = "std")]
    pub fn wait(
        &self,
        ticket: u64,
        timeout: Option<Duration>,
        _step: &mut dyn FnMut() -> bool,
    ) -> Waited {
        let mut guard = self.lock.lock();
        while self.wakes.load(Ordering::Acquire) == ticket {
            match timeout {
                None => self.changed.wait(&mut guard),
                Some(timeout) => {
                    let timed_out = self.changed.wait_for(&mut guard, timeout).timed_out();
                    if timed_out && self.wakes.load(Ordering::Acquire) == ticket {
                        return Waited::TimedOut;
                    }
                }
            }
        }
        Waited::Woken
    }

    /// Calls `step`, a piece of the work that is waited for, until someone wakes or it returns
    /// false (nothing to do). `timeout` is not kept: there is no clock here.
    #[cfg(not(feature = "std"))]
    pub fn wait(
        &self,
        ticket: u64,
        _timeout: Option<Duration>,
        step: &mut dyn FnMut() -> bool,
    ) -> Waited {
        while self.wakes.load(Ordering::Acquire) == ticket {
            if !step() {
                let woken = self.wakes.load(Ordering::Acquire) != ticket;
                return if woken { Waited::Woken } else { Waited::Idle };
            }
        }
        Waited::Woken
    }
}

impl fmt::Debug for Park {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Park")
            .field("wakes", &self.ticket())
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
