use alloc::vec;

use norikv_types::{LogIndex, Term, Version};

use super::*;
use crate::SessionId;

fn item(value: &'static [u8]) -> Item {
    Item::Raft {
        group: GroupId(3),
        message: raft::Message {
            term: Term(4),
            body: raft::Body::Append(raft::Append {
                prev: Version {
                    term: Term(4),
                    index: LogIndex(9),
                },
                entries: vec![raft::Entry {
                    term: Term(4),
                    index: LogIndex(10),
                    payload: raft::Payload::Command(Bytes::from_static(value)),
                }]
                .into(),
                commit_index: LogIndex(9),
                round: 2,
            }),
        },
    }
}

fn frame() -> Bytes {
    let mut writer = FrameWriter::new(77, NodeId(1));
    writer.push(NodeId(2), Lane::Append, &item(b"one"));
    writer.push(NodeId(2), Lane::Append, &item(b"two"));
    let mut frames = writer.take();
    assert_eq!(frames.len(), 1, "one frame a peer and lane");
    frames.remove(0).2
}

fn open(bytes: &[u8]) -> Result<FrameReader<'_>, FrameRefusal> {
    FrameReader::open(bytes, 77, NodeId(1), NodeId(2))
}

#[test]
fn a_frame_gives_back_its_items_in_order() {
    let bytes = frame();
    let mut reader = open(&bytes).unwrap();
    assert_eq!(reader.next(), Ok(Some(item(b"one"))));
    assert_eq!(reader.next(), Ok(Some(item(b"two"))));
    assert_eq!(reader.next(), Ok(None));
}

#[test]
fn a_frame_for_someone_else_is_refused() {
    let bytes = frame();
    let refusal = |cluster, from, to| {
        FrameReader::open(&bytes, cluster, NodeId(from), NodeId(to)).map(|_| ())
    };
    assert_eq!(refusal(78, 1, 2), Err(FrameRefusal::Cluster));
    assert_eq!(refusal(77, 3, 2), Err(FrameRefusal::Address));
    assert_eq!(refusal(77, 1, 3), Err(FrameRefusal::Address));
    let mut other = bytes.to_vec();
    other[0] = 2;
    assert!(matches!(open(&other), Err(FrameRefusal::Version)));
}

#[test]
fn no_truncation_and_no_flipped_bit_panics_or_passes_as_the_whole() {
    let bytes = frame();
    let whole = items(&bytes);
    for len in 0..bytes.len() {
        assert_ne!(items(&bytes[..len]), whole, "{len} bytes");
    }
    for bit in 0..bytes.len() * 8 {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert_ne!(items(&flipped), whole, "bit {bit}");
    }
}

#[test]
fn a_long_frame_is_closed_and_another_begun() {
    let mut writer = FrameWriter::new(77, NodeId(1));
    let big = Item::Alive { boot: u64::MAX };
    let count = 100_000;
    for _ in 0..count {
        writer.push(NodeId(2), Lane::Snapshot, &big);
    }
    let frames = writer.take();
    assert!(frames.len() > 1);
    let mut total = 0;
    for (_, _, bytes) in &frames {
        assert!(bytes.len() < FRAME_BYTES + 64);
        total += items(bytes).map_or(0, |items| items.len());
    }
    assert_eq!(total, count);
}

fn items(bytes: &[u8]) -> Result<Vec<Item>, FrameRefusal> {
    let mut reader = open(bytes)?;
    let mut items = Vec::new();
    while let Some(item) = reader.next()? {
        items.push(item);
    }
    Ok(items)
}

#[test]
fn the_layout_of_protocol_1_is_as_written_in_docs() {
    let mut writer = FrameWriter::new(77, NodeId(1));
    let fetch = Item::Fetch(SnapshotFetch {
        group: GroupId(6),
        stream: Stream {
            boot: 9,
            session: SessionId(5),
        },
        export: Some(Stream {
            boot: 8,
            session: SessionId(4),
        }),
        next: 3,
        up_to: 7,
        again: false,
        at_least: LogIndex(20),
    });
    writer.push(NodeId(2), Lane::Snapshot, &fetch);
    let frames = writer.take();
    assert_eq!(
        frames[0].2[..],
        [
            0x01, 0x4d, 0x01, 0x02, 0x04, 0x06, 0x09, 0x05, 0x01, 0x08, 0x04, 0x03, 0x07, 0x00,
            0x14
        ]
    );
}
