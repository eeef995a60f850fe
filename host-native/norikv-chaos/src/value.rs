//! Values that say who wrote them, as in the simulator.

use bytes::Bytes;
use norikv_types::Prng;

/// The number of a write: unique in a run, so that a read names the write it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u64);

/// Longest value, bytes.
const BYTES_MAX: u64 = 4_096;

impl ValueId {
    /// The bytes of the value: the number, then filler whose length and byte the number draws.
    #[must_use]
    pub fn bytes(self) -> Bytes {
        let len = 8 + Prng::new(self.0).below(BYTES_MAX - 7);
        let filler = self.0.to_le_bytes()[0];
        let mut bytes = vec![filler; usize::try_from(len).unwrap_or(8)];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        bytes.into()
    }

    /// The number of the value, if these are its bytes.
    #[must_use]
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        let head = bytes.get(..8)?.try_into().ok()?;
        let id = Self(u64::from_le_bytes(head));
        (id.bytes() == bytes).then_some(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_names_its_write_and_a_changed_byte_shows() {
        for id in (0..1_000).map(ValueId) {
            let mut bytes = id.bytes().to_vec();
            assert_eq!(ValueId::parse(&bytes), Some(id));
            if let Some(last) = bytes.last_mut().filter(|_| id.0 > 0) {
                *last ^= 1;
                assert_ne!(ValueId::parse(&bytes), Some(id));
            }
        }
        assert_eq!(ValueId::parse(b"short"), None);
    }
}
