//! Kind 1, a blocked Bloom filter.
//!
//! Each hash sets and tests bits of one 64-byte line only, so a look-up costs one cache miss, and
//! building it one pass; about 1 % of what is absent passes at 10 bits a key.
//!
//! ```text
//! u8 kind = 1 ‖ u8 probes ‖ 2 zero bytes ‖ u32 lines ‖ lines × 64 bytes
//! line = ((h >> 32) · lines) >> 32;  x = low 32 bits of h
//! probe: bit x >> 23 of the line (bit b is bit b % 8 of byte b / 8);  x = x · 0x9E3779B9 mod 2³²
//! ```

use alloc::vec::Vec;

use bytes::Bytes;

use crate::Damage;

pub(super) const KIND: u8 = 1;
const HEADER_BYTES: usize = 8;
const LINE_BYTES: usize = 64;
const LINE_BITS: u64 = 512;
const PROBES_MAX: u8 = 16;

#[derive(Debug, Clone)]
pub(crate) struct Bloom {
    payload: Bytes,
    lines: u32,
    probes: u8,
}

pub(super) fn build(hashes: &[u64], bits_per_key: u32) -> Option<Vec<u8>> {
    let lines = (hashes.len() as u64 * u64::from(bits_per_key)).div_ceil(LINE_BITS);
    let lines = u32::try_from(lines).ok()?;
    // ln 2 · bits a key is the best number of probes; 69/100 is near enough.
    let probes = (bits_per_key * 69 / 100).clamp(1, u32::from(PROBES_MAX));
    let [probes, ..] = probes.to_le_bytes();
    let mut payload = Vec::new();
    payload.extend_from_slice(&[KIND, probes, 0, 0]);
    payload.extend_from_slice(&lines.to_le_bytes());
    payload.resize(HEADER_BYTES + lines as usize * LINE_BYTES, 0);
    let bits = payload.get_mut(HEADER_BYTES..).unwrap_or(&mut []);
    for hash in hashes {
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

impl Bloom {
    pub(super) fn new(payload: Bytes) -> Result<Self, Damage> {
        let (header, bits) = payload
            .split_first_chunk::<HEADER_BYTES>()
            .ok_or(Damage::Filter)?;
        let &[KIND, probes, 0, 0, l0, l1, l2, l3] = header else {
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

    #[inline]
    pub(super) fn may_contain(&self, hash: u64) -> bool {
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

    pub(super) fn len(&self) -> usize {
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
