//! Kind 2, a binary fuse filter (Graf and Lemire, 2022) with fingerprints of 1 to 16 bits.
//!
//! A hash passes if the fingerprints at three positions, in three segments next to each other, xor
//! to its own: 2⁻ʳ of what is absent passes with r bits, whatever the number of keys. At 10 bits a
//! key r is 8 (0.39 %) and 10⁶ keys take 9.0 bits each, 10⁴ keys 10, fewer a little more.
//!
//! ```text
//! u8 kind = 2 ‖ u8 r ‖ u8 s ‖ zero byte ‖ u32 segments ‖ u64 seed ‖ fingerprints ‖ 4 zero bytes
//! (segments + 2) · 2ˢ fingerprints of r bits, packed from the low bits of each byte up
//! m  = murmur64(h + seed):  m ^= m >> 33, · 0xFF51AFD7ED558CCD, ^= >> 33, · 0xC4CEB9FE1A85EC53, ^= >> 33
//! p0 = (m · segments · 2ˢ) >> 64;  p1 = (p0 + 2ˢ) ^ (m >> 18 mod 2ˢ);  p2 = (p0 + 2 · 2ˢ) ^ (m mod 2ˢ)
//! passes: (m ^ m >> 32) mod 2ʳ = fingerprint p0 ^ fingerprint p1 ^ fingerprint p2
//! ```
//! The crates for this compute their layout with floating-point logarithms and fix r; the layout is
//! our format, so it is laid out here, with integers.

use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;

use crate::Damage;

pub(super) const KIND: u8 = 2;
const HEADER_BYTES: usize = 16;
/// A fingerprint is read as part of a u32.
const PADDING: usize = 4;
const WIDTH_MAX: u32 = 16;
const SEGMENT_LOG_MAX: u32 = 18;
/// Fewer segments than this: positions stay below 2³².
const SEGMENTS_MAX: u32 = 1 << (31 - SEGMENT_LOG_MAX);
/// Seeds that are tried; a seed fails for fewer than one set in ten.
const ATTEMPTS: u64 = 100;

#[derive(Debug, Clone)]
pub(crate) struct Fuse {
    payload: Bytes,
    width: u32,
    layout: Layout,
    seed: u64,
}

#[derive(Debug, Clone, Copy)]
struct Layout {
    segment_log: u32,
    segments: u32,
}

/// The payload; `None` if there are too many keys. Sorts `hashes`.
pub(super) fn build(hashes: &mut Vec<u64>, bits_per_key: u32) -> Option<Vec<u8>> {
    let width = bits_per_key.saturating_sub(2).clamp(1, WIDTH_MAX);
    hashes.sort_unstable();
    hashes.dedup();
    let layout = Layout::of(u32::try_from(hashes.len()).ok()?);
    if layout.segments >= SEGMENTS_MAX {
        return None;
    }
    let mut peeling = Peeling::new(layout);
    let seed = (0..ATTEMPTS)
        .map(|attempt| murmur(attempt + 1))
        .find(|seed| peeling.peel(hashes, *seed))?;
    let fingerprints = peeling.assign(width);

    let mut payload = Vec::new();
    let [width_byte, ..] = width.to_le_bytes();
    let [segment_byte, ..] = layout.segment_log.to_le_bytes();
    payload.extend_from_slice(&[KIND, width_byte, segment_byte, 0]);
    payload.extend_from_slice(&layout.segments.to_le_bytes());
    payload.extend_from_slice(&seed.to_le_bytes());
    let (mut pending, mut bits) = (0_u64, 0);
    for fingerprint in fingerprints {
        pending |= u64::from(fingerprint) << bits;
        bits += width;
        while bits >= 8 {
            let [low, ..] = pending.to_le_bytes();
            payload.push(low);
            pending >>= 8;
            bits -= 8;
        }
    }
    if bits > 0 {
        let [low, ..] = pending.to_le_bytes();
        payload.push(low);
    }
    payload.extend_from_slice(&[0; PADDING]);
    Some(payload)
}

impl Fuse {
    pub(super) fn new(payload: Bytes) -> Result<Self, Damage> {
        let (header, table) = payload
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Damage::Filter)?;
        let &[KIND, width, segment_log, 0, n0, n1, n2, n3, seed @ ..] = header else {
            return Err(Damage::Filter);
        };
        let layout = Layout {
            segment_log: u32::from(segment_log),
            segments: u32::from_le_bytes([n0, n1, n2, n3]),
        };
        let width = u32::from(width);
        let is_possible = (1..=WIDTH_MAX).contains(&width)
            && layout.segment_log <= SEGMENT_LOG_MAX
            && (1..SEGMENTS_MAX).contains(&layout.segments)
            && table.len() as u64 == layout.table_bytes(width);
        if !is_possible {
            return Err(Damage::Filter);
        }
        Ok(Self {
            width,
            layout,
            seed: u64::from_le_bytes(seed),
            payload,
        })
    }

    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
        let mixed = murmur(hash.wrapping_add(self.seed));
        let table = self.payload.get(HEADER_BYTES..).unwrap_or(&[]);
        let mask = (1 << self.width) - 1;
        let xored = self
            .layout
            .positions(mixed)
            .map(|position| fingerprint_at(table, position, self.width))
            .into_iter()
            .fold(fingerprint(mixed), |a, b| a ^ b);
        xored & mask == 0
    }

    pub(super) fn len(&self) -> usize {
        self.payload.len()
    }
}

impl Layout {
    fn of(keys: u32) -> Self {
        let segment_log = segment_log(keys);
        let segment = 1_u64 << segment_log;
        // 1.125 from 10⁶ keys on, more below: 0.875 + 0.25 · log 10⁶ / log keys.
        let per_mille = 875 + 4983 / u64::from(keys.max(2).ilog2());
        let wanted = (u64::from(keys) * per_mille.max(1125)).div_ceil(1000);
        let segments = wanted.div_ceil(segment).saturating_sub(2).max(1);
        Self {
            segment_log,
            segments: u32::try_from(segments).unwrap_or(u32::MAX),
        }
    }

    /// Number of fingerprints.
    fn slots(self) -> u64 {
        (u64::from(self.segments) + 2) << self.segment_log
    }

    fn table_bytes(self, width: u32) -> u64 {
        (self.slots() * u64::from(width)).div_ceil(8) + PADDING as u64
    }

    #[inline]
    fn positions(self, mixed: u64) -> [u32; 3] {
        let length = 1_u32 << self.segment_log;
        let [low, ..] = split(mixed);
        let [.., high] = split_wide(
            u128::from(mixed) * u128::from(u64::from(self.segments) << self.segment_log),
        );
        let [first, _] = split(high);
        let [shifted, _] = split(mixed >> 18);
        [
            first,
            (first + length) ^ (shifted & (length - 1)),
            (first + 2 * length) ^ (low & (length - 1)),
        ]
    }
}

/// The memory of a construction: which hashes meet at which position.
struct Peeling {
    layout: Layout,
    /// Four times the number of hashes at a position, and the xor of their parts (0, 1, 2).
    counts: Vec<u32>,
    xored: Vec<u64>,
    /// Positions with a single hash left.
    alone: Vec<u32>,
    /// The hashes in the order in which they were taken off, each with the part that was its alone.
    order: Vec<(u64, u8)>,
}

impl Peeling {
    fn new(layout: Layout) -> Self {
        let slots = usize::try_from(layout.slots()).unwrap_or(usize::MAX);
        Self {
            layout,
            counts: vec![0; slots],
            xored: vec![0; slots],
            alone: Vec::new(),
            order: Vec::new(),
        }
    }

    /// Takes hashes off positions that are theirs alone until none is left; false if some stay.
    fn peel(&mut self, hashes: &[u64], seed: u64) -> bool {
        self.counts.fill(0);
        self.xored.fill(0);
        self.alone.clear();
        self.order.clear();
        for hash in hashes {
            let mixed = murmur(hash.wrapping_add(seed));
            for (part, position) in (0..).zip(self.layout.positions(mixed)) {
                self.toggle(position, mixed, part, true);
            }
        }
        for (position, count) in (0..).zip(&self.counts) {
            if *count >> 2 == 1 {
                self.alone.push(position);
            }
        }
        while let Some(position) = self.alone.pop() {
            let (Some(count), Some(&mixed)) = (
                self.counts.get(position as usize),
                self.xored.get(position as usize),
            ) else {
                return false;
            };
            if *count >> 2 != 1 {
                continue;
            }
            let [own, ..] = (*count & 3).to_le_bytes();
            self.order.push((mixed, own));
            for (part, other) in (0..).zip(self.layout.positions(mixed)) {
                if self.toggle(other, mixed, part, false) == 1 {
                    self.alone.push(other);
                }
            }
        }
        self.order.len() == hashes.len()
    }

    /// Puts a hash on a position or takes it off; gives the number of hashes there now.
    fn toggle(&mut self, position: u32, mixed: u64, part: u32, on: bool) -> u32 {
        let at = position as usize;
        let (Some(count), Some(xored)) = (self.counts.get_mut(at), self.xored.get_mut(at)) else {
            return 0;
        };
        *count = if on { *count + 4 } else { *count - 4 } ^ part;
        *xored ^= mixed;
        *count >> 2
    }

    /// The fingerprints that make every hash pass: in reverse, each sets the position that is its
    /// alone.
    fn assign(&self, width: u32) -> Vec<u16> {
        let mask = (1_u32 << width) - 1;
        let mut table = vec![0_u16; self.counts.len()];
        for (mixed, own) in self.order.iter().rev() {
            let positions = self.layout.positions(*mixed);
            let mut value = fingerprint(*mixed) & mask;
            for (part, position) in (0..).zip(positions) {
                if part != *own {
                    value ^= table.get(position as usize).map_or(0, |f| u32::from(*f));
                }
            }
            if let Some(position) = positions.get(usize::from(*own))
                && let Some(slot) = table.get_mut(*position as usize)
            {
                *slot = u16::try_from(value).unwrap_or(0);
            }
        }
        table
    }
}

#[inline]
fn fingerprint_at(table: &[u8], position: u32, width: u32) -> u32 {
    let bit = u64::from(position) * u64::from(width);
    let bytes = usize::try_from(bit / 8)
        .ok()
        .and_then(|at| table.get(at..)?.first_chunk::<4>());
    bytes.map_or(0, |bytes| u32::from_le_bytes(*bytes) >> (bit % 8))
}

#[inline]
fn fingerprint(mixed: u64) -> u32 {
    let [low, high] = split(mixed);
    low ^ high
}

#[inline]
fn murmur(mut m: u64) -> u64 {
    m ^= m >> 33;
    m = m.wrapping_mul(0xFF51_AFD7_ED55_8CCD);
    m ^= m >> 33;
    m = m.wrapping_mul(0xC4CE_B9FE_1A85_EC53);
    m ^ m >> 33
}

/// floor(log keys / log 3.33 + 2.25), from its thresholds.
fn segment_log(keys: u32) -> u32 {
    let reached = SEGMENT_THRESHOLDS.partition_point(|least| *least <= keys);
    2 + u32::try_from(reached).unwrap_or(0)
}

/// 3.33 to the power of 0.75, 1.75, 2.75, …: the fewest keys for segments of 2³, 2⁴, … 2¹⁸.
const SEGMENT_THRESHOLDS: [u32; 16] = [
    3,
    9,
    28,
    92,
    304,
    1010,
    3362,
    11_193,
    37_273,
    124_118,
    413_310,
    1_376_322,
    4_583_150,
    15_261_887,
    50_822_082,
    169_237_530,
];

/// The low and the high half.
#[inline]
fn split(word: u64) -> [u32; 2] {
    let [a, b, c, d, e, f, g, h] = word.to_le_bytes();
    [
        u32::from_le_bytes([a, b, c, d]),
        u32::from_le_bytes([e, f, g, h]),
    ]
}

/// The low and the high half.
#[inline]
fn split_wide(word: u128) -> [u64; 2] {
    [word, word >> 64].map(|half| u64::try_from(half & u128::from(u64::MAX)).unwrap_or(0))
}
