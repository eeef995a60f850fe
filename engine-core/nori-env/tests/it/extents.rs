//! Every crash point of an extent store, and every way in which unflushed blocks survive.

use std::collections::BTreeMap;
use std::sync::Arc;

use nori_env::{BlockObject, BlockStore, ExtentStore, IoError, IoErrorKind, ObjectId};
use norikv_testkit::{CrashDevice, CrashFault, fates};
use norikv_types::Prng;

const UNIT: u32 = 64;
const BLOCKS: u64 = 200;
/// Draws where there are too many unflushed blocks for every subset.
const DRAWS: usize = 12;

/// What the contract promises of one object.
#[derive(Debug, Clone, Default)]
struct File {
    appended: Vec<u8>,
    /// Bytes of them that must be there.
    synced: usize,
    /// Length if set aside whole; then nothing is promised about the bytes behind `synced`.
    fixed: Option<usize>,
    /// What it held under its name before it was recycled, as long as nothing was appended.
    before: Option<Box<Self>>,
}

/// What the caller of a store knows.
#[derive(Debug, Default)]
struct Told {
    files: Vec<File>,
    names: BTreeMap<ObjectId, usize>,
    /// Names that a crash must leave as they are here, where they are the same in `names`.
    sure: BTreeMap<ObjectId, usize>,
    /// Names given since the last barrier, kept or not.
    given: BTreeMap<ObjectId, usize>,
}

/// A run of operations drawn from a seed.
struct Run<'a> {
    store: &'a ExtentStore,
    told: &'a mut Told,
    open: BTreeMap<ObjectId, Arc<dyn BlockObject>>,
    psow: bool,
    next: u64,
}

impl Run<'_> {
    fn step(&mut self, prng: &mut Prng) -> Result<(), IoError> {
        let known: Vec<ObjectId> = self.told.names.keys().copied().collect();
        let some = |prng: &mut Prng| {
            let nth = usize::try_from(prng.below(known.len().max(1) as u64)).unwrap();
            known.get(nth).copied()
        };
        match (prng.below(10), some(prng)) {
            (0 | 1, _) | (_, None) => self.create(prng),
            (2..=4, Some(id)) => self.append(id, prng),
            (5 | 6, Some(id)) => self.sync(id),
            (7, Some(id)) => self.delete(id),
            (8, Some(id)) => self.recycle(id),
            (_, Some(_)) => {
                self.store.barrier()?;
                self.told.sure = self.told.names.clone();
                self.told.given.clear();
                Ok(())
            }
        }
    }

    fn fresh(&mut self) -> ObjectId {
        self.next += 1;
        ObjectId::log(self.next)
    }

    fn create(&mut self, prng: &mut Prng) -> Result<(), IoError> {
        let id = self.fresh();
        let reserve = (prng.below(3) == 0).then(|| 64 + prng.below(200));
        let fixed = reserve.map(|bytes| usize::try_from(bytes).unwrap());
        self.told.names.insert(id, self.told.files.len());
        self.told.given.insert(id, self.told.files.len());
        self.told.files.push(File {
            fixed,
            ..File::default()
        });
        match self.store.create(id, reserve) {
            Ok(object) => drop(self.open.insert(id, object)),
            Err(error) if error.kind == IoErrorKind::NoSpace => {
                self.told.names.remove(&id);
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn append(&mut self, id: ObjectId, prng: &mut Prng) -> Result<(), IoError> {
        let file = &mut self.told.files[self.told.names[&id]];
        let mut at = file.appended.len();
        if !self.psow {
            at = at.next_multiple_of(UNIT as usize);
        } else if prng.below(8) == 0 {
            at += usize::try_from(prng.below(150)).unwrap();
        }
        let mut bytes = vec![0; usize::try_from(1 + prng.below(200)).unwrap()];
        bytes.fill_with(|| u8::try_from(1 + prng.below(255)).unwrap());
        if let Some(fixed) = file.fixed {
            bytes.truncate(fixed.saturating_sub(at));
            if bytes.is_empty() {
                return Ok(());
            }
        }
        file.before = None;
        let before = file.appended.len();
        file.appended.resize(at, 0);
        file.appended.extend_from_slice(&bytes);
        match self.open[&id].append(at as u64, &[&bytes]) {
            Err(error) if error.kind == IoErrorKind::NoSpace => {
                file.appended.truncate(before);
                Ok(())
            }
            other => other,
        }
    }

    fn sync(&mut self, id: ObjectId) -> Result<(), IoError> {
        self.open[&id].sync()?;
        let number = self.told.names[&id];
        let file = &mut self.told.files[number];
        file.synced = file.appended.len();
        file.before = None;
        self.told.sure.retain(|_, other| *other != number);
        self.told.sure.insert(id, number);
        Ok(())
    }

    fn delete(&mut self, id: ObjectId) -> Result<(), IoError> {
        self.open.remove(&id);
        self.told.names.remove(&id);
        self.store.delete(id)
    }

    fn recycle(&mut self, id: ObjectId) -> Result<(), IoError> {
        let new = self.fresh();
        let number = self.told.names.remove(&id).unwrap();
        self.told.names.insert(new, number);
        self.told.given.insert(new, number);
        let file = &mut self.told.files[number];
        let before = file.clone();
        *file = File {
            fixed: Some(file.fixed.unwrap_or(file.appended.len())),
            before: Some(Box::new(before)),
            ..File::default()
        };
        self.open.remove(&id);
        let object = self.store.recycle(id, new)?;
        self.open.insert(new, object);
        Ok(())
    }
}

fn run(device: &CrashDevice, told: &mut Told, psow: bool, seed: u64) -> Result<(), IoError> {
    let mut prng = Prng::new(seed);
    let store = ExtentStore::open_or_format(Arc::new(device.clone()))?;
    let open = BTreeMap::new();
    let mut run = Run {
        store: &store,
        told,
        open,
        psow,
        next: 0,
    };
    for _ in 0..STEPS {
        run.step(&mut prng)?;
    }
    Ok(())
}

type Image = BTreeMap<ObjectId, Vec<u8>>;

fn image(store: &ExtentStore) -> Image {
    let all = store.list().unwrap().into_iter().map(|id| {
        let object = store.open(id).unwrap();
        let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
        object.read_at(0, &mut bytes).unwrap();
        (id, bytes)
    });
    all.collect()
}

/// The store that a crash left holds what it told its caller.
fn check(told: &Told, image: &Image, context: &str) {
    for (id, bytes) in image {
        let now = told.names.get(id);
        let number = now.or_else(|| told.sure.get(id));
        let number = number.or_else(|| told.given.get(id));
        let number =
            *number.unwrap_or_else(|| panic!("{context}: {id} was never made, or is gone"));
        let file = &told.files[number];
        let file = match (&file.before, now) {
            // The rename did not survive; nothing was written since.
            (Some(before), None) => before,
            (None, None) if file.fixed.is_some() => continue,
            _ => file,
        };
        let synced = &file.appended[..file.synced];
        assert!(
            bytes.starts_with(synced),
            "{context}: {id} lost bytes: {file:?}, {bytes:?}"
        );
        if let Some(fixed) = file.fixed {
            assert!(bytes.len() >= synced.len().min(fixed), "{context}: {id}");
        } else {
            assert!(bytes.len() <= file.appended.len(), "{context}: {id} grew");
        }
    }
    for (id, number) in &told.sure {
        if told.names.get(id) == Some(number) {
            assert!(image.contains_key(id), "{context}: {id} was durable");
        }
        let renamed = told.names.iter().find(|(_, other)| *other == number);
        if let Some((new, _)) = renamed.filter(|(new, _)| *new != id) {
            let found = [id, new].map(|id| image.contains_key(id));
            assert_ne!(found[0], found[1], "{context}: {id} became {new}");
        }
    }
}

fn open(device: &CrashDevice) -> Result<ExtentStore, IoError> {
    ExtentStore::open_or_format(Arc::new(device.clone()))
}

fn every_crash_point(psow: bool, seed: u64) -> u64 {
    let whole = CrashDevice::new(UNIT, BLOCKS, psow);
    run(&whole, &mut Told::default(), psow, seed).unwrap();
    let mut checked = 0;
    for op in 0..whole.ops() {
        let device = CrashDevice::new(UNIT, BLOCKS, psow);
        device.arm(op, CrashFault::PowerCut);
        let mut told = Told::default();
        run(&device, &mut told, psow, seed).unwrap_err();
        let mut prng = Prng::new(seed ^ op);
        for fates in fates(device.undecided(), DRAWS, &mut prng) {
            checked += 1;
            let context = format!("seed {seed}, psow {psow}, cut at {op}, {fates:?}");
            let after = device.crash_as(&fates);
            let calm = after.fork();
            let store = open(&calm).unwrap_or_else(|error| panic!("{context}: {error}"));
            let recovered = image(&store);
            check(&told, &recovered, &context);
            drop(store);
            assert_eq!(
                image(&open(&calm.crash_as(&[])).unwrap()),
                recovered,
                "{context}"
            );
            if !prng.below(16).is_multiple_of(16) {
                continue;
            }
            // Opening may be cut off anywhere too.
            for again in after.ops()..calm.ops() {
                let second = after.fork();
                second.arm(again, CrashFault::PowerCut);
                let _ = open(&second);
                for fates in self::fates(second.undecided(), 4, &mut prng) {
                    let store = open(&second.crash_as(&fates));
                    let store = store.unwrap_or_else(|error| panic!("{context}: {error}"));
                    assert_eq!(image(&store), recovered, "{context}, again at {again}");
                }
            }
        }
    }
    checked
}

#[test]
fn every_crash_point_of_an_extent_store_keeps_the_contract() {
    let mut checked = 0;
    for seed in 0..SEEDS {
        checked += every_crash_point(seed % 3 != 2, seed);
    }
    assert!(checked > 20_000, "{checked}");
}

#[test]
fn after_a_failed_flush_nothing_is_acknowledged_and_what_opening_shows_is_durable() {
    let mut failed = 0;
    for seed in 0..SEEDS {
        let whole = CrashDevice::new(UNIT, BLOCKS, true);
        run(&whole, &mut Told::default(), true, seed).unwrap();
        for op in 0..whole.ops() {
            let device = CrashDevice::new(UNIT, BLOCKS, true);
            device.arm(op, CrashFault::SyncFailed);
            let mut told = Told::default();
            let result = run(&device, &mut told, true, seed);
            if device.armed() {
                continue;
            }
            failed += 1;
            let context = format!("seed {seed}, failed flush at {op}");
            assert!(result.is_err(), "{context}");
            // The caches show what the device does not hold.
            let cached = device.fork();
            let store = open(&cached).unwrap_or_else(|error| panic!("{context}: {error}"));
            let names = store.list().unwrap();
            drop(store);
            for fates in fates(cached.undecided(), DRAWS, &mut Prng::new(op)) {
                let store = open(&cached.crash_as(&fates));
                let store = store.unwrap_or_else(|error| panic!("{context}: {error}"));
                assert_eq!(store.list().unwrap(), names, "{context}");
                check(&told, &image(&store), &context);
            }
        }
    }
    assert!(failed > 100, "{failed}");
}

#[test]
fn a_flipped_bit_of_the_table_changes_nothing() {
    let device = CrashDevice::new(UNIT, BLOCKS, true);
    run(&device, &mut Told::default(), true, 1).unwrap();
    let device = device.crash_as(&fates(device.undecided(), 0, &mut Prng::new(0))[0]);
    let expected = image(&open(&device).unwrap());
    assert!(!expected.is_empty());
    let slots = 2 * 4096 * 8;
    for bit in (0..slots).filter(|bit| bit % 4096 / 8 < 400 || bit % 61 == 0) {
        let copy = device.fork();
        copy.flip_bit(bit);
        assert_eq!(image(&open(&copy).unwrap()), expected, "bit {bit}");
    }
}

const STEPS: u32 = 16;
const SEEDS: u64 = 24;
