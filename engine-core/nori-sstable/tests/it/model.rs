//! Tables against a `BTreeMap`.

use std::{cmp::Reverse, collections::BTreeMap, ops::Bound};

use nori_sstable::{Compression, FilterKind, PrefixExtractor, SeqNo, TableOptions, ValueKind};
use proptest::{collection::vec, prelude::*};

use crate::common::{self, Version};

/// Ordered as a table orders: user key ascending, sequence number descending.
type Model = BTreeMap<(Vec<u8>, Reverse<u64>), (ValueKind, Vec<u8>)>;

/// Keys that share prefixes, are prefixes of each other, and meet often.
fn key() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        vec(prop_oneof![Just(0u8), Just(1), Just(b'a'), Just(255)], 0..6),
        (0..300u32).prop_map(|n| format!("key{n:05}").into_bytes()),
        vec(any::<u8>(), 0..300),
    ]
}

fn value() -> impl Strategy<Value = Vec<u8>> {
    prop_oneof![
        8 => vec(any::<u8>(), 0..40),
        2 => (any::<u8>(), 0..600usize).prop_map(|(byte, n)| vec![byte; n]),
        1 => vec(any::<u8>(), 9000..9001),
    ]
}

fn model() -> impl Strategy<Value = Model> {
    let entry = (key(), 0..40u64, prop::bool::weighted(0.8), value());
    vec(entry, 1..300).prop_map(|entries| {
        let entry = |(user, seqno, put, value)| {
            let kind = if put {
                ValueKind::Put
            } else {
                ValueKind::Tombstone
            };
            (
                (user, Reverse(seqno)),
                (kind, if put { value } else { Vec::new() }),
            )
        };
        entries.into_iter().map(entry).collect()
    })
}

fn options() -> impl Strategy<Value = TableOptions> {
    let sizes = prop_oneof![Just(1u32), Just(64), Just(300), Just(4096)];
    let compression = prop_oneof![Just(Compression::None), Just(Compression::Lz4)];
    let filter = prop_oneof![Just(FilterKind::Bloom), Just(FilterKind::Fuse)];
    let prefix = prop_oneof![
        Just(None),
        Just(Some(PrefixExtractor::Fixed(2))),
        Just(Some(PrefixExtractor::Separator {
            byte: b'a',
            skip: 1
        })),
    ];
    let filters = (0..14u32, filter, any::<bool>(), prefix);
    (
        sizes.clone(),
        sizes,
        1..20u32,
        filters,
        compression,
        any::<bool>(),
    )
        .prop_map(
            |(
                block_bytes,
                index_block_bytes,
                restart_interval,
                filters,
                compression,
                hash_index,
            )| {
                let (bits_per_key, filter, partition_filters, prefix_extractor) = filters;
                TableOptions {
                    block_bytes,
                    index_block_bytes,
                    restart_interval,
                    bits_per_key,
                    filter,
                    partition_filters,
                    prefix_extractor,
                    hash_index,
                    compression,
                }
            },
        )
}

fn versions(model: &Model) -> Vec<Version> {
    model
        .iter()
        .map(|((user, seqno), (kind, value))| (user.clone(), seqno.0, *kind, value.clone()))
        .collect()
}

fn at_or_after(model: &Model, user: &[u8], at: u64) -> Option<Version> {
    let from = Bound::Included((user.to_vec(), Reverse(at)));
    let ((user, seqno), (kind, value)) = model.range((from, Bound::Unbounded)).next()?;
    Some((user.clone(), seqno.0, *kind, value.clone()))
}

fn before(model: &Model, user: &[u8], at: u64) -> Option<Version> {
    let to = Bound::Excluded((user.to_vec(), Reverse(at)));
    let ((user, seqno), (kind, value)) = model.range((Bound::Unbounded, to)).next_back()?;
    Some((user.clone(), seqno.0, *kind, value.clone()))
}

#[derive(Debug, Clone)]
enum Step {
    Seek(Vec<u8>, u64),
    SeekBefore(Vec<u8>, u64),
    First,
    Last,
    Next,
    Prev,
}

fn step() -> impl Strategy<Value = Step> {
    prop_oneof![
        1 => (key(), 0..41u64).prop_map(|(user, at)| Step::Seek(user, at)),
        1 => (key(), 0..41u64).prop_map(|(user, at)| Step::SeekBefore(user, at)),
        1 => Just(Step::First),
        1 => Just(Step::Last),
        10 => Just(Step::Next),
        10 => Just(Step::Prev),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 150, ..ProptestConfig::default() })]

    #[test]
    fn get_finds_the_newest_version_at_or_below_its_position(
        model in model(), options in options(), absent in vec(key(), 20)
    ) {
        let table = common::table(&versions(&model), options);
        let present = model.keys().map(|(user, _)| user);
        for user in present.chain(&absent) {
            for at in [0, 1, 7, 20, 39, 40, u64::MAX] {
                let expected = at_or_after(&model, user, at).filter(|version| version.0 == *user);
                let found = table.get(user, SeqNo(at)).unwrap();
                let found = found.map(|f| (user.clone(), f.seqno.0, f.kind, f.value.to_vec()));
                prop_assert_eq!(found, expected, "key {:?} at {}", user, at);
            }
        }
    }

    #[test]
    fn no_key_and_no_prefix_that_is_there_is_denied(model in model(), options in options()) {
        let table = common::table(&versions(&model), options);
        for (user, _) in model.keys() {
            prop_assert!(table.may_contain(user));
            for length in 0..=user.len() {
                prop_assert!(table.may_contain_prefix(&user[..length]), "{user:?} {length}");
            }
        }
    }

    #[test]
    fn scans_give_every_entry_in_order_both_ways(model in model(), options in options()) {
        let mut expected = versions(&model);
        let table = common::table(&expected, options);
        prop_assert_eq!(common::scan(&table).unwrap(), expected.clone());
        expected.reverse();
        prop_assert_eq!(common::scan_back(&table).unwrap(), expected);
    }

    #[test]
    fn an_iterator_moves_as_the_model_does(
        model in model(), options in options(), steps in vec(step(), 1..200), cached: bool
    ) {
        let store = nori_env::MemStore::new();
        let meta = common::build(&store, &versions(&model), options);
        let table = common::open(&store, &meta, if cached { 1 << 20 } else { 0 });
        let mut iter = table.iter();
        let mut place: Option<Version> = None;
        for step in steps {
            match (&step, place.as_ref()) {
                (Step::Seek(user, at), _) => {
                    iter.seek(user, SeqNo(*at)).unwrap();
                    place = at_or_after(&model, user, *at);
                }
                (Step::SeekBefore(user, at), _) => {
                    iter.seek_before(user, SeqNo(*at)).unwrap();
                    place = before(&model, user, *at);
                }
                (Step::First, _) | (Step::Next, None) => {
                    iter.seek_to_first().unwrap();
                    place = versions(&model).first().cloned();
                }
                (Step::Last, _) | (Step::Prev, None) => {
                    iter.seek_to_last().unwrap();
                    place = versions(&model).last().cloned();
                }
                (Step::Next, Some((user, seqno, ..))) => {
                    iter.next().unwrap();
                    place = match seqno.checked_sub(1) {
                        Some(older) => at_or_after(&model, user, older),
                        None => {
                            let longer = [user.as_slice(), &[0]].concat();
                            at_or_after(&model, &longer, u64::MAX)
                        }
                    };
                }
                (Step::Prev, Some((user, seqno, ..))) => {
                    iter.prev().unwrap();
                    place = before(&model, user, *seqno);
                }
            }
            let stands = iter.is_valid().then(|| common::version(iter.key(), iter.value()));
            prop_assert_eq!(&stands, &place, "after {:?}", step);
        }
    }

    #[test]
    fn the_meta_says_what_the_table_holds(model in model(), options in options()) {
        let all = versions(&model);
        let table = common::table(&all, options);
        let meta = table.meta();
        let count = |kind| all.iter().filter(|version| version.2 == kind).count() as u64;
        prop_assert_eq!(meta.entries, all.len() as u64);
        prop_assert_eq!(meta.tombstones, count(ValueKind::Tombstone));
        prop_assert_eq!(&*meta.smallest, all[0].0.as_slice());
        prop_assert_eq!(&*meta.largest, all[all.len() - 1].0.as_slice());
        prop_assert_eq!(Some(meta.seqno_min.0), all.iter().map(|version| version.1).min());
        prop_assert_eq!(Some(meta.seqno_max.0), all.iter().map(|version| version.1).max());
        prop_assert_eq!(table.properties().entries, meta.entries);
        let stored = postcard::to_allocvec(meta).unwrap();
        prop_assert_eq!(&postcard::from_bytes::<nori_sstable::TableMeta>(&stored).unwrap(), meta);
    }
}
