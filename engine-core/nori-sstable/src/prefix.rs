//! Which part of a key a filter knows as its prefix.
//!
//! **Invariant: if a prefix that is asked for has an extract, every key that begins with it has the
//! same one.** So a filter that lacks the extract lacks all those keys.

/// Takes a prefix off a user key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum PrefixExtractor {
    /// The first bytes, this many; shorter keys have no prefix.
    Fixed(u16),
    /// Everything up to and with the first byte of this value behind the first `skip` bytes; keys
    /// without one have no prefix.
    Separator {
        /// The byte that ends a prefix.
        byte: u8,
        /// Bytes at the start of a key in which it does not count.
        skip: u16,
    },
}

const FIXED: u8 = 1;
const SEPARATOR: u8 = 2;

impl PrefixExtractor {
    /// The prefix of `key`, if it has one.
    #[must_use]
    pub fn extract(self, key: &[u8]) -> Option<&[u8]> {
        let length = match self {
            Self::Fixed(length) => usize::from(length),
            Self::Separator { byte, skip } => {
                let skip = usize::from(skip);
                skip + key.get(skip..)?.iter().position(|b| *b == byte)? + 1
            }
        };
        key.get(..length)
    }

    /// The same of keys that have so many bytes more in front, which count to the prefix.
    #[must_use]
    pub const fn behind(self, bytes: u16) -> Self {
        match self {
            Self::Fixed(length) => Self::Fixed(length.saturating_add(bytes)),
            Self::Separator { byte, skip } => Self::Separator {
                byte,
                skip: skip.saturating_add(bytes),
            },
        }
    }

    /// u8 kind, then `Fixed`: u16 length; `Separator`: u16 skip ‖ u8 byte.
    pub(crate) fn encode(self) -> [u8; 4] {
        let (kind, number, byte) = match self {
            Self::Fixed(length) => (FIXED, length, 0),
            Self::Separator { byte, skip } => (SEPARATOR, skip, byte),
        };
        let [low, high] = number.to_le_bytes();
        [kind, low, high, byte]
    }

    pub(crate) fn decode(data: &[u8]) -> Option<Self> {
        match *data {
            [FIXED, low, high, 0] => Some(Self::Fixed(u16::from_le_bytes([low, high]))),
            [SEPARATOR, low, high, byte] => Some(Self::Separator {
                byte,
                skip: u16::from_le_bytes([low, high]),
            }),
            _ => None,
        }
    }
}
