//! Files of format version 1 that were written once and must be read for ever.
//!
//! With `NORI_WAL_GOLDEN=write` in the environment the files are written anew: only while the
//! version has not been released.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::BTreeMap;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use nori_env::{BlockStore, Geometry, MemStore, ObjectId};
use nori_wal::{LogId, OpenMode, Options, Replayed, Wal};
use norikv_types::Prng;

use crate::support::{Seeded, open};

type Image = BTreeMap<String, Vec<u8>>;

fn options(compress_min: Option<u32>) -> Options {
    Options {
        segment_bytes: 1536,
        first_segment_bytes: 1024,
        batch_bytes_max: 512,
        spares_max: 1,
        compress_min,
        ..Options::default()
    }
}

/// A log with everything that the format has: several logs, tables, seals, bridges, a recycled
/// segment, a spare, and a clean end.
fn written(unit: u32, psow: bool, compress_min: Option<u32>) -> MemStore {
    let disk = MemStore::with_geometry(Geometry {
        unit,
        psow,
        recycle: true,
        capacity: None,
    });
    let entropy = Seeded::new(0x0601_DE17);
    let mut prng = Prng::new(0x0601_DE17);
    for round in 0..2_u8 {
        let opened = open(Arc::new(disk.clone()), &entropy, &options(compress_min));
        let (wal, ..) = opened.unwrap();
        for number in 0..14_u8 {
            let log = LogId(u32::try_from(prng.below(3)).unwrap());
            let record = vec![b'a' + number; usize::try_from(prng.below(150)).unwrap()];
            wal.append_to(log, &[&record, &[round, number]]).unwrap();
            match number {
                4 => wal.rotate(b"a table").unwrap(),
                8 => wal.seal().unwrap(),
                9 if round == 0 => wal.release_before(wal.durable_lsn()).unwrap(),
                _ => {}
            }
        }
        if round == 1 {
            wal.prepare().unwrap();
            wal.close().unwrap();
        }
    }
    disk
}

fn image(disk: &MemStore) -> Image {
    let ids = disk.list().unwrap().into_iter();
    ids.map(|id| {
        let object = disk.open(id).unwrap();
        let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
        object.read_at(0, &mut bytes).unwrap();
        (id.to_string(), bytes)
    })
    .collect()
}

/// Everything that is replayed, as lines.
fn lines(disk: &MemStore) -> String {
    let mut lines = Vec::new();
    let recovery = Wal::replay(disk, OpenMode::Strict, &mut |replayed| match replayed {
        Replayed::Table(table) => lines.push(format!("table {}", table.escape_ascii())),
        Replayed::Record { lsn, log, payload } => {
            lines.push(format!("{lsn} of {log}: {}", payload.escape_ascii()));
        }
        Replayed::Corrupt(_) | Replayed::End { .. } => {}
    })
    .unwrap();
    let (first, end) = (recovery.first, recovery.end);
    lines.push(format!("{first}..{end} clean {}", recovery.clean));
    lines.join("\n") + "\n"
}

fn folder(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("tests/golden")
        .join(name)
}

/// The files of `name`, and what they hold.
fn golden(name: &str, now: &MemStore) -> (Image, String) {
    let folder = folder(name);
    if std::env::var_os("NORI_WAL_GOLDEN").is_some_and(|value| value == "write") {
        fs::create_dir_all(&folder).unwrap();
        for (id, bytes) in image(now) {
            fs::write(folder.join(id), bytes).unwrap();
        }
        fs::write(folder.join("records.txt"), lines(now)).unwrap();
    }
    let mut files = Image::new();
    for entry in fs::read_dir(&folder).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if ObjectId::parse(&name).is_some() {
            files.insert(name, fs::read(entry.path()).unwrap());
        }
    }
    let records = fs::read_to_string(folder.join("records.txt")).unwrap();
    (files, records)
}

fn load(files: &Image, unit: u32, psow: bool) -> MemStore {
    let disk = MemStore::with_geometry(Geometry {
        unit,
        psow,
        recycle: true,
        capacity: None,
    });
    for (name, bytes) in files {
        let id = ObjectId::parse(name).unwrap();
        let object = disk.create(id, Some(bytes.len() as u64)).unwrap();
        object.append(0, &[bytes]).unwrap();
    }
    disk
}

#[test]
fn files_of_version_1_are_read_and_the_same_bytes_are_written() {
    for (name, unit, psow) in [("v1-power-safe", 4096, true), ("v1-aligned", 64, false)] {
        let now = written(unit, psow, None);
        let (files, records) = golden(name, &now);
        assert!(files.len() > 3, "{name}");
        let disk = load(&files, unit, psow);
        assert_eq!(lines(&disk), records, "{name}");
        assert!(Wal::verify(&disk).unwrap().is_sound(), "{name}");
        let opened = open(Arc::new(disk), &Seeded::new(1), &options(None));
        assert!(opened.unwrap().1.clean, "{name}");
        assert!(image(&now) == files, "{name}: other bytes are written now");
    }
}

#[test]
fn compressed_files_of_version_1_are_read() {
    // What is written may change with the library that compresses.
    let (files, records) = golden("v1-compressed", &written(4096, true, Some(32)));
    let disk = load(&files, 4096, true);
    assert_eq!(lines(&disk), records);
    assert!(Wal::verify(&disk).unwrap().is_sound());
}
