//! Clogged and flapping links, slow receivers.

use super::*;

fn ms(ms: u64) -> Mono {
    Mono::ZERO + Duration::from_millis(ms)
}

fn calm() -> Network<u32> {
    let faults = LinkFaults::none(Delay::fixed(Duration::from_millis(1)));
    Network::new(faults, Prng::new(0))
}

fn drain(network: &mut Network<u32>) -> Vec<(u64, u32)> {
    let mut all = Vec::new();
    while let Some((slot, message)) = network.pop() {
        all.push((slot.at.as_nanos() / 1_000_000, message.payload));
    }
    all
}

#[test]
fn a_clogged_link_lets_all_through_at_once_and_in_order() {
    let mut network = calm();
    network.send(ms(9), A, B, LANE, 0);
    network.send(ms(9), B, A, LANE, 100);
    network.clog(A, B, ms(50));
    network.send(ms(10), A, B, LANE, 1);
    network.send(ms(48), A, B, LANE, 2);
    network.send(ms(49), A, B, LANE, 3);
    network.send(ms(50), A, B, LANE, 4);
    let expected = [(10, 100), (50, 0), (50, 1), (50, 2), (50, 3), (51, 4)];
    assert_eq!(drain(&mut network), expected);
    assert_eq!(network.counters().clogged, 3);
}

#[test]
fn a_clog_keeps_the_order_of_what_arrives_the_moment_it_ends() {
    let mut network = calm();
    network.send(ms(0), A, B, LANE, 0);
    network.send(ms(9), A, B, LANE, 1);
    network.clog(A, B, ms(10));
    network.clog(A, B, ms(5));
    assert_eq!(drain(&mut network), [(10, 0), (10, 1)]);
}

#[test]
fn a_flapping_link_is_up_then_down_in_each_period_until_it_stops() {
    let mut network = calm();
    network.flap(A, B, Duration::from_millis(20), ms(65));
    for at in [0, 5, 12, 19, 22, 35, 41, 55, 64, 66] {
        network.send(ms(at), A, B, LANE, u32::try_from(at).unwrap());
        network.send(ms(at), B, A, LANE, 1_000);
    }
    let mut arrived = drain(&mut network);
    arrived.retain(|(_, payload)| *payload < 1_000);
    let payloads: Vec<u32> = arrived.iter().map(|(_, payload)| *payload).collect();
    assert_eq!(payloads, [0, 5, 22, 41, 64, 66]);
    assert_eq!(network.counters().flapped, 4);
    assert!(network.is_down(A, B, ms(15)) && !network.is_down(A, B, ms(75)));
}

#[test]
fn a_flapping_link_swallows_what_arrives_while_it_is_down_and_healing_ends_it() {
    let mut network = calm();
    network.flap(A, B, Duration::from_millis(20), Mono::MAX);
    network.send(ms(9), A, B, LANE, 0);
    assert!(network.next_at().is_none(), "it would arrive at 10 ms");
    network.heal();
    network.send(ms(15), A, B, LANE, 1);
    assert_eq!(drain(&mut network), [(16, 1)]);
}

#[test]
fn a_slow_receiver_takes_one_message_each_service_time_and_loses_none() {
    let mut network = calm();
    network.slow_receiver(B, Duration::from_millis(10));
    for nth in 0..4 {
        network.send(ms(0), A, B, LANE, nth);
    }
    network.send(ms(0), A, C, LANE, 50);
    network.send(ms(30), C, B, LANE, 4);
    network.send(ms(99), C, B, LANE, 5);
    let expected = [
        (1, 0),
        (1, 50),
        (11, 1),
        (21, 2),
        (31, 3),
        (41, 4),
        (100, 5),
    ];
    assert_eq!(drain(&mut network), expected);
    assert_eq!(network.counters().slowed, 4);
}

#[test]
fn what_waits_for_a_receiver_that_is_fast_again_still_comes_before_what_is_sent_later() {
    let mut network = calm();
    network.slow_receiver(B, Duration::from_millis(10));
    for nth in 0..3 {
        network.send(ms(0), A, B, LANE, nth);
    }
    assert_eq!(network.pop().map(|(_, message)| message.payload), Some(0));
    assert_eq!(network.pop().map(|(_, message)| message.payload), Some(1));
    assert_eq!(network.next_at(), Some(ms(21)));
    network.slow_receiver(B, Duration::ZERO);
    network.send(ms(11), A, B, LANE, 3);
    network.send(ms(40), A, B, LANE, 4);
    network.send(ms(40), A, B, LANE, 5);
    let order: Vec<u32> = drain(&mut network).iter().map(|(_, p)| *p).collect();
    assert_eq!(order, [2, 3, 4, 5]);
}

#[test]
fn a_cut_cannot_take_what_already_waits_at_a_slow_receiver() {
    let mut network = calm();
    network.slow_receiver(B, Duration::from_millis(10));
    for nth in 0..2 {
        network.send(ms(0), A, B, LANE, nth);
    }
    network.pop();
    assert_eq!(network.next_at(), Some(ms(11)));
    network.cut(A, B);
    assert_eq!(drain(&mut network), [(11, 1)]);
}

#[test]
fn strict_channels_keep_their_order_through_every_way_of_holding_back() {
    for seed in 0..50 {
        let mut draw = Prng::new(seed);
        let mut network = Network::<u32>::new(
            LinkFaults {
                replay_ppm: 200_000,
                reorder_ppm: 200_000,
                duplicate_ppm: 200_000,
                ..wild()
            },
            Prng::new(seed),
        );
        let mut last = [None; 2];
        let check = |message: Message<u32>, last: &mut [Option<u32>; 2]| {
            let lane = &mut last[usize::from(message.channel.number) - 1];
            assert!(*lane < Some(message.payload), "seed {seed}");
            *lane = Some(message.payload);
        };
        for nth in 0..500 {
            let now = Mono::ZERO + Duration::from_micros(u64::from(nth) * 300);
            while network.next_at().is_some_and(|at| at <= now) {
                check(network.pop().unwrap().1, &mut last);
            }
            network.send(now, A, B, Channel::strict(1), nth);
            network.send(now, C, B, Channel::strict(2), nth);
            let later = now + draw.duration(Duration::ZERO, Duration::from_millis(9));
            match draw.below(40) {
                0 => network.clog(A, B, later),
                1 => network.slow_receiver(B, Duration::from_micros(draw.below(900))),
                2 => network.slow_receiver(B, Duration::ZERO),
                3 => network.flap(C, B, Duration::from_millis(3), later),
                _ => {}
            }
        }
        while let Some((_, message)) = network.pop() {
            check(message, &mut last);
        }
        let counters = network.counters();
        assert!(counters.clogged > 0 || counters.slowed > 0, "{counters:?}");
        assert_eq!(counters.replayed + counters.duplicated, 0);
    }
}
