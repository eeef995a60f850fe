//! Time and randomness as arguments: the engine has neither of its own.

use core::fmt;

use norikv_types::{Mono, WallMs};

/// A source of time. It cannot sleep: who needs to wait returns a deadline.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Nanoseconds that never go back and that go on while the machine is suspended.
    fn now(&self) -> Mono;

    /// Milliseconds since the Unix epoch; may jump either way.
    fn wall(&self) -> WallMs;
}

/// A source of seeds and uids. Deterministic in the simulator, the system's elsewhere.
pub trait Entropy: Send + Sync + fmt::Debug {
    /// 64 bits that nothing drawn before predicts.
    fn draw(&self) -> u64;
}
