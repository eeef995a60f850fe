use std::{format, vec, vec::Vec};

use nori_env::{BlockStore, IoError, IoErrorKind, IoOp, MemStore, ReadRequest};

use super::*;
use crate::{Compression, TableBuilder, TableOptions};

const ID: ObjectId = ObjectId::table(1);

fn options() -> TableOptions {
    TableOptions {
        block_bytes: 200,
        index_block_bytes: 80,
        compression: Compression::None,
        ..TableOptions::default()
    }
}

fn built(uid: u64, tag: &str) -> (Vec<u8>, TableMeta) {
    let store = MemStore::new();
    let mut builder = TableBuilder::new(store.create(ID, None).unwrap(), uid, options());
    for n in 0..60u32 {
        let (user, value) = (format!("k{n:03}"), format!("{tag} value {n:03}"));
        let key = InternalKeyRef::new(user.as_bytes(), SeqNo(1), ValueKind::Put);
        builder.add(&key, value.as_bytes()).unwrap();
    }
    let meta = builder.finish().unwrap();
    let mut bytes = vec![0; usize::try_from(meta.size).unwrap()];
    store.open(ID).unwrap().read_at(0, &mut bytes).unwrap();
    (bytes, meta)
}

fn open(bytes: &[u8], meta: &TableMeta) -> Result<Arc<Table>, Error> {
    let object = MemStore::new().create(ID, None).unwrap();
    object.append(0, &[bytes]).unwrap();
    Table::open(object, meta, BlockCache::new(1 << 20))
}

/// Handles of all data blocks.
fn data_blocks(table: &Table) -> Vec<BlockHandle> {
    let top = table.top().unwrap();
    let partitions = (0..top.len()).map(|number| top.partition(number).unwrap());
    let children = partitions.flat_map(|partition| {
        let block = table.partition_block(partition, true).unwrap();
        let slots = 0..block.restart_count();
        slots
            .map(|slot| table.child(&block, slot).unwrap().unwrap())
            .collect::<Vec<_>>()
    });
    children.collect()
}

fn range(handle: BlockHandle) -> core::ops::Range<usize> {
    let start = usize::try_from(handle.offset).unwrap();
    start..start + handle.length as usize
}

#[test]
fn a_misdirected_read_is_corruption_not_a_wrong_value() {
    let (mut bytes, meta) = built(1, "the");
    let blocks = data_blocks(&open(&bytes, &meta).unwrap());
    let first = blocks[1];
    let second = blocks
        .iter()
        .skip(2)
        .find(|b| b.length == first.length)
        .unwrap();
    let copy = bytes[range(*second)].to_vec();
    bytes[range(first)].copy_from_slice(&copy);
    let table = open(&bytes, &meta).unwrap();
    let failures = (0..60).filter(|n| {
        let found = table.get(format!("k{n:03}").as_bytes(), SeqNo::MAX);
        match found {
            Ok(found) => {
                assert_eq!(found.unwrap().value, format!("the value {n:03}"));
                false
            }
            Err(Error::Corrupt { object, offset, .. }) => {
                assert_eq!((object, offset), (ID, first.offset));
                true
            }
            Err(other) => panic!("{other}"),
        }
    });
    assert!(failures.count() > 1);
}

#[test]
fn a_stale_block_of_the_same_uid_and_offset_is_corruption() {
    let (mut bytes, meta) = built(1, "new");
    let (old, _) = built(1, "old");
    let handle = data_blocks(&open(&bytes, &meta).unwrap())[0];
    bytes[range(handle)].copy_from_slice(&old[range(handle)]);
    let damage = open(&bytes, &meta).unwrap().get(b"k000", SeqNo::MAX);
    let Err(Error::Corrupt { what, .. }) = damage else {
        panic!("{damage:?}");
    };
    assert!(matches!(what, Damage::NotTheChild { .. }), "{what}");
}

#[test]
fn a_whole_stale_table_is_found_at_open() {
    let (_, meta) = built(1, "new");
    let (old, _) = built(1, "old");
    let (other, _) = built(2, "new");
    for bytes in [old, other] {
        let refused = open(&bytes, &meta);
        assert!(matches!(refused, Err(Error::Corrupt { .. })), "{refused:?}");
    }
}

#[test]
fn cached_blocks_are_not_read_again() {
    let (bytes, meta) = built(1, "the");
    let table = open(&bytes, &meta).unwrap();
    table.get(b"k030", SeqNo::MAX).unwrap().unwrap();
    let before = table.cache.stats();
    let value = table.get(b"k030", SeqNo::MAX).unwrap().unwrap().value;
    let again = table.get(b"k030", SeqNo::MAX).unwrap().unwrap().value;
    let after = table.cache.stats();
    assert_eq!((after.misses, after.hits), (before.misses, before.hits + 2));
    assert_eq!(
        value.as_ptr(),
        again.as_ptr(),
        "both are slices of one block"
    );
}

#[test]
fn offsets_of_keys_ascend_from_nothing_to_all_data() {
    let (bytes, meta) = built(1, "the");
    let table = open(&bytes, &meta).unwrap();
    let offsets: Vec<u64> = (0..60)
        .map(|n| table.offset_of(format!("k{n:03}").as_bytes()).unwrap())
        .collect();
    assert!(offsets.is_sorted());
    assert_eq!(table.offset_of(b"a"), Ok(0));
    assert_eq!(table.offset_of(b"z"), Ok(table.properties().data_bytes));
    let handles = data_blocks(&table);
    let mut distinct = offsets;
    distinct.dedup();
    let begins: Vec<u64> = handles.iter().map(|handle| handle.offset).collect();
    assert_eq!(distinct, begins);
}

/// Fails every read from a given offset on with a given kind.
#[derive(Debug)]
struct Failing {
    object: Arc<dyn BlockObject>,
    kind: IoErrorKind,
    below: u64,
}

impl BlockObject for Failing {
    fn id(&self) -> ObjectId {
        self.object.id()
    }
    fn len(&self) -> Result<u64, IoError> {
        self.object.len()
    }
    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        self.object.append(at, bufs)
    }
    fn sync(&self) -> Result<(), IoError> {
        self.object.sync()
    }
    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError> {
        if offset < self.below {
            return Err(ID.error(self.kind, IoOp::Read, offset));
        }
        self.object.read_at(offset, dst)
    }
    fn read_many(&self, requests: &mut [ReadRequest]) -> Result<(), IoError> {
        self.object.read_many(requests)
    }
}

#[test]
fn a_media_error_becomes_corruption_and_any_other_stays_the_hosts() {
    let (bytes, meta) = built(1, "the");
    let object = MemStore::new().create(ID, None).unwrap();
    object.append(0, &[&bytes]).unwrap();
    let get = |kind, below| {
        let object = Arc::new(Failing {
            object: Arc::clone(&object),
            kind,
            below,
        });
        Table::open(object, &meta, BlockCache::new(0))?.get(b"k000", SeqNo::MAX)
    };
    for below in [1, meta.size] {
        let unreadable = get(IoErrorKind::Media, below);
        let what = Damage::Unreadable;
        assert!(matches!(unreadable, Err(Error::Corrupt { what: w, .. }) if w == what));
        let other = get(IoErrorKind::Other, below);
        assert!(matches!(other, Err(Error::Io(e)) if e.kind == IoErrorKind::Other));
    }
}
