use super::*;

fn range(range: impl RangeBounds<Bytes>) -> (Bytes, Bytes) {
    tree_range(3, &range)
}

#[test]
fn ranges_of_a_keyspace_stay_inside_it() {
    let (a, b) = (Bytes::from("a"), Bytes::from("b"));
    assert_eq!(range(..), (Bytes::from("\0\x03"), Bytes::from("\0\x04")));
    assert_eq!(
        range(a.clone()..b.clone()),
        (Bytes::from("\0\x03a"), Bytes::from("\0\x03b"))
    );
    assert_eq!(
        range((Bound::Excluded(a), Bound::Included(b))),
        (Bytes::from("\0\x03a\0"), Bytes::from("\0\x03b\0"))
    );
}

#[test]
fn a_prefix_of_highest_bytes_ends_with_the_keyspace() {
    let of = |prefix: &[u8]| tree_range_of_prefix(3, prefix).1;
    assert_eq!(of(b"ab"), Bytes::from("\0\x03ac"));
    assert_eq!(of(b"a\xff"), Bytes::from("\0\x03b"));
    assert_eq!(of(b"\xff\xff"), Bytes::from("\0\x04"));
    assert_eq!(of(b""), Bytes::from("\0\x04"));
    let last = tree_range_of_prefix(255, b"\xff").1;
    assert_eq!(
        last,
        Bytes::from("\x01"),
        "which is behind all of keyspace 255"
    );
}

#[test]
fn keys_are_put_together_the_same_on_the_stack_and_on_the_heap() {
    for len in [0, 1, SHORT_BYTES - ID_BYTES, SHORT_BYTES - 1, 300] {
        let key = alloc::vec![7; len];
        with_tree_key(0x0102, &key, |tree| {
            assert_eq!(*tree, tree_key(0x0102, &key));
            assert_eq!((id_of(tree), user_key(tree)), (0x0102, &key[..]));
        });
    }
}
