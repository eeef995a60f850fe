use alloc::vec::Vec;

use norikv_types::Prng;

use super::*;

#[test]
fn blocks_are_taken_once_given_back_once_and_neighbours_become_one_run() {
    for seed in 0..200 {
        let mut prng = Prng::new(seed);
        let mut free = FreeMap::default();
        let whole = Extent {
            start: 3,
            blocks: 61,
        };
        free.give(whole);
        let mut owned = [false; 64];
        let mut held: Vec<Extent> = Vec::new();
        for _ in 0..200 {
            if prng.below(2) == 0 && !held.is_empty() {
                let at = usize::try_from(prng.below(held.len() as u64)).unwrap();
                let extent = held.swap_remove(at);
                free.give(extent);
                owned[usize::try_from(extent.start).unwrap()
                    ..usize::try_from(extent.end()).unwrap()]
                    .fill(false);
                continue;
            }
            let want = 1 + prng.below(9);
            let taken = match prng.below(3) {
                0 => {
                    let start = 3 + prng.below(60);
                    let extent = Extent {
                        start,
                        blocks: want.min(64 - start),
                    };
                    let blocks =
                        usize::try_from(start).unwrap()..usize::try_from(extent.end()).unwrap();
                    let possible = owned[blocks].iter().all(|owned| !owned);
                    assert_eq!(free.claim(extent), possible, "seed {seed}");
                    possible.then_some(extent)
                }
                _ => free.take(held.last().copied(), want),
            };
            if let Some(extent) = taken {
                assert!(extent.blocks >= 1 && extent.blocks <= want);
                for block in extent.start..extent.end() {
                    let owned = &mut owned[usize::try_from(block).unwrap()];
                    assert!(
                        !core::mem::replace(owned, true),
                        "seed {seed}: block {block}"
                    );
                }
                held.push(extent);
            }
            let expected = owned[3..].iter().filter(|owned| !**owned).count() as u64;
            assert_eq!(free.blocks(), expected, "seed {seed}");
            assert!(
                (free.runs.iter().zip(free.runs.iter().skip(1)))
                    .all(|((start, blocks), (next, _))| start + blocks < *next),
                "seed {seed}: {free:?}"
            );
        }
        for extent in held {
            free.give(extent);
        }
        assert_eq!(free.take(None, 100), Some(whole), "one run again");
    }
}

#[test]
fn an_object_grows_where_it_ends_and_else_where_it_fits() {
    let mut free = FreeMap::default();
    for start in [10, 20, 40] {
        free.give(Extent { start, blocks: 4 });
    }
    free.give(Extent {
        start: 60,
        blocks: 8,
    });
    let last = Extent {
        start: 15,
        blocks: 5,
    };
    assert_eq!(
        free.take(Some(last), 2),
        Some(Extent {
            start: 20,
            blocks: 2
        })
    );
    assert_eq!(
        free.take(None, 6),
        Some(Extent {
            start: 60,
            blocks: 6
        })
    );
    assert_eq!(
        free.take(None, 9),
        Some(Extent {
            start: 10,
            blocks: 4
        }),
        "the longest that is left"
    );
    assert_eq!(free.blocks(), 8);
}

#[test]
#[should_panic(expected = "given back once")]
fn giving_back_what_is_free_is_a_bug() {
    let mut free = FreeMap::default();
    free.give(Extent {
        start: 10,
        blocks: 4,
    });
    free.give(Extent {
        start: 12,
        blocks: 1,
    });
}
