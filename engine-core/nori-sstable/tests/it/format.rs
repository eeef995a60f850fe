//! The format as docs/formats/sstable.md describes it, and tables that earlier builds wrote.

use nori_env::{BlockStore, MemStore};
use nori_sstable::{
    Compression, FilterKind, InternalKeyRef, PrefixExtractor, RangeTombstone, RangeTombstones,
    SeqNo, TableBuilder, TableMeta, TableOptions, ValueKind,
};

use crate::common::{self, Version};

macro_rules! golden {
    ($name:literal) => {
        (
            $name,
            include_bytes!(concat!("../golden/", $name, ".sst")),
            include_bytes!(concat!("../golden/", $name, ".meta")),
        )
    };
}

const PAGE: &str = include_str!("../../../../docs/formats/sstable.md");
/// Tables that format version 1 wrote, each with its meta (postcard).
const GOLDEN: [(&str, &[u8], &[u8]); 5] = [
    golden!("plain"),
    golden!("lz4"),
    golden!("hash-index"),
    golden!("partitioned"),
    golden!("ranges"),
];

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

/// How the golden table of a name is built.
fn golden_options(name: &str) -> TableOptions {
    let options = TableOptions {
        block_bytes: 400,
        index_block_bytes: 100,
        compression: Compression::None,
        ..TableOptions::default()
    };
    match name {
        "plain" => options,
        "lz4" => TableOptions {
            compression: Compression::Lz4,
            filter: FilterKind::Bloom,
            ..options
        },
        "hash-index" => TableOptions {
            hash_index: true,
            restart_interval: 3,
            ..options
        },
        "partitioned" => TableOptions {
            partition_filters: true,
            prefix_extractor: Some(PrefixExtractor::Separator {
                byte: b'/',
                skip: 6,
            }),
            compression: Compression::Lz4,
            ..options
        },
        "ranges" => TableOptions {
            prefix_extractor: Some(PrefixExtractor::Fixed(6)),
            bits_per_key: 14,
            ..options
        },
        other => panic!("{other}"),
    }
}

fn golden_ranges(name: &str) -> Vec<RangeTombstone> {
    let range = |start: &'static str, end: &'static str, seqno| RangeTombstone {
        start: start.into(),
        end: end.into(),
        seqno: SeqNo(seqno),
    };
    match name {
        "ranges" => vec![
            range("fruit/03", "fruit/07", 950),
            range("fruit/05", "fruit/99", 1200),
            range("a", "b", 3),
        ],
        _ => Vec::new(),
    }
}

fn golden_table(name: &str) -> (Vec<u8>, TableMeta) {
    let store = MemStore::new();
    let object = store.create(common::ID, None).unwrap();
    let mut builder = TableBuilder::new(object, common::UID, golden_options(name));
    for (user, seqno, kind, value) in golden_entries() {
        let key = InternalKeyRef::new(&user, SeqNo(seqno), kind);
        builder.add(&key, &value).unwrap();
    }
    for range in golden_ranges(name) {
        builder.add_range_tombstone(&range).unwrap();
    }
    builder.set_property(b"name", name.as_bytes()).unwrap();
    let meta = builder.finish().unwrap();
    (common::bytes_of(&store), meta)
}

fn golden_entries() -> Vec<Version> {
    (0..120u32)
        .map(|n| {
            let user = format!("fruit/{:02}/{}", n / 8, n % 8 / 2).into_bytes();
            let value = format!("{n:08} of many, many, many, many").into_bytes();
            let seqno = u64::from(1000 - n);
            match n % 5 {
                0 => (user, seqno, ValueKind::Tombstone, Vec::new()),
                1 => (user, seqno, ValueKind::Merge, value),
                2 => (user, seqno, ValueKind::Expiring, value),
                _ => (user, seqno, ValueKind::Put, value),
            }
        })
        .collect()
}

/// The bytes of the page's dump: lines of `| offset | hex … | meaning |` in offset order.
pub(crate) fn dump(page: &str) -> Vec<u8> {
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

pub(crate) fn hex(bytes: &[u8]) -> String {
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
    for (name, bytes, meta) in GOLDEN {
        let meta: TableMeta = postcard::from_bytes(meta).unwrap();
        let table = common::open_bytes(bytes, &meta).unwrap();
        assert_eq!(common::scan(&table).unwrap(), golden_entries(), "{name}");
        for version in golden_entries() {
            let found = table.get(&version.0, SeqNo(version.1)).unwrap().unwrap();
            assert_eq!((found.kind, &*found.value), (version.2, &*version.3));
        }
        let ranges: RangeTombstones = golden_ranges(name).into_iter().collect();
        assert_eq!(table.range_tombstones(), &ranges);
        let properties = table.properties();
        assert!(properties.data_blocks > 5 && properties.index_partitions > 2);
        assert_eq!(properties.user, [("name".into(), name.into())]);
        assert_eq!((properties.merges, properties.expiring), (24, 24));
        assert_eq!(
            properties.oldest_expiry_ms,
            u64::from_le_bytes(*b"00000002")
        );
        assert!(table.may_contain_prefix(b"fruit/03/") && table.may_contain_prefix(b"fruit/"));
        let denies =
            !table.may_contain_prefix(b"fruit/77/") || !table.may_contain_prefix(b"roots/");
        assert_eq!(denies, properties.prefix_extractor.is_some(), "{name}");
        assert_eq!(table.verify().unwrap().entries, 120);
    }
}

/// Byte for byte: the same entries give the same table on every host.
#[test]
fn tables_of_format_version_1_are_still_written_the_same() {
    if let Ok(folder) = std::env::var("NORI_SSTABLE_WRITE_GOLDEN") {
        for (name, ..) in GOLDEN {
            let (bytes, meta) = golden_table(name);
            std::fs::write(format!("{folder}/{name}.sst"), &bytes).unwrap();
            let meta = postcard::to_allocvec(&meta).unwrap();
            std::fs::write(format!("{folder}/{name}.meta"), meta).unwrap();
        }
        panic!("golden files written; run again without NORI_SSTABLE_WRITE_GOLDEN");
    }
    for (name, golden, golden_meta) in GOLDEN {
        let (bytes, meta) = golden_table(name);
        assert!(bytes == golden, "the bytes of {name} differ");
        assert_eq!(postcard::to_allocvec(&meta).unwrap(), golden_meta);
    }
}
