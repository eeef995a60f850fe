use std::time::Duration;

use super::Latencies;

fn of(micros: impl Iterator<Item = u64>) -> Latencies {
    let mut latencies = Latencies::new();
    for micros in micros {
        latencies.record(Duration::from_micros(micros));
    }
    latencies
}

fn close(got: f64, expected: f64) -> bool {
    (got / expected - 1.0).abs() < 0.002
}

#[test]
fn percentiles_of_a_thousand_known_times_are_right_to_three_digits() {
    let percentiles = of(1..=1_000).percentiles();
    assert!(close(percentiles.p50_us, 500.0), "{percentiles:?}");
    assert!(close(percentiles.p99_us, 990.0), "{percentiles:?}");
    assert!(close(percentiles.p999_us, 999.0), "{percentiles:?}");
    assert!(close(percentiles.max_us, 1_000.0), "{percentiles:?}");
}

#[test]
fn two_threads_times_merge_into_those_of_one() {
    let mut odd = of((1..=999).step_by(2));
    odd.merge(&of((2..=1_000).step_by(2)));
    assert_eq!(odd.count(), 1_000);
    assert_eq!(odd.percentiles(), of(1..=1_000).percentiles());
}

#[test]
fn one_slow_operation_in_two_hundred_is_in_p999_and_max_but_not_in_p99() {
    let percentiles = of((0..199).map(|_| 10).chain([5_000])).percentiles();
    assert!(close(percentiles.p99_us, 10.0), "{percentiles:?}");
    assert!(close(percentiles.p999_us, 5_000.0), "{percentiles:?}");
    assert!(close(percentiles.max_us, 5_000.0), "{percentiles:?}");
}

#[test]
fn nothing_measured_is_zero_and_times_beyond_the_bounds_count_as_the_bounds() {
    assert_eq!(Latencies::new().percentiles().max_us, 0.0);
    let mut latencies = Latencies::new();
    latencies.record(Duration::ZERO);
    latencies.record(Duration::from_secs(100_000));
    assert_eq!(latencies.count(), 2);
    assert!(latencies.percentiles().max_us >= 599e6);
}
