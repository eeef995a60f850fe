//! The new end of the log: a bridge that rewrites what was not proven, and the next segment.
//!
//! **Invariant: the bridge is synced last, and it is whole or void.** Until then the old end of the
//! log holds; from then on the new one does.

use alloc::vec::Vec;

use nori_env::{BlockStore, Entropy, IoError, ObjectId};
use norikv_types::{Mutant, breaks};

use crate::Options;
use crate::commit::append;
use crate::format::{FrameBuf, Name, STEP, SegmentHeader};
use crate::rotate::{Head, begin, data_start};
use crate::segment::Segment;
use crate::wal::frame_align;

use super::inventory::Inventory;
use super::replay::Replay;

/// The two segments that opening adds.
#[derive(Debug)]
pub(super) struct New {
    pub bridge: Segment,
    pub active: Segment,
    pub next_number: u64,
}

pub(super) fn write(
    store: &dyn BlockStore,
    entropy: &dyn Entropy,
    options: &Options,
    inventory: &Inventory,
    found: &mut Replay<'_>,
    table: &[u8],
) -> Result<New, IoError> {
    let number = inventory.next_number();
    let bridge = Name {
        number,
        uid: entropy.draw(),
    };
    let active = Name {
        number: number + 1,
        uid: entropy.draw(),
    };
    let align = frame_align(store);
    let data_start = data_start(align);
    let base = found.watermark;
    let header = SegmentHeader {
        bridge: true,
        recycled: false,
        uid: bridge.uid,
        number,
        base,
        watermark: base,
        predecessor: found.newest_kept(),
        predecessor_end: found.at,
        torn_end: found
            .uncertain
            .map_or(found.at, |range| range.end.0.max(found.at)),
        data_start,
        align,
        reserve: 0,
    };
    let mut bytes = Vec::from(header.encode());
    bytes.resize(data_start as usize, 0);
    for frame in &mut found.carried {
        assert!(
            frame.lsn == base + (bytes.len() as u64 - u64::from(data_start)),
            "no gap"
        );
        frame.finish(bridge.uid, bytes.len() as u64, base, STEP);
        bytes.extend_from_slice(frame.bytes());
    }
    let link_lsn = base + (bytes.len() as u64 - u64::from(data_start));
    assert!(
        link_lsn == found.at,
        "everything up to the end is rewritten"
    );
    let mut link = FrameBuf::link(link_lsn, active);
    link.finish(bridge.uid, bytes.len() as u64, base, STEP);
    bytes.extend_from_slice(link.bytes());
    let head = Head {
        name: active,
        base: link_lsn + link.len(),
        watermark: base,
        predecessor: Some(bridge),
        predecessor_end: link_lsn,
        table,
    };
    let first = options.first_segment_bytes.min(options.segment_bytes);
    let active = begin(store, options, first, None, head)?;
    let object = store.create(ObjectId::log(number), None)?;
    append(object.as_ref(), 0, &bytes)?;
    if !breaks(Mutant::BridgeUnsynced) {
        object.sync()?;
    }
    let len = bytes.len() as u64;
    let bridge = Segment::new(number, bridge.uid, base, data_start, object, len);
    bridge.advance(base, head.base);
    for record in found.carried.iter().flat_map(FrameBuf::records) {
        bridge.note(record.log, record.lsn + record.len());
    }
    Ok(New {
        bridge,
        active,
        next_number: number + 2,
    })
}
