use super::*;

#[test]
fn the_clock_never_goes_back() {
    let mut last = SystemClock.now();
    for _ in 0..1_000 {
        let now = SystemClock.now();
        assert!(now >= last);
        last = now;
    }
}

#[test]
fn the_wall_clock_is_past_this_code() {
    assert!(SystemClock.wall() > WallMs(1_735_689_600_000), "after 2025");
}

#[test]
fn draws_differ() {
    assert_ne!(OsEntropy.draw(), OsEntropy.draw());
}
