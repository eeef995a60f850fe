//! `norikv inspect`: what stands in one file of a store.
//!
//! **Invariant: nothing is written, and damage is shown where it is instead of ending the command.**

mod manifest;
mod sst;
mod values;
mod wal;

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, Result, bail, ensure};
use nori_env::{BlockStore, DirStore, ObjectId, ObjectKind};

use crate::cli::{Inspect, InspectFile};
use crate::output::Output;

pub(super) fn run(what: &Inspect, output: Output) -> Result<ExitCode> {
    let sound = match what {
        Inspect::Wal(file) => {
            let (store, id) = open(file, ObjectKind::Log)?;
            wal::show(&*store, id, file.all, output.or_json(file.json))
        }
        Inspect::Sst(file) => {
            let (store, id) = open(file, ObjectKind::Table)?;
            sst::show(&store.open(id)?, file.all, output.or_json(file.json))
        }
        Inspect::Values(file) => {
            let (store, id) = open(file, ObjectKind::Values)?;
            values::show(&store.open(id)?, file.all, output.or_json(file.json))
        }
        Inspect::Manifest(file) => {
            let (store, id) = open(file, ObjectKind::Manifest)?;
            manifest::show(&*store.open(id)?, file.all, output.or_json(file.json))
        }
    }?;
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// The store that a file lies in, only to be read, and the file's name in it.
fn open(file: &InspectFile, kind: ObjectKind) -> Result<(Arc<dyn BlockStore>, ObjectId)> {
    let path = file.file.as_path();
    ensure!(path.exists(), "{}: no such file", path.display());
    let name = path.file_name().and_then(|name| name.to_str());
    let Some(id) = name.and_then(ObjectId::parse) else {
        // The number is part of what checksums cover.
        bail!(
            "{}: a file of a store is named like {}; its number counts",
            path.display(),
            ObjectId { kind, number: 12 }
        );
    };
    ensure!(
        id.kind == kind,
        "{}: this is no .{} file",
        path.display(),
        kind.word()
    );
    let folder = path.parent().filter(|parent| *parent != Path::new(""));
    let folder = folder.unwrap_or_else(|| Path::new("."));
    let store = DirStore::open_read_only(folder)
        .with_context(|| format!("opening {}", folder.display()))?;
    Ok((Arc::new(store), id))
}

/// The first bytes of a user key. Those of a store begin with the number of their keyspace.
fn key(bytes: &[u8]) -> String {
    match bytes.split_first_chunk() {
        Some((keyspace, rest)) if !is_text(bytes) && is_text(rest) => {
            format!("{}:{}", u16::from_be_bytes(*keyspace), excerpt(rest))
        }
        _ => excerpt(bytes),
    }
}

fn is_text(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).is_ok_and(|text| text.chars().all(|letter| !letter.is_control()))
}

/// The first bytes of a key or value: as text where they are text, else as hexadecimal digits.
fn excerpt(bytes: &[u8]) -> String {
    let shown = &bytes[..bytes.len().min(EXCERPT_BYTES)];
    let text = match std::str::from_utf8(shown) {
        Ok(text) if is_text(shown) => text.to_owned(),
        _ => {
            let digits: String = shown.iter().map(|byte| format!("{byte:02x}")).collect();
            format!("0x{digits}")
        }
    };
    match bytes.len() {
        len if len > shown.len() => format!("{text}… ({len} bytes)"),
        _ => text,
    }
}

const EXCERPT_BYTES: usize = 48;
