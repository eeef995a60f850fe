//! A value file.

use std::sync::Arc;

use anyhow::Result;
use nori_env::BlockObject;
use nori_sstable::{BlockCache, Error, ValueFile, ValueFileMeta, ValueInfo};
use serde::Serialize;

use super::sst::bad;
use crate::output::{self, Output};

#[derive(Serialize)]
struct Summary {
    uid: String,
    bytes: u64,
    values: u64,
    data_bytes: u64,
}

#[derive(Serialize)]
struct Line {
    start: u64,
    end: u64,
    checksum: String,
}

/// Shows the value file in `object`; whether everything in it verifies.
pub(super) fn show(object: &Arc<dyn BlockObject>, all: bool, output: Output) -> Result<bool> {
    let opened = ValueFileMeta::of(&**object)
        .and_then(|meta| ValueFile::open(Arc::clone(object), &meta, BlockCache::new(0)));
    let file = match opened {
        Ok(file) => file,
        Err(error) => return bad(&error, output).map(|()| false),
    };
    let meta = file.meta();
    let summary = Summary {
        uid: format!("{:016x}", meta.uid),
        bytes: meta.size,
        values: meta.values,
        data_bytes: meta.data_bytes,
    };
    match output {
        Output::Json => output::json(&summary)?,
        Output::Table => output::line(format!(
            "uid {}, {} bytes, {} values of {} bytes as stored",
            summary.uid, summary.bytes, summary.values, summary.data_bytes
        ))?,
    }
    if all {
        match file.index() {
            Ok(index) => lines(&index, output)?,
            Err(error) => return bad(&error, output).map(|()| false),
        }
    }
    match verify(&file) {
        Ok(()) => Ok(true),
        Err(error) => bad(&error, output).map(|()| false),
    }
}

fn lines(index: &[ValueInfo], output: Output) -> Result<()> {
    let mut rows = output::table(["BYTES", "CHECKSUM"]);
    for value in index {
        let line = Line {
            start: value.offset,
            end: value.offset + u64::from(value.stored_bytes),
            checksum: format!("{:08x}", value.checksum),
        };
        match output {
            Output::Json => output::json(&line)?,
            Output::Table => {
                rows.add_row([format!("{}..{}", line.start, line.end), line.checksum]);
            }
        }
    }
    if output == Output::Table {
        output::line(format!("\n{rows}"))?;
    }
    Ok(())
}

fn verify(file: &Arc<ValueFile>) -> Result<(), Error> {
    let mut verifier = file.verifier();
    while !verifier.step(1 << 20)? {}
    Ok(())
}
