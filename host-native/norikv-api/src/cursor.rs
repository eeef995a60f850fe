//! Where a watch stands or a scan was read, as text.
//!
//! **Invariant: a cursor that this version did not make is refused**, never read as another one. Of
//! 1,024 groups it takes at most 17 KiB, and 8 KiB as long as no group has more than 2^28 entries.
//!
//! Layout, in base64url without padding: format (1) ‖ count varint ‖ for each group, ascending: group
//! varint ‖ index varint. Varints hold seven bits a byte, lowest first.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use norikv_types::{GroupId, LogIndex};

/// The text of a position of each group.
#[must_use]
pub fn format(positions: &[(GroupId, LogIndex)]) -> String {
    let mut bytes = vec![FORMAT];
    push(&mut bytes, positions.len() as u64);
    for (group, index) in positions {
        push(&mut bytes, u64::from(group.0));
        push(&mut bytes, index.0);
    }
    URL_SAFE_NO_PAD.encode(bytes)
}

/// The positions of a text; none for an empty one.
///
/// # Errors
/// A sentence for the caller when it is no cursor.
pub fn parse(text: &str) -> Result<Vec<(GroupId, LogIndex)>, String> {
    if text.is_empty() {
        return Ok(Vec::new());
    }
    let bytes = URL_SAFE_NO_PAD.decode(text);
    bytes.ok().and_then(|bytes| read(&bytes)).ok_or_else(|| {
        let shown: String = text.chars().take(SHOWN).collect();
        let rest = if shown.len() < text.len() { "…" } else { "" };
        format!("{shown}{rest} is no cursor of a watch or a scan")
    })
}

fn read(bytes: &[u8]) -> Option<Vec<(GroupId, LogIndex)>> {
    let (&FORMAT, mut rest) = bytes.split_first()? else {
        return None;
    };
    let count = take(&mut rest)?;
    let mut positions: Vec<(GroupId, LogIndex)> = Vec::new();
    for _ in 0..count {
        let group = GroupId(u32::try_from(take(&mut rest)?).ok()?);
        let index = LogIndex(take(&mut rest)?);
        if positions.last().is_some_and(|(last, _)| *last >= group) {
            return None;
        }
        positions.push((group, index));
    }
    rest.is_empty().then_some(positions)
}

fn push(bytes: &mut Vec<u8>, mut number: u64) {
    while number >= 0x80 {
        bytes.push(u8::try_from(number & 0x7f).unwrap_or(0) | 0x80);
        number >>= 7;
    }
    bytes.push(u8::try_from(number).unwrap_or(0));
}

fn take(rest: &mut &[u8]) -> Option<u64> {
    let mut number = 0_u64;
    for shift in (0..64).step_by(7) {
        let (&byte, behind) = rest.split_first()?;
        *rest = behind;
        let part = u64::from(byte & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        number |= part << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

const FORMAT: u8 = 1;
/// Characters of a text that a refusal repeats.
const SHOWN: usize = 60;

#[cfg(test)]
mod tests;
