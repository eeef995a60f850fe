use std::collections::BTreeMap;

use anyhow::Result;
use parking_lot::Mutex;

use super::{KeyOrder, Session, parse, text};
use crate::embedded::engine::Engine;

/// An engine in memory that can be told to answer wrongly.
#[derive(Default)]
struct Map {
    map: Mutex<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// Puts of a key that is there already are forgotten.
    forgets: bool,
    /// Every second key is left out of scans.
    skips: bool,
}

impl Engine for Map {
    fn put(&self, key: &[u8], value: &[u8]) -> Result<()> {
        let mut map = self.map.lock();
        if !(self.forgets && map.contains_key(key)) {
            map.insert(key.to_vec(), value.to_vec());
        }
        Ok(())
    }

    fn put_many(&self, entries: &[(Vec<u8>, Vec<u8>)]) -> Result<()> {
        entries
            .iter()
            .try_for_each(|(key, value)| self.put(key, value))
    }

    fn delete(&self, key: &[u8]) -> Result<()> {
        self.map.lock().remove(key);
        Ok(())
    }

    fn get(&self, key: &[u8], seen: &mut dyn FnMut(&[u8])) -> Result<bool> {
        let map = self.map.lock();
        Ok(map.get(key).inspect(|value| seen(value)).is_some())
    }

    fn scan(&self, from: &[u8], limit: u32, seen: &mut dyn FnMut(&[u8], &[u8])) -> Result<()> {
        let map = self.map.lock();
        let step = if self.skips { 2 } else { 1 };
        let found = map.range(from.to_vec()..).step_by(step);
        found
            .take(usize::try_from(limit)?)
            .for_each(|(key, value)| seen(key, value));
        Ok(())
    }

    fn settle(&self) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_right_engine_passes_and_holds_what_was_put() {
    for order in [KeyOrder::Scattered, KeyOrder::Ascending] {
        let map = Map::default();
        let mut session = Session::new(&map, order, 100);
        session.load(2_500).expect("loaded");
        session.put(7).expect("overwritten");
        session.delete(8).expect("deleted");
        session.insert().expect("inserted");
        assert_eq!(map.map.lock().len(), 2_500);
        for index in [0, 7, 8, 2_500, 9_999] {
            session.get(index).expect("a right answer");
        }
        session.sort();
        assert_eq!(session.scan_starts(100), 2_401);
        session.scan_exact(2_400, 100).expect("a right scan");
        session.scan_from(7, 100).expect("a right scan");
    }
}

#[test]
fn a_stale_value_is_seen_by_gets_and_scans() {
    let map = Map {
        forgets: true,
        ..Map::default()
    };
    let mut session = Session::new(&map, KeyOrder::Ascending, 100);
    session.load(10).expect("loaded");
    session.put(3).expect("forgotten");
    session.get(2).expect("a right answer");
    assert!(session.get(3).is_err());
    session.sort();
    assert!(session.scan_exact(3, 2).is_err());
    assert!(session.scan_from(3, 2).is_err());
}

#[test]
fn a_key_that_a_scan_leaves_out_is_missed() {
    let map = Map {
        skips: true,
        ..Map::default()
    };
    let mut session = Session::new(&map, KeyOrder::Scattered, 100);
    session.load(100).expect("loaded");
    session.sort();
    assert!(session.scan_exact(0, 10).is_err());
}

#[test]
fn keys_sort_as_their_words_and_are_read_back() {
    let words = [0, 1, 9, 10, 255, 1 << 40, u64::MAX];
    assert!(words.is_sorted_by_key(|word| text(*word)));
    for word in words {
        assert_eq!(parse(&text(word)), Some(word));
    }
    assert_eq!(parse(b"not a key"), None);
}
