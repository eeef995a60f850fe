//! The last bytes of a value file.
//!
//! ```text
//! 0   u64     uid: the salt of every checksum in the file
//! 8   u64     bytes of the whole object, footer included
//! 16  handle  index          handle := u64 offset ‖ u32 length ‖ u32 checksum
//! 32  u64     values
//! 40  u32     format version
//! 44  u32     checksum: CRC-32 of uid ‖ offset of the footer ‖ bytes 0..44 ‖ magic
//! 48  8       magic "NoriVal\0"
//! ```

use alloc::vec::Vec;

use crate::footer::Refused;
use crate::value_file::ValueFileMeta;
use crate::{Damage, FORMAT_VERSION, frame, handle::BlockHandle};

/// Bytes of the footer in every version.
pub(super) const FOOTER_BYTES: usize = 56;
/// How every value file ends.
const MAGIC: [u8; 8] = *b"NoriVal\0";
const CHECKSUM_AT: usize = 44;
const UNCHECKED: usize = FOOTER_BYTES - CHECKSUM_AT;

/// What a footer says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Footer {
    pub(super) uid: u64,
    pub(super) size: u64,
    pub(super) index: BlockHandle,
    pub(super) values: u64,
}

impl Footer {
    /// The footer's bytes and its checksum.
    pub(super) fn encode(&self) -> (Vec<u8>, u32) {
        let mut out = Vec::with_capacity(FOOTER_BYTES);
        out.extend_from_slice(&self.uid.to_le_bytes());
        out.extend_from_slice(&self.size.to_le_bytes());
        self.index.put_fixed(&mut out);
        out.extend_from_slice(&self.values.to_le_bytes());
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        let checksum = checksum(self.uid, self.size, &out);
        out.extend_from_slice(&checksum.to_le_bytes());
        out.extend_from_slice(&MAGIC);
        assert_eq!(out.len(), FOOTER_BYTES, "the layout adds up");
        (out, checksum)
    }

    /// What the footer says of its file, unchecked.
    pub(super) fn claims(bytes: &[u8; FOOTER_BYTES]) -> ValueFileMeta {
        let (footer, _, checksum) = fields(bytes);
        ValueFileMeta {
            uid: footer.uid,
            size: footer.size,
            data_bytes: footer.index.offset,
            values: footer.values,
            footer_checksum: checksum,
        }
    }

    /// Checks a footer against what its parent keeps.
    pub(super) fn decode(
        bytes: &[u8; FOOTER_BYTES],
        meta: &ValueFileMeta,
    ) -> Result<Self, Refused> {
        let damaged = |what| Err(Refused::Damaged(what));
        let (footer, version, stored) = fields(bytes);
        let (body, end) = bytes.split_at(CHECKSUM_AT);
        if end.get(4..) != Some(&MAGIC) {
            return damaged(Damage::Magic);
        }
        let got = checksum(meta.uid, meta.size, body);
        if stored != got {
            // The parent's salt does not fit; its own would, were it another file's footer.
            if checksum(footer.uid, footer.size, body) == stored {
                return damaged(Damage::NotTheTable);
            }
            return damaged(Damage::Checksum {
                expected: stored,
                got,
            });
        }
        if stored != meta.footer_checksum {
            return damaged(Damage::NotTheChild {
                expected: meta.footer_checksum,
                got: stored,
            });
        }
        if version != FORMAT_VERSION {
            return Err(Refused::Version(version));
        }
        let is_meant = footer.uid == meta.uid
            && footer.size == meta.size
            && footer.values == meta.values
            && footer.index.offset == meta.data_bytes;
        if !is_meant {
            return damaged(Damage::NotTheTable);
        }
        match footer.index.end() == meta.size.checked_sub(FOOTER_BYTES as u64) {
            true => Ok(footer),
            false => damaged(Damage::Handle),
        }
    }
}

/// Everything but the magic: the footer, the format version and the checksum that is stated.
fn fields(bytes: &[u8; FOOTER_BYTES]) -> (Footer, u32, u32) {
    let footer = Footer {
        uid: u64::from_le_bytes(at(bytes, 0)),
        size: u64::from_le_bytes(at(bytes, 8)),
        index: BlockHandle::read_fixed(&at(bytes, 16)),
        values: u64::from_le_bytes(at(bytes, 32)),
    };
    let version = u32::from_le_bytes(at(bytes, 40));
    (footer, version, u32::from_le_bytes(at(bytes, CHECKSUM_AT)))
}

fn at<const N: usize>(bytes: &[u8; FOOTER_BYTES], at: usize) -> [u8; N] {
    let field = bytes.get(at..).and_then(<[u8]>::first_chunk);
    field.copied().unwrap_or([0; N])
}

fn checksum(uid: u64, size: u64, body: &[u8]) -> u32 {
    let covered = [body, &MAGIC].concat();
    frame::checksum(uid, size.saturating_sub(FOOTER_BYTES as u64), &covered)
}

const _: () = assert!(UNCHECKED == 4 + MAGIC.len());
