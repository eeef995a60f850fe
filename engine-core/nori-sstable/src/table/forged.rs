//! Tables whose every checksum holds and whose contents were forged: errors or any value, no panic.

use alloc::{format, vec::Vec};

use bytes::Bytes;
use nori_env::{BlockStore, MemStore};
use proptest::{collection::vec, prelude::*, sample::Index};

use super::*;
use crate::{
    Compression, TableOptions,
    block_builder::BlockBuilder,
    filter::FilterBuilder,
    frame::{BlockKind, Framer},
};

const UID: u64 = 3;

/// What to overwrite in the payload of one block, before its checksum is computed.
#[derive(Debug, Clone)]
struct Forgery {
    block: Index,
    changes: Vec<(Index, u8)>,
    cut: u8,
}

fn forgery() -> impl Strategy<Value = Forgery> {
    (
        any::<Index>(),
        vec((any::<Index>(), any::<u8>()), 1..6),
        0..9u8,
    )
        .prop_map(|(block, changes, cut)| Forgery {
            block,
            changes,
            cut,
        })
}

/// Assembles a table by hand; `forge` may change the payload of each block in turn.
fn assemble(mut forge: impl FnMut(usize, &mut Vec<u8>)) -> (Vec<u8>, TableMeta) {
    let mut framer = Framer::new(UID, Compression::Lz4);
    let mut out = Vec::new();
    let mut number = 0;
    let mut put = |out: &mut Vec<u8>, kind, mut payload: Vec<u8>| {
        forge(number, &mut payload);
        number += 1;
        let offset = out.len() as u64;
        framer.put(out, offset, kind, &payload)
    };
    let mut filter = FilterBuilder::new(&TableOptions::default());
    let mut index = BlockBuilder::new(1);
    let mut top = BlockBuilder::new(1);
    let mut value = Vec::new();
    let mut partitions = Vec::new();
    for n in 0..6u32 {
        let mut data = BlockBuilder::new(3);
        for m in 0..7 {
            let user = format!("key{n}{m}");
            filter.add(user.as_bytes());
            data.add(user.as_bytes(), 0x501, b"value value value value");
        }
        let payload = data.finish(<[u8]>::to_vec);
        value.clear();
        put(&mut out, BlockKind::Data, payload).put(&mut value);
        index.add(format!("key{n}6").as_bytes(), 0x501, &value);
        if n % 3 == 2 {
            partitions.push((format!("key{n}6"), index.finish(<[u8]>::to_vec)));
        }
    }
    for (user, payload) in partitions {
        value.clear();
        put(&mut out, BlockKind::Index, payload).put(&mut value);
        top.add(user.as_bytes(), 0x501, &value);
    }
    let top_index = put(&mut out, BlockKind::TopIndex, top.finish(<[u8]>::to_vec));
    let filter = put(&mut out, BlockKind::Filter, filter.finish().unwrap());
    let properties = put(
        &mut out,
        BlockKind::Properties,
        Properties {
            entries: 42,
            user_keys: 42,
            data_blocks: 6,
            ..Properties::default()
        }
        .encode(),
    );
    let footer = Footer {
        uid: UID,
        size: (out.len() + FOOTER_BYTES) as u64,
        top_index: Some(top_index),
        filter: Some(filter),
        range_tombstones: None,
        properties,
        entries: 42,
    };
    let (footer_bytes, footer_checksum) = footer.encode();
    out.extend_from_slice(&footer_bytes);
    let meta = TableMeta {
        uid: UID,
        size: out.len() as u64,
        entries: 42,
        tombstones: 0,
        range_tombstones: 0,
        smallest: Bytes::from("key00"),
        largest: Bytes::from("key56"),
        largest_is_exclusive: false,
        seqno_min: SeqNo(5),
        seqno_max: SeqNo(5),
        footer_checksum,
    };
    (out, meta)
}

/// Uses a table in every way; gives the number of entries that a scan saw.
fn exercise(bytes: &[u8], meta: &TableMeta) -> Result<u64, Error> {
    let object = MemStore::new().create(ObjectId::table(1), None).unwrap();
    object.append(0, &[bytes]).unwrap();
    let table = Table::open(object, meta, BlockCache::new(1 << 20))?;
    for n in 0..70u32 {
        let user = format!("key{n:02}");
        let _ = table.get(user.as_bytes(), SeqNo(5));
        let mut iter = table.iter();
        if iter.seek(user.as_bytes(), SeqNo(7)).is_ok() && iter.is_valid() {
            let _ = iter.value();
            let _ = iter.prev();
        }
    }
    let mut iter = table.iter();
    let _ = iter.seek_to_last();
    while iter.is_valid() && iter.prev().is_ok() {}
    let mut count = 0;
    iter.seek_to_first()?;
    while iter.is_valid() {
        let _ = iter.key();
        count += 1;
        iter.next()?;
    }
    Ok(count)
}

#[test]
fn the_table_assembled_by_hand_is_whole() {
    let (bytes, meta) = assemble(|_, _| {});
    assert_eq!(exercise(&bytes, &meta), Ok(42));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1000, ..ProptestConfig::default() })]

    #[test]
    fn a_forged_table_never_panics(forgery in forgery()) {
        let block = forgery.block.index(11);
        let (bytes, meta) = assemble(|number, payload| {
            if number == block {
                for (at, byte) in &forgery.changes {
                    let at = at.index(payload.len());
                    payload[at] = *byte;
                }
                payload.truncate(payload.len().saturating_sub(usize::from(forgery.cut)));
            }
        });
        let _ = exercise(&bytes, &meta);
    }

    #[test]
    fn garbage_is_refused_at_open(bytes in vec(any::<u8>(), 0..400), uid: u64, checksum: u32) {
        let (_, meta) = assemble(|_, _| {});
        let meta = TableMeta {
            uid,
            size: bytes.len() as u64,
            footer_checksum: checksum,
            ..meta
        };
        prop_assert!(exercise(&bytes, &meta).is_err());
    }

    #[test]
    fn a_meta_of_another_size_is_refused_at_open(size: u64) {
        let (bytes, meta) = assemble(|_, _| {});
        prop_assume!(size != meta.size);
        let meta = TableMeta { size, ..meta };
        prop_assert!(exercise(&bytes, &meta).is_err());
    }
}
