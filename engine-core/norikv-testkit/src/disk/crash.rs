//! What a power cut leaves of unsynced writes.
//!
//! How a crash behaves is drawn once for the whole disk (everything lost, everything kept, kept up
//! to a point, each unit for itself), because each finds other bugs, and independent draws alone
//! would hardly ever keep a long append.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::ops::Range;

use norikv_types::Prng;
use xxhash_rust::xxh3::xxh3_64;

use super::inode::{Inode, InodeRef, Old, index};
use super::{DiskOptions, Platter};

/// What a crash did.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CrashReport {
    /// Unsynced units that survived whole.
    pub units_kept: u64,
    /// Unsynced units that are as they were before.
    pub units_lost: u64,
    /// Unsynced units that are neither: partly new, or zero.
    pub units_torn: u64,
    /// Creates, recycles, links and deletes that never happened.
    pub names_lost: u64,
}

#[derive(Debug, Clone, Copy)]
enum Manner {
    LoseAll,
    KeepAll,
    /// The first so many in a million of each object's units survive, the next one is torn.
    Prefix(u32),
    /// Each unit is kept so many times in a million, else lost or torn.
    EachUnit(u32),
}

#[derive(Debug, Clone, Copy)]
enum Unit {
    Kept,
    Lost,
    Torn,
}

pub(super) fn crash(platter: &mut Platter, options: DiskOptions, prng: &mut Prng) -> CrashReport {
    let mut report = CrashReport {
        names_lost: platter.names.crash(prng),
        ..CrashReport::default()
    };
    let manner = match prng.below(8) {
        0 => Manner::LoseAll,
        1 => Manner::KeepAll,
        2..=4 => Manner::Prefix(draw_share(prng)),
        _ => Manner::EachUnit(draw_share(prng)),
    };
    platter.used = 0;
    let mut settled: Vec<&InodeRef> = Vec::new();
    for (_, inode) in platter.names.iter() {
        if settled.iter().any(|other| Arc::ptr_eq(other, inode)) {
            continue;
        }
        settled.push(inode);
        let mut inode = inode.lock();
        settle(&mut inode, options, manner, prng, &mut report);
        platter.used += inode.extent;
    }
    let counters = &mut platter.counters;
    counters.crashes += 1;
    counters.units_kept += report.units_kept;
    counters.units_lost += report.units_lost;
    counters.units_torn += report.units_torn;
    counters.names_lost += report.names_lost;
    report
}

fn settle(
    inode: &mut Inode,
    options: DiskOptions,
    manner: Manner,
    prng: &mut Prng,
    report: &mut CrashReport,
) {
    inode.poisoned = false;
    inode.end = inode.extent;
    if inode.unsynced.is_empty() && inode.durable_extent == inode.extent {
        return;
    }
    let unsynced = core::mem::take(&mut inode.unsynced);
    let written = inode.content.clone();
    for piece in unsynced.iter().rev() {
        let range = index(piece.range.start)..index(piece.range.end).min(inode.content.len());
        match &piece.old {
            Old::Zero => inode.content[range].fill(0),
            Old::Bytes(bytes) => {
                let len = range.len();
                inode.content[range].copy_from_slice(&bytes[..len]);
            }
        }
    }
    let units: Vec<Range<usize>> = unsynced
        .iter()
        .flat_map(|piece| split(&piece.range, options.unit, written.len()))
        .collect();
    for (nth, range) in units.iter().enumerate() {
        match draw_unit(manner, nth, units.len(), prng) {
            Unit::Kept => {
                report.units_kept += 1;
                inode.content[range.clone()].copy_from_slice(&written[range.clone()]);
            }
            Unit::Lost => report.units_lost += 1,
            Unit::Torn => {
                report.units_torn += 1;
                tear(
                    &mut inode.content[range.clone()],
                    &written[range.clone()],
                    prng,
                );
            }
        }
    }
    let extent = surviving_extent(inode, manner, prng);
    inode.content.truncate(index(extent));
    inode.extent = extent;
    inode.durable_extent = extent;
    inode.end = extent;
    inode.written = inode.written.min(extent);
    inode.digest = xxh3_64(&inode.content);
}

/// The length after the crash, between what was synced and what was written.
fn surviving_extent(inode: &Inode, manner: Manner, prng: &mut Prng) -> u64 {
    let grown = inode.extent - inode.durable_extent;
    let kept = match manner {
        Manner::LoseAll => 0,
        Manner::KeepAll => grown,
        Manner::Prefix(_) | Manner::EachUnit(_) => match prng.below(4) {
            0 => 0,
            1 => prng.below(grown + 1),
            _ => grown,
        },
    };
    inode.durable_extent + kept
}

fn draw_unit(manner: Manner, nth: usize, count: usize, prng: &mut Prng) -> Unit {
    match manner {
        Manner::LoseAll => Unit::Lost,
        Manner::KeepAll => Unit::Kept,
        Manner::Prefix(share) => {
            let cut = count as u64 * u64::from(share) / 1_000_000;
            match (nth as u64).cmp(&cut) {
                core::cmp::Ordering::Less => Unit::Kept,
                core::cmp::Ordering::Equal => Unit::Torn,
                core::cmp::Ordering::Greater => Unit::Lost,
            }
        }
        Manner::EachUnit(share) => {
            if prng.chance_ppm(share) {
                Unit::Kept
            } else if prng.chance_ppm(500_000) {
                Unit::Lost
            } else {
                Unit::Torn
            }
        }
    }
}

/// Leaves `unit` with a new start and an old end, the other way round, or zero.
fn tear(unit: &mut [u8], new: &[u8], prng: &mut Prng) {
    let cut = usize::try_from(prng.below(unit.len() as u64 + 1)).unwrap_or(0);
    match prng.below(4) {
        0 => unit.fill(0),
        1 => unit[cut..].copy_from_slice(&new[cut..]),
        _ => unit[..cut].copy_from_slice(&new[..cut]),
    }
}

/// The parts of `range` in each unit, as far as there is content.
fn split(range: &Range<u64>, unit: u32, content_len: usize) -> Vec<Range<usize>> {
    let unit = u64::from(unit);
    let mut parts = Vec::new();
    let mut start = range.start;
    while start < range.end {
        let end = range.end.min((start / unit + 1) * unit);
        parts.push(index(start)..index(end).min(content_len));
        start = end;
    }
    parts
}

fn draw_share(prng: &mut Prng) -> u32 {
    u32::try_from(prng.below(1_000_001)).unwrap_or(0)
}
