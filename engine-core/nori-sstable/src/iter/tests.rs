use std::format;

use nori_env::{BlockObject, BlockStore, IoError, MemStore, ObjectId, sync::Mutex};

use super::*;
use crate::{BlockCache, Compression, TableBuilder, TableOptions};

/// Counts what is read through it.
#[derive(Debug)]
struct Counting {
    object: Arc<dyn BlockObject>,
    reads: Mutex<Vec<(u64, usize)>>,
}

impl BlockObject for Counting {
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
        self.reads.lock().push((offset, dst.len()));
        self.object.read_at(offset, dst)
    }
}

const ENTRIES: u32 = 20_000;

fn table(cache: &Arc<BlockCache>) -> (Arc<Table>, Arc<Counting>) {
    let object = Arc::new(Counting {
        object: MemStore::new().create(ObjectId::table(1), None).unwrap(),
        reads: Mutex::new(Vec::new()),
    });
    let options = TableOptions {
        compression: Compression::None,
        ..TableOptions::default()
    };
    let host: Arc<dyn BlockObject> = Arc::<Counting>::clone(&object);
    let mut builder = TableBuilder::new(Arc::clone(&host), 1, options);
    for n in 0..ENTRIES {
        let user = format!("key{n:08}");
        let key = InternalKeyRef::new(user.as_bytes(), SeqNo(1), ValueKind::Put);
        builder.add(&key, &[7; 90]).unwrap();
    }
    let meta = builder.finish().unwrap();
    let table = Table::open(host, &meta, Arc::clone(cache)).unwrap();
    object.reads.lock().clear();
    (table, object)
}

fn count(iter: &mut TableIter, forward: bool) -> u32 {
    let mut count = 0;
    while iter.is_valid() {
        count += 1;
        if forward { iter.next() } else { iter.prev() }.unwrap();
    }
    count
}

#[test]
fn a_long_scan_reads_ahead_in_growing_steps_up_to_the_bound() {
    for forward in [true, false] {
        let (table, object) = table(&BlockCache::new(0));
        let mut iter = table.iter();
        if forward {
            iter.seek_to_first().unwrap();
        } else {
            iter.seek_to_last().unwrap();
        }
        assert_eq!(count(&mut iter, forward), ENTRIES);
        let reads = object.reads.lock();
        let blocks = table.properties().data_blocks;
        let partitions = table.properties().index_partitions;
        let data_reads = reads.len() as u64 - partitions;
        assert!(data_reads < blocks / 20, "{data_reads} for {blocks} blocks");
        let longest = reads.iter().map(|read| read.1).max().unwrap();
        assert_eq!(longest, 128 << 10);
        assert!(reads[1].1 < 5000, "the first block is read on its own");
    }
}

#[test]
fn short_scans_after_a_seek_read_single_blocks() {
    let (table, object) = table(&BlockCache::new(1 << 20));
    let mut iter = table.iter();
    for n in [5000, 100, 19_000, 7] {
        iter.seek(format!("key{n:08}").as_bytes(), SeqNo::MAX)
            .unwrap();
        assert_eq!(iter.key().user, format!("key{n:08}").as_bytes());
        iter.next().unwrap();
    }
    let reads = object.reads.lock();
    assert!(reads.iter().all(|read| read.1 < 5000), "{reads:?}");
}

#[test]
fn an_iteration_that_does_not_fill_the_cache_leaves_it_alone() {
    let cache = BlockCache::new(16 << 20);
    let (table, _) = table(&cache);
    let mut iter = table.iter_with(IterOptions {
        fill_cache: false,
        ..IterOptions::default()
    });
    iter.seek_to_first().unwrap();
    assert_eq!(count(&mut iter, true), ENTRIES);
    assert_eq!(cache.stats().blocks, 0);
    let mut iter = table.iter();
    iter.seek_to_last().unwrap();
    assert_eq!(count(&mut iter, false), ENTRIES);
    let properties = table.properties();
    assert_eq!(cache.stats().blocks, properties.data_blocks);
}

#[test]
fn an_iterator_outlives_every_other_handle() {
    let (table, object) = table(&BlockCache::new(0));
    let mut iter = table.iter();
    drop((table, object));
    iter.seek_to_last().unwrap();
    let value = iter.value();
    drop(iter);
    assert_eq!(*value, [7; 90]);
}
