use super::*;

#[test]
fn buckets_tile_all_values_and_stay_within_a_quarter() {
    let mut lower = 0_u64;
    for bucket in 0..BUCKETS {
        let upper = upper_bound(bucket);
        assert_eq!((bucket_of(lower), bucket_of(upper)), (bucket, bucket));
        assert!(
            upper - lower <= lower / 4,
            "bucket {bucket}: {lower}..={upper}"
        );
        lower = upper.wrapping_add(1);
    }
    assert_eq!(lower, 0, "the last bucket ends at u64::MAX");
}

#[test]
fn quantiles_bound_the_true_ones_from_above_by_a_quarter() {
    let histogram = Histogram::new();
    (1..=10_000).for_each(|value| histogram.record(value));
    let read = histogram.distribution();
    assert_eq!((read.count(), read.sum()), (10_000, 50_005_000));
    for per_mille in [1, 10, 500, 900, 990, 999, 1_000] {
        let (truth, found) = (u64::from(per_mille) * 10, read.quantile(per_mille));
        assert!(
            truth <= found && found <= truth + truth / 4,
            "{per_mille}: {found}"
        );
    }
}

#[test]
fn an_empty_distribution_has_quantile_zero() {
    assert_eq!(Histogram::new().distribution().quantile(990), 0);
}

#[test]
fn cumulative_counts_take_whole_buckets_only() {
    let histogram = Histogram::new();
    for value in [0, 1, 7, 8, 9, 10, 1_000] {
        histogram.record(value);
    }
    let read = histogram.distribution();
    assert_eq!(read.count_up_to(0), 1);
    assert_eq!(read.count_up_to(7), 3);
    assert_eq!(read.count_up_to(8), 3, "8 and 9 share a bucket");
    assert_eq!(read.count_up_to(15), 6);
    assert_eq!(read.count_up_to(u64::MAX), 7);
}
