use norikv_types::Prng;

use super::*;

/// A clock with a history, and the moment at which that ended.
fn drawn(prng: &mut Prng) -> (DriftingClock, Mono) {
    let mut drift = || i32::try_from(prng.below(400_001)).unwrap() - 200_000;
    let mut clock = DriftingClock::new(drift());
    let drifts = [drift(), drift()];
    let mut now = Mono::from_nanos(prng.below(1 << 40));
    for drift_ppm in drifts {
        clock.jump(now, Duration::from_nanos(prng.below(1 << 36)));
        now += Duration::from_nanos(prng.below(1 << 36));
        clock.set_drift(now, drift_ppm);
    }
    (clock, now)
}

#[test]
fn world_is_the_first_nanosecond_that_shows_a_time() {
    for seed in 0..2_000 {
        let prng = &mut Prng::new(seed);
        let (clock, now) = drawn(prng);
        // Up to centuries, so that both ways to multiply are taken.
        let span = 1 << prng.below(62);
        let local = clock.local(now) + Duration::from_nanos(prng.below(span) + 1);
        let world = clock.world(local);
        assert!(clock.local(world) >= local, "seed {seed}");
        let before = Mono::from_nanos(world.as_nanos() - 1);
        assert!(clock.local(before) < local, "seed {seed}");
    }
}

#[test]
fn what_a_clock_shows_never_goes_back() {
    for seed in 0..200 {
        let prng = &mut Prng::new(seed);
        let (mut clock, mut now) = drawn(prng);
        let mut last = clock.local(now);
        for _ in 0..50 {
            match prng.below(4) {
                0 => clock.set_drift(now, i32::try_from(prng.below(999_999)).unwrap() - 999_999),
                1 => clock.jump(now, Duration::from_nanos(prng.below(1_000))),
                _ => now += Duration::from_nanos(prng.below(5)),
            }
            assert!(clock.local(now) >= last, "seed {seed}");
            last = clock.local(now);
        }
    }
}

#[test]
fn a_new_rate_holds_from_its_moment_on() {
    let second = Mono::ZERO + Duration::from_secs(1);
    let mut clock = DriftingClock::new(0);
    clock.set_drift(second, -100);
    assert_eq!(clock.local(second), second);
    let minute = second + Duration::from_secs(60);
    assert_eq!(clock.local(minute), minute - Duration::from_millis(6));
}

#[test]
fn a_deadline_that_never_comes_never_comes() {
    for drift_ppm in [0, -300, 300] {
        assert_eq!(DriftingClock::new(drift_ppm).world(Mono::MAX), Mono::MAX);
    }
}

#[test]
#[should_panic(expected = "a clock moves on")]
fn a_clock_that_stands_still_is_refused() {
    let _ = DriftingClock::new(-1_000_000);
}
