//! Replay, truncation and flips.

use alloc::collections::BTreeMap;
use alloc::vec;

use bytes::Bytes;

use super::*;

/// Sends 2,000 numbered payloads, a millisecond apart, and returns what arrives.
fn run(faults: LinkFaults, channel: Channel) -> (Vec<Message<Bytes>>, NetworkCounters) {
    let mut network = Network::new(faults, Prng::new(8));
    let mut arrived = Vec::new();
    for nth in 0..2_000_u64 {
        let now = Mono::ZERO + Duration::from_millis(nth);
        while network.next_at().is_some_and(|at| at <= now) {
            arrived.extend(network.pop().map(|(_, message)| message));
        }
        let payload = Bytes::from(nth.to_le_bytes().to_vec());
        network.send(now, A, B, channel, payload);
    }
    while let Some((_, message)) = network.pop() {
        arrived.push(message);
    }
    (arrived, network.counters())
}

fn calm() -> LinkFaults {
    LinkFaults::none(Delay::fixed(Duration::from_micros(300)))
}

#[test]
fn a_replayed_message_was_delivered_before_and_some_come_back_long_after() {
    let faults = LinkFaults {
        replay_ppm: 100_000,
        ..calm()
    };
    let (arrived, counters) = run(faults, LANE);
    assert!((100..300).contains(&counters.replayed), "{counters:?}");
    assert_eq!(counters.delivered, counters.sent + counters.replayed);
    let mut seen: BTreeMap<Bytes, usize> = BTreeMap::new();
    let mut oldest = 0;
    for (nth, message) in arrived.iter().enumerate() {
        if let Some(first) = seen.get(&message.payload) {
            oldest = oldest.max(nth - first);
        }
        seen.entry(message.payload.clone()).or_insert(nth);
    }
    assert_eq!(seen.len() as u64, counters.sent, "nothing is made up");
    assert!(oldest > 50, "{oldest}");
}

#[test]
fn nothing_is_kept_for_replay_once_it_is_off() {
    let faults = LinkFaults {
        replay_ppm: 1_000_000,
        ..calm()
    };
    let mut network = Network::<u32>::new(faults, Prng::new(0));
    network.send(Mono::ZERO, A, B, LANE, 1);
    network.pop();
    network.set_faults(calm());
    network.set_faults(faults);
    network.send(Mono::ZERO, A, B, LANE, 2);
    network.pop();
    assert_eq!(network.counters().replayed, 0);
    network.send(Mono::ZERO, A, B, LANE, 3);
    assert_eq!(network.pop().map(|(_, message)| message.payload), Some(2));
    assert_eq!(network.counters().replayed, 1);
}

#[test]
fn a_harmed_message_says_so_and_is_shorter_or_differs_in_one_bit() {
    let faults = LinkFaults {
        truncate_ppm: 200_000,
        flip_ppm: 200_000,
        ..calm()
    };
    for channel in [LANE, Channel::strict(1)] {
        let (arrived, counters) = run(faults, channel);
        let mut harms = [0, 0];
        for (nth, message) in (0_u64..).zip(&arrived) {
            let whole = nth.to_le_bytes();
            match message.harmed {
                None => assert_eq!(message.payload, whole.as_slice()),
                Some(Harm::Truncated) => {
                    harms[0] += 1;
                    assert!(message.payload.len() < 8 && whole.starts_with(&message.payload));
                }
                Some(Harm::Flipped) => {
                    harms[1] += 1;
                    let pairs = message.payload.iter().zip(whole);
                    let bits: u32 = pairs.map(|(own, was)| (own ^ was).count_ones()).sum();
                    assert_eq!((message.payload.len(), bits), (8, 1));
                }
            }
        }
        assert_eq!(harms, [counters.truncated, counters.flipped]);
        assert!(harms[0] > 300 && harms[1] > 200, "{harms:?}");
    }
}

#[test]
fn a_strict_channel_replays_nothing() {
    let faults = LinkFaults {
        replay_ppm: 500_000,
        ..calm()
    };
    let (arrived, counters) = run(faults, Channel::strict(1));
    assert_eq!((arrived.len(), counters.replayed), (2_000, 0));
}

#[test]
fn what_is_empty_or_cannot_be_harmed_arrives_whole_and_is_not_counted() {
    let faults = LinkFaults {
        truncate_ppm: 1_000_000,
        flip_ppm: 1_000_000,
        ..calm()
    };
    let mut network = Network::new(faults, Prng::new(0));
    network.send(Mono::ZERO, A, B, LANE, "whole");
    let (_, message) = network.pop().unwrap();
    assert_eq!((message.payload, message.harmed), ("whole", None));
    let mut network = Network::new(faults, Prng::new(0));
    network.send(Mono::ZERO, A, B, LANE, vec![0_u8; 0]);
    assert_eq!(network.pop().unwrap().1.harmed, None);
    assert_eq!(network.counters().faults().map(|(_, n)| n).sum::<u64>(), 0);
}

#[test]
fn a_duplicate_is_not_harmed_with_its_original() {
    let faults = LinkFaults {
        duplicate_ppm: 1_000_000,
        flip_ppm: 1_000_000,
        ..calm()
    };
    let mut network = Network::<u32>::new(faults, Prng::new(0));
    network.send(Mono::ZERO, A, B, LANE, 7);
    let (first, second) = (network.pop().unwrap().1, network.pop().unwrap().1);
    assert_eq!(first.harmed, Some(Harm::Flipped));
    assert_ne!(first.payload, 7);
    assert_eq!((second.harmed, second.payload), (None, 7));
}
