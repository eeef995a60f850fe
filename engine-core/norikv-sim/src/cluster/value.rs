//! Values that say who wrote them.

use alloc::vec;

use bytes::Bytes;
use norikv_types::Prng;

/// The number of a write: unique in a run, so that a read names the write it saw.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct ValueId(pub(crate) u64);

impl ValueId {
    /// The bytes of the value: the number, then filler whose length and byte the number draws.
    pub(crate) fn bytes(self, bytes_max: u32) -> Bytes {
        let len = 8 + Prng::new(self.0).below(u64::from(bytes_max.saturating_sub(7)).max(1));
        let filler = self.0.to_le_bytes()[0];
        let mut bytes = vec![filler; usize::try_from(len).unwrap_or(8)];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        bytes.into()
    }

    /// The number of the value, if these are its bytes.
    pub(crate) fn parse(bytes: &[u8], bytes_max: u32) -> Option<Self> {
        let head = bytes.get(..8)?.try_into().ok()?;
        let id = Self(u64::from_le_bytes(head));
        (id.bytes(bytes_max) == bytes).then_some(id)
    }
}
