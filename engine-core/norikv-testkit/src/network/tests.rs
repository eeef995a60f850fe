use alloc::vec::Vec;

use super::*;

mod harm;
mod held_back;
mod topology;

const A: NodeId = NodeId(1);
const B: NodeId = NodeId(2);
const C: NodeId = NodeId(3);
const LANE: Channel = Channel::loose(0);

fn wild() -> LinkFaults {
    LinkFaults {
        delay: Delay {
            min: Duration::from_micros(100),
            max: Duration::from_millis(2),
            tail_ppm: 50_000,
            tail_max: Duration::from_millis(200),
        },
        loss_ppm: 100_000,
        duplicate_ppm: 100_000,
        ..LinkFaults::default()
    }
}

fn run(faults: LinkFaults, seed: u64) -> (Vec<(Slot, Message<u32>)>, NetworkCounters) {
    let mut network = Network::new(faults, Prng::new(seed));
    for nth in 0..1_000 {
        let now = Mono::from_nanos(u64::from(nth) * 50_000);
        network.send(now, A, B, LANE, nth);
    }
    let mut deliveries = Vec::new();
    while let Some(delivery) = network.pop() {
        deliveries.push(delivery);
    }
    (deliveries, network.counters())
}

#[test]
fn the_same_seed_gives_the_same_deliveries_and_another_seed_others() {
    assert_eq!(run(wild(), 1), run(wild(), 1));
    assert_ne!(run(wild(), 1), run(wild(), 2));
}

#[test]
fn deliveries_come_ordered_by_time_and_never_before_the_least_delay() {
    let (deliveries, _) = run(wild(), 3);
    assert!(deliveries.is_sorted_by_key(|(slot, _)| *slot));
    for (slot, message) in &deliveries {
        assert!(slot.at.since(message.sent) >= Duration::from_micros(100));
    }
}

#[test]
fn a_link_without_reorder_keeps_its_order() {
    let faults = LinkFaults {
        duplicate_ppm: 0,
        ..wild()
    };
    let (deliveries, counters) = run(faults, 4);
    assert!(deliveries.is_sorted_by_key(|(_, message)| message.payload));
    assert_eq!(counters.reordered, 0);
}

#[test]
fn every_fault_fires_and_is_counted() {
    let faults = LinkFaults {
        reorder_ppm: 200_000,
        ..wild()
    };
    let (deliveries, counters) = run(faults, 5);
    assert!(!deliveries.is_sorted_by_key(|(_, message)| message.payload));
    assert!((50..200).contains(&counters.lost), "{counters:?}");
    assert!((50..200).contains(&counters.duplicated), "{counters:?}");
    assert!((100..300).contains(&counters.reordered), "{counters:?}");
    assert!((20..100).contains(&counters.tailed), "{counters:?}");
    assert_eq!(
        counters.delivered,
        counters.sent - counters.lost + counters.duplicated
    );
    assert_eq!(counters.delivered, deliveries.len() as u64);
}

#[test]
fn a_partition_swallows_what_is_in_flight_and_a_one_way_cut_leaves_the_way_back() {
    let calm = LinkFaults::none(Delay::fixed(Duration::from_millis(1)));
    let mut network = Network::<u32>::new(calm, Prng::new(0));
    network.send(Mono::ZERO, A, B, LANE, 1);
    network.partition(&[&[A], &[B, C]]);
    network.send(Mono::ZERO, B, C, LANE, 2);
    network.send(Mono::ZERO, C, A, LANE, 3);
    assert_eq!(network.pop().map(|(_, message)| message.payload), Some(2));
    assert!(network.pop().is_none());
    assert_eq!(network.counters().cut, 2);

    network.heal();
    network.cut(A, B);
    network.send(Mono::ZERO, A, B, LANE, 4);
    network.send(Mono::ZERO, B, A, LANE, 5);
    assert_eq!(network.pop().map(|(_, message)| message.payload), Some(5));
    assert!(network.pop().is_none());
}

#[test]
fn a_dead_node_takes_its_messages_with_it() {
    let calm = LinkFaults::none(Delay::fixed(Duration::from_millis(1)));
    let mut network = Network::<u32>::new(calm, Prng::new(0));
    network.send(Mono::ZERO, A, B, LANE, 1);
    network.send(Mono::ZERO, B, C, LANE, 2);
    network.send(Mono::ZERO, C, A, LANE, 3);
    network.drop_node(A);
    assert_eq!(network.in_flight().count(), 1);
    assert_eq!(network.pop().map(|(_, message)| message.payload), Some(2));
}

#[test]
fn a_strict_channel_neither_reorders_nor_doubles_and_no_channel_waits_for_another() {
    let faults = LinkFaults {
        reorder_ppm: 500_000,
        duplicate_ppm: 500_000,
        ..wild()
    };
    let mut network = Network::<u32>::new(faults, Prng::new(6));
    for nth in 0..1_000 {
        for number in [1, 2] {
            network.send(Mono::ZERO, A, B, Channel::strict(number), nth);
        }
    }
    let mut arrived = [Vec::new(), Vec::new()];
    let mut order = Vec::new();
    while let Some((_, message)) = network.pop() {
        arrived[usize::from(message.channel.number) - 1].push(message.payload);
        order.push(message.channel.number);
    }
    for numbers in &arrived {
        assert!(numbers.is_sorted_by(|a, b| a < b));
    }
    assert!(!order.is_sorted());
    assert_eq!(network.counters().duplicated, 0);
}
