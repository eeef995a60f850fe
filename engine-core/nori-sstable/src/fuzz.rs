//! Bodies for a fuzzer: bytes from outside in every place where a table reads any.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use bytes::Bytes;
use nori_env::fuzzing::{Body, Tape};
use nori_env::{BlockObject, BlockStore, MemStore, ObjectId};

use crate::block::Block;
use crate::block_builder::BlockBuilder;
use crate::cursor::Cursor;
use crate::filter::{self, Filter};
use crate::frame::{self, BlockKind, HEADER_BYTES};
use crate::handle::BlockHandle;
use crate::properties::Properties;
use crate::range_tombstones::codec;
use crate::table::top::TopIndex;
use crate::{
    BlockCache, Compression, Damage, FilterKind, InternalKeyRef, PrefixExtractor, RangeTombstone,
    SeqNo, Table, TableBuilder, TableMeta, TableOptions, ValueFile, ValueFileBuilder,
    ValueFileMeta, ValueKind, ValuePointer, inspect,
};

/// The bodies, by name.
pub const BODIES: &[Body] = &[
    ("table", table),
    ("block", block),
    ("parts", parts),
    ("values", values),
];

type Entries = BTreeMap<Vec<u8>, (u64, ValueKind, Vec<u8>)>;

/// A damaged table: what it gives was put in, and what it says is missing was reported or not there.
fn table(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let (mut bytes, meta, entries) = built(tape);
    let whole = bytes.clone();
    tape.damage(&mut bytes);
    let object = object_of(&bytes);
    let _ = inspect::meta_of(&object).map(|meta| open(&bytes, &meta).map(|table| walk(&table)));
    let Ok(table) = open(&bytes, &meta) else {
        assert!(bytes != whole, "a table that nobody damaged opens");
        return;
    };
    walk(&table);
    for (key, (seqno, kind, value)) in &entries {
        match table.get(key, SeqNo::MAX) {
            Ok(found) => {
                let found = found.map(|found| (found.seqno.0, found.kind, found.value.to_vec()));
                assert_eq!(found, Some((*seqno, *kind, value.clone())), "{key:?}");
            }
            Err(error) => assert!(bytes != whole, "{error}"),
        }
    }
    match table.verify() {
        // Every byte is checked: what verifies is what was written.
        Ok(_) => assert!(bytes.starts_with(&whole), "a changed byte verifies"),
        Err(error) => assert!(bytes != whole, "{error}"),
    }
}

/// A damaged value file, and pointers that may be anything: what is read was written, or the damage is
/// told.
fn values(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let compression = match tape.byte() % 2 {
        0 => Compression::None,
        _ => Compression::Lz4,
    };
    let id = ObjectId::values(1);
    let object = MemStore::new().create(id, None).expect("a new store");
    let mut builder = ValueFileBuilder::new(Arc::clone(&object), 7, compression);
    let mut written = Vec::new();
    for _ in 0..1 + tape.byte() % 8 {
        let value = tape.bytes(80).repeat(1 + tape.index(3));
        let pointer = builder.add(&value).expect("there is room");
        written.push((pointer, value));
    }
    let meta = builder.finish().expect("there is room");
    let mut whole = vec![0; usize::try_from(meta.size).expect("small")];
    object.read_at(0, &mut whole).expect("it was written");
    let mut damaged = whole.clone();
    tape.damage(&mut damaged);
    let object = MemStore::new().create(id, None).expect("a new store");
    object.append(0, &[&damaged]).expect("there is room");

    let mut stored = Vec::new();
    if let Some((pointer, _)) = written.get(tape.index(written.len())) {
        pointer.encode_into(&mut stored);
    }
    tape.damage(&mut stored);
    let stray = ValuePointer::decode(&stored);
    let alone = ValueFileMeta::of(&*object);
    for meta in core::iter::once(meta).chain(alone) {
        let Ok(file) = ValueFile::open(Arc::clone(&object), &meta, BlockCache::new(1 << 12)) else {
            assert!(damaged != whole, "a file that nobody damaged opens");
            continue;
        };
        for (pointer, value) in &written {
            match file.read(pointer, true) {
                Ok(read) => assert_eq!(read, *value),
                Err(error) => assert!(damaged != whole, "{error}"),
            }
        }
        if let Some(stray) = stray
            && let Ok(read) = file.read(&stray, false)
        {
            assert!(written.iter().any(|(_, value)| read == *value));
        }
        let _ = file.index();
        let mut verifier = file.verifier();
        let verified = loop {
            match verifier.step(50) {
                Ok(false) => {}
                done => break done,
            }
        };
        match verified {
            Ok(_) => assert!(damaged.starts_with(&whole), "a changed byte verifies"),
            Err(error) => assert!(damaged != whole, "{error}"),
        }
    }
}

/// Everything that can be read, one way or another.
fn walk(table: &Arc<Table>) {
    for info in inspect::blocks(table) {
        let Ok(info) = info else { break };
        let _ = inspect::entries(table, &info);
    }
    let mut iter = table.iter();
    for back in [false, true] {
        let mut moved = if back {
            iter.seek_to_last()
        } else {
            iter.seek_to_first()
        };
        let mut steps = 0;
        while moved.is_ok() && iter.is_valid() {
            let _ = (iter.key().seqno, iter.value());
            moved = if back { iter.prev() } else { iter.next() };
            steps += 1;
            assert!(steps < 10_000, "a table of a few entries does not end");
        }
    }
    let _ = iter.seek(b"k3", SeqNo::MAX);
    let _ = table.may_contain(b"k3");
    let _ = table.may_contain_prefix(b"k");
    let _ = table.range_tombstones().covering(b"k3", SeqNo::MAX);
}

/// The payload of a block whose checksum fits: every search in it ends, and gives what is there.
fn block(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let interval = 1 + u32::from(tape.byte() % 4);
    let mut builder = match tape.byte() % 2 {
        0 => BlockBuilder::new(interval),
        _ => BlockBuilder::with_hash_index(interval),
    };
    for number in 0..tape.byte() % 24 {
        let key = format!("k{:02}", number * 2);
        let trailer = (1 + tape.below(200)) << 8 | tape.below(4);
        builder.add(key.as_bytes(), trailer, tape.bytes(20));
    }
    let mut payload = builder.finish(<[u8]>::to_vec);
    match tape.byte() % 4 {
        0 => {
            payload = tape.bytes(512).to_vec();
            payload.extend_from_slice(&(u32::from(tape.byte()) % 8).to_le_bytes());
        }
        1 => {}
        _ => tape.damage(&mut payload),
    }
    let entries = payload.len();
    let Ok(block) = Block::new(Bytes::from(payload)) else {
        return;
    };
    let _ = block.weight();
    let keys = [&b"k06"[..], b"", b"k", b"k99", b"\xff\xff", tape.bytes(8)];
    for key in keys {
        let bound = tape.number();
        let _ = block.find(key, filter::hash(key), bound);
        let _ = block.search_index(key, bound);
        let _ = block.last_restart_before(key, bound);
    }
    for index in 0..block.restart_count() {
        let _ = (block.index_value(index), block.restart_trailer(index));
    }
    let mut cursor = Cursor::new();
    let block = Arc::new(block);
    cursor.enter(Arc::clone(&block));
    for number in 0..2 + keys.len() * 2 {
        let moved = match number {
            0 => cursor.seek_to_first(),
            1 => cursor.seek_to_last(),
            _ => cursor.seek(keys[number / 2 - 1], tape.number()),
        };
        let back = number % 2 == 1;
        let mut moved = moved;
        let mut steps = 0;
        while moved.is_ok() && cursor.is_valid() {
            let _ = (
                cursor.key(),
                cursor.value(),
                cursor.value_bytes(),
                cursor.trailer(),
            );
            moved = if back { cursor.prev() } else { cursor.next() };
            steps += 1;
            assert!(steps <= entries, "more entries than bytes");
        }
    }
    drop(cursor);
    if let Some(block) = Arc::into_inner(block)
        && let Ok(top) = TopIndex::new(block, 0)
    {
        let _ = (top.search(b"k06", 9), top.separator(0), top.partition(0));
    }
}

/// Everything else that stands behind a checksum, and what LZ4 makes of it.
fn parts(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    match tape.byte() % 6 {
        0 => {
            let list: Vec<_> = (0..tape.byte() % 6).map(|_| tombstone(tape)).collect();
            let mut encoded = codec::encode(&crate::RangeTombstones::new(list));
            tape.damage(&mut encoded);
            range_tombstones(&encoded);
        }
        1 => range_tombstones(tape.bytes(1_024)),
        2 => {
            let _ = Properties::decode(tape.bytes(1_024));
            let _ = PrefixExtractor::decode(tape.bytes(8));
            let _ = BlockHandle::read(tape.bytes(24));
        }
        3 => {
            let mut payload = tape.bytes(256).to_vec();
            if tape.byte() & 1 == 0 {
                // A head that is believed.
                payload.splice(0..0, [tape.byte() % 4, tape.byte()]);
            }
            if let Ok(filter) = Filter::new(Bytes::from(payload)) {
                for _ in 0..8 {
                    let _ = filter.may_contain(tape.number());
                }
            }
        }
        _ => lz4(tape),
    }
}

fn range_tombstones(encoded: &[u8]) {
    let Ok(set) = codec::decode(encoded) else {
        return;
    };
    for key in [&b""[..], b"c", b"m", b"\xff"] {
        let _ = (set.covering(key, SeqNo(9)), set.fragment_of(key));
        let _ = (
            set.covering_range(key, b"x", SeqNo(3)),
            set.clip(Some(key), None),
        );
    }
    assert!(set.iter().all(|tombstone| tombstone.start < tombstone.end));
    assert_eq!(codec::decode(&codec::encode(&set)), Ok(set));
}

/// A frame whose checksum fits around a payload that may not be LZ4 at all.
fn lz4(tape: &mut Tape<'_>) {
    let mut framed = vec![0; 4];
    let kind = BlockKind::Data;
    framed.extend_from_slice(&[kind as u8, tape.byte() % 3, 0, 0]);
    let length = u32::try_from(tape.number() & 0xFFFF_FFFF).unwrap_or(0);
    let length = if tape.byte() & 1 == 0 {
        length % 4096
    } else {
        length
    };
    framed.extend_from_slice(&length.to_le_bytes());
    framed.extend_from_slice(tape.bytes(1_024));
    let crc = frame::checksum(7, 0, &framed[4..]);
    framed[..4].copy_from_slice(&crc.to_le_bytes());
    let handle = BlockHandle {
        offset: 0,
        length: u32::try_from(framed.len()).unwrap_or(0),
        checksum: crc,
    };
    let copied = frame::open_copied(7, handle, kind, &framed);
    assert!(!matches!(copied, Err(Damage::Checksum { .. })));
    if let Ok(payload) = &copied {
        assert_eq!(payload.len(), length as usize);
        assert!(
            payload.len() <= framed.len() * 256,
            "beyond what LZ4 can hold"
        );
    }
    assert_eq!(frame::open(7, handle, kind, Bytes::from(framed)), copied);
    const _: () = assert!(HEADER_BYTES == 12);
}

fn tombstone(tape: &mut Tape<'_>) -> RangeTombstone {
    let start = tape.byte() % 20;
    RangeTombstone {
        start: Bytes::from(vec![b'a' + start]),
        end: Bytes::from(vec![b'a' + start + 1 + tape.byte() % 5]),
        seqno: SeqNo(1 + tape.below(200)),
    }
}

fn built(tape: &mut Tape<'_>) -> (Vec<u8>, TableMeta, Entries) {
    let flags = tape.byte();
    let flag = |bit: u8| flags >> bit & 1 == 1;
    let options = TableOptions {
        block_bytes: 64 << tape.below(4),
        index_block_bytes: 64,
        restart_interval: 1 + u32::from(tape.byte() % 4),
        filter: if flag(0) {
            FilterKind::Bloom
        } else {
            FilterKind::Fuse
        },
        partition_filters: flag(1),
        prefix_extractor: flag(2).then_some(PrefixExtractor::Fixed(2)),
        hash_index: flag(3),
        compression: if flag(4) {
            Compression::Lz4
        } else {
            Compression::None
        },
        ..TableOptions::default()
    };
    let store = MemStore::new();
    let object = store.create(ID, None).expect("a new store has room");
    let mut builder = TableBuilder::new(object, 0x0123_4567_89AB_CDEF, options);
    let mut entries = Entries::new();
    for number in 0..1 + tape.byte() % 40 {
        let key = format!("k{number:02}").into_bytes();
        let kind = [ValueKind::Tombstone, ValueKind::Put, ValueKind::Merge][tape.index(3)];
        let value = match kind {
            ValueKind::Tombstone => Vec::new(),
            _ => vec![tape.byte(); tape.index(60)],
        };
        let seqno = 1 + tape.below(200);
        let internal = InternalKeyRef::new(&key, SeqNo(seqno), kind);
        builder.add(&internal, &value).expect("the keys ascend");
        entries.insert(key, (seqno, kind, value));
    }
    if flag(5) {
        let tombstone = tombstone(tape);
        builder
            .add_range_tombstone(&tombstone)
            .expect("a good range");
    }
    let meta = builder.finish().expect("a new store has room");
    let object = store.open(ID).expect("it was made");
    let mut bytes = vec![0; usize::try_from(meta.size).expect("small")];
    object.read_at(0, &mut bytes).expect("all of it");
    (bytes, meta, entries)
}

fn object_of(bytes: &[u8]) -> Arc<dyn BlockObject> {
    let object = MemStore::new()
        .create(ID, None)
        .expect("a new store has room");
    object.append(0, &[bytes]).expect("a new store has room");
    object
}

fn open(bytes: &[u8], meta: &TableMeta) -> Result<Arc<Table>, crate::Error> {
    Table::open(object_of(bytes), meta, BlockCache::new(1 << 20))
}

const ID: ObjectId = ObjectId::table(1);
