//! What is sent, and how the wire may harm it.

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::Prng;

/// Something that a [`Network`](super::Network) carries. A type that cannot be harmed keeps the
/// methods as they are; then truncation and flips pass it by and are not counted.
pub trait Payload: Clone {
    /// Cuts off a part of the end, at least something; `false` when there is nothing to cut off.
    fn truncate(&mut self, _prng: &mut Prng) -> bool {
        false
    }

    /// Flips one bit; `false` when there is none.
    fn flip_bit(&mut self, _prng: &mut Prng) -> bool {
        false
    }
}

/// What the wire did to a message. A host whose transport authenticates what it carries turns a
/// harmed message into a dropped packet or a broken connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Harm {
    /// Its end is missing.
    Truncated,
    /// One bit is wrong.
    Flipped,
}

impl Payload for Vec<u8> {
    fn truncate(&mut self, prng: &mut Prng) -> bool {
        let keep = draw_index(self.len(), prng);
        keep.map(|keep| Self::truncate(self, keep)).is_some()
    }

    fn flip_bit(&mut self, prng: &mut Prng) -> bool {
        let byte = draw_index(self.len(), prng).and_then(|at| self.get_mut(at));
        byte.map(|byte| *byte ^= 1 << prng.below(8)).is_some()
    }
}

impl Payload for Bytes {
    fn truncate(&mut self, prng: &mut Prng) -> bool {
        let keep = draw_index(self.len(), prng);
        keep.map(|keep| Self::truncate(self, keep)).is_some()
    }

    fn flip_bit(&mut self, prng: &mut Prng) -> bool {
        // Others share the bytes.
        let mut copy = self.to_vec();
        let flipped = copy.flip_bit(prng);
        *self = copy.into();
        flipped
    }
}

impl Payload for u32 {
    fn flip_bit(&mut self, prng: &mut Prng) -> bool {
        *self ^= 1 << prng.below(Self::BITS.into());
        true
    }
}

impl Payload for u64 {
    fn flip_bit(&mut self, prng: &mut Prng) -> bool {
        *self ^= 1 << prng.below(Self::BITS.into());
        true
    }
}

impl Payload for &str {}
impl Payload for () {}

fn draw_index(len: usize, prng: &mut Prng) -> Option<usize> {
    let len = u64::try_from(len).ok().filter(|len| *len > 0)?;
    usize::try_from(prng.below(len)).ok()
}
