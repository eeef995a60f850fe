//! A sorted table.

use std::sync::Arc;

use anyhow::Result;
use nori_env::BlockObject;
use nori_sstable::inspect::{self, BlockKind, Entry};
use nori_sstable::{BlockCache, Error, Properties, Table, TableMeta, ValueKind, ValuePointer};
use serde::Serialize;

use super::{excerpt, key};
use crate::output::{self, Output};

#[derive(Serialize)]
struct Summary {
    uid: String,
    bytes: u64,
    entries: u64,
    keys: u64,
    tombstones: u64,
    range_tombstones: u64,
    merges: u64,
    expiring: u64,
    pointers: u64,
    smallest: String,
    largest: String,
    seqno_min: u64,
    seqno_max: u64,
    data_blocks: u64,
    data_bytes: u64,
    raw_bytes: u64,
    index_bytes: u64,
    filter: &'static str,
    filter_bytes: u64,
    compression: &'static str,
}

#[derive(Serialize)]
struct BlockLine {
    start: u64,
    end: u64,
    block: String,
    payload_bytes: u64,
    compressed: bool,
    checksum: String,
    up_to: Option<String>,
}

#[derive(Serialize)]
struct EntryLine {
    key: String,
    seqno: u64,
    kind: &'static str,
    value: String,
}

#[derive(Serialize)]
struct BadLine {
    bad: String,
    start: Option<u64>,
}

/// Shows the table in `object`; whether everything in it verifies.
pub(super) fn show(object: &Arc<dyn BlockObject>, all: bool, output: Output) -> Result<bool> {
    let opened = inspect::meta_of(object)
        .and_then(|meta| Table::open(Arc::clone(object), &meta, BlockCache::new(0)));
    let table = match opened {
        Ok(table) => table,
        Err(error) => return bad(&error, output).map(|()| false),
    };
    let summary = Summary::of(table.meta(), table.properties());
    match output {
        Output::Json => output::json(&summary)?,
        Output::Table => output::line(summary.text())?,
    }
    let mut sound = true;
    let mut rows = output::table(["BYTES", "BLOCK", "PAYLOAD", "CHECKSUM", "UP TO KEY"]);
    let mut damage = Vec::new();
    for block in inspect::blocks(&table) {
        let block = match block {
            Ok(block) => block,
            Err(error) => {
                damage.push(error);
                continue;
            }
        };
        let line = BlockLine {
            start: block.offset,
            end: block.offset + u64::from(block.stored_bytes),
            block: name(block.kind).to_owned(),
            payload_bytes: block.payload_bytes,
            compressed: block.is_compressed,
            checksum: format!("{:08x}", block.checksum),
            up_to: block.separator.as_deref().map(key),
        };
        match output {
            Output::Json => output::json(&line)?,
            Output::Table => {
                let packed = if line.compressed { " LZ4" } else { "" };
                rows.add_row([
                    format!("{}..{}", line.start, line.end),
                    line.block,
                    format!("{}{packed}", line.payload_bytes),
                    line.checksum,
                    line.up_to.unwrap_or_default(),
                ]);
            }
        }
        if !all {
            continue;
        }
        match inspect::entries(&table, &block) {
            Ok(entries) => {
                for entry in entries {
                    let line = EntryLine {
                        key: key(&entry.key.user),
                        seqno: entry.key.seqno.0,
                        kind: kind(entry.key.kind),
                        value: value(&entry),
                    };
                    match output {
                        Output::Json => output::json(&line)?,
                        Output::Table => {
                            let what = format!("  {} = {}", line.key, line.value);
                            let kind = format!("  {} at {}", line.kind, line.seqno);
                            rows.add_row([String::new(), kind, String::new(), String::new(), what]);
                        }
                    }
                }
            }
            Err(error) => damage.push(error),
        }
    }
    if output == Output::Table {
        output::line(format!("\n{rows}"))?;
    }
    // What hangs together only over several blocks: order, counts, filters.
    if damage.is_empty()
        && let Err(error) = table.verify()
    {
        damage.push(error);
    }
    for error in &damage {
        sound = false;
        bad(error, output)?;
    }
    Ok(sound)
}

/// Shows damage; anything else is an error of the command.
pub(super) fn bad(error: &Error, output: Output) -> Result<()> {
    let start = match error {
        Error::Corrupt { offset, .. } => Some(*offset),
        Error::Unsupported { .. } => None,
        other => return Err(other.clone().into()),
    };
    let bad = error.to_string();
    match output {
        Output::Json => output::json(&BadLine { bad, start }),
        Output::Table => output::line(format!("BAD: {bad}")),
    }
}

impl Summary {
    fn of(meta: &TableMeta, known: &Properties) -> Self {
        Self {
            uid: format!("{:016x}", meta.uid),
            bytes: meta.size,
            entries: meta.entries,
            keys: known.user_keys,
            tombstones: meta.tombstones,
            range_tombstones: meta.range_tombstones,
            merges: known.merges,
            expiring: known.expiring,
            pointers: known.pointers,
            smallest: key(&meta.smallest),
            largest: key(&meta.largest),
            seqno_min: meta.seqno_min.0,
            seqno_max: meta.seqno_max.0,
            data_blocks: known.data_blocks,
            data_bytes: known.data_bytes,
            raw_bytes: known.raw_bytes,
            index_bytes: known.index_bytes,
            filter: match known.filter_kind {
                0 => "none",
                1 => "blocked Bloom",
                2 => "binary fuse",
                _ => "unknown",
            },
            filter_bytes: known.filter_bytes,
            compression: match known.compression {
                0 => "none",
                1 => "LZ4",
                _ => "unknown",
            },
        }
    }

    fn text(&self) -> String {
        let rows = [
            ("uid", self.uid.clone()),
            ("bytes", self.bytes.to_string()),
            (
                "entries",
                format!(
                    "{} of {} keys, {} of them tombstones, {} merges, {} expiring, {} pointers",
                    self.entries,
                    self.keys,
                    self.tombstones,
                    self.merges,
                    self.expiring,
                    self.pointers
                ),
            ),
            ("range tombstones", self.range_tombstones.to_string()),
            ("keys", format!("{} … {}", self.smallest, self.largest)),
            ("seqnos", format!("{}..={}", self.seqno_min, self.seqno_max)),
            (
                "data",
                format!(
                    "{} blocks, {} bytes, {} uncompressed ({})",
                    self.data_blocks, self.data_bytes, self.raw_bytes, self.compression
                ),
            ),
            ("index", format!("{} bytes", self.index_bytes)),
            (
                "filter",
                format!("{} bytes, {}", self.filter_bytes, self.filter),
            ),
        ];
        let lines = rows.map(|(name, value)| format!("{name:<18}{value}"));
        lines.join("\n")
    }
}

const fn name(kind: BlockKind) -> &'static str {
    match kind {
        BlockKind::Data => "data",
        BlockKind::Index => "index",
        BlockKind::TopIndex => "top index",
        BlockKind::Filter => "filter",
        BlockKind::Properties => "properties",
        BlockKind::RangeTombstones => "range tombstones",
        _ => "unknown",
    }
}

const fn kind(kind: ValueKind) -> &'static str {
    match kind {
        ValueKind::Tombstone => "delete",
        ValueKind::Put => "put",
        ValueKind::Merge => "merge",
        ValueKind::Expiring => "put expiring",
        ValueKind::Pointer => "put elsewhere",
        ValueKind::ExpiringPointer => "put elsewhere, expiring",
    }
}

/// The first bytes of a value, or where it lies.
fn value(entry: &Entry) -> String {
    let pointer = match entry.key.kind {
        ValueKind::Pointer => Some(&*entry.value),
        // Behind the time.
        ValueKind::ExpiringPointer => entry.value.get(8..),
        _ => None,
    };
    match pointer.and_then(ValuePointer::decode) {
        Some(pointer) => format!(
            "bytes {}..{} of value file {:016x}, checksum {:08x}",
            pointer.offset,
            pointer.offset + u64::from(pointer.length),
            pointer.uid,
            pointer.checksum
        ),
        None => excerpt(&entry.value),
    }
}
