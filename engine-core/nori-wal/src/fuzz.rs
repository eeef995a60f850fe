//! Bodies for a fuzzer: bytes from outside in every place where the log reads any.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use nori_env::fuzzing::{Body, Drawn, Image, Tape};
use nori_env::{BlockStore, Entropy, Geometry, ObjectKind, Owner};

use crate::format::{FRAME_HEADER_LEN, HEADER_LEN, checksum, u32_at, u64_at};
use crate::record::Records;
use crate::{Error, LogId, Lsn, OpenMode, Options, Replayed, SyncPolicy, Wal};

/// The bodies, by name.
pub const BODIES: &[Body] = &[("log", log), ("forged", forged), ("records", records)];

/// A damaged log: what it replays was written, in that order, and it goes on.
fn log(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let (mut image, geometry, options, written) = written(tape);
    image.damage(tape);
    let known = |replayed: &[Vec<u8>]| {
        let mut left = written.iter();
        assert!(
            (replayed.iter()).all(|payload| left.any(|other| other == payload)),
            "{replayed:?} of {written:?}"
        );
    };
    read(&image, geometry, &options, &known, true);
}

/// As `log`, with checksums that fit again: anything may be replayed, and nothing may break.
fn forged(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let (mut image, geometry, options, _) = written(tape);
    image.damage(tape);
    for (id, bytes) in &mut image.objects {
        if id.kind == ObjectKind::Log && tape.below(4) > 0 {
            forge(bytes);
        }
    }
    read(&image, geometry, &options, &|_| {}, false);
}

/// Bytes as the body of a group.
fn records(bytes: &[u8]) {
    let mut taken = 0;
    for record in Records::new(0, bytes) {
        assert!(record.len() > 0);
        taken += record.len();
        let _ = (record.verifies(1), record.is_whole(), record.payload());
    }
    assert!(taken <= bytes.len() as u64);
}

/// A log with a few segments, as it lies on disk, and what was appended to it.
fn written(tape: &mut Tape<'_>) -> (Image, Geometry, Options, Vec<Vec<u8>>) {
    let geometry = Geometry {
        unit: 64,
        psow: tape.byte() & 1 == 0,
        recycle: tape.byte() & 1 == 0,
        capacity: None,
    };
    let options = Options {
        segment_bytes: 900,
        first_segment_bytes: 900,
        batch_bytes_max: 256,
        spares_max: 1,
        compress_min: (tape.byte() & 1 == 0).then_some(40),
        mode: OpenMode::Strict,
        sync: [SyncPolicy::Group, SyncPolicy::Always, SyncPolicy::Never][tape.index(3)],
        owner: Some(Owner(1)),
        from: Lsn(0),
    };
    let store = nori_env::MemStore::with_geometry(geometry);
    let entropy = Drawn::new(u64::from(tape.byte()));
    let (wal, _) = open(Arc::new(store.clone()), &entropy, &options, &mut |_| {})
        .expect("an empty store is a new log");
    let mut written = Vec::new();
    for number in 0..1 + tape.byte() % 12 {
        let payload = vec![number; tape.index(200)];
        let log = LogId(u32::from(tape.byte() % 2));
        wal.append_to(log, &[&payload]).expect("there is room");
        written.push(payload);
        let done = match tape.byte() % 8 {
            0 => wal.rotate(b"table"),
            1 => wal.seal(),
            2 => wal.release_before(wal.durable_lsn()),
            _ => Ok(()),
        };
        done.expect("there is room");
    }
    if tape.byte() & 1 == 0 {
        wal.close().expect("there is room");
    }
    drop(wal);
    (Image::of(&store), geometry, options, written)
}

/// Reads it in every way. What only rot has damaged opens again as it was opened.
fn read(
    image: &Image,
    geometry: Geometry,
    options: &Options,
    check: &dyn Fn(&[Vec<u8>]),
    only_rot: bool,
) {
    let store = image.store(geometry);
    let _ = Wal::verify(&store);
    for id in image.objects.keys() {
        if id.kind == ObjectKind::Log {
            let _ = Wal::inspect(&store, *id, &mut |_| {});
        }
    }
    for mode in [OpenMode::Strict, OpenMode::Salvage] {
        let options = Options {
            mode,
            ..options.clone()
        };
        let mut seen = Vec::new();
        let _ = Wal::replay(&store, mode, &mut |replayed| collect(replayed, &mut seen));
        check(&seen);
        let store: Arc<dyn BlockStore> = Arc::new(image.store(geometry));
        let entropy = Drawn::new(u64::MAX);
        let mut seen = Vec::new();
        let opened = open(Arc::clone(&store), &entropy, &options, &mut |replayed| {
            collect(replayed, &mut seen);
        });
        let Ok((wal, recovery)) = opened else {
            continue;
        };
        check(&seen);
        // A log that opened goes on, and opens again.
        if wal.append(&[b"after"]).is_err() {
            continue;
        }
        drop(wal);
        let mut again = Vec::new();
        let opened = open(store, &entropy, &options, &mut |replayed| {
            collect(replayed, &mut again);
        });
        if let Err(error) = opened {
            assert!(!only_rot, "what opening made of it does not open: {error}");
            continue;
        }
        let last = again.pop();
        assert!(
            !only_rot || last.as_deref() == Some(&b"after"[..]),
            "{last:?}"
        );
        if recovery.corrupt.is_empty() && only_rot {
            assert_eq!(again, seen);
        } else {
            // Where heads are damaged links led here, and what they linked may not be found again.
            check(&again);
        }
    }
}

fn collect(replayed: Replayed<'_>, seen: &mut Vec<Vec<u8>>) {
    if let Replayed::Record { payload, .. } = replayed {
        seen.push(payload.to_vec());
    }
}

fn open(
    store: Arc<dyn BlockStore>,
    entropy: &Arc<Drawn>,
    options: &Options,
    replay: &mut dyn FnMut(Replayed<'_>),
) -> Result<(Wal, crate::Recovery), Error> {
    Wal::open(
        store,
        Arc::clone(entropy) as Arc<dyn Entropy>,
        options.clone(),
        replay,
    )
}

/// Makes every checksum fit that stands where one belongs.
fn forge(bytes: &mut [u8]) {
    if bytes.len() < HEADER_LEN {
        return;
    }
    let uid = u64_at(bytes, 8);
    let crc = checksum(uid, 0, &bytes[..92]);
    bytes[92..96].copy_from_slice(&crc.to_le_bytes());
    for at in (0..bytes.len()).step_by(8) {
        let Some(frame) = bytes
            .get_mut(at..)
            .filter(|frame| frame.len() >= FRAME_HEADER_LEN)
        else {
            return;
        };
        if &frame[..3] != b"NWF" {
            continue;
        }
        let len = u32_at(frame, 4) as usize;
        if let Some(body) = frame.get(FRAME_HEADER_LEN..len) {
            let crc = checksum(uid, at as u64, body);
            frame[32..36].copy_from_slice(&crc.to_le_bytes());
        }
        let crc = checksum(uid, at as u64, &frame[..36]);
        frame[36..40].copy_from_slice(&crc.to_le_bytes());
    }
}
