//! A group on its way in.

use alloc::boxed::Box;
use alloc::format;
use alloc::string::ToString;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_env::{BlockObject, ObjectId, ObjectKind};
use norikv_types::{GroupId, Version};

use crate::state_machine::{GroupRecord, decode_group, group_key};
use crate::{PortError, PortErrorKind, Staging};

use super::Inner;
use super::chunk::{self, ChunkItems};
use super::errors::{fold, fold_io};

/// Chunks of a snapshot, kept in an object of the LSM's store until they are installed.
///
/// **Invariant: nothing that is taken here touches the group before [`install`](Staging::install)**,
/// and memory holds one chunk at most. The object goes when this is dropped; after a crash the next
/// start removes it.
#[derive(Debug)]
pub(super) struct LsmStaging {
    inner: Arc<Inner>,
    group: GroupId,
    spool: Option<Spool>,
    /// The highest key taken.
    last_key: Option<Bytes>,
    /// What the chunks show.
    at: Option<Version>,
    /// Where the group stands by them; the first item.
    record: Option<GroupRecord>,
    /// The last chunk is here.
    complete: bool,
    /// A chunk was refused or could not be kept.
    failed: bool,
}

/// Where the chunks are kept.
#[derive(Debug)]
struct Spool {
    object: Arc<dyn BlockObject>,
    /// The length of each chunk; they follow one another.
    chunks: Vec<u32>,
    /// Of all chunks.
    bytes: u64,
}

impl LsmStaging {
    /// A place for a snapshot of `group`.
    pub(super) const fn new(inner: Arc<Inner>, group: GroupId) -> Self {
        Self {
            inner,
            group,
            spool: None,
            last_key: None,
            at: None,
            record: None,
            complete: false,
            failed: false,
        }
    }

    fn take(&mut self, bytes: &Bytes) -> Result<(), PortError> {
        let number = self.spool.as_ref().map_or(0, |spool| spool.chunks.len());
        let (head, mut items) = chunk::read(bytes).map_err(|error| bad(error.to_string()))?;
        if self.complete {
            return Err(bad("a chunk behind the last one"));
        }
        if head.group != self.group {
            return Err(bad(format!(
                "a chunk of {} in a snapshot of {}",
                head.group, self.group
            )));
        }
        if u64::from(head.number) != number as u64 {
            return Err(bad(format!("chunk {} where {number} belongs", head.number)));
        }
        let at = *self.at.get_or_insert(head.at);
        if head.at != at {
            return Err(bad(format!(
                "a chunk that shows {} in a snapshot of {at}",
                head.at
            )));
        }
        let ranges = self.inner.ranges(self.group);
        let mut last = self.last_key.take();
        while let Some((key, value)) = items.next().map_err(|error| bad(error.to_string()))? {
            let belongs = ranges.iter().any(|range| range.contains(&key))
                && last.as_ref().is_none_or(|last| *last < key);
            if key == group_key(self.group) {
                let record = decode_group(&key, &value).map_err(|error| bad(error.detail))?;
                self.record = Some(record);
            }
            if !belongs {
                return Err(bad(format!(
                    "chunk {number} holds a key of another group, or keys that do not ascend"
                )));
            }
            last = Some(key);
        }
        // A copy: a slice would keep its whole chunk.
        self.last_key = last.map(|key| Bytes::copy_from_slice(&key));
        self.keep(bytes)?;
        self.complete = head.last;
        Ok(())
    }

    fn keep(&mut self, bytes: &Bytes) -> Result<(), PortError> {
        let spool = match &mut self.spool {
            Some(spool) => spool,
            none => {
                let id = ObjectId {
                    kind: ObjectKind::Incoming,
                    number: self.inner.entropy.draw(),
                };
                let object = self.inner.store.create(id, None).map_err(fold_io)?;
                none.insert(Spool {
                    object,
                    chunks: Vec::new(),
                    bytes: 0,
                })
            }
        };
        let length = u32::try_from(bytes.len())
            .map_err(|_error| bad(format!("a chunk of {} bytes", bytes.len())))?;
        spool
            .object
            .append(spool.bytes, &[bytes])
            .map_err(fold_io)?;
        spool.chunks.push(length);
        spool.bytes += u64::from(length);
        Ok(())
    }
}

impl Staging for LsmStaging {
    fn chunk(&mut self, bytes: &Bytes) -> Result<(), PortError> {
        if self.failed {
            return Err(bad("an earlier chunk was refused"));
        }
        let taken = self.take(bytes);
        self.failed = taken.is_err();
        taken
    }

    fn install(self: Box<Self>, at: Version) -> Result<(), PortError> {
        let (Some(spool), true, false) = (&self.spool, self.complete, self.failed) else {
            return Err(bad("chunks are missing"));
        };
        if self.at != Some(at) {
            return Err(bad(format!(
                "asked to install {at}, the chunks show another (term, index)"
            )));
        }
        let record = self.record.unwrap_or_default();
        if record.applied != at {
            return Err(bad(format!(
                "chunks that show {at} hold the record of {}",
                record.applied
            )));
        }
        let replica = self.inner.replica(self.group);
        let applied = replica.positions.lock().last().applied;
        if at.index < applied.index {
            return Err(bad(format!(
                "a snapshot of {at}, although {} has applied {applied}",
                self.group
            )));
        }
        let mut items = Items {
            spool,
            next: spool.chunks.iter(),
            offset: 0,
            current: None,
        };
        let mut failed = None;
        let ranges = self.inner.ranges(self.group);
        let replaced = self.inner.lsm.replace_ranges(&ranges, &mut || {
            items.next().map_err(|error| {
                failed = Some(error);
                // Any error ends the replacement; the one above is the one that counts.
                nori_lsm::Error::Stalled
            })
        });
        match (replaced, failed) {
            (Ok(_), None) => {
                replica.positions.lock().installed(record);
                replica.sessions.lock().forget();
                replica.history.lock().reset(at.index);
                self.inner.ended.flushed(self.group, record.stamp);
                Ok(())
            }
            (_, Some(error)) => Err(error),
            (Err(error), None) => Err(fold(error)),
        }
    }
}

impl Drop for LsmStaging {
    fn drop(&mut self) {
        if let Some(spool) = &self.spool {
            // What cannot be removed now is removed at the next start.
            let _ = self.inner.store.delete(spool.object.id());
        }
    }
}

/// What a group is to hold, read back chunk by chunk.
struct Items<'a> {
    spool: &'a Spool,
    next: core::slice::Iter<'a, u32>,
    offset: u64,
    current: Option<ChunkItems>,
}

impl Items<'_> {
    fn next(&mut self) -> Result<Option<(Bytes, Bytes)>, PortError> {
        loop {
            if let Some(items) = &mut self.current
                && let Some(item) = items
                    .next()
                    .map_err(|error| corrupt(self.spool, self.offset, error))?
            {
                return Ok(Some(item));
            }
            let Some(&length) = self.next.next() else {
                return Ok(None);
            };
            let mut bytes = vec![0; usize::try_from(length).unwrap_or(usize::MAX)];
            self.spool
                .object
                .read_at(self.offset, &mut bytes)
                .map_err(fold_io)?;
            let (_, items) = chunk::read(&bytes.into())
                .map_err(|error| corrupt(self.spool, self.offset, error))?;
            self.offset += u64::from(length);
            self.current = Some(items);
        }
    }
}

fn bad(detail: impl Into<alloc::string::String>) -> PortError {
    PortError::new(PortErrorKind::BadSnapshot, detail)
}

/// What was kept a moment ago is not what is there now.
fn corrupt(spool: &Spool, offset: u64, error: chunk::ChunkError) -> PortError {
    PortError::new(
        PortErrorKind::Corrupt,
        format!("{} at byte {offset}: {error}", spool.object.id()),
    )
}
