//! One machine against scripted peers: one test a rule.

use alloc::vec;
use alloc::vec::Vec;

use super::*;
use crate::packet::Record;

const CLUSTER: u64 = 7;

/// A machine with id 1 and a hand on every packet it sends.
struct Rig {
    swim: Swim,
    now: Mono,
}

/// What a packet from the rig said.
type Sent = (u64, Message, Vec<Record>);

fn said(node: u64, state: MemberState, incarnation: u32) -> Record {
    let (node, incarnation) = (NodeId(node), Incarnation(incarnation));
    let accuser = NodeId(if state == MemberState::Suspect { 99 } else { 0 });
    Record {
        member: Member {
            node,
            state,
            incarnation,
            metadata: Bytes::new(),
        },
        accuser,
    }
}

impl Rig {
    /// Knows the nodes `2..=count`, all alive at incarnation 0.
    fn new(count: u64) -> Self {
        let swim = Swim::new(Config::new(NodeId(1), CLUSTER, 1), Mono::ZERO).unwrap();
        let mut rig = Self {
            swim,
            now: Mono::ZERO,
        };
        for node in 2..=count {
            rig.receive(2, 0, Message::Gossip, &[said(node, MemberState::Alive, 0)]);
        }
        rig.swim.gossip = Gossip::default();
        rig.drain();
        rig
    }

    fn packet(from: u64, to: u64, incarnation: u32, message: Message, records: &[Record]) -> Bytes {
        let (from, to, incarnation) = (NodeId(from), NodeId(to), Incarnation(incarnation));
        let header = Header {
            cluster: CLUSTER,
            from,
            to,
            incarnation,
        };
        let mut builder = Builder::new(header, message, 1_100);
        for record in records {
            assert!(builder.push(&record.member, record.accuser));
        }
        builder.finish()
    }

    fn receive(
        &mut self,
        from: u64,
        incarnation: u32,
        message: Message,
        records: &[Record],
    ) -> Vec<Sent> {
        let bytes = Self::packet(from, 1, incarnation, message, records);
        self.receive_bytes(from, bytes)
    }

    fn receive_bytes(&mut self, from: u64, bytes: Bytes) -> Vec<Sent> {
        let input = Input::Packet {
            from: NodeId(from),
            bytes,
        };
        self.swim.handle_input(self.now, input).unwrap();
        self.drain().0
    }

    fn drain(&mut self) -> (Vec<Sent>, Vec<Event>) {
        let (mut sent, mut events) = (vec![], vec![]);
        while let Some(output) = self.swim.poll_output() {
            match output {
                Output::Send { to, packet } => {
                    let packet = packet::decode(&packet).unwrap();
                    sent.push((to.0, packet.message, packet.records));
                }
                Output::Event(event) => events.push(event),
            }
        }
        (sent, events)
    }

    /// Sleeps until the deadline and does what is due.
    fn tick(&mut self) -> (Vec<Sent>, Vec<Event>) {
        self.now = self.swim.poll_timeout().unwrap();
        self.swim.handle_input(self.now, Input::Timeout).unwrap();
        self.drain()
    }

    /// Ticks until a packet that `wanted` takes is sent; gives back all sent in that tick.
    fn until(&mut self, wanted: impl Fn(&Sent) -> bool) -> Vec<Sent> {
        for _ in 0..1_000 {
            let (sent, _) = self.tick();
            if sent.iter().any(&wanted) {
                return sent;
            }
        }
        panic!("1,000 deadlines passed without it");
    }

    /// The next protocol period's ping.
    fn until_ping(&mut self) -> (u64, u32) {
        let sent = self.until(|(_, message, _)| matches!(message, Message::Ping { .. }));
        let pinged = sent.iter().find_map(|(to, message, _)| match message {
            Message::Ping { sequence } => Some((*to, *sequence)),
            _ => None,
        });
        pinged.unwrap()
    }

    fn state(&self, node: u64) -> MemberState {
        self.swim.member(NodeId(node)).unwrap().state
    }
}

/// SWIM §3.1: a ping is answered with an ack.
#[test]
fn a_ping_is_acked_under_its_sequence() {
    let mut rig = Rig::new(2);
    let sent = rig.receive(2, 0, Message::Ping { sequence: 77 }, &[]);
    assert_eq!(sent, [(2, Message::Ack { sequence: 77 }, vec![])]);
}

/// SWIM §3.1: one member a period, asked directly first, then through k others.
#[test]
fn a_silent_target_is_asked_after_through_k_others_within_the_period() {
    let mut rig = Rig::new(6);
    let (target, sequence) = rig.until_ping();
    let pinged_at = rig.now;
    let sent = rig.until(|(_, message, _)| matches!(message, Message::PingReq { .. }));
    assert_eq!(rig.now.since(pinged_at), Duration::from_millis(500));
    let asked: Vec<u64> = sent.iter().map(|(to, ..)| *to).collect();
    assert_eq!(asked.len(), 3);
    assert!(!asked.contains(&target) && !asked.contains(&1));
    let message = Message::PingReq {
        sequence,
        target: NodeId(target),
    };
    assert!(sent.iter().all(|(_, asked, _)| *asked == message));
}

/// SWIM §4.2: silent at the period's end means suspect, not faulty.
#[test]
fn a_target_silent_to_the_end_is_suspected() {
    let mut rig = Rig::new(6);
    let (target, _) = rig.until_ping();
    assert_eq!(rig.state(target), MemberState::Alive);
    let pinged_at = rig.now;
    rig.until_ping();
    assert_eq!(rig.now.since(pinged_at), Duration::from_secs(1));
    assert_eq!(rig.state(target), MemberState::Suspect);
}

#[test]
fn an_ack_from_the_target_or_through_a_proxy_saves_it() {
    for through_proxy in [false, true] {
        let mut rig = Rig::new(6);
        let (target, sequence) = rig.until_ping();
        let mut from = target;
        if through_proxy {
            from = rig.until(|(_, message, _)| matches!(message, Message::PingReq { .. }))[0].0;
        }
        rig.receive(from, 0, Message::Ack { sequence }, &[]);
        rig.until_ping();
        assert_eq!(rig.state(target), MemberState::Alive);
    }
}

#[test]
fn an_ack_of_another_probe_or_another_member_saves_nobody() {
    let mut rig = Rig::new(6);
    let (target, sequence) = rig.until_ping();
    let other = if target == 2 { 3 } else { 2 };
    rig.receive(
        target,
        0,
        Message::Ack {
            sequence: sequence.wrapping_sub(1),
        },
        &[],
    );
    rig.receive(other, 0, Message::Ack { sequence }, &[]);
    rig.until_ping();
    assert_eq!(rig.state(target), MemberState::Suspect);
}

/// Node 2 has asked to have node 3 probed under its sequence 5; also the sequence of the ping that
/// went out.
fn asked_as_a_proxy() -> (Rig, u32) {
    let mut rig = Rig::new(3);
    let ask = Message::PingReq {
        sequence: 5,
        target: NodeId(3),
    };
    let sent = rig.receive(2, 0, ask, &[]);
    let [(3, Message::Ping { sequence }, _)] = sent[..] else {
        panic!("one ping to the target: {sent:?}");
    };
    (rig, sequence)
}

/// SWIM §3.1: the proxy pings, and passes the ack on under the asker's sequence.
#[test]
fn a_proxy_passes_the_ack_on() {
    let (mut rig, sequence) = asked_as_a_proxy();
    let stolen = rig.receive(2, 0, Message::Ack { sequence }, &[]);
    assert_eq!(stolen, [], "only the target answers for itself");
    let sent = rig.receive(3, 0, Message::Ack { sequence }, &[]);
    assert_eq!(sent, [(2, Message::Ack { sequence: 5 }, vec![])]);
}

/// The mutant that the test above must see.
#[test]
fn the_mutant_keeps_the_ack_to_itself() {
    let _planted = norikv_types::Mutant::IndirectAckDropped.plant();
    let (mut rig, sequence) = asked_as_a_proxy();
    let sent = rig.receive(3, 0, Message::Ack { sequence }, &[]);
    assert_eq!(sent, [], "nobody hears of it");
}

/// Lifeguard §III: a proxy that gets no answer says so, before the asker's period is over.
#[test]
fn a_proxy_without_an_answer_sends_a_nack_and_still_passes_a_late_ack_on() {
    let mut rig = Rig::new(3);
    let asked_at = rig.now;
    let ask = Message::PingReq {
        sequence: 5,
        target: NodeId(3),
    };
    let [(_, Message::Ping { sequence }, _)] = rig.receive(2, 0, ask, &[])[..] else {
        panic!("one ping to the target");
    };
    let sent = rig.until(|(_, message, _)| matches!(message, Message::Nack { .. }));
    assert!(sent.contains(&(2, Message::Nack { sequence: 5 }, vec![])));
    assert_eq!(rig.now.since(asked_at), Duration::from_millis(400));
    let sent = rig.receive(3, 0, Message::Ack { sequence }, &[]);
    assert_eq!(sent, [(2, Message::Ack { sequence: 5 }, vec![])]);
}

/// SWIM §4.2: a suspected member refutes with a higher incarnation; here in the very ack.
#[test]
fn a_suspicion_of_oneself_is_refuted_in_the_answer() {
    for state in [MemberState::Suspect, MemberState::Faulty, MemberState::Left] {
        let mut rig = Rig::new(3);
        let sent = rig.receive(2, 0, Message::Ping { sequence: 1 }, &[said(1, state, 4)]);
        let refutation = said(1, MemberState::Alive, 5);
        assert_eq!(sent, [(2, Message::Ack { sequence: 1 }, vec![refutation])]);
        assert_eq!(rig.swim.incarnation(), Incarnation(5));
        assert_eq!(rig.swim.health(), u32::from(state == MemberState::Suspect));
    }
}

#[test]
fn doubts_about_an_earlier_incarnation_are_ignored() {
    let mut rig = Rig::new(3);
    rig.receive(2, 0, Message::Gossip, &[said(1, MemberState::Suspect, 0)]);
    assert_eq!(rig.swim.incarnation(), Incarnation(1));
    let sent = rig.receive(2, 0, Message::Gossip, &[said(1, MemberState::Faulty, 0)]);
    assert_eq!((sent, rig.swim.incarnation()), (vec![], Incarnation(1)));
}

/// Lifeguard §III, the buddy system: whoever is suspected hears it from the ping that tests it.
#[test]
fn a_suspect_is_told_with_every_packet_it_gets() {
    let mut rig = Rig::new(3);
    rig.receive(2, 0, Message::Gossip, &[said(3, MemberState::Suspect, 0)]);
    for round in 0..40 {
        let sent = rig.receive(3, 0, Message::Ping { sequence: round }, &[]);
        let (_, _, records) = &sent[0];
        assert_eq!(records[0].member.state, MemberState::Suspect);
        assert_eq!(records[0].member.node, NodeId(3));
    }
}

#[test]
fn one_that_speaks_from_an_earlier_life_is_reminded() {
    let mut rig = Rig::new(3);
    rig.receive(2, 0, Message::Gossip, &[said(3, MemberState::Alive, 6)]);
    rig.swim.gossip = Gossip::default();
    let sent = rig.receive(3, 0, Message::Ping { sequence: 1 }, &[]);
    let reminder = said(3, MemberState::Alive, 6);
    assert_eq!(sent, [(3, Message::Ack { sequence: 1 }, vec![reminder])]);
}

/// Lifeguard §III: the first k independent confirmations are passed on, repetitions are not.
#[test]
fn independent_confirmations_are_passed_on_once_each() {
    let mut rig = Rig::new(8);
    let accused_by = |accuser| {
        let mut record = said(8, MemberState::Suspect, 0);
        record.accuser = NodeId(accuser);
        record
    };
    let mut passed_on = vec![];
    for accuser in [2, 2, 3, 3, 4, 5, 6] {
        rig.receive(2, 0, Message::Gossip, &[accused_by(accuser)]);
        if !rig.swim.gossip.is_empty() {
            passed_on.push(accuser);
            rig.swim.gossip = Gossip::default();
        }
    }
    assert_eq!(
        passed_on,
        [2, 3, 4, 5],
        "the accusation and three confirmations"
    );
}

#[test]
fn suspicion_ends_in_faulty_when_nobody_refutes() {
    let mut rig = Rig::new(3);
    rig.receive(2, 0, Message::Gossip, &[said(3, MemberState::Suspect, 0)]);
    let since = rig.now;
    while rig.state(3) == MemberState::Suspect {
        for (to, message, _) in rig.tick().0 {
            if let (2, Message::Ping { sequence }) = (to, message) {
                rig.receive(2, 0, Message::Ack { sequence }, &[]);
            }
        }
    }
    assert_eq!(rig.state(3), MemberState::Faulty);
    assert_eq!(rig.now.since(since), Duration::from_secs(4));
}

#[test]
fn a_refutation_ends_the_suspicion() {
    let mut rig = Rig::new(3);
    rig.receive(2, 0, Message::Gossip, &[said(3, MemberState::Suspect, 0)]);
    rig.receive(2, 0, Message::Gossip, &[said(3, MemberState::Alive, 1)]);
    assert_eq!(rig.state(3), MemberState::Alive);
    assert_eq!(rig.swim.suspicions.next_deadline(), None);
}

/// Carries what `from` sends to `to`.
fn carry(from: &mut Rig, to: &mut Rig) {
    while let Some(output) = from.swim.poll_output() {
        if let Output::Send {
            to: recipient,
            packet,
        } = output
            && recipient == to.swim.config.id
        {
            let input = Input::Packet {
                from: from.swim.config.id,
                bytes: packet,
            };
            to.swim.handle_input(to.now, input).unwrap();
        }
    }
}

/// Anti-entropy: two tables that differ both ways are the same after one exchange.
#[test]
fn one_exchange_of_tables_makes_them_equal_both_ways() {
    let mut one = Rig::new(40);
    let two = Swim::new(Config::new(NodeId(2), CLUSTER, 2), Mono::ZERO).unwrap();
    let mut two = Rig {
        swim: two,
        now: Mono::ZERO,
    };
    let others: Vec<Record> = (50..90)
        .map(|node| said(node, MemberState::Alive, 3))
        .collect();
    for record in others {
        let bytes = Rig::packet(1, 2, 0, Message::Gossip, &[record]);
        two.receive_bytes(1, bytes);
    }
    let newer = Rig::packet(
        1,
        2,
        0,
        Message::Gossip,
        &[said(7, MemberState::Suspect, 2)],
    );
    two.receive_bytes(1, newer);
    for state in [MemberState::Alive, MemberState::Left] {
        one.receive(2, 0, Message::Gossip, &[said(60, state, 3)]);
    }
    for rig in [&mut one, &mut two] {
        rig.swim.gossip = Gossip::default();
        rig.drain();
    }
    let digest = one.swim.digest();
    let bytes = Rig::packet(1, 2, 0, Message::Digest { digest }, &[]);
    two.swim
        .handle_input(
            two.now,
            Input::Packet {
                from: NodeId(1),
                bytes,
            },
        )
        .unwrap();
    carry(&mut two, &mut one);
    carry(&mut one, &mut two);
    assert_eq!(one.swim.digest(), two.swim.digest());
    assert_eq!(one.swim.members().count(), 80);
    assert_eq!(
        (one.state(7), two.state(60)),
        (MemberState::Suspect, MemberState::Left)
    );
}

#[test]
fn a_verdict_that_comes_with_a_table_is_a_suspicion_of_one_that_lives_here() {
    let table = Message::Table {
        first: NodeId(0),
        last: NodeId(u64::MAX),
        answer: true,
    };
    let verdicts = [
        said(3, MemberState::Faulty, 0),
        said(4, MemberState::Faulty, 1),
        said(9, MemberState::Faulty, 0),
    ];
    let mut rig = Rig::new(4);
    rig.receive(2, 0, table, &verdicts);
    let states = [3, 4, 9].map(|node| rig.state(node));
    assert_eq!(
        states,
        [
            MemberState::Suspect,
            MemberState::Suspect,
            MemberState::Faulty
        ]
    );
    rig.receive(2, 0, Message::Gossip, &verdicts);
    assert_eq!(
        rig.state(3),
        MemberState::Faulty,
        "by gossip the verdict holds"
    );
}

#[test]
fn a_welcome_tells_everything_in_packets_that_keep_their_bound() {
    let mut rig = Rig::new(400);
    let input = Input::Packet {
        from: NodeId(500),
        bytes: Rig::packet(
            500,
            1,
            0,
            Message::Join,
            &[said(500, MemberState::Alive, 0)],
        ),
    };
    rig.swim.handle_input(rig.now, input).unwrap();
    let (mut told, mut next) = (vec![], 0);
    while let Some(output) = rig.swim.poll_output() {
        if let Output::Send { to, packet } = output {
            assert!(to == NodeId(500) && packet.len() <= 1_100);
            let packet = packet::decode(&packet).unwrap();
            let Message::Table {
                first,
                last,
                answer: false,
            } = packet.message
            else {
                panic!("a piece of the table, not {:?}", packet.message);
            };
            assert_eq!(first.0, next, "the ranges have no gap");
            next = last.0.wrapping_add(1);
            told.extend(packet.records.iter().map(|record| record.member.node.0));
        }
    }
    assert_eq!(next, 0, "the last range ends at the highest id");
    let everybody: Vec<u64> = (1..=400).chain([500]).collect();
    assert_eq!(told, everybody);
}

#[test]
fn a_stranger_that_pings_is_answered_and_asked_who_it_is() {
    let mut rig = Rig::new(2);
    let sent = rig.receive(9, 0, Message::Ping { sequence: 1 }, &[]);
    let digest = rig.swim.digest();
    assert_eq!(
        sent,
        [
            (9, Message::Ack { sequence: 1 }, vec![]),
            (9, Message::Digest { digest }, vec![])
        ]
    );
}

#[test]
fn foreign_and_damaged_packets_are_counted_told_and_dropped() {
    let mut rig = Rig::new(2);
    let received = rig.swim.stats().received;
    let doubt = [said(1, MemberState::Faulty, 9)];
    let good = Rig::packet(2, 1, 0, Message::Ping { sequence: 1 }, &doubt);
    let header = |cluster, to| {
        let (from, incarnation) = (NodeId(2), Incarnation(0));
        Header {
            cluster,
            from,
            to: NodeId(to),
            incarnation,
        }
    };
    let other_cluster = Builder::new(header(8, 1), Message::Gossip, 1_100).finish();
    let other_recipient = Builder::new(header(CLUSTER, 5), Message::Gossip, 1_100).finish();
    let mut other_version = good.to_vec();
    other_version[2] = 2;
    let mut damaged = good.to_vec();
    damaged[40] ^= 1;
    let cases = [
        (2, other_cluster, PacketError::Cluster { got: 8 }),
        (
            2,
            other_recipient,
            PacketError::Recipient { meant: NodeId(5) },
        ),
        (3, good.clone(), PacketError::Sender { claimed: NodeId(2) }),
        (2, other_version.into(), PacketError::Version { got: 2 }),
        (2, good.slice(..1), PacketError::Truncated { at: 1 }),
    ];
    for (from, bytes, expected) in cases {
        let from = NodeId(from);
        rig.swim
            .handle_input(rig.now, Input::Packet { from, bytes })
            .unwrap();
        let dropped = Event::PacketDropped {
            from,
            reason: expected,
        };
        assert_eq!(rig.drain(), (vec![], vec![dropped]));
    }
    assert_eq!(rig.receive_bytes(2, damaged.into()), []);
    let stats = rig.swim.stats();
    assert_eq!(
        (stats.received, stats.foreign, stats.malformed),
        (received, 4, 2)
    );
    assert_eq!(rig.swim.incarnation(), Incarnation(0));
}

#[test]
fn calls_after_leaving_are_refused_and_change_nothing() {
    let mut rig = Rig::new(3);
    rig.swim.handle_input(rig.now, Input::Leave).unwrap();
    rig.drain();
    let before = rig.swim.digest();
    let join = Input::Join {
        seeds: vec![NodeId(2)],
    };
    assert_eq!(rig.swim.handle_input(rig.now, join), Err(Error::Left));
    assert_eq!(
        rig.swim.handle_input(rig.now, Input::Leave),
        Err(Error::Left)
    );
    assert_eq!((rig.drain(), rig.swim.digest()), ((vec![], vec![]), before));
}

#[test]
fn a_host_that_overslept_judges_nobody_by_that_time() {
    let mut rig = Rig::new(6);
    let (target, _) = rig.until_ping();
    rig.receive(2, 0, Message::Gossip, &[said(6, MemberState::Suspect, 0)]);
    rig.now += Duration::from_secs(3_600);
    rig.swim.handle_input(rig.now, Input::Timeout).unwrap();
    let (_, events) = rig.drain();
    assert!(
        events
            .iter()
            .any(|event| matches!(event, Event::Overslept { .. }))
    );
    assert_eq!(rig.state(6), MemberState::Suspect);
    assert!(target == 6 || rig.state(target) == MemberState::Alive);
}
