//! The workload: each operation drawn from the seed and its own number.

use alloc::vec::Vec;
use core::ops::{Bound, RangeBounds};

use bytes::Bytes;
use norikv_types::{Prng, WallMs};

use super::StorageConfig;
use super::config::{draw, pick};
use super::write::Write;

/// One operation.
#[derive(Debug, Clone)]
pub(super) enum Operation {
    /// A batch; with `stalling` it waits for background work.
    Write {
        writes: Vec<Drawn>,
        stalling: bool,
    },
    /// A write of the version that is there, or of another.
    CompareAndSet {
        right: bool,
    },
    /// Reads, writes and, perhaps, somebody else's writes in between.
    Transact {
        keys: Vec<Bytes>,
        range: Option<KeyRange>,
        writes: Vec<Drawn>,
        other: Option<Vec<Drawn>>,
    },
    /// A copy of the store, or a backup that is restored.
    Copy {
        backup: bool,
    },
    /// A read of one key, in a snapshot if there is one and it is so drawn.
    Get {
        key: Bytes,
        snapshot: Option<u32>,
    },
    Scan {
        range: KeyRange,
        snapshot: Option<u32>,
        ends: Ends,
        limit: u32,
    },
    TakeSnapshot,
    DropSnapshot(u32),
    OpenIterator {
        range: KeyRange,
        snapshot: Option<u32>,
    },
    MoveIterator {
        nth: u32,
        forward: bool,
        count: u32,
    },
    Rotate,
    Flush,
    TakeJob,
    StepJob {
        nth: u32,
        budget: u64,
    },
    DropJob(u32),
    Settle,
    Reopen {
        close: bool,
    },
}

/// A write whose end, if it has one, lies so many milliseconds ahead.
#[derive(Debug, Clone)]
pub(super) enum Drawn {
    Now(Write),
    Ending(Bytes, Bytes, u64),
}

impl Drawn {
    /// The write at `now`.
    pub(super) fn at(self, now: WallMs) -> Write {
        match self {
            Self::Now(write) => write,
            Self::Ending(key, value, life) => Write::Expiring(key, value, WallMs(now.0 + life)),
        }
    }
}

pub(super) type KeyRange = (Bound<Bytes>, Bound<Bytes>);

/// From which ends a range is read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    Front,
    Back,
    Both,
}

impl Operation {
    /// Operation `number` of a run, and the generator for what it leaves open.
    pub(super) fn draw(config: &StorageConfig, number: u32) -> (Self, Prng) {
        let mixed = (u64::from(number) + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut own = Prng::new(config.seed ^ mixed);
        let prng = &mut own;
        let weights = config.weights.list();
        let total: u32 = weights.iter().sum();
        let mut left = draw(prng, total.max(1));
        let mut kind = 0;
        for (nth, weight) in weights.iter().enumerate() {
            if left < *weight {
                kind = nth;
                break;
            }
            left -= weight;
        }
        let operation = match kind {
            0 => Self::Write {
                writes: draw_writes(config, number, prng),
                stalling: draw(prng, 10) > 0,
            },
            1 => Self::Get {
                key: draw_key(config, prng),
                snapshot: draw_snapshot(prng),
            },
            2 => Self::Scan {
                range: draw_range(config, prng),
                snapshot: draw_snapshot(prng),
                ends: pick(prng, [Ends::Front, Ends::Back, Ends::Both]),
                limit: pick(prng, [4, 20, u32::MAX]),
            },
            3 if draw(prng, 2) == 0 => Self::TakeSnapshot,
            3 => Self::DropSnapshot(draw(prng, 8)),
            4 if draw(prng, 4) == 0 => Self::OpenIterator {
                range: draw_range(config, prng),
                snapshot: draw_snapshot(prng),
            },
            4 => Self::MoveIterator {
                nth: draw(prng, 8),
                forward: draw(prng, 2) == 0,
                count: 1 + draw(prng, 6),
            },
            5 => Self::Rotate,
            6 => Self::Flush,
            7 => match draw(prng, 12) {
                0..=2 => Self::TakeJob,
                3 => Self::DropJob(draw(prng, 8)),
                _ => Self::StepJob {
                    nth: draw(prng, 8),
                    budget: pick(prng, [1, 64, 512, 4_096]),
                },
            },
            8 => Self::Settle,
            10 => Self::CompareAndSet {
                right: draw(prng, 3) > 0,
            },
            11 => Self::Transact {
                keys: (0..draw(prng, 3)).map(|_| draw_key(config, prng)).collect(),
                range: (draw(prng, 3) == 0).then(|| draw_range(config, prng)),
                writes: draw_writes(config, number, prng),
                other: (draw(prng, 2) == 0).then(|| draw_writes(config, number, prng)),
            },
            12 => Self::Copy {
                backup: draw(prng, 2) == 0,
            },
            _ => Self::Reopen {
                close: draw(prng, 2) == 0,
            },
        };
        (operation, own)
    }
}

fn draw_writes(config: &StorageConfig, number: u32, prng: &mut Prng) -> Vec<Drawn> {
    let count = 1 + draw(prng, config.batch_max.max(1));
    // Apart, so that the others stay as they are when a kind is left out.
    let kinds = &mut Prng::new(config.seed ^ u64::from(number) << 32 ^ 0x4b49_4e44);
    let one = |nth| {
        let key = draw_key(config, prng);
        let value = (draw(prng, 4) > 0).then(|| draw_value(config, number, nth, prng));
        let (kind, other) = (draw(kinds, 12), draw_key(config, kinds));
        let life = pick(kinds, [0, 1, 40, 3_000, 1_000_000]);
        match (kind, value) {
            (0, _) if config.kinds.ranges => {
                let ranges = Write::ranges(key, other).into_iter();
                ranges.map(Drawn::Now).collect()
            }
            (1..=2, Some(operand)) if config.kinds.operands => {
                let short = operand.slice(..operand.len().min(12));
                Vec::from([Drawn::Now(Write::Merge(key, short))])
            }
            (3..=4, Some(value)) if config.kinds.ending => {
                Vec::from([Drawn::Ending(key, value, life)])
            }
            (_, Some(value)) => Vec::from([Drawn::Now(Write::Put(key, value))]),
            (_, None) => Vec::from([Drawn::Now(Write::Delete(key))]),
        }
    };
    (0..count).flat_map(one).collect()
}

/// A value that no other write has, if it is long enough.
fn draw_value(config: &StorageConfig, number: u32, nth: u32, prng: &mut Prng) -> Bytes {
    let max = config.value_bytes_max + 1;
    let bound = pick(prng, [max.min(17), max]);
    let len = usize::try_from(draw(prng, bound)).unwrap_or(0);
    let mut value = Vec::with_capacity(len + 8);
    value.extend_from_slice(&number.to_le_bytes());
    value.extend_from_slice(&nth.to_le_bytes());
    value.resize(len.max(8), 0);
    if draw(prng, 2) == 0 {
        for chunk in value[8..].chunks_mut(8) {
            let random = prng.next_u64().to_le_bytes();
            chunk.copy_from_slice(&random[..chunk.len()]);
        }
    }
    value.truncate(len);
    Bytes::from(value)
}

fn draw_key(config: &StorageConfig, prng: &mut Prng) -> Bytes {
    key(draw(prng, config.keys.clamp(1, 1 << 16)))
}

/// Keys of different lengths, some of them prefixes of others, some with bytes at the edges.
fn key(number: u32) -> Bytes {
    let [low, high, ..] = number.to_le_bytes();
    let mut key = Vec::with_capacity(16);
    key.push(low.wrapping_mul(83));
    match number % 5 {
        0 => {}
        1 => key.push(0),
        2 => key.push(u8::MAX),
        3 => key.extend_from_slice(&[u8::MAX; 3]),
        _ => key.extend_from_slice(b"/longer/than"),
    }
    key.push(high);
    Bytes::from(key)
}

fn draw_snapshot(prng: &mut Prng) -> Option<u32> {
    (draw(prng, 3) == 0).then(|| draw(prng, 8))
}

fn draw_range(config: &StorageConfig, prng: &mut Prng) -> KeyRange {
    let (a, b) = (draw_key(config, prng), draw_key(config, prng));
    let (low, high) = if a <= b { (a, b) } else { (b, a) };
    let bound = |prng: &mut Prng, key| match draw(prng, 3) {
        0 => Bound::Included(key),
        1 => Bound::Excluded(key),
        _ => Bound::Unbounded,
    };
    (bound(prng, low), bound(prng, high))
}

pub(super) fn contains(range: &KeyRange, key: &Bytes) -> bool {
    let bounds: (Bound<&Bytes>, Bound<&Bytes>) = (range.0.as_ref(), range.1.as_ref());
    bounds.contains(&key)
}
