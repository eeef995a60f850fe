use alloc::vec;

use norikv_types::Version;

use super::*;

fn page(keys: &[&'static str], more: bool) -> Page {
    let items = keys
        .iter()
        .map(|key| Item {
            key: Bytes::from_static(key.as_bytes()),
            value: Bytes::new(),
            version: Version::default(),
            expires_at: None,
        })
        .collect();
    Page { items, more }
}

#[test]
fn parts_come_together_in_byte_order() {
    let merged = merge(
        vec![
            page(&["a", "d"], false),
            page(&["b"], false),
            page(&["c"], false),
        ]
        .into_iter(),
        10,
    );
    assert_eq!(merged, page(&["a", "b", "c", "d"], false));
}

#[test]
fn a_limit_cuts_and_says_so() {
    let merged = merge(
        vec![page(&["a", "c"], false), page(&["b"], false)].into_iter(),
        2,
    );
    assert_eq!(merged, page(&["a", "b"], true));
}

#[test]
fn nothing_behind_the_end_of_a_part_that_goes_on_is_shown() {
    let merged = merge(
        vec![
            page(&["a", "b"], true),
            page(&["c", "d"], false),
            page(&["a1", "e"], true),
        ]
        .into_iter(),
        10,
    );
    assert_eq!(merged, page(&["a", "a1", "b"], true));
}
