//! A group on its way out.

use core::ops::Range;

use bytes::Bytes;
use norikv_types::{GroupId, Mutant, Version, breaks};

use crate::state_machine::{Cursor, GroupRecord, StateView, ends_at, slots_range};
use crate::{Chunk, Export, PortError, PortErrorKind};

use super::chunk::{ChunkHead, ChunkWriter, item_bytes};
use super::lsm_view::{LsmCursor, LsmView};

/// Goes through a group's records in one snapshot of the LSM, which it holds.
///
/// **Invariant: the same state gives the same chunks.** The group's record is the first item; values
/// that have ended by its replicated time are left out, since compactions take them at any moment.
#[derive(Debug)]
pub(super) struct LsmExport {
    group: GroupId,
    record: GroupRecord,
    metadata: LsmCursor,
    data: LsmCursor,
    /// The item that did not fit into the chunk before.
    waiting: Option<(Bytes, Bytes)>,
    /// Of the next chunk.
    number: u32,
    ended: bool,
}

impl LsmExport {
    /// An export of the `ranges` of `group` in `view`, which stands at `record`.
    pub(super) fn new(
        view: &LsmView,
        group: GroupId,
        record: GroupRecord,
        ranges: [Range<Bytes>; 2],
    ) -> Self {
        let [metadata, data] = ranges;
        Self {
            group,
            record,
            metadata: view.range(metadata.start, metadata.end),
            data: view.range(data.start, data.end),
            waiting: None,
            number: 0,
            ended: false,
        }
    }

    fn next_item(&mut self) -> Result<Option<(Bytes, Bytes)>, PortError> {
        if let Some(item) = self.waiting.take() {
            return Ok(Some(item));
        }
        while let Some((key, value)) = self.metadata.next()? {
            let is_session = slots_range(self.group).contains(&key);
            if !is_session || !breaks(Mutant::SnapshotWithoutSessions) {
                return Ok(Some((key, value)));
            }
        }
        while let Some((key, value)) = self.data.next()? {
            if ends_at(&value).is_none_or(|at| at > self.record.stamp) {
                return Ok(Some((key, value)));
            }
        }
        Ok(None)
    }
}

impl Export for LsmExport {
    fn at(&self) -> Version {
        self.record.applied
    }

    fn next_chunk(&mut self, bytes_max: u32) -> Result<Chunk, PortError> {
        if self.ended {
            return Err(PortError::new(
                PortErrorKind::Other,
                "the export has ended with the chunk before",
            ));
        }
        let mut chunk = ChunkWriter::new();
        while let Some((key, value)) = self.next_item()? {
            let full = chunk.len() + item_bytes(&key, &value) > u64::from(bytes_max);
            if full && !chunk.is_empty() {
                self.waiting = Some((key, value));
                break;
            }
            chunk.add(&key, &value);
        }
        self.ended = self.waiting.is_none();
        let bytes = chunk.finish(&ChunkHead {
            group: self.group,
            number: self.number,
            at: self.record.applied,
            last: self.ended,
        });
        self.number += 1;
        Ok(Chunk {
            bytes,
            last: self.ended,
        })
    }
}
