//! The first of many candidates that holds, tried in parallel.
//!
//! **Invariant: the answer is that of trying one after the other**, however many threads try.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;

/// The lowest index whose item `holds`. Items behind one that holds are left alone.
pub(super) fn first<T: Sync>(
    items: &[T],
    jobs: usize,
    holds: impl Fn(&T) -> bool + Sync,
) -> Option<usize> {
    let next = AtomicUsize::new(0);
    let found = AtomicUsize::new(usize::MAX);
    thread::scope(|scope| {
        for _ in 0..jobs.min(items.len()) {
            scope.spawn(|| {
                loop {
                    let nth = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = items.get(nth) else {
                        return;
                    };
                    if nth >= found.load(Ordering::Relaxed) {
                        return;
                    }
                    if holds(item) {
                        found.fetch_min(nth, Ordering::Relaxed);
                    }
                }
            });
        }
    });
    Some(found.into_inner()).filter(|nth| *nth < items.len())
}

#[cfg(test)]
mod tests {
    use super::first;

    #[test]
    fn the_lowest_that_holds_is_found_by_any_number_of_threads() {
        let items: Vec<u32> = (0..100).collect();
        for jobs in [1, 2, 3, 16, 1_000] {
            for lowest in [0, 1, 7, 50, 99] {
                // The lower an item, the longer it takes.
                let holds = |item: &u32| {
                    let spun = (0..(100 - item) * 200).fold(0_u32, |sum, n| sum ^ (n * 31));
                    std::hint::black_box(spun);
                    *item >= lowest
                };
                assert_eq!(first(&items, jobs, holds), Some(lowest as usize));
            }
            assert_eq!(first(&items, jobs, |_| false), None);
            assert_eq!(first(&[] as &[u32], jobs, |_| true), None);
        }
    }
}
