use super::*;

#[test]
fn log2_is_rounded_up_never_down() {
    let expected = [
        (0, 0),
        (1, 1),
        (2, 2),
        (3, 2),
        (4, 3),
        (7, 3),
        (8, 4),
        (50, 6),
        (1_000, 10),
    ];
    for (n, log) in expected {
        assert_eq!(log2_ceil(n), log, "n = {n}");
        assert!(1_u64 << log > u64::from(n), "2^{log} covers {n} + 1");
    }
    assert_eq!(log2_ceil(u32::MAX), 32);
}

#[test]
fn log10_grows_with_n_and_is_exact_at_powers_of_ten() {
    let exact = [
        (0, 0),
        (1, 0),
        (10, 1_000),
        (100, 2_000),
        (1_000_000_000, 9_000),
    ];
    for (n, milli) in exact {
        assert_eq!(log10_milli(n), milli);
    }
    assert!((1..10_000).all(|n| log10_milli(n) <= log10_milli(n + 1)));
    assert_eq!(log10_milli(50), 1_698);
}

#[test]
fn the_first_confirmation_counts_most() {
    let steps: [u32; 5] = core::array::from_fn(|c| confirmed_milli(u32::try_from(c).unwrap(), 3));
    assert_eq!(steps, [0, 500, 792, 1_000, 1_000]);
    assert_eq!(confirmed_milli(0, 0), 1_000);
}
