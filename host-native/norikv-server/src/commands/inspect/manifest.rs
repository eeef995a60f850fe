//! A manifest.

use anyhow::Result;
use nori_env::BlockObject;
use nori_lsm::{EditInfo, ManifestContent, TableInfo, inspect_manifest};
use serde::Serialize;

use super::key;
use crate::output::{self, Output};

#[derive(Serialize)]
struct Part {
    start: u64,
    end: u64,
    part: &'static str,
    note: String,
    bad: bool,
}

#[derive(Serialize)]
struct Live {
    table: u64,
    level: u8,
    run: u64,
    bytes: u64,
    entries: u64,
    tombstones: u64,
    /// Bytes of the values that it points to.
    elsewhere: u64,
    smallest: String,
    largest: String,
    seqno_min: u64,
    seqno_max: u64,
}

/// Shows the manifest in `object`; whether everything in it verifies.
pub(super) fn show(object: &dyn BlockObject, all: bool, output: Output) -> Result<bool> {
    let (found, live) = inspect_manifest(object)?;
    let mut parts = Vec::new();
    for part in &found {
        let (word, note, bad) = describe(&part.what, all);
        parts.push(Part {
            start: part.start,
            end: part.end,
            part: word,
            note,
            bad,
        });
    }
    let live: Vec<_> = live.iter().map(Live::of).collect();
    match output {
        Output::Json => {
            parts.iter().try_for_each(output::json)?;
            live.iter().try_for_each(output::json)?;
        }
        Output::Table => {
            let mut table = output::table(["BYTES", "PART", ""]);
            for part in &parts {
                let bytes = format!("{}..{}", part.start, part.end);
                table.add_row([bytes, part.part.to_owned(), part.note.clone()]);
            }
            output::line(table.to_string())?;
            let headings = [
                "TABLE",
                "LEVEL",
                "RUN",
                "BYTES",
                "ENTRIES",
                "TOMBSTONES",
                "ELSEWHERE",
                "SEQNOS",
                "KEYS",
            ];
            let mut table = output::table(headings);
            for row in &live {
                table.add_row([
                    row.table.to_string(),
                    row.level.to_string(),
                    row.run.to_string(),
                    row.bytes.to_string(),
                    row.entries.to_string(),
                    row.tombstones.to_string(),
                    row.elsewhere.to_string(),
                    format!("{}..={}", row.seqno_min, row.seqno_max),
                    format!("{} … {}", row.smallest, row.largest),
                ]);
            }
            output::line(format!("\nlive at its end: {} tables", live.len()))?;
            if !live.is_empty() {
                output::line(table.to_string())?;
            }
        }
    }
    Ok(!parts.iter().any(|part| part.bad))
}

fn describe(what: &ManifestContent, all: bool) -> (&'static str, String, bool) {
    match what {
        ManifestContent::Head { uid, align } => (
            "head",
            format!("uid {uid:016x}, records at multiples of {align}"),
            false,
        ),
        ManifestContent::Base(edit) => ("base", said(edit, all), false),
        ManifestContent::Edit(edit) => ("edit", said(edit, all), false),
        ManifestContent::Seal => ("seal", "proves what stands before it".to_owned(), false),
        ManifestContent::Superseded { number, .. } => (
            "superseded",
            format!("manifest {number} counts instead"),
            false,
        ),
        ManifestContent::Bad(damage) => ("bad", format!("BAD: {damage}"), true),
        ManifestContent::Torn => (
            "torn",
            "a torn tail: it was never acknowledged".to_owned(),
            false,
        ),
        _ => ("unknown", String::new(), false),
    }
}

/// What an edit says, in words.
fn said(edit: &EditInfo, all: bool) -> String {
    let mut words = vec![format!(
        "seqno {}, {} flushed, next table {}",
        edit.last_seqno.0, edit.flushed_seqno.0, edit.next_table
    )];
    let tables = |numbers: Vec<u64>| match numbers.len() {
        count if count > 8 && !all => format!("{count} tables"),
        _ => {
            let numbers: Vec<_> = numbers.iter().map(u64::to_string).collect();
            numbers.join(" ")
        }
    };
    if !edit.removed.is_empty() {
        let numbers = edit.removed.iter().map(|(_, number)| *number).collect();
        words.push(format!("- {}", tables(numbers)));
    }
    if !edit.added.is_empty() {
        let numbers = edit.added.iter().map(|table| table.number).collect();
        words.push(format!("+ {}", tables(numbers)));
    }
    if !edit.values.is_empty() {
        let numbers = edit.values.iter().map(|(number, _)| *number).collect();
        words.push(format!("value files {}", tables(numbers)));
    }
    if !edit.guards.is_empty() {
        words.push(match all {
            false => format!("{} guards", edit.guards.len()),
            true => {
                let guards = edit.guards.iter();
                let guards: Vec<_> = guards
                    .map(|(level, guard)| format!("{} from level {level}", key(guard)))
                    .collect();
                format!("guards {}", guards.join(", "))
            }
        });
    }
    for (number, name) in &edit.keyspaces {
        words.push(format!("keyspace {number} is {name:?}"));
    }
    for number in &edit.dropped_keyspaces {
        words.push(format!("keyspace {number} is dropped"));
    }
    if let Some(from) = edit.log_from {
        words.push(format!("the log is needed from {}", from.0));
    }
    if let Some(taken) = edit.taken {
        words.push(format!("a backup taken at {} ms", taken.0));
    }
    words.join("; ")
}

impl Live {
    fn of(table: &TableInfo) -> Self {
        let meta = &table.meta;
        Self {
            table: table.number,
            level: table.level,
            run: table.run,
            bytes: meta.size,
            entries: meta.entries,
            tombstones: meta.tombstones,
            elsewhere: table.values.iter().map(|(_, bytes)| bytes).sum(),
            smallest: key(&meta.smallest),
            largest: key(&meta.largest),
            seqno_min: meta.seqno_min.0,
            seqno_max: meta.seqno_max.0,
        }
    }
}
