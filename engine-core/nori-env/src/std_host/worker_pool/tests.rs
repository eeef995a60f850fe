use super::*;
use crate::sync::{AtomicU32, Ordering};

#[test]
fn everything_submitted_is_done_when_the_pool_is_gone() {
    let done = Arc::new(AtomicU32::new(0));
    let pool = WorkerPool::new("test", 3).unwrap();
    for _ in 0..100 {
        let done = Arc::clone(&done);
        pool.submit(move || {
            done.fetch_add(1, Ordering::AcqRel);
        });
    }
    drop(pool);
    assert_eq!(done.load(Ordering::Acquire), 100);
}
