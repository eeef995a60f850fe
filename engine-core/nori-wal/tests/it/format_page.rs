//! The worked example of the format page is what this code writes, and it is read back.

use std::collections::BTreeMap;
use std::sync::Arc;

use nori_env::sync::{AtomicU64, Ordering};
use nori_env::{BlockStore, Entropy, MemStore, ObjectId};
use nori_wal::{Options, Replayed, Wal};

const PAGE: &str = include_str!("../../../../docs/formats/wal.md");

/// The uids of the example: 0x1111111111111111, 0x2222222222222222, …
#[derive(Debug, Default)]
struct Repeated(AtomicU64);

impl Entropy for Repeated {
    fn draw(&self) -> u64 {
        (self.0.fetch_add(1, Ordering::Relaxed) + 1) * 0x1111_1111_1111_1111
    }
}

fn options() -> Options {
    Options {
        segment_bytes: 4096,
        first_segment_bytes: 4096,
        batch_bytes_max: 1024,
        owner: Some(nori_env::Owner(1)),
        ..Options::default()
    }
}

/// The example's files: `hex` blocks, each headed by the file's name; `#` starts a comment.
fn examples() -> BTreeMap<ObjectId, Vec<u8>> {
    let blocks = PAGE.split("```hex\n").skip(1);
    let block = |block: &str| {
        let block = block.split("```").next().unwrap_or_default();
        let mut lines = block.lines();
        let name = lines.next().and_then(ObjectId::parse);
        let digits: String = (lines.map(|line| line.split('#').next().unwrap_or_default()))
            .flat_map(str::chars)
            .filter(char::is_ascii_hexdigit)
            .collect();
        let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16);
        let bytes: Result<Vec<u8>, _> = (0..digits.len()).step_by(2).map(byte).collect();
        (name.expect("a name"), bytes.expect("hex digits"))
    };
    blocks.map(block).collect()
}

#[test]
fn the_worked_example_is_what_is_written() {
    let store = MemStore::new();
    let entropy = Arc::new(Repeated::default());
    let opened = Wal::open(Arc::new(store.clone()), entropy, options(), &mut |_| {});
    let (wal, _) = opened.unwrap();
    wal.append(&[b"hello", b"log"]).unwrap();
    wal.close().unwrap();
    for (id, expected) in examples() {
        let mut bytes = vec![0; expected.len()];
        store.open(id).unwrap().read_at(0, &mut bytes).unwrap();
        let hex = bytes.iter().enumerate().map(|(at, byte)| {
            let end = if at % 16 == 15 { "\n" } else { " " };
            format!("{byte:02x}{end}")
        });
        assert_eq!(bytes, expected, "{id} is\n{}", hex.collect::<String>());
    }
}

#[test]
fn the_worked_example_is_read() {
    let store = MemStore::new();
    for (id, bytes) in examples() {
        let reserve = (id.number == 2).then_some(4096);
        store
            .create(id, reserve)
            .unwrap()
            .append(0, &[&bytes])
            .unwrap();
    }
    let mut records = Vec::new();
    let entropy = Arc::new(Repeated(AtomicU64::new(4)));
    let (_, recovery) = Wal::open(Arc::new(store), entropy, options(), &mut |replayed| {
        if let Replayed::Record { lsn, payload, .. } = replayed {
            records.push((lsn.0, payload.to_vec()));
        }
    })
    .unwrap();
    assert_eq!(records, [(96, b"hello".to_vec()), (109, b"log".to_vec())]);
    assert!(recovery.clean && recovery.uncertain.is_none());
}
