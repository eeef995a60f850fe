//! Prints what one operation of each handle costs, alone and contended.
#![expect(clippy::print_stdout, reason = "printing is what it is for")]
#![expect(
    clippy::disallowed_methods,
    reason = "measures real time on real threads"
)]

use std::hint::black_box;
use std::time::Instant;

use nori_observe::{Error, Meter};

fn main() -> Result<(), Error> {
    let meter = Meter::new();
    let counter = meter.counter("counter", "", &[])?;
    let gauge = meter.gauge("gauge", "", &[])?;
    let histogram = meter.histogram("histogram", "", &[])?;
    for threads in [1, 2] {
        let counter_ns = ns_per_op(threads, |i| counter.add(black_box(i)));
        let gauge_ns = ns_per_op(threads, |i| gauge.add(black_box(i.cast_signed())));
        let histogram_ns = ns_per_op(threads, |i| histogram.record(black_box(i << (i & 31))));
        println!(
            "{threads} thread(s): counter {counter_ns} ns, gauge {gauge_ns} ns, histogram {histogram_ns} ns"
        );
    }
    Ok(())
}

/// Wall nanoseconds per operation of one thread while `threads` of them work.
fn ns_per_op(threads: u64, operation: impl Fn(u64) + Sync) -> u128 {
    const OPERATIONS: u64 = 20_000_000;
    let start = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| (0..OPERATIONS).for_each(&operation));
        }
    });
    start.elapsed().as_nanos() / u128::from(OPERATIONS)
}
