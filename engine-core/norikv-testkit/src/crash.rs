//! Power cuts one by one: every point of a workload, and every way in which what was not synced
//! survives.
//!
//! **Invariant: nothing is drawn here.** Where [`SimDisk`](crate::SimDisk) draws one outcome of a crash from a seed,
//! these disks let the test walk through all of them: [`fates`] lists them, or says where it
//! stops listing all.

use alloc::vec;
use alloc::vec::Vec;

use norikv_types::Prng;

mod device;
mod disk;

pub use self::device::CrashDevice;
pub use self::disk::CrashDisk;

/// What happens at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CrashFault {
    /// The power goes: this operation and all after it fail.
    PowerCut,
    /// This one operation finds no space and does nothing, if it is one that takes any.
    NoSpace,
    /// This one sync or barrier fails, and the cache forgets that its pages were not written.
    SyncFailed,
}

/// What a power cut makes of one unit (or name) that was not synced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitFate {
    /// As it was before.
    Lost,
    /// As it was written.
    Kept,
    /// Partly new; without power-safe overwrite, garbage. A name is kept.
    Torn,
}

/// Ways in which `count` undecided units may go. **All** 3ⁿ of them up to 6; of up to 10 all 2ⁿ of
/// kept and lost, and each with one unit torn at a time where all others are kept or lost; beyond
/// that every prefix, every single unit, every complement of one, each with its edge torn too, and `draws` drawn
/// from `prng`.
pub fn fates(count: usize, draws: usize, prng: &mut Prng) -> Vec<Vec<UnitFate>> {
    use UnitFate::{Kept, Lost, Torn};
    let mut all = Vec::new();
    if count <= 6 {
        for index in 0..3_usize.pow(u32::try_from(count).expect("at most 6")) {
            let digit = |unit| index / 3_usize.pow(unit) % 3;
            let units = (0..count).map(|unit| u32::try_from(unit).expect("at most 6"));
            all.push(units.map(|unit| [Lost, Kept, Torn][digit(unit)]).collect());
        }
        return all;
    }
    if count <= 10 {
        for index in 0..1_usize << count {
            let bit = |unit: usize| if index >> unit & 1 == 1 { Kept } else { Lost };
            all.push((0..count).map(bit).collect());
        }
    } else {
        for end in 0..=count {
            let mut prefix = vec![Lost; count];
            prefix[..end].fill(Kept);
            all.push(prefix.clone());
            if end < count {
                prefix[end] = Torn;
                all.push(prefix);
            }
        }
        for unit in 0..count {
            for (others, one) in [(Lost, Kept), (Kept, Lost)] {
                let mut fates = vec![others; count];
                fates[unit] = one;
                all.push(fates);
            }
        }
        for _ in 0..draws {
            let draw = |_| [Lost, Kept, Kept, Torn][usize::try_from(prng.below(4)).unwrap_or(0)];
            all.push((0..count).map(draw).collect());
        }
    }
    for unit in 0..count {
        for others in [Lost, Kept] {
            let mut fates = vec![others; count];
            fates[unit] = Torn;
            all.push(fates);
        }
    }
    all
}

#[cfg(test)]
mod tests;
