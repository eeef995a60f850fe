use std::sync::atomic::{AtomicU64, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::bail;

use super::{Gate, Tally, Times, counted, timed};

const SHORT: Times = Times {
    warm_up: Duration::from_millis(50),
    measured: Duration::from_millis(100),
};

#[test]
fn what_ends_before_the_window_opens_or_after_it_closed_is_not_counted() {
    let gate = Gate::default();
    let mut tally = Tally::default();
    gate.count(Instant::now(), true, &mut tally);
    assert_eq!(tally.latencies.count(), 0, "warming up");
    let before = Instant::now();
    let window = thread::scope(|scope| {
        let watching = scope.spawn(|| gate.watch(SHORT));
        while tally.latencies.count() == 0 || tally.failed == 0 {
            assert!(
                before.elapsed() < Duration::from_secs(60),
                "the window never opened"
            );
            gate.count(before, true, &mut tally);
            gate.count(before, false, &mut tally);
        }
        watching.join().expect("watched")
    });
    assert!(!gate.is_running());
    let (well, failed) = (tally.latencies.count(), tally.failed);
    gate.count(Instant::now(), true, &mut tally);
    assert_eq!(tally.latencies.count(), well, "closed");
    let figure = window.figure("test", 1, [tally]).expect("a figure");
    assert_eq!((figure.operations, figure.failed), (well, failed));
    assert!(figure.seconds >= 0.1, "{figure:?}");
}

#[test]
fn the_rate_is_the_counted_operations_by_the_window_and_the_warm_up_is_left_out() {
    let done = AtomicU64::new(0);
    let figure = timed("spin", 2, SHORT, |_thread| {
        || {
            done.fetch_add(1, Ordering::Relaxed);
            thread::sleep(Duration::from_millis(1));
            Ok(())
        }
    })
    .expect("a figure");
    assert_eq!(figure.clients, 2);
    assert!(figure.operations > 0 && figure.operations < done.into_inner());
    let rate = figure.operations as f64 / figure.seconds;
    assert!((figure.per_second - rate).abs() < 1e-6, "{figure:?}");
    assert!(figure.percentiles.p50_us >= 1_000.0, "{figure:?}");
}

#[test]
fn counted_work_is_done_once_for_each_number_and_all_of_it_counts() {
    let mut numbers = Vec::new();
    let figure = counted("push", 1_000, Duration::MAX, |number| {
        numbers.push(number);
        Ok(())
    })
    .expect("a figure");
    assert_eq!(figure.operations, 1_000);
    assert_eq!(numbers, (0..1_000).collect::<Vec<_>>());
}

#[test]
fn an_error_of_a_worker_voids_the_measurement() {
    let error = timed("broken", 1, SHORT, |_thread| || bail!("no disk")).expect_err("void");
    assert!(format!("{error:#}").contains("no disk"), "{error:#}");
    assert!(counted("broken", 5, Duration::MAX, |_number| bail!("no disk")).is_err());
}

#[test]
fn nothing_counted_is_no_figure() {
    let window = Gate::default().watch(SHORT);
    let error = window
        .figure("idle", 1, [])
        .expect_err("nothing was counted");
    assert!(error.to_string().contains("idle"), "{error}");
}
