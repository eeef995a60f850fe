//! A fast hasher for look-ups. Its values never show: nothing iterates over the tables that use it.

use core::hash::{BuildHasherDefault, Hasher};

pub(super) type Map<K, V> = hashbrown::HashMap<K, V, BuildHasherDefault<Fold>>;

/// Multiplies and folds 64 bits at a time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Fold(u64);

impl Hasher for Fold {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        for chunk in bytes.chunks(8) {
            let mut word = [0; 8];
            word[..chunk.len()].copy_from_slice(chunk);
            self.write_u64(u64::from_le_bytes(word));
        }
    }

    fn write_u8(&mut self, word: u8) {
        self.write_u64(word.into());
    }

    fn write_u32(&mut self, word: u32) {
        self.write_u64(word.into());
    }

    fn write_u64(&mut self, word: u64) {
        let wide = u128::from(self.0 ^ word) * u128::from(ODD);
        let bytes = wide.to_le_bytes();
        let (low, high) = bytes.split_at(8);
        let half = |part: &[u8]| part.try_into().map_or(0, u64::from_le_bytes);
        self.0 = half(low) ^ half(high) ^ ODD.rotate_left(23);
    }

    fn write_usize(&mut self, word: usize) {
        self.write_u64(word as u64);
    }
}

const ODD: u64 = 0x9e37_79b9_7f4a_7c15;
