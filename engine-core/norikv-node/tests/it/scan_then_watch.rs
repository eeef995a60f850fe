//! A watch that goes on where a scan was: nothing between them is missed, nothing is told twice.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use norikv_node::{Answer, Call, Change, Consistency, Expect, Item, Page, RequestId, WatchEvent};
use norikv_types::{ErrorKind, GroupId, LogIndex, NodeId, Prng, Version};

use crate::cluster::{Cluster, put, written};

type Positions = Vec<(GroupId, LogIndex)>;
/// A key, and the value that it got; `None`: it was removed.
type Changed = (Bytes, Option<Bytes>);

/// Someone who writes all the time, and knows afterwards what happened in which order.
struct Writer {
    prng: Prng,
    under_way: Vec<(RequestId, Changed)>,
    /// By group and place in its log.
    happened: BTreeMap<(GroupId, LogIndex), (Changed, Version)>,
}

impl Writer {
    /// Begins a few writes, which go on while others do what they do.
    fn write(&mut self, cluster: &mut Cluster) {
        for _ in 0..4 {
            let key = Bytes::from(format!("k/{:02}", self.prng.below(60)));
            let value = match self.prng.below(4) {
                0 => None,
                _ => Some(Bytes::from(format!("{}", self.prng.next_u64()))),
            };
            let call = match &value {
                Some(value) => put(
                    std::str::from_utf8(&key).unwrap(),
                    std::str::from_utf8(value).unwrap(),
                ),
                None => Call::Delete {
                    key: key.clone(),
                    expect: Expect::Any,
                    idempotency: None,
                },
            };
            let at = NodeId(1 + self.prng.below(3));
            let request = cluster.begin(at, call, Duration::from_secs(20));
            self.under_way.push((request, (key, value)));
        }
        cluster.run_for(Duration::from_millis(self.prng.below(12)));
    }

    /// Waits for all writes.
    fn end(&mut self, cluster: &mut Cluster) {
        for (request, changed) in core::mem::take(&mut self.under_way) {
            let version = written(cluster.finish(request));
            // Eight groups of 128 shards.
            let group = GroupId(u32::from(norikv_placement::shard_of(&changed.0).0) / 128);
            let before = self
                .happened
                .insert((group, version.index), (changed, version));
            assert!(before.is_none());
        }
    }

    /// What is stored under the keys when each group is at its position.
    fn state_at(&self, positions: &Positions) -> BTreeMap<Bytes, (Bytes, Version)> {
        let mut state = BTreeMap::new();
        for (group, position) in positions {
            let until = (*group, LogIndex(0))..=(*group, *position);
            for ((key, value), version) in self.happened.range(until).map(|(_, own)| own) {
                match value {
                    Some(value) => state.insert(key.clone(), (value.clone(), *version)),
                    None => state.remove(key),
                };
            }
        }
        state
    }

    fn ends(&self) -> Positions {
        let last = |group| {
            let all = (group, LogIndex(0))..=(group, LogIndex(u64::MAX));
            let last = self.happened.range(all).next_back();
            (group, last.map_or(LogIndex(0), |((_, index), _)| *index))
        };
        (0..8).map(GroupId).map(last).collect()
    }
}

fn scan(
    cluster: &mut Cluster,
    at: NodeId,
    after: Option<Bytes>,
    limit: u32,
    consistency: Consistency,
    cursor: Positions,
) -> Page {
    let call = Call::Scan {
        prefix: Bytes::from_static(b"k/"),
        after,
        limit,
        consistency,
        cursor,
    };
    match cluster.call(at, call) {
        Ok(Answer::Page(page)) => page,
        other => panic!("{other:?}"),
    }
}

/// Watches until every group was seen up to `until`.
fn watch(
    cluster: &mut Cluster,
    prng: &mut Prng,
    mut cursor: Positions,
    until: &Positions,
) -> Vec<WatchEvent> {
    let mut events = Vec::new();
    while cursor.iter().zip(until).any(|(seen, end)| seen.1 < end.1) {
        let call = Call::Watch {
            prefix: Bytes::from_static(b"k/"),
            cursor,
            limit: 1 + prng.below(20) as u32,
        };
        let at = NodeId(1 + prng.below(3));
        match cluster.call(at, call) {
            Ok(Answer::Watched(page)) => {
                cursor = page.cursor;
                events.extend(page.events);
            }
            other => panic!("{other:?}"),
        }
    }
    events
}

/// What was told is what happened behind `cursor`, in order, each thing once.
fn check_told(writer: &Writer, cursor: &Positions, events: &[WatchEvent]) {
    for (group, position) in cursor {
        let told = events.iter().filter(|event| event.group == *group);
        let told: Vec<_> = told
            .map(|event| {
                let value = match &event.change {
                    Change::Put { value, .. } => Some(value.clone()),
                    Change::Delete => None,
                };
                ((event.key.clone(), value), event.version)
            })
            .collect();
        let behind = (*group, position.next())..=(*group, LogIndex(u64::MAX));
        let happened: Vec<_> = writer
            .happened
            .range(behind)
            .map(|(_, own)| own.clone())
            .collect();
        assert_eq!(told, happened, "{group} behind {position}");
    }
}

const ALL: [Consistency; 4] = [
    Consistency::Linearizable,
    Consistency::Lease,
    Consistency::Follower,
    Consistency::StaleOk,
];

fn begin(seed: u64) -> (Cluster, Writer) {
    let mut cluster = Cluster::new(3, seed);
    cluster.until_ready();
    let mut writer = Writer {
        prng: Prng::new(seed ^ 0x5ca4),
        under_way: Vec::new(),
        happened: BTreeMap::new(),
    };
    for _ in 0..40 {
        writer.write(&mut cluster);
    }
    (cluster, writer)
}

#[test]
fn one_page_and_the_watch_behind_it_are_all_that_happened_each_thing_once() {
    for seed in 0..12 {
        let (mut cluster, mut writer) = begin(seed);
        let consistency = ALL[seed as usize % 4];
        let at = NodeId(1 + writer.prng.below(3));
        let page = scan(&mut cluster, at, None, 1_000, consistency, Vec::new());
        assert!(!page.more && page.cursor.len() == 8);
        for _ in 0..20 {
            writer.write(&mut cluster);
        }
        writer.end(&mut cluster);
        let shown: BTreeMap<_, _> = page.items.into_iter().map(pair).collect();
        assert_eq!(shown, writer.state_at(&page.cursor));
        let ends = writer.ends();
        let events = watch(
            &mut cluster,
            &mut Prng::new(seed),
            page.cursor.clone(),
            &ends,
        );
        check_told(&writer, &page.cursor, &events);
    }
}

#[test]
fn pages_that_carry_their_cursor_and_the_watch_behind_them_come_to_what_is_there() {
    for seed in 20..32 {
        let (mut cluster, mut writer) = begin(seed);
        let consistency = ALL[seed as usize % 4];
        let (mut shown, mut cursor, mut after) = (BTreeMap::new(), Vec::new(), None);
        let mut pages = 0;
        loop {
            let at = NodeId(1 + writer.prng.below(3));
            let page = scan(&mut cluster, at, after, 7, consistency, cursor.clone());
            for (lower, before) in page.cursor.iter().zip(&cursor) {
                assert!(lower <= before, "{lower:?} after {before:?}");
            }
            after = page.items.last().map(|item| item.key.clone());
            cursor = page.cursor;
            shown.extend(page.items.into_iter().map(pair));
            pages += 1;
            writer.write(&mut cluster);
            if !page.more {
                break;
            }
        }
        assert!(pages > 3, "{pages} pages");
        writer.end(&mut cluster);
        let ends = writer.ends();
        let events = watch(&mut cluster, &mut Prng::new(seed), cursor.clone(), &ends);
        check_told(&writer, &cursor, &events);
        for event in events {
            let known = shown.get(&event.key);
            if known.is_some_and(|(_, version): &(Bytes, Version)| *version >= event.version) {
                continue;
            }
            match event.change {
                Change::Put { value, .. } => shown.insert(event.key, (value, event.version)),
                Change::Delete => shown.remove(&event.key),
            };
        }
        assert_eq!(shown, writer.state_at(&ends));
    }
}

#[test]
fn a_page_without_a_key_says_where_it_was_read() {
    let mut cluster = Cluster::new(3, 1);
    cluster.until_ready();
    let version = cluster.put(NodeId(1), "hello", "v");
    let call = Call::Scan {
        prefix: Bytes::from_static(b"k/"),
        after: Some(Bytes::from_static(b"z")),
        limit: 1,
        consistency: Consistency::Linearizable,
        cursor: Vec::new(),
    };
    let Ok(Answer::Page(page)) = cluster.call(NodeId(2), call) else {
        panic!("no page");
    };
    assert!(page.items.is_empty() && page.cursor.len() == 8);
    assert_eq!(page.cursor[2], (GroupId(2), version.index));
}

#[test]
fn a_cursor_of_another_number_of_groups_is_refused() {
    let mut cluster = Cluster::new(3, 1);
    cluster.until_ready();
    let cursors = [
        (vec![(GroupId(8), LogIndex(1))], "group 8"),
        (vec![(GroupId(0), LogIndex(1))], "1 of 8 groups"),
    ];
    for (cursor, words) in cursors {
        let call = Call::Scan {
            prefix: Bytes::new(),
            after: None,
            limit: 1,
            consistency: Consistency::Linearizable,
            cursor,
        };
        let failure = cluster.call(NodeId(1), call).unwrap_err();
        assert_eq!(failure.kind, ErrorKind::Invalid);
        assert!(failure.message.contains(words), "{}", failure.message);
    }
}

fn pair(item: Item) -> (Bytes, (Bytes, Version)) {
    (item.key, (item.value, item.version))
}
