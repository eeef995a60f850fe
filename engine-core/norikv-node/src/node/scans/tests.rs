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
    Page {
        items,
        more,
        cursor: Vec::new(),
    }
}

#[test]
fn the_cursor_names_every_group_and_over_several_pages_the_lower_position() {
    let at = |positions: &[(u32, u64)]| -> Vec<(GroupId, LogIndex)> {
        let position = |(group, index): &(u32, u64)| (GroupId(*group), LogIndex(*index));
        positions.iter().map(position).collect()
    };
    let mut parts = vec![page(&["b"], false), page(&[], false), page(&["a"], true)];
    let own = at(&[(0, 7), (1, 0), (2, 9)]);
    for (part, position) in parts.iter_mut().zip(&own) {
        part.cursor = vec![*position];
    }
    let mut merged = merge(parts.into_iter(), 10);
    assert_eq!(merged.cursor, own);
    lower(&mut merged.cursor, &[]);
    assert_eq!(merged.cursor, own);
    lower(&mut merged.cursor, &at(&[(0, 8), (1, 5), (2, 3)]));
    assert_eq!(merged.cursor, at(&[(0, 7), (1, 0), (2, 3)]));
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

#[test]
fn a_group_is_asked_for_its_share_and_never_for_more_than_the_page() {
    assert_eq!(share(1_000, 1_024), 16);
    assert_eq!(share(1_000, 8), 266);
    assert_eq!([share(10, 8), share(1, 1), share(1_000, 1)], [10, 1, 1_000]);
    assert_eq!(share_bytes(1 << 20, 1_024), 64 << 10);
    assert_eq!(share_bytes(1 << 20, 8), 1 << 20);
    assert_eq!(share_bytes(100, 1_024), 100);
}
