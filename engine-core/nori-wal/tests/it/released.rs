//! Reopening logs of which almost everything was released, on a disk that keeps and loses names in
//! every order that no barrier forbids.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::sync::Arc;

use nori_env::sync::Mutex;
use nori_env::{BlockStore, IoErrorKind, IoOp, Owner};
use nori_wal::{Error, Options, Wal};
use norikv_testkit::{DiskOptions, FailPoint, SimDisk, StoreStep, WatchedStore};
use norikv_types::Prng;

use crate::support::{Seeded, open};

/// A writer of numbered records, and what it was told.
struct Writer {
    disk: SimDisk,
    entropy: Arc<Seeded>,
    handed_in: u32,
    acknowledged: u32,
    /// Those below may be gone.
    released: u32,
}

impl Writer {
    fn new(disk: &SimDisk) -> Self {
        Self {
            disk: disk.clone(),
            entropy: Seeded::new(5),
            handed_in: 0,
            acknowledged: 0,
            released: 0,
        }
    }

    fn open(&self) -> Result<Wal, Error> {
        open(Arc::new(self.disk.clone()), &self.entropy, &options()).map(|(wal, ..)| wal)
    }

    fn append(&mut self, wal: &Wal, count: u32) -> Result<(), Error> {
        for _ in 0..count {
            let record = self.handed_in.to_le_bytes().repeat(30);
            self.handed_in += 1;
            wal.append(&[&record])?;
            self.acknowledged = self.handed_in;
        }
        Ok(())
    }

    fn release(&mut self, wal: &Wal) -> Result<(), Error> {
        self.released = self.acknowledged;
        wal.release_before(wal.durable_lsn())
    }

    /// Opens what is there: no corruption, and every record that must be there, in order.
    fn check(&self, context: &str) {
        let opened = open(Arc::new(self.disk.clone()), &self.entropy, &options());
        let (_, _, seen) = opened.unwrap_or_else(|error| panic!("{context}: {error}"));
        let mut payloads = seen.payloads().into_iter();
        let numbers: Vec<u32> = payloads
            .by_ref()
            .map(|payload| u32::from_le_bytes(*payload.first_chunk().unwrap()))
            .collect();
        let first = numbers.first().copied().unwrap_or(self.acknowledged);
        let end = first + u32::try_from(numbers.len()).unwrap();
        assert!(
            numbers.iter().copied().eq(first..end),
            "{context}: {numbers:?}"
        );
        assert!(
            first <= self.released && (self.acknowledged..=self.handed_in).contains(&end),
            "{context}: released {} acknowledged {} but {numbers:?}",
            self.released,
            self.acknowledged
        );
    }
}

fn options() -> Options {
    Options {
        segment_bytes: 2048,
        first_segment_bytes: 2048,
        batch_bytes_max: 256,
        spares_max: 2,
        // The same process each time, as far as the store's lock is concerned.
        owner: Some(Owner(1)),
        ..Options::default()
    }
}

fn disks() -> [DiskOptions; 4] {
    [(true, true), (true, false), (false, true), (false, false)].map(|(psow, recycle)| {
        DiskOptions {
            unit: 128,
            psow,
            recycle,
            ..DiskOptions::default()
        }
    })
}

/// Opened again and again with nothing or little to keep, and released to the end.
fn little(writer: &mut Writer) -> Result<(), Error> {
    for count in [0, 0, 2, 0, 1] {
        let wal = writer.open()?;
        writer.append(&wal, count)?;
        writer.release(&wal)?;
        drop(wal);
        drop(writer.open()?);
    }
    Ok(())
}

/// A few segments, released by an opening later; the spares are written to.
fn more(writer: &mut Writer) -> Result<(), Error> {
    let wal = writer.open()?;
    writer.append(&wal, 2)?;
    drop(wal);
    for _ in 0..2 {
        let wal = writer.open()?;
        writer.append(&wal, 20)?;
        wal.rotate(b"table")?;
        writer.release(&wal)?;
        writer.append(&wal, 30)?;
        drop(wal);
        drop(writer.open()?);
        let wal = writer.open()?;
        writer.release(&wal)?;
        writer.append(&wal, 1)?;
    }
    Ok(())
}

fn cut_everywhere(workload: fn(&mut Writer) -> Result<(), Error>, draws: u64) {
    for geometry in disks() {
        let whole = SimDisk::new(geometry);
        let mut writer = Writer::new(&whole);
        workload(&mut writer).unwrap();
        writer.check("whole");
        let mutations = whole.counters().mutations;
        assert!(mutations > 50, "{mutations}");
        for at in 0..mutations {
            let disk = SimDisk::new(geometry);
            disk.power_off_after(at);
            let mut writer = Writer::new(&disk);
            if workload(&mut writer).is_ok() {
                continue; // The last mutations are the check's.
            }
            for seed in 0..draws {
                let after = disk.fork();
                let mut prng = Prng::new(seed);
                after.crash(&mut prng);
                writer.disk = after.clone();
                // The opening after it is cut as well, at a point of its own.
                let context = format!("{geometry:?} cut at {at} seed {seed}");
                after.power_off_after(prng.below(12));
                if let Err(error @ Error::Corrupt(_)) = writer.open() {
                    panic!("{context}: {error}");
                }
                after.crash(&mut prng);
                writer.check(&context);
            }
        }
    }
}

#[test]
fn a_log_released_to_its_end_opens_after_a_power_cut_at_every_point() {
    cut_everywhere(little, 60);
}

#[test]
fn a_released_log_that_writes_to_its_spares_opens_after_a_power_cut_at_every_point() {
    cut_everywhere(more, 12);
}

#[test]
fn writing_reopening_releasing_and_reopening_twice_keeps_what_was_not_released() {
    for geometry in disks() {
        for rotates in [false, true] {
            let disk = SimDisk::new(geometry);
            let mut writer = Writer::new(&disk);
            let wal = writer.open().unwrap();
            writer.append(&wal, 2).unwrap();
            drop(wal);
            let wal = writer.open().unwrap();
            if rotates {
                wal.rotate(b"table").unwrap();
            }
            writer.release(&wal).unwrap();
            writer.append(&wal, 1).unwrap();
            drop(wal);
            writer.check("once");
            writer.check("twice");
        }
    }
}

#[test]
fn a_rotation_in_the_middle_of_a_release_keeps_the_numbers_of_segments_growing() {
    let disk = SimDisk::new(DiskOptions::default());
    let rotated = Arc::new(Mutex::new(None::<Arc<Wal>>));
    let store = WatchedStore::new(disk.clone(), {
        let rotated = Arc::clone(&rotated);
        move |step| {
            let wal = matches!(step, StoreStep::Recycling(_)).then(|| rotated.lock().take());
            if let Some(wal) = wal.flatten() {
                wal.rotate(b"").unwrap();
            }
        }
    });
    let mut writer = Writer::new(&disk);
    let (wal, ..) = open(store, &writer.entropy, &options()).unwrap();
    let wal = Arc::new(wal);
    writer.append(&wal, 200).unwrap();
    assert!(wal.segments().len() > 3);
    *rotated.lock() = Some(Arc::clone(&wal));
    writer.release(&wal).unwrap();
    assert!(rotated.lock().is_none(), "a rotation took place");
    for _ in 0..4 {
        writer.append(&wal, 1).unwrap();
        wal.rotate(b"").unwrap();
        assert!(
            (wal.segments()).is_sorted_by(|older, newer| older.number < newer.number),
            "{:?}",
            wal.segments()
        );
        writer.append(&wal, 1).unwrap();
        writer.release(&wal).unwrap();
        writer.disk = disk.fork();
        writer.check("released");
        writer.disk = disk.clone();
    }
}

#[test]
fn a_release_whose_barrier_failed_leaves_nothing_that_looks_like_loss() {
    for (geometry, nth) in disks().into_iter().flat_map(|disk| [(disk, 0), (disk, 1)]) {
        let disk = SimDisk::new(geometry);
        let mut writer = Writer::new(&disk);
        let wal = writer.open().unwrap();
        writer.append(&wal, 40).unwrap();
        // The first segment is the small one that opening wrote, which is of no further use.
        disk.fail(FailPoint::nth(IoOp::Barrier, nth, IoErrorKind::SyncFailed));
        assert!(matches!(writer.release(&wal), Err(Error::Io(_))));
        for _ in 0..4 {
            wal.rotate(b"").unwrap();
            writer.append(&wal, 1).unwrap();
            writer.release(&wal).unwrap();
            writer.disk = disk.fork();
            writer.check("released");
            writer.disk = disk.clone();
        }
    }
}

/// Found by the storage world, seed 331: the only frame that proved that the segment counts was
/// damaged, and opening took the log for new, then met what it knew of the old one.
#[test]
fn a_flipped_bit_in_all_that_is_left_of_a_released_log_never_makes_it_new() {
    for more in 0..3 {
        let disk = SimDisk::new(DiskOptions {
            unit: 512,
            ..DiskOptions::default()
        });
        let mut writer = Writer::new(&disk);
        let wal = writer.open().unwrap();
        while wal.segments().len() < 4 {
            writer.append(&wal, 1).unwrap();
        }
        writer.release(&wal).unwrap();
        writer.append(&wal, more).unwrap();
        let first = wal.first_lsn();
        drop(wal);
        disk.restart();
        let read = |disk: SimDisk| open(Arc::new(disk), &writer.entropy, &options());
        let whole = read(disk.fork()).unwrap().2.records.len();
        let mut outcomes = [0, 0];
        for id in disk.list().unwrap() {
            for bit in 0..8 * 4096 {
                let copy = disk.fork();
                if !copy.flip_bit(id, bit) {
                    break;
                }
                let opened = read(copy);
                outcomes[usize::from(opened.is_ok())] += 1;
                if let Ok((_, recovery, seen)) = opened {
                    assert!(recovery.end >= first, "bit {bit} of {id}: {recovery:?}");
                    let lost = whole - seen.records.len();
                    assert!(lost <= 1, "bit {bit} of {id}: {lost} of {whole} are lost");
                }
            }
        }
        assert!(outcomes[1] > 100, "{outcomes:?}");
    }
}
