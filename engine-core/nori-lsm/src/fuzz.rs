//! Bodies for a fuzzer: bytes from outside in every place where the engine reads any.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;

use bytes::Bytes;
use nori_env::fuzzing::{Body, Drawn, Image, Tape};
use nori_env::{BlockStore, Clock, Entropy, Geometry, MemStore, ObjectKind, Owner};
use nori_wal::Wal;
use norikv_types::{Mono, WallMs};

use crate::{
    Error, JobState, Log, Lsm, OpenMode, Options, SeqNo, WriteBatch, batch, inspect_manifest,
    verify_store,
};

/// The bodies, by name.
pub const BODIES: &[Body] = &[
    ("store", store),
    ("batch", batch),
    ("manifest", crate::manifest::fuzz::manifest),
];

/// What was ever written.
type Written = BTreeMap<Bytes, BTreeSet<Bytes>>;

/// A damaged store: what it gives was written to that key once, and it goes on.
fn store(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let geometry = Geometry {
        unit: 64,
        psow: tape.byte() & 1 == 0,
        recycle: tape.byte() & 1 == 0,
        capacity: None,
    };
    let mut written = Written::new();
    let uids = Drawn::new(1);
    let store = Arc::new(MemStore::with_geometry(geometry));
    build(tape, &store, &uids, &mut written).expect("nothing is wrong with it yet");
    let mut image = Image::of(&*store);
    image.damage(tape);

    let store: Arc<dyn BlockStore> = Arc::new(image.store(geometry));
    let _ = verify_store(&*store, Some(&*store), &mut |_| {});
    for id in image.objects.keys() {
        if id.kind == ObjectKind::Manifest {
            let _ = store.open(*id).map(|object| inspect_manifest(&*object));
        }
    }
    let read_only = Options {
        mode: OpenMode::ReadOnly,
        ..options()
    };
    if let Ok(lsm) = open(&store, read_only, &uids) {
        read(&lsm, &written);
    }
    assert_eq!(Image::of(&*store), image, "reading changes nothing");
    let Ok(lsm) = open(&store, options(), &uids) else {
        return;
    };
    read(&lsm, &written);
    let _ = lsm.verify(&mut |_| {});
    // It goes on as far as it can, and what it acknowledges is there afterwards.
    let _ = work(&lsm);
    if lsm.put(b"after", b"all").is_err() {
        return;
    }
    let flushed = lsm.flush();
    drop(lsm);
    match open(&store, options(), &uids) {
        Ok(lsm) => {
            if let Ok(got) = lsm.get(b"after") {
                assert_eq!(got.as_deref(), Some(&b"all"[..]));
            }
        }
        Err(error) => assert!(flushed.is_err(), "what it made does not open: {error}"),
    }
}

/// Bytes as the batch of a log record whose checksums fit.
fn batch(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let geometry = Geometry {
        unit: 64,
        psow: true,
        recycle: false,
        capacity: None,
    };
    let store: Arc<dyn BlockStore> = Arc::new(MemStore::with_geometry(geometry));
    let uids = Drawn::new(1);
    let lsm = open(&store, options(), &uids).expect("a new store");
    lsm.put(b"first", b"value").expect("there is room");
    drop(lsm);
    let log_options = nori_wal::Options {
        segment_bytes: 4 << 10,
        first_segment_bytes: 4 << 10,
        batch_bytes_max: 1 << 10,
        owner: Some(OWNER),
        ..nori_wal::Options::default()
    };
    let log = Wal::open(Arc::clone(&store), Drawn::new(3), log_options, &mut |_| {});
    let (log, _) = log.expect("a good log");
    for number in 0..1 + tape.byte() % 3 {
        let mut batch = WriteBatch::new();
        for key in 0..tape.byte() % 4 {
            let key = format!("k{key}").into_bytes();
            match tape.byte() % 3 {
                0 => batch.delete(&key),
                _ => batch.put(&key, tape.bytes(40)),
            };
        }
        let mut bytes = batch.seal(SeqNo(u64::from(number) * 4 + 2)).to_vec();
        match tape.byte() % 4 {
            0 => bytes = tape.bytes(300).to_vec(),
            1 => {}
            _ => tape.damage(&mut bytes),
        }
        let shared = Bytes::from(bytes);
        if batch::decode(&shared).is_some() {
            batch::for_each(&shared, |_, _, _, _| {});
        }
        log.append(&[&shared]).expect("there is room");
    }
    drop(log);
    if let Ok(lsm) = open(&store, options(), &uids) {
        assert_eq!(
            lsm.get(b"first").ok().flatten().as_deref(),
            Some(&b"value"[..])
        );
        let mut iter = lsm.iter(.., &lsm.snapshot());
        while let Ok(Some(_)) = iter.next() {}
        let _ = work(&lsm);
        let _ = lsm.flush();
    }
}

fn build(
    tape: &mut Tape<'_>,
    store: &Arc<MemStore>,
    uids: &Arc<Drawn>,
    written: &mut Written,
) -> Result<(), Error> {
    let store: Arc<dyn BlockStore> = Arc::clone(store) as Arc<dyn BlockStore>;
    let mut lsm = open(&store, options(), uids)?;
    for number in 0..2 + tape.byte() % 24 {
        let key = Bytes::from(format!("k{}", tape.byte() % 8));
        match tape.byte() % 12 {
            0 => drop(lsm.delete(&key)?),
            1 => lsm.rotate(),
            2 => work(&lsm)?,
            3 => lsm.flush()?,
            4 => {
                lsm.close()?;
                drop(lsm);
                lsm = open(&store, options(), uids)?;
            }
            _ => {
                let value = Bytes::from(vec![number; tape.index(60)]);
                lsm.put(&key, &value)?;
                written.entry(key).or_default().insert(value);
            }
        }
    }
    if tape.byte() & 1 == 0 {
        lsm.close()?;
    }
    Ok(())
}

fn read(lsm: &Lsm, written: &Written) {
    let known = |key: &Bytes, value: &Bytes| {
        let good = written
            .get(key)
            .is_some_and(|values| values.contains(value));
        assert!(good, "{key:?} never was {value:?}");
    };
    for back in [false, true] {
        let mut iter = lsm.iter(.., &lsm.snapshot());
        while let Ok(Some((key, value))) = if back { iter.prev() } else { iter.next() } {
            known(&key, &value);
        }
    }
    for key in written.keys() {
        if let Ok(Some(value)) = lsm.get(key) {
            known(key, &value);
        }
    }
}

/// All background work; a store of a few entries has little.
pub(crate) fn work(lsm: &Lsm) -> Result<(), Error> {
    let mut steps = 0;
    while let Some(mut job) = lsm.next_job() {
        while job.step(64)? == JobState::More {
            steps += 1;
        }
        steps += 1;
        assert!(steps < 10_000, "background work does not end");
    }
    Ok(())
}

/// Of one `uids` for all of a run: no two objects of a store have the same.
pub(crate) fn open(
    store: &Arc<dyn BlockStore>,
    options: Options,
    uids: &Arc<Drawn>,
) -> Result<Lsm, Error> {
    let uids = Arc::clone(uids) as Arc<dyn Entropy>;
    Lsm::open_in(Arc::clone(store), Arc::new(Still), uids, options)
}

pub(crate) fn options() -> Options {
    Options {
        log: Log::Inside,
        memtable_bytes: 300,
        memtables_waiting_max: 2,
        fresh_runs_min: 2,
        fresh_runs_max: 4,
        level_base_bytes: 1 << 10,
        level_ratio: 2,
        table_bytes: 256,
        cache_bytes: 1 << 16,
        value_separation: Some(20),
        manifest_bytes: 400,
        log_segment_bytes: 1 << 10,
        batch_bytes_max: 1 << 10,
        owner: Some(OWNER),
        ..Options::default()
    }
}

/// A clock that stands still.
#[derive(Debug)]
struct Still;

impl Clock for Still {
    fn now(&self) -> Mono {
        Mono::ZERO
    }

    fn wall(&self) -> WallMs {
        WallMs(0)
    }
}

const OWNER: Owner = Owner(1);
