//! `wasi:keyvalue/store` against a model.

use std::collections::BTreeMap;

use norikv_edge::{Store, StoreError, deterministic_engine};
use norikv_types::Prng;

use crate::component;

fn open(name: &str) -> Store {
    let engine = deterministic_engine().expect("wasmtime runs here");
    Store::open(&engine, &component("norikv_store.wasm"), name).expect("the component opens")
}

#[test]
fn a_bucket_is_a_map_through_flushes_and_compactions() {
    let mut store = open("model");
    let mut model: BTreeMap<String, Vec<u8>> = BTreeMap::new();
    let seed = 11;
    println!("seed {seed}");
    let mut prng = Prng::new(seed);
    for _ in 0..20_000 {
        let key = format!("key-{:05}", prng.below(6_000));
        match prng.below(10) {
            0 => {
                store.delete(&key).expect("delete");
                model.remove(&key);
            }
            1..3 => assert_eq!(
                store.get(&key).expect("get"),
                model.get(&key).cloned(),
                "{key}"
            ),
            3 => assert_eq!(
                store.exists(&key).expect("exists"),
                model.contains_key(&key)
            ),
            _ => {
                let length = usize::try_from(prng.below(2_000)).expect("small");
                let value = vec![u8::try_from(prng.below(256)).expect("a byte"); length];
                store.set(&key, &value).expect("set");
                model.insert(key, value);
            }
        }
    }
    let mut listed = Vec::new();
    let mut cursor = None;
    loop {
        let page = store.list_keys(cursor.as_deref()).expect("list");
        assert!(page.keys.len() <= 1_000);
        listed.extend(page.keys);
        cursor = page.cursor;
        if cursor.is_none() {
            break;
        }
    }
    assert_eq!(listed, model.keys().cloned().collect::<Vec<_>>());
}

#[test]
fn what_is_over_a_limit_is_refused_by_its_name_and_changes_nothing() {
    let mut store = open("limits");
    store.set("k", b"before").expect("set");
    for (key, value) in [
        ("", &b"v"[..]),
        (&"k".repeat(1_025), b"v"),
        ("k", &vec![0; (1 << 20) + 1]),
    ] {
        match store.set(key, value) {
            Err(StoreError::Refused(why)) => {
                assert!(why.contains("1024") || why.contains("1048576"), "{why}");
            }
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(
        store.get("k").expect("get").as_deref(),
        Some(&b"before"[..])
    );
    store
        .set(&"k".repeat(1_024), &vec![7; 1 << 20])
        .expect("at the limits");
}

#[test]
fn a_component_that_is_none_is_refused() {
    let engine = deterministic_engine().expect("wasmtime runs here");
    assert!(matches!(
        Store::open(&engine, b"nonsense", "x"),
        Err(StoreError::Trapped(_))
    ));
}
