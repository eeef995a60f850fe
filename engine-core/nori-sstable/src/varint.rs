//! LEB128 varints of at most 32 or 64 bits.

use alloc::vec::Vec;

/// Appends `value`, seven bits a byte, low bits first.
pub(crate) fn put(out: &mut Vec<u8>, mut value: u64) {
    loop {
        let [low, ..] = value.to_le_bytes();
        value >>= 7;
        if value == 0 {
            out.push(low);
            return;
        }
        out.push(low | 0x80);
    }
}

/// Reads one varint from byte `at`; gives the value and the byte after it.
pub(crate) fn read_u64(data: &[u8], at: usize) -> Option<(u64, usize)> {
    let mut value = 0;
    for (index, byte) in data.get(at..)?.iter().take(10).enumerate() {
        let bits = u64::from(byte & 0x7f);
        let shift = 7 * u32::try_from(index).ok()?;
        if shift == 63 && bits > 1 {
            return None;
        }
        value |= bits << shift;
        if byte & 0x80 == 0 {
            return Some((value, at + index + 1));
        }
    }
    None
}

/// Reads one varint that fits 32 bits.
#[inline]
pub(crate) fn read_u32(data: &[u8], at: usize) -> Option<(u32, usize)> {
    match data.get(at) {
        Some(&byte) if byte < 0x80 => Some((u32::from(byte), at + 1)),
        _ => {
            let (value, next) = read_u64(data, at)?;
            Some((u32::try_from(value).ok()?, next))
        }
    }
}

#[cfg(test)]
mod tests;
