use core::time::Duration;

use super::*;

#[test]
fn heartbeats_fall_on_the_multiples_of_the_interval() {
    let mut config = Config::new(NodeId(1), [NodeId(1)], 0);
    config.heartbeat_interval = Duration::from_nanos(10);
    for (now, next) in [(0, 10), (1, 10), (9, 10), (10, 20), (11, 20)] {
        let beat = next_beat(&config, Mono::from_nanos(now));
        assert_eq!(beat, Mono::from_nanos(next), "after {now}");
    }
    assert_eq!(next_beat(&config, Mono::MAX), Mono::MAX);
}
