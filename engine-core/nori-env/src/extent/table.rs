//! The bytes of a slot: which objects there are, and where.
//!
//! **Invariant: a table that decodes is one that was encoded for this device**: every extent lies in
//! the data, none overlaps another, and each object's extents hold its length.

use alloc::collections::BTreeMap;
use alloc::vec;
use alloc::vec::Vec;

use super::allocator::{Extent, FreeMap};
use super::map::Map;
use crate::{ObjectId, ObjectKind};

/// Where things lie on a device.
///
/// ```text
/// head of a slot, 64 bytes             then the objects, each
///  0  8  magic "NORIEXTS"               1  flags: 1 set aside whole
///  8  4  format version, 1              8  bytes that can be read
/// 12  4  bytes of a block               4  number of extents
/// 16  8  blocks of the device           and for each extent
/// 24  8  blocks of a slot               8  first block
/// 32  8  generation                     8  blocks
/// 40  8  bytes behind the head         then the names, ascending, each
/// 48  4  objects                        1  kind
/// 52  4  names                          8  number
/// 56  4  zero                           4  which object, from 0
/// 60  4  CRC-32 of head (without
///        this field) and body
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Layout {
    /// Bytes of a block.
    pub(super) unit: u32,
    /// Blocks of the device.
    pub(super) blocks: u64,
    /// Blocks of a slot. Slot A begins the device, slot B follows, and behind it the data.
    pub(super) slot_blocks: u64,
}

/// What a slot holds.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Table {
    pub(super) generation: u64,
    pub(super) objects: Vec<Map>,
    /// Each names one of `objects`.
    pub(super) names: BTreeMap<ObjectId, u32>,
}

impl Layout {
    /// The layout of a new store on a device of `blocks` blocks of `unit` bytes: a sixty-fourth of
    /// it for each slot, between 4 KiB and 1 MiB.
    pub(super) fn new(unit: u32, blocks: u64) -> Self {
        let bytes = (blocks / 64 * u64::from(unit)).clamp(SLOT_BYTES_MIN, SLOT_BYTES_MAX);
        Self {
            unit,
            blocks,
            slot_blocks: bytes.div_ceil(u64::from(unit)),
        }
    }

    pub(super) const fn slot_bytes(&self) -> u64 {
        self.slot_blocks * self.unit as u64
    }

    /// The first block of slot 0 or 1.
    pub(super) const fn slot(&self, number: u64) -> u64 {
        number * self.slot_blocks
    }

    /// The blocks that hold objects; `None` when the device is too small for any.
    pub(super) const fn data(&self) -> Option<Extent> {
        let start = self.slot_blocks * 2;
        match self.blocks.checked_sub(start) {
            Some(blocks) if blocks > 0 => Some(Extent { start, blocks }),
            _ => None,
        }
    }

    /// Blocks that hold `bytes`.
    pub(super) const fn blocks_of(&self, bytes: u64) -> u64 {
        bytes.div_ceil(self.unit as u64)
    }
}

impl Table {
    /// Bytes of a table of so many objects, extents and names.
    pub(super) const fn bytes(objects: u64, extents: u64, names: u64) -> u64 {
        HEAD_LEN as u64
            + objects * OBJECT_LEN as u64
            + extents * EXTENT_LEN as u64
            + names * NAME_LEN as u64
    }

    /// The whole blocks of a slot that hold this.
    pub(super) fn encode(&self, layout: &Layout) -> Vec<u8> {
        let mut bytes = vec![0; HEAD_LEN];
        for object in &self.objects {
            bytes.push(u8::from(object.fixed));
            bytes.extend_from_slice(&object.synced.to_le_bytes());
            let extents = u32::try_from(object.extents().len()).expect("a slot is below 4 GiB");
            bytes.extend_from_slice(&extents.to_le_bytes());
            for extent in object.extents() {
                bytes.extend_from_slice(&extent.start.to_le_bytes());
                bytes.extend_from_slice(&extent.blocks.to_le_bytes());
            }
        }
        for (id, object) in &self.names {
            bytes.push(id.kind as u8);
            bytes.extend_from_slice(&id.number.to_le_bytes());
            bytes.extend_from_slice(&object.to_le_bytes());
        }
        let body = (bytes.len() - HEAD_LEN) as u64;
        let count = |len: usize| {
            u32::try_from(len)
                .expect("a slot is below 4 GiB")
                .to_le_bytes()
        };
        bytes[0..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION.to_le_bytes());
        bytes[12..16].copy_from_slice(&layout.unit.to_le_bytes());
        bytes[16..24].copy_from_slice(&layout.blocks.to_le_bytes());
        bytes[24..32].copy_from_slice(&layout.slot_blocks.to_le_bytes());
        bytes[32..40].copy_from_slice(&self.generation.to_le_bytes());
        bytes[40..48].copy_from_slice(&body.to_le_bytes());
        bytes[48..52].copy_from_slice(&count(self.objects.len()));
        bytes[52..56].copy_from_slice(&count(self.names.len()));
        let crc = checksum(&bytes);
        bytes[60..64].copy_from_slice(&crc.to_le_bytes());
        let blocks = layout.blocks_of(bytes.len() as u64);
        assert!(blocks <= layout.slot_blocks, "a table fits its slot");
        bytes.resize(
            usize::try_from(blocks * u64::from(layout.unit)).expect("a slot fits in memory"),
            0,
        );
        bytes
    }

    /// The layout that the head of a slot names, if it is the head of a slot on such a device.
    pub(super) fn layout(head: &[u8], unit: u32, blocks: u64) -> Option<Layout> {
        let head: &[u8; HEAD_LEN] = head.first_chunk()?;
        let layout = Layout {
            unit: u32_at(head, 12),
            blocks: u64_at(head, 16),
            slot_blocks: u64_at(head, 24),
        };
        let good = head[..8] == *MAGIC
            && u32_at(head, 8) == VERSION
            && layout.unit == unit
            && layout.blocks == blocks
            && layout.slot_blocks <= blocks / 2
            && layout.slot_blocks >= 1
            && layout.slot_bytes() <= SLOT_BYTES_MAX.max(u64::from(unit))
            && layout.data().is_some();
        good.then_some(layout)
    }

    /// What a slot holds, with the blocks that are free then; `None` when it does not verify.
    pub(super) fn decode(slot: &[u8], layout: &Layout) -> Option<(Self, FreeMap)> {
        let head: &[u8; HEAD_LEN] = slot.first_chunk()?;
        if Self::layout(head, layout.unit, layout.blocks)? != *layout {
            return None;
        }
        let body = usize::try_from(u64_at(head, 40)).ok()?;
        let bytes = slot.get(..HEAD_LEN.checked_add(body)?)?;
        if u32_at(head, 60) != checksum(bytes) {
            return None;
        }
        let mut free = FreeMap::default();
        free.give(layout.data()?);
        let mut table = Self {
            generation: u64_at(head, 32),
            ..Self::default()
        };
        let mut rest = &bytes[HEAD_LEN..];
        for _ in 0..u32_at(head, 48) {
            let fixed: [u8; OBJECT_LEN] = take(&mut rest)?;
            let len = u64_at(&fixed, 1);
            let mut map = Map::new(len, fixed[0] == 1);
            for _ in 0..u32_at(&fixed, 9) {
                let extent: [u8; EXTENT_LEN] = take(&mut rest)?;
                let extent = Extent {
                    start: u64_at(&extent, 0),
                    blocks: u64_at(&extent, 8),
                };
                extent.start.checked_add(extent.blocks)?;
                if extent.blocks == 0 || !free.claim(extent) {
                    return None;
                }
                map.push(extent);
            }
            if fixed[0] > 1 || layout.blocks_of(len) > map.blocks() {
                return None;
            }
            table.objects.push(map);
        }
        let mut named = vec![false; table.objects.len()];
        for _ in 0..u32_at(head, 52) {
            let name: [u8; NAME_LEN] = take(&mut rest)?;
            let kind = (ObjectKind::ALL.into_iter()).find(|kind| *kind as u8 == name[0])?;
            let id = ObjectId {
                kind,
                number: u64_at(&name, 1),
            };
            let object = u32_at(&name, 9);
            if table
                .names
                .last_key_value()
                .is_some_and(|(last, _)| *last >= id)
            {
                return None;
            }
            *named.get_mut(usize::try_from(object).ok()?)? = true;
            table.names.insert(id, object);
        }
        (rest.is_empty() && named.iter().all(|named| *named)).then_some((table, free))
    }
}

/// Of the head without the field itself, and of what follows.
fn checksum(bytes: &[u8]) -> u32 {
    let mut hasher = crc32fast::Hasher::new();
    hasher.update(&bytes[..HEAD_LEN - 4]);
    hasher.update(&bytes[HEAD_LEN..]);
    hasher.finalize()
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, behind) = rest.split_first_chunk()?;
    *rest = behind;
    Some(*taken)
}

fn u32_at<const N: usize>(bytes: &[u8; N], at: usize) -> u32 {
    let chunk = bytes[at..].first_chunk().expect("at lies in the head");
    u32::from_le_bytes(*chunk)
}

fn u64_at<const N: usize>(bytes: &[u8; N], at: usize) -> u64 {
    let chunk = bytes[at..].first_chunk().expect("at lies in the head");
    u64::from_le_bytes(*chunk)
}

/// Bytes of a slot's head.
pub(super) const HEAD_LEN: usize = 64;
const OBJECT_LEN: usize = 13;
const EXTENT_LEN: usize = 16;
const NAME_LEN: usize = 13;
const MAGIC: &[u8; 8] = b"NORIEXTS";
const VERSION: u32 = 1;
const SLOT_BYTES_MIN: u64 = 4 << 10;
const SLOT_BYTES_MAX: u64 = 1 << 20;

#[cfg(test)]
mod tests;
