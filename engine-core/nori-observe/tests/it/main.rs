//! The meter as several threads and random values meet it.
#![expect(
    clippy::disallowed_methods,
    reason = "the handles are made to be shared by real threads"
)]

use nori_observe::{Meter, Value};
use proptest::prelude::*;

#[test]
fn four_threads_lose_no_count() {
    let meter = Meter::new();
    let counter = meter.counter("c", "", &[]).unwrap();
    let histogram = meter.histogram("h", "", &[]).unwrap();
    let threads: Vec<_> = (0..4)
        .map(|_| {
            let (counter, histogram) = (counter.clone(), histogram.clone());
            std::thread::spawn(move || {
                for value in 0..10_000 {
                    counter.add(1);
                    histogram.record(value);
                }
            })
        })
        .collect();
    for thread in threads {
        thread.join().unwrap();
    }
    let samples = meter.snapshot();
    assert_eq!(samples[0].value(), &Value::Counter(40_000));
    let Value::Histogram(distribution) = samples[1].value() else {
        panic!("`h` is a histogram");
    };
    assert_eq!(distribution.count(), 40_000);
    assert_eq!(distribution.sum(), 4 * 49_995_000);
}

proptest! {
    #[test]
    fn every_value_lands_in_the_bucket_that_bounds_it(value: u64) {
        let meter = Meter::new();
        let histogram = meter.histogram("h", "", &[]).unwrap();
        histogram.record(value);
        let read = histogram.distribution();
        let upper = read.quantile(1_000);
        prop_assert!(value <= upper && upper - value <= value / 4);
        prop_assert_eq!(read.count_up_to(upper), 1);
    }
}
