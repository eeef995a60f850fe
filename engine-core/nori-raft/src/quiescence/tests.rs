use core::time::Duration;

use super::*;

#[test]
fn heartbeats_fall_on_the_multiples_of_the_interval() {
    let interval = Duration::from_nanos(10);
    for (now, next) in [(0, 10), (1, 10), (9, 10), (10, 20), (11, 20)] {
        let beat = next_beat(interval, Mono::from_nanos(now));
        assert_eq!(beat, Mono::from_nanos(next), "after {now}");
    }
    assert_eq!(next_beat(interval, Mono::MAX), Mono::MAX);
}
