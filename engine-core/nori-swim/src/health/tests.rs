use super::*;

/// Lifeguard §III: the multiplier saturates at S and never falls below 0.
#[test]
fn health_stays_within_its_bounds_and_stretches_by_whole_bases() {
    let mut health = Health::new(8);
    let base = Duration::from_millis(500);
    health.improve();
    assert_eq!((health.score(), health.stretch(base)), (0, base));
    health.worsen(3);
    assert_eq!(health.stretch(base), base * 4);
    health.worsen(u32::MAX);
    assert_eq!(health.stretch(base), base * 9);
    health.improve();
    assert_eq!(health.score(), 7);
}
