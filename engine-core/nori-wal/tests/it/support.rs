//! Opening logs and collecting what they replay.

use std::sync::Arc;

use nori_env::{BlockStore, Entropy};
use nori_wal::{Error, Lsn, Options, Recovery, Replayed, Wal};
use norikv_types::Prng;

use nori_env::sync::Mutex;

/// Seeded uids.
#[derive(Debug)]
pub(crate) struct Seeded(Mutex<Prng>);

impl Seeded {
    pub(crate) fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Prng::new(seed))))
    }
}

impl Entropy for Seeded {
    fn draw(&self) -> u64 {
        self.0.lock().next_u64()
    }
}

/// What one opening replayed.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(crate) struct Seen {
    pub records: Vec<(Lsn, Vec<u8>)>,
    /// Each with the number of records before it.
    pub tables: Vec<(usize, Vec<u8>)>,
}

impl Seen {
    pub(crate) fn payloads(&self) -> Vec<&[u8]> {
        self.records
            .iter()
            .map(|(_, payload)| payload.as_slice())
            .collect()
    }
}

/// Small segments, so that tests see many.
pub(crate) fn small() -> Options {
    Options {
        segment_bytes: 4096,
        first_segment_bytes: 4096,
        batch_bytes_max: 1024,
        ..Options::default()
    }
}

pub(crate) fn open(
    store: Arc<dyn BlockStore>,
    entropy: &Arc<Seeded>,
    options: &Options,
) -> Result<(Wal, Recovery, Seen), Error> {
    let mut seen = Seen::default();
    let entropy = Arc::clone(entropy) as Arc<dyn Entropy>;
    let (wal, recovery) = Wal::open(
        store,
        entropy,
        options.clone(),
        &mut |replayed| match replayed {
            Replayed::Table(table) => seen.tables.push((seen.records.len(), table.to_vec())),
            Replayed::Record { lsn, payload, .. } => seen.records.push((lsn, payload.to_vec())),
            Replayed::Corrupt(_) | Replayed::End { .. } => {}
        },
    )?;
    assert_eq!(recovery.records, seen.records.len() as u64);
    Ok((wal, recovery, seen))
}
