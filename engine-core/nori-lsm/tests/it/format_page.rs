//! The worked example of the format page is what this code writes, and it is read back.

use std::sync::Arc;

use nori_env::sync::{AtomicU64, Ordering};
use nori_env::{BlockStore, Entropy, MemStore, ObjectId};
use nori_lsm::{Log, Lsm, WriteBatch};
use norikv_testkit::VirtualClock;
use norikv_types::WallMs;

use crate::support::small;

const PAGE: &str = include_str!("../../../../docs/formats/manifest.md");

/// Draws 0x1111111111111111, 0x2222222222222222, …
#[derive(Debug, Default)]
struct Repeated(AtomicU64);

impl Entropy for Repeated {
    fn draw(&self) -> u64 {
        (self.0.fetch_add(1, Ordering::Relaxed) + 1) * 0x1111_1111_1111_1111
    }
}

/// The example: hex digits, `#` starts a comment.
fn example() -> Vec<u8> {
    let block = PAGE.split("```hex\n").nth(1).unwrap();
    let lines = block.split("```").next().unwrap().lines();
    let digits: String = lines
        .map(|line| line.split('#').next().unwrap())
        .flat_map(str::chars)
        .filter(|digit| !digit.is_whitespace())
        .collect();
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).unwrap();
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn open(store: &MemStore) -> Lsm {
    let clock = Arc::new(VirtualClock::new(WallMs(0)));
    let entropy = Arc::new(Repeated::default());
    Lsm::open_in(
        Arc::new(store.clone()),
        clock,
        entropy,
        small(Log::External),
    )
    .unwrap()
}

fn bytes_of(store: &MemStore, id: ObjectId) -> Vec<u8> {
    let object = store.open(id).unwrap();
    let mut bytes = vec![0; usize::try_from(object.len().unwrap()).unwrap()];
    object.read_at(0, &mut bytes).unwrap();
    bytes
}

fn written() -> MemStore {
    let store = MemStore::new();
    let lsm = open(&store);
    let mut batch = WriteBatch::new();
    batch.put(b"apple", b"red").delete(b"pear");
    lsm.write(batch).unwrap();
    lsm.flush().unwrap();
    store
}

#[test]
fn the_worked_example_is_what_is_written() {
    let bytes = bytes_of(&written(), ObjectId::manifest(1));
    let hex = bytes.iter().enumerate().map(|(at, byte)| {
        let end = if at % 16 == 15 { "\n" } else { " " };
        format!("{byte:02x}{end}")
    });
    assert_eq!(bytes, example(), "it is\n{}", hex.collect::<String>());
}

#[test]
fn the_worked_example_is_read() {
    let store = MemStore::new();
    for (id, bytes) in [
        (ObjectId::manifest(1), example()),
        (ObjectId::table(1), bytes_of(&written(), ObjectId::table(1))),
    ] {
        let object = store.create(id, None).unwrap();
        object.append(0, &[&bytes]).unwrap();
    }
    let lsm = open(&store);
    assert_eq!(lsm.get(b"apple").unwrap().unwrap(), "red");
    assert_eq!(lsm.get(b"pear").unwrap(), None);
    assert_eq!(lsm.visible_seqno().0, 2);
}
