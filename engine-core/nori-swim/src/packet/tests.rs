use alloc::vec;

use proptest::collection::vec as vec_of;
use proptest::prelude::*;

use super::*;

fn header() -> Header {
    let (from, to, incarnation) = (NodeId(2), NodeId(3), Incarnation(4));
    Header {
        cluster: 0x0102_0304_0506_0708,
        from,
        to,
        incarnation,
    }
}

fn member(node: u64, state: MemberState, metadata: &'static [u8]) -> Member {
    let metadata = Bytes::from_static(metadata);
    Member {
        node: NodeId(node),
        state,
        incarnation: Incarnation(5),
        metadata,
    }
}

fn messages() -> [Message; 8] {
    let (sequence, target) = (0xA1A2_A3A4, NodeId(9));
    [
        Message::Ping { sequence },
        Message::Ack { sequence },
        Message::PingReq { sequence, target },
        Message::Nack { sequence },
        Message::Gossip,
        Message::Join,
        Message::Digest {
            digest: u64::MAX - 1,
        },
        Message::Table {
            first: NodeId(0),
            last: NodeId(u64::MAX),
            answer: true,
        },
    ]
}

fn sample(message: Message) -> Bytes {
    let mut builder = Builder::new(header(), message, 1_100);
    assert!(builder.push(&member(7, MemberState::Suspect, b"ab"), NodeId(8)));
    assert!(builder.push(&member(8, MemberState::Alive, b""), NodeId(8)));
    builder.finish()
}

/// Seals `bytes` again after a change, so that what lies beneath the checksum is reached.
fn sealed(mut content: Vec<u8>) -> Vec<u8> {
    let checksum = crc32fast::hash(&content);
    content.extend_from_slice(&checksum.to_le_bytes());
    content
}

#[test]
fn the_bytes_of_version_1_never_change() {
    let ping = sample(Message::Ping {
        sequence: 0xA1A2_A3A4,
    });
    let expected = [
        b'N', b'w', 1, 1, // magic, version, ping
        8, 7, 6, 5, 4, 3, 2, 1, // cluster
        2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, // from, to
        4, 0, 0, 0, // incarnation
        0xA4, 0xA3, 0xA2, 0xA1, // sequence
        2,    // records
        7, 0, 0, 0, 0, 0, 0, 0, 2, 5, 0, 0, 0, // node 7 is suspect at 5
        8, 0, 0, 0, 0, 0, 0, 0, 2, b'a', b'b', // says node 8; metadata
        8, 0, 0, 0, 0, 0, 0, 0, 1, 5, 0, 0, 0, 0, // node 8 is alive at 5
    ];
    assert_eq!(ping, sealed(expected.to_vec()));
}

#[test]
fn every_truncation_of_every_message_is_refused() {
    for message in messages() {
        let bytes = sample(message);
        for length in 0..bytes.len() {
            let error = decode(&bytes[..length]).unwrap_err();
            let cut = matches!(
                error,
                PacketError::Truncated { .. } | PacketError::Checksum { .. }
            );
            assert!(cut, "{length} bytes of {message:?}: {error}");
        }
        for length in 3..bytes.len() - CHECKSUM_BYTES {
            let error = decode(&sealed(bytes[..length].to_vec())).unwrap_err();
            let truncated = matches!(error, PacketError::Truncated { .. });
            assert!(truncated, "{length} sealed bytes of {message:?}: {error}");
        }
    }
}

#[test]
fn every_bit_flip_of_every_message_is_refused() {
    for message in messages() {
        let bytes = sample(message);
        for bit in 0..bytes.len() * 8 {
            let mut flipped = bytes.to_vec();
            flipped[bit / 8] ^= 1 << (bit % 8);
            let error = decode(&flipped).unwrap_err();
            match bit / 8 {
                0 | 1 => assert_eq!(error, PacketError::Magic),
                2 => assert!(matches!(error, PacketError::Version { .. })),
                _ => assert!(
                    matches!(error, PacketError::Checksum { .. }),
                    "bit {bit}: {error}"
                ),
            }
        }
    }
}

#[test]
fn fields_out_of_range_are_named() {
    let content = |message| {
        let bytes = sample(message);
        bytes[..bytes.len() - CHECKSUM_BYTES].to_vec()
    };
    let with = |at: usize, byte: u8| {
        let mut changed = content(Message::Gossip);
        changed[at] = byte;
        decode(&sealed(changed)).unwrap_err()
    };
    let records = HEADER_BYTES + 1;
    assert_eq!(with(3, 9), PacketError::Kind { got: 9 });
    assert_eq!(with(12, 0), PacketError::NodeZero);
    assert_eq!(with(records + 8, 5), PacketError::State { got: 5 });
    assert_eq!(
        with(records + 21, 129),
        PacketError::MetadataSize { got: 129 }
    );

    let mut endless = content(Message::Gossip);
    endless[28..32].fill(0xFF);
    assert_eq!(decode(&sealed(endless)), Err(PacketError::Incarnation));
    let mut longer = content(Message::Join);
    longer.extend([1, 2, 3]);
    assert_eq!(
        decode(&sealed(longer)),
        Err(PacketError::Trailing { extra: 3 })
    );
    let mut table = content(messages()[7]);
    table[HEADER_BYTES + 16] = 2;
    assert_eq!(decode(&sealed(table)), Err(PacketError::Field));
    let (first, last) = (NodeId(5), NodeId(4));
    let backwards = content(Message::Table {
        first,
        last,
        answer: false,
    });
    assert_eq!(decode(&sealed(backwards)), Err(PacketError::Field));
}

#[test]
fn a_full_packet_takes_no_more_and_counted_room_is_exact() {
    let message = Message::Table {
        first: NodeId(0),
        last: NodeId(9),
        answer: false,
    };
    for limit in [400, 401, 1_100, 9_000] {
        let (mut builder, mut room) = (Builder::new(header(), message, limit), table_room(limit));
        let mut taken = 0_u64;
        loop {
            let state =
                [MemberState::Suspect, MemberState::Alive][usize::from(taken.is_multiple_of(2))];
            let member = member(taken + 1, state, b"0123456789");
            let fits = builder.push(&member, NodeId(1));
            assert_eq!(room.take(&member), fits);
            if !fits {
                break;
            }
            taken += 1;
        }
        let bytes = builder.finish();
        assert!(bytes.len() <= usize::try_from(limit).unwrap());
        assert_eq!(decode(&bytes).unwrap().records.len() as u64, taken);
        assert!(taken <= 255);
    }
}

fn any_record() -> impl Strategy<Value = (u64, usize, u32, u64, Vec<u8>)> {
    (
        1_u64..,
        0_usize..4,
        0..u32::MAX,
        1_u64..,
        vec_of(any::<u8>(), 0..=128),
    )
}

proptest! {
    #[test]
    fn what_was_encoded_is_decoded(
        which in 0_usize..8,
        drawn in vec_of(any_record(), 0..6),
    ) {
        let message = messages()[which];
        let mut builder = Builder::new(header(), message, 1_100);
        let states =
            [MemberState::Alive, MemberState::Suspect, MemberState::Faulty, MemberState::Left];
        let mut records = vec![];
        for (node, state, incarnation, accuser, metadata) in drawn {
            let (node, state, incarnation) = (NodeId(node), states[state], Incarnation(incarnation));
            let member = Member { node, state, incarnation, metadata: metadata.into() };
            let accuser = NodeId(if state == MemberState::Suspect { accuser } else { 0 });
            prop_assert!(builder.push(&member, accuser));
            records.push(Record { member, accuser });
        }
        let bytes = builder.finish();
        prop_assert_eq!(decode(&bytes), Ok(Packet { header: header(), message, records }));
    }

    #[test]
    fn no_bytes_panic(mut bytes in vec_of(any::<u8>(), 0..300), seal: bool) {
        if seal {
            bytes.splice(0..3.min(bytes.len()), *b"Nw\x01");
            bytes = sealed(bytes);
        }
        if let Ok(packet) = decode(&bytes) {
            prop_assert!(packet.records.iter().all(|record| record.member.node.0 != 0));
        }
    }
}
