//! A blocked Bloom filter over user keys.
//!
//! **Invariant: a key that was added is never denied.** Each key sets and tests bits of one 64-byte
//! line only, so a look-up costs one cache miss; about 1 % of absent keys pass at 10 bits a key.
//!
//! ```text
//! u8 probes ‖ 3 zero bytes ‖ u32 lines ‖ lines × 64 bytes
//! h = xxh3_64(user key);  line = (h >> 32) · lines >> 32;  x = low 32 bits of h
//! probe: bit x >> 23 of the line (bit b is bit b % 8 of byte b / 8);  x = x · 0x9E3779B9 mod 2³²
//! ```

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{Mutant, breaks};
use xxhash_rust::xxh3::xxh3_64;

use crate::Damage;

const HEADER_BYTES: usize = 8;
const LINE_BYTES: usize = 64;
const LINE_BITS: u64 = 512;
const PROBES_MAX: u8 = 16;

/// The hash of a user key that the filter keeps.
#[inline]
pub(crate) fn hash(user: &[u8]) -> u64 {
    xxh3_64(user)
}

/// Collects hashes; the filter is sized when their number is known.
#[derive(Debug)]
pub(crate) struct FilterBuilder {
    bits_per_key: u32,
    hashes: Vec<u64>,
}

impl FilterBuilder {
    /// With 0 bits a key nothing is kept and there is no filter.
    pub(crate) fn new(bits_per_key: u32) -> Self {
        Self {
            bits_per_key: bits_per_key.min(64),
            hashes: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, user: &[u8]) {
        if self.bits_per_key > 0 {
            let cut = match breaks(Mutant::FilterHashesPrefix) {
                true => user.len().min(8),
                false => user.len(),
            };
            self.hashes.push(hash(&user[..cut]));
        }
    }

    /// Bytes of the filter if it were finished now.
    pub(crate) fn len(&self) -> u64 {
        match self.hashes.len() as u64 {
            0 => 0,
            keys => self.lines(keys) * LINE_BYTES as u64 + HEADER_BYTES as u64,
        }
    }

    /// The filter's payload; `None` without keys or bits.
    pub(crate) fn finish(self) -> Option<Vec<u8>> {
        if self.hashes.is_empty() {
            return None;
        }
        let lines = u32::try_from(self.lines(self.hashes.len() as u64)).ok()?;
        // ln 2 · bits a key is the best number of probes; 69/100 is near enough.
        let probes = (self.bits_per_key * 69 / 100).clamp(1, u32::from(PROBES_MAX));
        let [probes, ..] = probes.to_le_bytes();
        let mut payload = Vec::new();
        payload.extend_from_slice(&[probes, 0, 0, 0]);
        payload.extend_from_slice(&lines.to_le_bytes());
        payload.resize(HEADER_BYTES + lines as usize * LINE_BYTES, 0);
        let bits = payload.get_mut(HEADER_BYTES..).unwrap_or(&mut []);
        for hash in &self.hashes {
            if let Some(line) = bits.get_mut(line_range(*hash, lines)) {
                for bit in bits_of(*hash, probes) {
                    if let Some(byte) = line.get_mut(bit / 8) {
                        *byte |= 1 << (bit % 8);
                    }
                }
            }
        }
        Some(payload)
    }

    fn lines(&self, keys: u64) -> u64 {
        (keys * u64::from(self.bits_per_key)).div_ceil(LINE_BITS)
    }
}

/// A filter as read from a table.
#[derive(Debug, Clone)]
pub(crate) struct Filter {
    payload: Bytes,
    lines: u32,
    probes: u8,
}

impl Filter {
    pub(crate) fn new(payload: Bytes) -> Result<Self, Damage> {
        let (header, bits) = payload
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Damage::Filter)?;
        let &[probes, 0, 0, 0, l0, l1, l2, l3] = header else {
            return Err(Damage::Filter);
        };
        let lines = u32::from_le_bytes([l0, l1, l2, l3]);
        let expected = u64::from(lines) * LINE_BYTES as u64;
        if lines == 0 || probes == 0 || probes > PROBES_MAX || bits.len() as u64 != expected {
            return Err(Damage::Filter);
        }
        Ok(Self {
            payload,
            lines,
            probes,
        })
    }

    /// False only if no key of this hash was added.
    #[inline]
    pub(crate) fn may_contain(&self, hash: u64) -> bool {
        let bits = self.payload.get(HEADER_BYTES..).unwrap_or(&[]);
        let line = bits
            .get(line_range(hash, self.lines))
            .and_then(|line| line.first_chunk::<LINE_BYTES>());
        let Some(line) = line else { return true };
        bits_of(hash, self.probes).all(|bit| {
            line.get(bit / 8)
                .is_none_or(|byte| byte & (1 << (bit % 8)) != 0)
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.payload.len()
    }
}

#[inline]
fn line_range(hash: u64, lines: u32) -> core::ops::Range<usize> {
    let line = ((hash >> 32) * u64::from(lines)) >> 32;
    let start = usize::try_from(line).unwrap_or(usize::MAX / LINE_BYTES - 1) * LINE_BYTES;
    start..start + LINE_BYTES
}

#[inline]
fn bits_of(hash: u64, probes: u8) -> impl Iterator<Item = usize> {
    let [a, b, c, d, ..] = hash.to_le_bytes();
    let mut x = u32::from_le_bytes([a, b, c, d]);
    (0..probes).map(move |_| {
        let bit = x >> 23;
        x = x.wrapping_mul(0x9E37_79B9);
        bit as usize
    })
}

#[cfg(test)]
mod tests;
