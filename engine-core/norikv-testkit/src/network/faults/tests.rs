use std::string::String;

use super::*;

#[test]
fn a_scenario_file_holds_a_link_and_gives_it_back() {
    let faults = LinkFaults {
        delay: Delay {
            min: Duration::from_micros(200),
            max: Duration::from_millis(3),
            tail_ppm: 7,
            tail_max: Duration::from_secs(2),
        },
        replay_ppm: 9,
        ..LinkFaults::default()
    };
    let text: String = toml::to_string(&faults).unwrap();
    assert!(text.contains("tail_max_us = 2000000"), "{text}");
    assert_eq!(toml::from_str::<LinkFaults>(&text).unwrap(), faults);
}

#[test]
fn what_a_file_leaves_out_is_off_and_what_nobody_knows_is_refused() {
    let link: LinkFaults = toml::from_str("loss_ppm = 5\ndelay = { max_us = 10 }").unwrap();
    assert_eq!(link.loss_ppm, 5);
    assert_eq!(link.delay.max, Duration::from_micros(10));
    assert_eq!(link.flip_ppm, 0);
    assert!(toml::from_str::<LinkFaults>("lost_ppm = 5").is_err());
    assert!(toml::from_str::<Delay>("min = 5").is_err());
}

#[test]
fn a_tail_is_seldom_and_long() {
    let delay = Delay {
        min: Duration::from_micros(1),
        max: Duration::from_micros(10),
        tail_ppm: 100_000,
        tail_max: Duration::from_millis(64),
    };
    let mut prng = Prng::new(1);
    let mut long: std::vec::Vec<Duration> = std::vec![];
    for _ in 0..10_000 {
        let (drawn, tail) = delay.draw_and_tell(&mut prng);
        assert!(drawn >= delay.min && drawn <= delay.tail_max);
        assert!(tail || drawn <= delay.max);
        long.extend(tail.then_some(drawn));
    }
    assert!((800..1_200).contains(&long.len()), "{}", long.len());
    let below = long.iter().filter(|drawn| **drawn < delay.tail_max / 8);
    assert!(below.count() * 2 >= long.len());
    assert!(long.iter().any(|drawn| *drawn > delay.tail_max / 2));
}
