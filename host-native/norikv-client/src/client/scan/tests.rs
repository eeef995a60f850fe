use norikv_api::{CURSOR, WATCH_CURSOR};
use norikv_node::Change;
use norikv_types::{Term, Version};

use super::super::fake::{Fake, Says};
use super::*;
use crate::Config;

fn at(positions: &[u64]) -> Vec<(GroupId, LogIndex)> {
    let position = |(group, index): (u32, &u64)| (GroupId(group), LogIndex(*index));
    (0..).zip(positions).map(position).collect()
}

fn event(group: u32, key: &'static str, index: u64) -> WatchEvent {
    WatchEvent {
        group: GroupId(group),
        key: Bytes::from_static(key.as_bytes()),
        version: Version {
            term: Term(1),
            index: LogIndex(index),
        },
        change: Change::Delete,
    }
}

fn shown(pages: &[(Option<&'static str>, &[u64])]) -> Shown {
    let mut shown = Shown::default();
    for (last, positions) in pages {
        let last = last.map(|last| Bytes::from_static(last.as_bytes()));
        shown.add(last, at(positions));
    }
    shown
}

#[test]
fn a_watch_begins_at_the_lowest_positions() {
    assert_eq!(shown(&[]).lowest(), at(&[]));
    // A stale page may have been read at an earlier one than the page before.
    let pages = shown(&[(Some("c"), &[4, 9]), (Some("f"), &[6, 8]), (None, &[7, 10])]);
    assert_eq!(pages.lowest(), at(&[4, 8]));
}

#[test]
fn an_event_is_shown_where_the_page_of_its_key_was_read_behind_it() {
    let pages = shown(&[(Some("c"), &[4, 9]), (Some("f"), &[6, 8]), (None, &[7, 10])]);
    let cases = [
        (event(0, "a", 4), true),
        (event(0, "a", 5), false),
        (event(0, "c", 5), false),
        (event(0, "ca", 6), true),
        (event(1, "f", 9), false),
        (event(1, "z", 10), true),
        (event(1, "z", 11), false),
        (event(2, "z", 1), false),
    ];
    for (event, is) in cases {
        assert_eq!(pages.has(&event), is, "{event:?}");
    }
    // Nobody read behind the last page.
    let part = shown(&[(Some("c"), &[4, 9])]);
    assert!(part.has(&event(0, "c", 4)) && !part.has(&event(0, "d", 4)));
}

#[test]
fn pages_are_forgotten_once_the_watch_has_passed_them_all() {
    let mut pages = shown(&[(Some("c"), &[4, 9]), (None, &[6, 8])]);
    for (positions, left) in [([5, 20], 2), ([6, 8], 2), ([6, 9], 0)] {
        pages.passed(&cursor::format(&at(&positions)));
        assert_eq!(pages.pages.len(), left, "{positions:?}");
    }
}

#[test]
fn pages_read_at_one_point_are_remembered_as_one() {
    let pages = shown(&[(Some("c"), &[4, 9]), (Some("f"), &[4, 9]), (None, &[4, 9])]);
    assert_eq!(pages.pages.len(), 1);
    assert!(pages.has(&event(0, "z", 4)));
}

fn page(keys: &[&str], positions: &[u64], more: bool) -> Says {
    let item = |key: &&str| {
        format!(r#"{{"key":"{key}","value":"v","version":{{"term":1,"index":1}}}}"#) + "\n"
    };
    let text: String = keys.iter().map(item).collect();
    let says = Says::text(&[&text]).with(WATCH_CURSOR, cursor::format(&at(positions)));
    match (more, keys.last()) {
        (true, Some(last)) => says.with(CURSOR, *last),
        _ => says,
    }
}

#[tokio::test]
async fn a_scan_and_the_watch_behind_it_show_everything_once() {
    let delete = |key: &str, index: u64| {
        format!(
            r#"{{"event":"delete","group":0,"key":"{key}","version":{{"term":1,"index":{index}}}}}"#
        ) + "\n"
    };
    let last = cursor::format(&at(&[9, 3]));
    let line = format!(r#"{{"event":"cursor","cursor":"{last}"}}"#) + "\n";
    let events: String = ["a", "c", "a", "c"]
        .iter()
        .zip([5, 6, 7, 8])
        .map(|(key, index)| delete(key, index))
        .collect();
    let node = Fake::start(vec![
        page(&["a", "b"], &[4, 3], true),
        page(&["c"], &[6, 3], false),
        Says::text(&[&events, &line]).and_stays(),
    ])
    .await;
    let client = Client::new(Config::new([node.address.clone()]));
    let mut scan = client.scan_all(b"", Consistency::Follower);
    assert_eq!(scan.cursor(), "");
    let mut keys = Vec::new();
    while let Some(items) = scan.next(2).await.unwrap() {
        keys.extend(items.into_iter().map(|item| item.key));
    }
    assert_eq!(keys, ["a", "b", "c"]);
    let lowest = cursor::format(&at(&[4, 3]));
    assert_eq!(scan.cursor(), lowest);
    let mut watch = scan.watch();
    let watched = watch.next().await.unwrap();
    let told: Vec<_> = watched
        .events
        .iter()
        .map(|event| event.version.index.0)
        .collect();
    assert_eq!(told, [5, 7, 8], "6 was shown by the second page");
    assert_eq!(watched.cursor, last);
    assert_eq!(
        node.asked(),
        [
            "/kv?prefix=&limit=2&consistency=follower".to_owned(),
            "/kv?prefix=&limit=2&consistency=follower&cursor=b".to_owned(),
            format!("/watch?prefix=&cursor={lowest}"),
        ]
    );
}

#[tokio::test]
async fn a_page_that_does_not_say_where_it_was_read_is_refused() {
    let mut silent = page(&["a"], &[1], false);
    silent.headers.clear();
    let nonsense = page(&["a"], &[1], false);
    let nonsense = Says {
        headers: vec![(WATCH_CURSOR, "nonsense!".to_owned())],
        ..nonsense
    };
    for says in [silent, nonsense] {
        let node = Fake::start(vec![says]).await;
        let client = Client::new(Config::new([node.address.clone()]));
        let error = client.scan_all(b"", Consistency::Lease).next(9).await;
        assert!(matches!(error, Err(Error::Foreign { .. })), "{error:?}");
    }
}
