//! The bytes of a manifest: its head, and its records.
//!
//! **Invariant: a checksum covers the manifest's uid and the record's place**, so a record of
//! another manifest, or of another place in this one, never verifies. The page
//! `docs/formats/manifest.md` describes every byte.

use alloc::vec::Vec;

use crate::FORMAT_VERSION;

/// What a manifest says of itself, in its first bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Head {
    /// The number of the object.
    pub(super) number: u64,
    /// Salts every checksum.
    pub(super) uid: u64,
    /// Records begin at multiples of this many bytes.
    pub(super) align: u32,
}

/// What a record is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Kind {
    /// The first record: an edit that makes the whole set.
    Base = 1,
    /// A change to the set.
    Edit = 2,
    /// Says how far the last sync reached.
    Seal = 3,
    /// Names the manifest that counts instead of this one.
    Superseded = 4,
}

/// The manifest that counts instead.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Successor {
    pub(super) number: u64,
    pub(super) uid: u64,
}

/// A record that verified.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Record<'a> {
    pub(super) kind: Kind,
    /// Everything below was synced when the record was written.
    pub(super) watermark: u64,
    pub(super) payload: &'a [u8],
    /// The byte behind it.
    pub(super) end: u64,
}

/// Why the head of a manifest cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum HeadError {
    /// Too short, or it fails its checksum.
    Damaged,
    /// It is whole, but of another format version.
    Version(u32),
}

impl Head {
    pub(super) fn encode(&self) -> [u8; HEAD_LEN] {
        let mut bytes = [0; HEAD_LEN];
        bytes[..8].copy_from_slice(HEAD_MAGIC);
        bytes[8..12].copy_from_slice(&FORMAT_VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&self.align.to_le_bytes());
        bytes[16..24].copy_from_slice(&self.uid.to_le_bytes());
        let checksum = self.checksum(&bytes);
        bytes[28..].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    pub(super) fn decode(number: u64, bytes: &[u8]) -> Result<Self, HeadError> {
        let bytes = bytes.first_chunk::<HEAD_LEN>().ok_or(HeadError::Damaged)?;
        let head = Self {
            number,
            uid: u64_at(bytes, 16),
            align: u32_at(bytes, 12),
        };
        if bytes[..8] != *HEAD_MAGIC || u32_at(bytes, 28) != head.checksum(bytes) {
            return Err(HeadError::Damaged);
        }
        let version = u32_at(bytes, 8);
        if version != FORMAT_VERSION {
            return Err(HeadError::Version(version));
        }
        if !head.align.is_power_of_two() || head.align > ALIGN_MAX {
            return Err(HeadError::Damaged);
        }
        Ok(head)
    }

    fn checksum(&self, bytes: &[u8; HEAD_LEN]) -> u32 {
        let mut hasher = crc32fast::Hasher::new();
        hasher.update(&self.number.to_le_bytes());
        hasher.update(&bytes[..28]);
        hasher.finalize()
    }
}

impl Kind {
    const fn from_u8(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Base),
            2 => Some(Self::Edit),
            3 => Some(Self::Seal),
            4 => Some(Self::Superseded),
            _ => None,
        }
    }
}

impl Successor {
    fn encode(self) -> [u8; 16] {
        let mut payload = [0; 16];
        payload[..8].copy_from_slice(&self.number.to_le_bytes());
        payload[8..].copy_from_slice(&self.uid.to_le_bytes());
        payload
    }

    /// Two records that say the same, the first at `at`: damage to either leaves the other.
    pub(super) fn encode_twice(self, head: &Head, at: u64, watermark: u64) -> Vec<u8> {
        let payload = self.encode();
        let mut bytes = encode(head, at, Kind::Superseded, watermark, &payload);
        let second_at = align_up(at + bytes.len() as u64, head.align);
        bytes.resize(
            usize::try_from(second_at - at).expect("two short records"),
            0,
        );
        bytes.extend_from_slice(&encode(
            head,
            second_at,
            Kind::Superseded,
            watermark,
            &payload,
        ));
        bytes
    }

    pub(super) fn decode(payload: &[u8]) -> Option<Self> {
        let payload: &[u8; 16] = payload.try_into().ok()?;
        Some(Self {
            number: u64_at(payload, 0),
            uid: u64_at(payload, 8),
        })
    }
}

/// The bytes of a record that goes to `at`.
pub(super) fn encode(head: &Head, at: u64, kind: Kind, watermark: u64, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).expect("an edit is shorter than 4 GiB");
    let mut bytes = Vec::with_capacity(RECORD_HEAD_LEN + payload.len());
    bytes.extend_from_slice(RECORD_MAGIC);
    bytes.extend_from_slice(&[0; 4]);
    bytes.extend_from_slice(&length.to_le_bytes());
    bytes.extend_from_slice(&[kind as u8, 0, 0, 0]);
    bytes.extend_from_slice(&watermark.to_le_bytes());
    bytes.extend_from_slice(payload);
    let checksum = checksum(head, at, &bytes[8..]);
    bytes[4..8].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The record at `at` of a manifest's bytes, if one verifies there.
pub(super) fn decode<'a>(head: &Head, bytes: &'a [u8], at: u64) -> Option<Record<'a>> {
    let from = bytes.get(usize::try_from(at).ok()?..)?;
    let fixed = from.first_chunk::<RECORD_HEAD_LEN>()?;
    if fixed[..4] != *RECORD_MAGIC || fixed[13..16] != [0; 3] {
        return None;
    }
    let length = usize::try_from(u32_at(fixed, 8)).ok()?;
    let end = RECORD_HEAD_LEN.checked_add(length)?;
    let record = from.get(..end)?;
    if u32_at(fixed, 4) != checksum(head, at, &record[8..]) {
        return None;
    }
    let watermark = u64_at(fixed, 16);
    Some(Record {
        kind: Kind::from_u8(fixed[12])?,
        watermark: (watermark <= at).then_some(watermark)?,
        payload: &record[RECORD_HEAD_LEN..],
        end: at + end as u64,
    })
}

fn checksum(head: &Head, at: u64, bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&head.uid.to_le_bytes());
    hasher.update(&at.to_le_bytes());
    hasher.update(bytes);
    hasher.finalize()
}

/// The first multiple of `align`, a power of two, that is not below `at`.
pub(super) const fn align_up(at: u64, align: u32) -> u64 {
    at.next_multiple_of(align as u64)
}

fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    let chunk = bytes[at..].first_chunk().expect("at lies in the head");
    u32::from_le_bytes(*chunk)
}

fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let chunk = bytes[at..].first_chunk().expect("at lies in the head");
    u64::from_le_bytes(*chunk)
}

/// Bytes of the head.
pub(super) const HEAD_BYTES: u64 = HEAD_LEN as u64;
const HEAD_LEN: usize = 32;
/// No device has larger units.
const ALIGN_MAX: u32 = 1 << 20;
const HEAD_MAGIC: &[u8; 8] = b"NORIMNFT";
const RECORD_MAGIC: &[u8; 4] = b"NMRC";
const RECORD_HEAD_LEN: usize = 24;

#[cfg(test)]
mod tests;
