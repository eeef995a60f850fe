//! The format as docs/formats/sstable.md describes it, and tables that earlier builds wrote.

use nori_env::MemStore;
use nori_sstable::{Compression, SeqNo, TableMeta, TableOptions, ValueKind};

use crate::common::{self, Version};

const PAGE: &str = include_str!("../../../../docs/formats/sstable.md");
/// A table of several blocks and partitions, LZ4, with filter; written by format version 1.
const GOLDEN: &[u8] = include_bytes!("golden/v1.sst");
/// Its meta, postcard.
const GOLDEN_META: &[u8] = include_bytes!("golden/v1.meta");

fn example() -> Vec<Version> {
    let version = |user: &str, seqno, kind, value: &str| -> Version {
        (user.into(), seqno, kind, value.into())
    };
    vec![
        version("nori", 7, ValueKind::Put, "toasted"),
        version("nori", 3, ValueKind::Put, "plain"),
        version("norito", 5, ValueKind::Tombstone, ""),
        version("rice", 2, ValueKind::Put, "steamed"),
    ]
}

fn example_table() -> (Vec<u8>, TableMeta) {
    let store = MemStore::new();
    let options = TableOptions {
        restart_interval: 2,
        ..TableOptions::default()
    };
    let meta = common::build(&store, &example(), options);
    (common::bytes_of(&store), meta)
}

fn golden_entries() -> Vec<Version> {
    (0..120u32)
        .map(|n| {
            let user = format!("fruit/{:02}/{}", n / 8, n % 8 / 2).into_bytes();
            let value = format!("{n} of many, many, many, many").into_bytes();
            match n % 5 {
                0 => (user, u64::from(1000 - n), ValueKind::Tombstone, Vec::new()),
                _ => (user, u64::from(1000 - n), ValueKind::Put, value),
            }
        })
        .collect()
}

/// The bytes of the page's dump: lines of `| offset | hex … | meaning |` in offset order.
fn dump(page: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    for line in page.lines() {
        let mut cells = line.split('|').map(str::trim).skip(1);
        let (Some(offset), Some(hex)) = (cells.next(), cells.next()) else {
            continue;
        };
        let (Ok(offset), Some(hex)) = (offset.parse::<usize>(), hex.strip_prefix('`')) else {
            continue;
        };
        assert_eq!(offset, bytes.len(), "the dump has no gaps: {line}");
        for byte in hex.trim_end_matches('`').split_whitespace() {
            bytes.push(u8::from_str_radix(byte, 16).unwrap());
        }
    }
    bytes
}

fn hex(bytes: &[u8]) -> String {
    let all: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    all.join(" ")
}

#[test]
fn the_worked_example_of_the_page_is_the_table_that_is_written() {
    let (bytes, meta) = example_table();
    let documented = dump(PAGE);
    if let Ok(folder) = std::env::var("NORI_SSTABLE_WRITE_GOLDEN") {
        std::fs::write(format!("{folder}/example.sst"), &bytes).unwrap();
    }
    assert_eq!(hex(&documented), hex(&bytes));
    let footer_checksum = format!("{:08x}", meta.footer_checksum);
    assert!(PAGE.contains(&footer_checksum), "{footer_checksum}");
    let table = common::open_bytes(&documented, &meta).unwrap();
    assert_eq!(common::scan(&table).unwrap(), example());
}

#[test]
fn tables_of_format_version_1_are_still_read() {
    let meta: TableMeta = postcard::from_bytes(GOLDEN_META).unwrap();
    let table = common::open_bytes(GOLDEN, &meta).unwrap();
    assert_eq!(common::scan(&table).unwrap(), golden_entries());
    for version in golden_entries() {
        let found = table.get(&version.0, SeqNo(version.1)).unwrap().unwrap();
        assert_eq!((found.kind, &*found.value), (version.2, &*version.3));
    }
    assert!(table.properties().data_blocks > 5 && table.properties().index_partitions > 2);
}

/// Byte for byte: the same entries give the same table on every host.
#[test]
fn tables_of_format_version_1_are_still_written_the_same() {
    let store = MemStore::new();
    let options = TableOptions {
        block_bytes: 400,
        index_block_bytes: 100,
        compression: Compression::Lz4,
        ..TableOptions::default()
    };
    let meta = common::build(&store, &golden_entries(), options);
    let bytes = common::bytes_of(&store);
    if let Ok(folder) = std::env::var("NORI_SSTABLE_WRITE_GOLDEN") {
        std::fs::write(format!("{folder}/v1.sst"), &bytes).unwrap();
        std::fs::write(
            format!("{folder}/v1.meta"),
            postcard::to_allocvec(&meta).unwrap(),
        )
        .unwrap();
        panic!("golden files written; run again without NORI_SSTABLE_WRITE_GOLDEN");
    }
    assert!(bytes == GOLDEN, "the bytes differ");
    assert_eq!(postcard::to_allocvec(&meta).unwrap(), GOLDEN_META);
}
