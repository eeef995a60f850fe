//! What a disk does to bytes that it has stored: rot, sectors that it cannot read, and writes that
//! did not go where they should.
//!
//! **Invariant: every damage is written down**, so that a test can demand that it is found.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use nori_env::{ObjectId, ObjectKind};
use norikv_types::Prng;

use super::inode::{Inode, InodeRef, index};
use super::{Platter, SimDisk};

/// Which objects a fault may hit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Scope {
    /// Every object.
    #[default]
    Any,
    /// Objects of a kind.
    Kind(ObjectKind),
    /// One object.
    Object(ObjectId),
}

/// Harm to stored bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Damage {
    /// What it is.
    pub kind: DamageKind,
    /// The object, as it was called then.
    pub object: ObjectId,
    /// First byte.
    pub offset: u64,
    /// How many bytes.
    pub len: u64,
}

/// The kinds of [`Damage`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DamageKind {
    /// One bit is wrong.
    BitRot,
    /// Reads fail with `Media`.
    BadSector,
    /// An acknowledged write never came: the bytes are what they were before.
    LostWrite,
    /// Bytes that belong elsewhere have replaced these.
    Overwritten,
}

impl Scope {
    pub(super) fn covers(self, id: ObjectId) -> bool {
        match self {
            Self::Any => true,
            Self::Kind(kind) => id.kind == kind,
            Self::Object(own) => id == own,
        }
    }
}

impl SimDisk {
    /// Flips one bit of what the platter holds; `false` when the object is not that long.
    #[must_use]
    pub fn flip_bit(&self, id: ObjectId, bit: u64) -> bool {
        self.platter.lock().flip_bit(id, bit)
    }

    /// Makes every read that touches the unit of byte `offset` of the object fail with `Media`;
    /// `false` when there is no such object.
    #[must_use]
    pub fn break_sector(&self, id: ObjectId, offset: u64) -> bool {
        let unit = self.options.unit;
        self.platter.lock().break_sector(id, offset, unit).is_some()
    }

    /// Flips a bit, drawn by `prng`, of a byte within `scope` that was written and is durable, and
    /// tells where; `None` when there is no such byte. Never twice in the same byte.
    pub fn rot(&self, prng: &mut Prng, scope: Scope) -> Option<Damage> {
        let mut platter = self.platter.lock();
        let (object, offset) = platter.draw_durable_byte(prng, scope, DamageKind::BitRot)?;
        let flipped = platter.flip_bit(object, offset * 8 + prng.below(8));
        flipped.then(|| platter.damage.last().copied()).flatten()
    }

    /// Makes a sector unreadable that holds a written, durable byte within `scope`, drawn by `prng`,
    /// and tells which; `None` when there is no such byte. Never the same sector twice.
    pub fn break_random_sector(&self, prng: &mut Prng, scope: Scope) -> Option<Damage> {
        let mut platter = self.platter.lock();
        let (object, offset) = platter.draw_durable_byte(prng, scope, DamageKind::BadSector)?;
        platter.break_sector(object, offset, self.options.unit)
    }

    /// Everything that was damaged since the disk was made or wiped, in the order in which it
    /// happened. Of a misdirected write both ends are there: what is lost, and what it has replaced.
    #[must_use]
    pub fn damage(&self) -> Vec<Damage> {
        self.platter.lock().damage.clone()
    }
}

impl Platter {
    /// Lets the bytes of an append that was meant for `id` land somewhere else, at the same place
    /// within a unit, as far as what is there reaches. `false` when there is no such place.
    pub(super) fn misdirect(
        &mut self,
        id: ObjectId,
        at: u64,
        bufs: &[&[u8]],
        unit: u32,
        prng: &mut Prng,
    ) -> bool {
        let unit = u64::from(unit);
        // How many places an object has, its own right one left out.
        let places: Vec<(ObjectId, InodeRef, u64)> = self
            .names
            .iter()
            .map(|(target, inode)| {
                let reach = inode.lock().extent.saturating_sub(at % unit);
                let count = reach.div_ceil(unit).saturating_sub((target == id).into());
                (target, Arc::clone(inode), count)
            })
            .filter(|(_, _, count)| *count > 0)
            .collect();
        if places.is_empty() {
            return false;
        }
        let pick = usize::try_from(prng.below(places.len() as u64)).unwrap_or(0);
        let (target, inode, count) = &places[pick];
        let mut nth = prng.below(*count);
        nth += u64::from(*target == id && nth >= at / unit);
        let start = nth * unit + at % unit;
        let len = inode.lock().extent - start;
        let mut bytes = bufs.concat();
        bytes.truncate(index(len));
        inode.lock().stamp(start, &bytes);
        self.damage.push(Damage {
            kind: DamageKind::Overwritten,
            object: *target,
            offset: start,
            len: bytes.len() as u64,
        });
        true
    }

    fn flip_bit(&mut self, id: ObjectId, bit: u64) -> bool {
        let flipped = self
            .names
            .live(id)
            .is_some_and(|inode| inode.lock().flip_bit(bit));
        if flipped {
            self.counters.bits_flipped += 1;
            self.damage.push(Damage {
                kind: DamageKind::BitRot,
                object: id,
                offset: bit / 8,
                len: 1,
            });
        }
        flipped
    }

    fn break_sector(&mut self, id: ObjectId, offset: u64, unit: u32) -> Option<Damage> {
        let unit = u64::from(unit);
        let inode = self.names.live(id)?;
        let start = offset / unit * unit;
        inode.lock().bad.push(start..start + unit);
        self.counters.sectors_broken += 1;
        let damage = Damage {
            kind: DamageKind::BadSector,
            object: id,
            offset: start,
            len: unit,
        };
        self.damage.push(damage);
        Some(damage)
    }

    /// A byte that was written and is durable, each as likely as any other, and not yet harmed so.
    fn draw_durable_byte(
        &self,
        prng: &mut Prng,
        scope: Scope,
        kind: DamageKind,
    ) -> Option<(ObjectId, u64)> {
        let mut spans: Vec<(ObjectId, Range<u64>)> = Vec::new();
        for (id, inode) in self.names.iter().filter(|(id, _)| scope.covers(*id)) {
            let ranges = durable(&inode.lock());
            spans.extend(ranges.into_iter().map(|range| (id, range)));
        }
        let total: u64 = spans.iter().map(|(_, range)| range.end - range.start).sum();
        if total == 0 {
            return None;
        }
        let drawn = (0..TRIES).map(|_| pick(&spans, prng.below(total)));
        drawn.flatten().find(|(id, offset)| {
            !self.damage.iter().any(|own| {
                let within = (own.offset..own.offset + own.len).contains(offset);
                own.kind == kind && own.object == *id && within
            })
        })
    }
}

/// The written ranges that no crash can take any more.
fn durable(inode: &Inode) -> Vec<Range<u64>> {
    let content = inode.content.len() as u64;
    let end = inode.written.min(inode.durable_extent).min(content);
    let unsynced = inode.unsynced.iter().map(|piece| piece.range.clone());
    let mut unsynced: Vec<Range<u64>> = unsynced.collect();
    unsynced.sort_unstable_by_key(|range| range.start);
    let mut ranges = Vec::new();
    let mut from = 0;
    for range in unsynced.into_iter().chain(core::iter::once(end..end)) {
        let to = range.start.min(end);
        if from < to {
            ranges.push(from..to);
        }
        from = from.max(range.end);
    }
    ranges
}

fn pick(spans: &[(ObjectId, Range<u64>)], mut nth: u64) -> Option<(ObjectId, u64)> {
    for (id, range) in spans {
        let len = range.end - range.start;
        if nth < len {
            return Some((*id, range.start + nth));
        }
        nth -= len;
    }
    None
}

const TRIES: u32 = 16;
