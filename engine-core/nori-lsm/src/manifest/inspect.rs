//! What stands in a manifest, whole or damaged, for people and tools.
//!
//! **Invariant: every byte of the object belongs to exactly one part, or is padding between
//! records.** Nothing is decided here about what counts; [`recover`](super::recover) does that.

use alloc::sync::Arc;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_env::BlockObject;
use nori_sstable::{SeqNo, TableMeta, ValueFileMeta};
use nori_wal::Lsn;
use norikv_types::WallMs;

use super::record::{self, HEAD_BYTES, Head, HeadError, Kind, Successor, align_up};
use super::recovery::load;
use crate::version_edit::{LiveSet, VersionEdit};
use crate::{Damage, Error};

/// A part of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct ManifestPart {
    /// First byte.
    pub start: u64,
    /// The byte behind it.
    pub end: u64,
    /// What stands there.
    pub what: ManifestContent,
}

/// What stands in a part of a manifest.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ManifestContent {
    /// The head.
    Head {
        /// Salts every checksum.
        uid: u64,
        /// Records begin at multiples of this.
        align: u32,
    },
    /// The first record: everything that was live when the manifest was begun.
    Base(EditInfo),
    /// A change.
    Edit(EditInfo),
    /// Proves what stands before it.
    Seal,
    /// Names the manifest that counts instead.
    Superseded {
        /// Its number.
        number: u64,
        /// Its uid.
        uid: u64,
    },
    /// Bytes that were durable once and fail a check.
    Bad(Damage),
    /// Bytes at the end that fail their checks and that nothing proves to have been durable.
    Torn,
}

/// What an edit says.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EditInfo {
    /// Every table made from now on has this number or a higher one.
    pub next_table: u64,
    /// No write handed out so far has a higher number.
    pub last_seqno: SeqNo,
    /// The log's batches up to here are in tables.
    pub flushed_seqno: SeqNo,
    /// Levels and numbers of tables that leave.
    pub removed: Vec<(u8, u64)>,
    /// Tables that come.
    pub added: Vec<TableInfo>,
    /// Guards, each with the uppermost level that it cuts.
    pub guards: Vec<(u8, Bytes)>,
    /// New keyspaces: numbers and names.
    pub keyspaces: Vec<(u16, Arc<str>)>,
    /// Numbers of keyspaces that are dropped.
    pub dropped_keyspaces: Vec<u16>,
    /// Value files that come: numbers, and what their footers are checked against.
    pub values: Vec<(u64, ValueFileMeta)>,
    /// From where on the log is needed now, where that changes; 0: no log is.
    pub log_from: Option<Lsn>,
    /// In a store of backups: when the backup was taken.
    pub taken: Option<WallMs>,
}

/// A table that a manifest names.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct TableInfo {
    /// Its level.
    pub level: u8,
    /// In level 0 a higher one is newer; below it is the lane.
    pub run: u64,
    /// The number in its object's name.
    pub number: u64,
    /// What its footer is checked against.
    pub meta: TableMeta,
    /// Numbers of the value files that it points into, each with the bytes that it points to.
    pub values: Vec<(u64, u64)>,
}

/// Every part of the manifest in `object`, front to back, and the tables that are live at its end as
/// far as its records tell.
///
/// # Errors
/// `Corrupt` when the device cannot read it; `Unsupported` for another format version; `Io`. Damage is
/// no error: it is among the parts.
pub fn inspect_manifest(
    object: &dyn BlockObject,
) -> Result<(Vec<ManifestPart>, Vec<TableInfo>), Error> {
    let id = object.id();
    let bytes = load(object)?;
    let len = bytes.len() as u64;
    let part = |start, end, what| ManifestPart { start, end, what };
    let head = match Head::decode(id.number, &bytes) {
        Ok(head) => head,
        Err(HeadError::Version(version)) => {
            let object = id;
            return Err(Error::Unsupported { object, version });
        }
        // Without the uid no record can be told from bytes that look like one.
        Err(HeadError::Damaged) => {
            let bad = ManifestContent::Bad(Damage::Head);
            return Ok((alloc::vec![part(0, len, bad)], Vec::new()));
        }
    };
    let Head { uid, align, .. } = head;
    let mut parts = alloc::vec![part(0, HEAD_BYTES, ManifestContent::Head { uid, align })];
    let mut live = LiveSet::default();
    let mut proven = 0;
    let mut at = align_up(HEAD_BYTES, align);
    while at < len {
        let Some(record) = record::decode(&head, &bytes, at) else {
            let mut end = align_up(at + 1, align).min(len);
            while end < len && record::decode(&head, &bytes, end).is_none() {
                end = align_up(end + 1, align).min(len);
            }
            parts.push(part(at, end, ManifestContent::Torn));
            at = end;
            continue;
        };
        let end = record.end;
        proven = proven.max(record.watermark);
        let edit = || VersionEdit::decode(record.payload).ok_or(Damage::Malformed);
        let mut apply = || {
            let edit = edit()?;
            // One that does not fit changes nothing.
            let mut next = live.clone();
            next.apply(&edit)?;
            live = next;
            Ok(EditInfo::from(edit))
        };
        let what = match record.kind {
            Kind::Base => apply().map(ManifestContent::Base),
            Kind::Edit => apply().map(ManifestContent::Edit),
            Kind::Seal => Ok(ManifestContent::Seal),
            Kind::Superseded => Successor::decode(record.payload)
                .map(|Successor { number, uid }| ManifestContent::Superseded { number, uid })
                .ok_or(Damage::Malformed),
        };
        parts.push(part(at, end, what.unwrap_or_else(ManifestContent::Bad)));
        at = align_up(end, align);
    }
    let mut at_tail = true;
    for part in parts.iter_mut().rev() {
        match part.what {
            ManifestContent::Torn if at_tail && part.start >= proven => {}
            ManifestContent::Torn => part.what = ManifestContent::Bad(Damage::Record),
            // Behind a torn tail stands at most the name of a successor.
            ManifestContent::Superseded { .. } => {}
            _ => at_tail = false,
        }
    }
    let tables = live.tables.into_values().map(TableInfo::from).collect();
    Ok((parts, tables))
}

impl From<VersionEdit> for EditInfo {
    fn from(edit: VersionEdit) -> Self {
        Self {
            next_table: edit.next_table,
            last_seqno: edit.last_seqno,
            flushed_seqno: edit.flushed_seqno,
            removed: edit.removed,
            added: edit.added.into_iter().map(TableInfo::from).collect(),
            guards: edit.guards,
            keyspaces: edit.keyspaces,
            dropped_keyspaces: edit.dropped_keyspaces,
            values: edit.values,
            log_from: edit.log_from,
            taken: edit.taken,
        }
    }
}

impl From<crate::version_edit::LiveTable> for TableInfo {
    fn from(table: crate::version_edit::LiveTable) -> Self {
        Self {
            level: table.level,
            run: table.run,
            number: table.number,
            meta: table.meta,
            values: table.refs,
        }
    }
}
