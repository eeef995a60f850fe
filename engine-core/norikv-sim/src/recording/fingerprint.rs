//! The trace hash.

use xxhash_rust::xxh3::Xxh3;

use crate::recording::Record;

/// xxh3-64 of the seed (u64) and of every record: kind (1 byte), time (u64), node (u64), length of
/// the body (u32), body in postcard; integers little-endian.
pub(crate) struct Fingerprint {
    hash: Xxh3,
}

impl Fingerprint {
    pub(crate) fn new(seed: u64) -> Self {
        let mut hash = Xxh3::new();
        hash.update(&seed.to_le_bytes());
        Self { hash }
    }

    pub(crate) fn add(&mut self, record: &Record<impl AsRef<[u8]>>) {
        let body = record.body.as_ref();
        let len = u32::try_from(body.len()).unwrap_or(u32::MAX);
        let mut head = [0; HEAD];
        head[0] = record.kind as u8;
        head[1..9].copy_from_slice(&record.at.as_nanos().to_le_bytes());
        head[9..17].copy_from_slice(&record.node.0.to_le_bytes());
        head[17..].copy_from_slice(&len.to_le_bytes());
        self.hash.update(&head);
        self.hash.update(body);
    }

    pub(crate) fn value(&self) -> u64 {
        self.hash.digest()
    }
}

const HEAD: usize = 21;
