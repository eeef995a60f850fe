//! Reading a log without opening it.

use std::sync::Arc;

use nori_env::{BlockStore, Owner};
use nori_wal::{Lsn, OpenMode, Replayed, Wal};
use norikv_testkit::{DiskOptions, SimDisk};
use norikv_types::Prng;

use crate::support::{Seeded, open, small};

fn replayed(store: &dyn BlockStore) -> Vec<(Lsn, Vec<u8>)> {
    let mut records = Vec::new();
    Wal::replay(store, OpenMode::Strict, &mut |found| {
        if let Replayed::Record { lsn, payload, .. } = found {
            records.push((lsn, payload.to_vec()));
        }
    })
    .expect("the log is read");
    records
}

#[test]
fn a_log_that_is_only_read_gives_what_opening_it_would_and_stays_as_it_is() {
    for cut in 0..120 {
        let sim = SimDisk::new(DiskOptions {
            unit: 512,
            ..DiskOptions::default()
        });
        let store: Arc<dyn BlockStore> = Arc::new(sim.clone());
        let entropy = Seeded::new(cut);
        sim.power_off_after(cut);
        if let Ok((wal, ..)) = open(Arc::clone(&store), &entropy, &small()) {
            let _cut = (0..60_u8).try_for_each(|number| wal.append(&[&[number; 100]]).map(|_| ()));
        }
        sim.crash(&mut Prng::new(cut));
        // Somebody else has it open: reading asks for no lock.
        store.acquire(Owner(7)).unwrap();
        let before = sim.counters().mutations;
        let read = replayed(&*store);
        assert_eq!(
            sim.counters().mutations,
            before,
            "cut {cut}: nothing is written"
        );
        sim.restart();
        let (_, _, seen) = open(store, &entropy, &small()).unwrap();
        assert_eq!(read, seen.records, "cut {cut}");
    }
}
