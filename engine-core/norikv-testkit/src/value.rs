//! Values that say who wrote them.

use alloc::vec;

use bytes::Bytes;
use norikv_types::Prng;

/// The number of a write: unique in a run, so that a read names the write it saw.
///
/// ```
/// use norikv_testkit::ValueId;
///
/// let bytes = ValueId(7).bytes(100);
/// assert_eq!(ValueId::parse(&bytes, 100), Some(ValueId(7)));
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ValueId(pub u64);

impl ValueId {
    /// The bytes of the value, 8 to `bytes_max`: the number, then filler whose length and byte the
    /// number draws.
    #[must_use]
    pub fn bytes(self, bytes_max: u32) -> Bytes {
        let len = 8 + Prng::new(self.0).below(u64::from(bytes_max.saturating_sub(7)).max(1));
        let filler = self.0.to_le_bytes()[0];
        let mut bytes = vec![filler; usize::try_from(len).unwrap_or(8)];
        bytes[..8].copy_from_slice(&self.0.to_le_bytes());
        bytes.into()
    }

    /// The number of the value, if these are its bytes under the same `bytes_max`.
    #[must_use]
    pub fn parse(bytes: &[u8], bytes_max: u32) -> Option<Self> {
        let head = bytes.get(..8)?.try_into().ok()?;
        let id = Self(u64::from_le_bytes(head));
        (id.bytes(bytes_max) == bytes).then_some(id)
    }
}

#[cfg(test)]
mod tests;
