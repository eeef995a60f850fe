//! The payload of the block that holds a table's range tombstones.
//!
//! ```text
//! payload  := fragment+
//! fragment := start  end  varint seqno count  varint newest seqno  (varint difference)*
//! start, end := varint shared  varint rest  rest bytes
//! ```
//! `shared` counts the bytes taken over from the bound before it (an end's is its start; the very
//! first start's is the empty key). A difference is what the next older seqno is smaller by.

use alloc::vec::Vec;

use bytes::Bytes;

use crate::{
    Damage, KEY_BYTES_MAX, RangeTombstones, SeqNo, block_builder::common_prefix,
    range_tombstones::RangeFragment, varint,
};

pub(crate) fn encode(set: &RangeTombstones) -> Vec<u8> {
    let mut out = Vec::new();
    let mut before: &[u8] = &[];
    for fragment in set.fragments() {
        for bound in [fragment.start(), fragment.end()] {
            let shared = common_prefix(before, bound);
            varint::put(&mut out, shared as u64);
            varint::put(&mut out, (bound.len() - shared) as u64);
            out.extend_from_slice(bound.get(shared..).unwrap_or(&[]));
            before = bound;
        }
        varint::put(&mut out, fragment.seqnos().len() as u64);
        let mut newer = 0;
        for (index, seqno) in fragment.seqnos().iter().enumerate() {
            let value = if index == 0 { seqno.0 } else { newer - seqno.0 };
            varint::put(&mut out, value);
            newer = seqno.0;
        }
    }
    out
}

/// Reads what [`encode`] wrote, and nothing that breaks the set's invariant.
pub(crate) fn decode(data: &[u8]) -> Result<RangeTombstones, Damage> {
    let mut fragments: Vec<RangeFragment> = Vec::new();
    let mut before = Bytes::new();
    let mut at = 0;
    while at < data.len() {
        let (fragment, next) = fragment(data, at, &before).ok_or(Damage::RangeTombstones)?;
        if !fragments.is_empty() && fragment.start < before {
            return Err(Damage::RangeTombstones);
        }
        before = fragment.end.clone();
        fragments.push(fragment);
        at = next;
    }
    if fragments.is_empty() {
        return Err(Damage::RangeTombstones);
    }
    Ok(RangeTombstones::from_fragments(fragments))
}

fn fragment(data: &[u8], at: usize, before: &Bytes) -> Option<(RangeFragment, usize)> {
    let (start, at) = bound(data, at, before)?;
    let (end, at) = bound(data, at, &start)?;
    if start >= end {
        return None;
    }
    let (count, mut at) = varint::read_u32(data, at)?;
    // Each takes a byte at least: no memory is set aside for more than there can be.
    if count == 0 || count as usize > data.len() {
        return None;
    }
    let mut seqnos = Vec::new();
    for index in 0..count {
        let (value, next) = varint::read_u64(data, at)?;
        let seqno = match seqnos.last() {
            None => SeqNo(value),
            Some(SeqNo(newer)) => SeqNo(newer.checked_sub(value)?),
        };
        if seqno > SeqNo::MAX || (index > 0 && value == 0) {
            return None;
        }
        seqnos.push(seqno);
        at = next;
    }
    let seqnos = seqnos.into();
    Some((RangeFragment { start, end, seqnos }, at))
}

fn bound(data: &[u8], at: usize, before: &Bytes) -> Option<(Bytes, usize)> {
    let (shared, at) = varint::read_u32(data, at)?;
    let (rest, at) = varint::read_u32(data, at)?;
    let end = at.checked_add(rest as usize)?;
    let (shared, rest) = (before.get(..shared as usize)?, data.get(at..end)?);
    if shared.len() + rest.len() > KEY_BYTES_MAX as usize {
        return None;
    }
    Some((Bytes::from([shared, rest].concat()), end))
}
