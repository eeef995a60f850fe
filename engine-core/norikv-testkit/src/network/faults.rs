//! What can happen on a link.

use core::time::Duration;

use norikv_types::Prng;
use serde::{Deserialize, Serialize};

/// What can happen on a link, each drawn for every message. All rates are messages in a million.
///
/// In a scenario file durations are whole microseconds: `delay = { min_us = 200, max_us = 1200 }`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct LinkFaults {
    /// How long a message takes.
    pub delay: Delay,
    /// They never arrive.
    pub loss_ppm: u32,
    /// They arrive a second time, later. Never on a strict channel.
    pub duplicate_ppm: u32,
    /// They do not keep their place: they may be overtaken and overtake. Never on a strict channel.
    pub reorder_ppm: u32,
    /// Together with them one that was delivered on this link before, however long ago, is put on
    /// its way once more. Never on a strict channel.
    pub replay_ppm: u32,
    /// They lose their end. On strict channels too: there the host ends the connection.
    pub truncate_ppm: u32,
    /// One of their bits flips. On strict channels too: there the host ends the connection.
    pub flip_ppm: u32,
}

/// A distribution of delays: uniform, with a heavy tail.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Delay {
    /// The least.
    #[serde(rename = "min_us", with = "micros")]
    pub min: Duration,
    /// The most outside the tail, at least `min`.
    #[serde(rename = "max_us", with = "micros")]
    pub max: Duration,
    /// Draws in a million that fall into the tail.
    pub tail_ppm: u32,
    /// The most in the tail; half of the tail's draws lie below an eighth of it.
    #[serde(rename = "tail_max_us", with = "micros")]
    pub tail_max: Duration,
}

impl LinkFaults {
    /// Nothing goes wrong, and every message takes `delay`.
    #[must_use]
    pub const fn none(delay: Delay) -> Self {
        Self {
            delay,
            loss_ppm: 0,
            duplicate_ppm: 0,
            reorder_ppm: 0,
            replay_ppm: 0,
            truncate_ppm: 0,
            flip_ppm: 0,
        }
    }
}

impl Delay {
    /// Always the same.
    #[must_use]
    pub const fn fixed(delay: Duration) -> Self {
        Self {
            min: delay,
            max: delay,
            tail_ppm: 0,
            tail_max: delay,
        }
    }

    /// One delay.
    ///
    /// # Panics
    /// When `min` is above `max`.
    pub fn draw(&self, prng: &mut Prng) -> Duration {
        self.draw_and_tell(prng).0
    }

    /// One delay, and whether it is of the tail.
    pub(super) fn draw_and_tell(&self, prng: &mut Prng) -> (Duration, bool) {
        if chance(self.tail_ppm, prng) {
            // Halving the bound 0 to 6 times gives each octave of the tail equal weight.
            let bound = self.tail_max / (1 << prng.below(7));
            let drawn = prng.duration(Duration::ZERO, bound).max(self.min);
            return (drawn, true);
        }
        (prng.duration(self.min, self.max), false)
    }
}

/// Draws only where there is something to draw: most rates are 0.
pub(super) fn chance(ppm: u32, prng: &mut Prng) -> bool {
    ppm > 0 && prng.chance_ppm(ppm)
}

/// A duration as whole microseconds, rounded down.
mod micros {
    use core::time::Duration;

    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(u64::try_from(value.as_micros()).unwrap_or(u64::MAX))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_micros)
    }
}

#[cfg(test)]
mod tests;
