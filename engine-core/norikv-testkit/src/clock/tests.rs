use super::*;

#[test]
fn the_wall_clock_follows_and_jumps_without_moving_monotonic_time() {
    let clock = VirtualClock::new(WallMs(1_000));
    clock.advance(Duration::from_millis(250));
    assert_eq!(clock.wall(), WallMs(1_250));
    clock.jump_wall(-400);
    assert_eq!(clock.wall(), WallMs(850));
    assert_eq!(clock.now(), Mono::from_nanos(250_000_000));
}

#[test]
#[should_panic(expected = "never goes back")]
fn setting_an_earlier_time_is_refused() {
    let clock = VirtualClock::new(WallMs(0));
    clock.set(Mono::from_nanos(5));
    clock.set(Mono::from_nanos(4));
}
