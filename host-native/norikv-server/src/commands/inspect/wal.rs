//! A segment of a log.

use anyhow::Result;
use nori_env::{BlockStore, ObjectId};
use nori_wal::{BadPart, FrameKind, Inspected, Rest, Wal};
use serde::Serialize;

use super::excerpt;
use crate::output::{self, Output};

#[derive(Serialize)]
struct Line {
    start: u64,
    end: u64,
    part: String,
    lsn: Option<u64>,
    watermark: Option<u64>,
    records: Option<u32>,
    /// What else there is to say.
    note: String,
    bad: bool,
}

/// Shows the segment `id`; whether everything in it verifies.
pub(super) fn show(
    store: &dyn BlockStore,
    id: ObjectId,
    all: bool,
    output: Output,
) -> Result<bool> {
    let mut lines = Vec::new();
    Wal::inspect(store, id, &mut |part| lines.extend(line(part, all)))?;
    let sound = !lines.iter().any(|line| line.bad);
    match output {
        Output::Json => {
            for line in &lines {
                output::json(line)?;
            }
        }
        Output::Table => {
            let headings = ["BYTES", "PART", "LSN", "DURABLE BELOW", "RECORDS", ""];
            let mut table = output::table(headings);
            let number = |number: Option<u64>| number.map_or_else(String::new, |it| it.to_string());
            for line in &lines {
                table.add_row([
                    format!("{}..{}", line.start, line.end),
                    line.part.clone(),
                    number(line.lsn),
                    number(line.watermark),
                    number(line.records.map(u64::from)),
                    line.note.clone(),
                ]);
            }
            output::line(table.to_string())?;
        }
    }
    Ok(sound)
}

fn line(part: Inspected<'_>, all: bool) -> Option<Line> {
    let plain = |start, end, part: &str, note: String| Line {
        start,
        end,
        part: part.to_owned(),
        lsn: None,
        watermark: None,
        records: None,
        note,
        bad: false,
    };
    Some(match part {
        Inspected::Header(header) => {
            let mut note = format!("segment {} with uid {:016x}", header.number, header.uid);
            if let Some((number, _)) = header.predecessor {
                note += &format!(", after segment {number}");
            }
            if header.bridge {
                note += ", written by opening";
            }
            if header.recycled {
                note += ", recycled";
            }
            Line {
                lsn: Some(header.base.0),
                watermark: Some(header.watermark.0),
                ..plain(0, u64::from(header.data_start), "header", note)
            }
        }
        Inspected::Frame(frame) => {
            let (part, note) = match frame.kind {
                FrameKind::Group => ("group", String::new()),
                FrameKind::Table => ("table", String::new()),
                FrameKind::Seal => ("seal", "proves what stands before it".to_owned()),
                FrameKind::Link { number, .. } => ("link", format!("goes on in segment {number}")),
                FrameKind::Close => ("close", "closed cleanly".to_owned()),
                _ => ("frame", String::new()),
            };
            let end = frame.offset + u64::from(frame.len);
            Line {
                lsn: Some(frame.lsn.0),
                watermark: Some(frame.watermark.0),
                records: Some(frame.records),
                ..plain(frame.offset, end, part, note)
            }
        }
        Inspected::Record {
            offset,
            lsn,
            log,
            payload,
            verifies,
        } => {
            if verifies && !all {
                return None;
            }
            let end = offset + Wal::RECORD_OVERHEAD + payload.len() as u64;
            let note = match verifies {
                true => format!("log {}: {}", log.0, excerpt(payload)),
                false => "BAD: its own checksum does not fit".to_owned(),
            };
            Line {
                lsn: Some(lsn.0),
                bad: !verifies,
                ..plain(offset, end, "  record", note)
            }
        }
        Inspected::Bad { start, end, part } => {
            let note = match part {
                BadPart::Header => "BAD: the header does not verify",
                BadPart::Body => "BAD: the body of a group does not verify",
                BadPart::Frames => "BAD: these bytes do not verify, although good ones follow",
                _ => "BAD: these bytes do not verify",
            };
            Line {
                bad: true,
                ..plain(start, end, "bad", note.to_owned())
            }
        }
        Inspected::Rest { start, end, rest } => {
            if start == end {
                return None;
            }
            let note = match rest {
                Rest::Zeros => "zeros, not written yet",
                Rest::Stale => "bytes of an earlier life of the file, or a torn tail",
                Rest::Torn => "a torn tail, or damage that only the whole log can tell from one",
                _ => "",
            };
            plain(start, end, "rest", note.to_owned())
        }
        _ => return None,
    })
}
