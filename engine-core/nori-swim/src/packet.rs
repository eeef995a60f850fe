//! The bytes of a packet.
//!
//! **Invariant: every packet says its protocol version, cluster, sender and recipient, ends in a
//! checksum, and decodes to exactly what was encoded or to a [`PacketError`].** The
//! layout stands in the crate's README; a test pins it byte by byte.

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::NodeId;

use crate::member::METADATA_BYTES_MAX;
use crate::{Incarnation, Member, MemberState, PacketError};

/// A decoded packet.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Packet {
    pub(crate) header: Header,
    pub(crate) message: Message,
    pub(crate) records: Vec<Record>,
}

/// What every packet says first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) cluster: u64,
    pub(crate) from: NodeId,
    pub(crate) to: NodeId,
    pub(crate) incarnation: Incarnation,
}

/// What a packet is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Message {
    /// "Are you there?" (SWIM §3.1)
    Ping { sequence: u32 },
    /// "I am", or "it is", under the sequence of the one who asked.
    Ack { sequence: u32 },
    /// "Is it there? I get no answer." (SWIM §3.1)
    PingReq { sequence: u32, target: NodeId },
    /// "I got no answer from it either." (Lifeguard §III)
    Nack { sequence: u32 },
    /// Nothing but records.
    Gossip,
    /// "I am new; tell me everything."
    Join,
    /// "This is the hash of my table."
    Digest { digest: u64 },
    /// Everything its sender knows of the ids `first..=last`; unless an answer itself, wants in
    /// return what it lacks there.
    Table {
        first: NodeId,
        last: NodeId,
        answer: bool,
    },
}

/// A statement about a member, with the accuser where it is a suspicion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) member: Member,
    /// Who suspects; the zero node in any other state.
    pub(crate) accuser: NodeId,
}

/// A packet under construction that never grows beyond its limit.
#[derive(Debug)]
pub(crate) struct Builder {
    bytes: Vec<u8>,
    limit: usize,
    count_at: usize,
    count: u8,
}

impl Builder {
    pub(crate) fn new(header: Header, message: Message, limit: u32) -> Self {
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let mut bytes = Vec::with_capacity(limit.min(1_500));
        bytes.extend_from_slice(&MAGIC);
        bytes.push(PROTOCOL_VERSION);
        bytes.push(message.kind());
        bytes.extend_from_slice(&header.cluster.to_le_bytes());
        bytes.extend_from_slice(&header.from.0.to_le_bytes());
        bytes.extend_from_slice(&header.to.0.to_le_bytes());
        bytes.extend_from_slice(&header.incarnation.0.to_le_bytes());
        message.encode(&mut bytes);
        let count_at = bytes.len();
        bytes.push(0);
        Self {
            bytes,
            limit,
            count_at,
            count: 0,
        }
    }

    /// Adds a record if there is room for it.
    pub(crate) fn push(&mut self, member: &Member, accuser: NodeId) -> bool {
        let suspect = member.state == MemberState::Suspect;
        let size = record_bytes(member);
        if self.bytes.len() + size + CHECKSUM_BYTES > self.limit || self.count == u8::MAX {
            return false;
        }
        let Ok(length) = u8::try_from(member.metadata.len()) else {
            unreachable!("metadata is checked where it comes in");
        };
        self.bytes.extend_from_slice(&member.node.0.to_le_bytes());
        self.bytes.push(state_number(member.state));
        self.bytes
            .extend_from_slice(&member.incarnation.0.to_le_bytes());
        if suspect {
            self.bytes.extend_from_slice(&accuser.0.to_le_bytes());
        }
        self.bytes.push(length);
        self.bytes.extend_from_slice(&member.metadata);
        self.count += 1;
        true
    }

    pub(crate) fn finish(mut self) -> Bytes {
        if let Some(count) = self.bytes.get_mut(self.count_at) {
            *count = self.count;
        }
        let checksum = crc32fast::hash(&self.bytes);
        self.bytes.extend_from_slice(&checksum.to_le_bytes());
        assert!(
            self.bytes.len() <= self.limit,
            "a packet keeps within its limit"
        );
        Bytes::from(self.bytes)
    }
}

/// What is left of a packet under construction, in bytes and records.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Room {
    bytes: usize,
    records: u8,
}

impl Room {
    /// Uses up the room of `member`'s record. False when there is not enough.
    pub(crate) fn take(&mut self, member: &Member) -> bool {
        let size = record_bytes(member);
        if self.records == 0 || self.bytes < size {
            return false;
        }
        self.bytes -= size;
        self.records -= 1;
        true
    }
}

/// The room of a [`Message::Table`] packet of at most `limit` bytes.
pub(crate) fn table_room(limit: u32) -> Room {
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    Room {
        bytes: limit - (HEADER_BYTES + TABLE_BYTES + 1 + CHECKSUM_BYTES),
        records: u8::MAX,
    }
}

fn record_bytes(member: &Member) -> usize {
    let suspect = member.state == MemberState::Suspect;
    RECORD_BYTES + if suspect { 8 } else { 0 } + member.metadata.len()
}

/// Decodes a packet; who it is from and for is for the caller to judge.
pub(crate) fn decode(bytes: &[u8]) -> Result<Packet, PacketError> {
    let mut reader = Reader {
        rest: bytes,
        length: bytes.len() as u64,
    };
    if reader.take::<2>()? != MAGIC {
        return Err(PacketError::Magic);
    }
    let version = reader.u8()?;
    if version != PROTOCOL_VERSION {
        return Err(PacketError::Version { got: version });
    }
    let Some((content, checksum)) = bytes.split_last_chunk::<CHECKSUM_BYTES>() else {
        return Err(reader.truncated());
    };
    let (expected, got) = (u32::from_le_bytes(*checksum), crc32fast::hash(content));
    if expected != got {
        return Err(PacketError::Checksum { expected, got });
    }
    let Some((_, rest)) = content.split_first_chunk::<3>() else {
        return Err(reader.truncated());
    };
    reader.rest = rest;

    let kind = reader.u8()?;
    let header = Header {
        cluster: reader.u64()?,
        from: reader.node()?,
        to: reader.node()?,
        incarnation: reader.incarnation()?,
    };
    let message = Message::decode(kind, &mut reader)?;
    let count = reader.u8()?;
    let records = (0..count)
        .map(|_| reader.record())
        .collect::<Result<_, _>>()?;
    if !reader.rest.is_empty() {
        return Err(PacketError::Trailing {
            extra: reader.rest.len() as u64,
        });
    }
    Ok(Packet {
        header,
        message,
        records,
    })
}

impl Message {
    const fn kind(self) -> u8 {
        match self {
            Self::Ping { .. } => 1,
            Self::Ack { .. } => 2,
            Self::PingReq { .. } => 3,
            Self::Nack { .. } => 4,
            Self::Gossip => 5,
            Self::Join => 6,
            Self::Digest { .. } => 7,
            Self::Table { .. } => 8,
        }
    }

    fn encode(self, bytes: &mut Vec<u8>) {
        match self {
            Self::Ping { sequence } | Self::Ack { sequence } | Self::Nack { sequence } => {
                bytes.extend_from_slice(&sequence.to_le_bytes());
            }
            Self::PingReq { sequence, target } => {
                bytes.extend_from_slice(&sequence.to_le_bytes());
                bytes.extend_from_slice(&target.0.to_le_bytes());
            }
            Self::Gossip | Self::Join => {}
            Self::Digest { digest } => bytes.extend_from_slice(&digest.to_le_bytes()),
            Self::Table {
                first,
                last,
                answer,
            } => {
                bytes.extend_from_slice(&first.0.to_le_bytes());
                bytes.extend_from_slice(&last.0.to_le_bytes());
                bytes.push(u8::from(answer));
            }
        }
    }

    fn decode(kind: u8, reader: &mut Reader<'_>) -> Result<Self, PacketError> {
        Ok(match kind {
            1 => Self::Ping {
                sequence: reader.u32()?,
            },
            2 => Self::Ack {
                sequence: reader.u32()?,
            },
            3 => Self::PingReq {
                sequence: reader.u32()?,
                target: reader.node()?,
            },
            4 => Self::Nack {
                sequence: reader.u32()?,
            },
            5 => Self::Gossip,
            6 => Self::Join,
            7 => Self::Digest {
                digest: reader.u64()?,
            },
            8 => {
                let (first, last) = (NodeId(reader.u64()?), NodeId(reader.u64()?));
                let answer = match reader.u8()? {
                    0 => false,
                    1 => true,
                    _ => return Err(PacketError::Field),
                };
                if first > last {
                    return Err(PacketError::Field);
                }
                Self::Table {
                    first,
                    last,
                    answer,
                }
            }
            got => return Err(PacketError::Kind { got }),
        })
    }
}

/// Takes fields off the front of a packet.
#[derive(Debug)]
struct Reader<'a> {
    rest: &'a [u8],
    length: u64,
}

impl Reader<'_> {
    const fn truncated(&self) -> PacketError {
        PacketError::Truncated { at: self.length }
    }

    fn take<const N: usize>(&mut self) -> Result<[u8; N], PacketError> {
        let (taken, rest) = self
            .rest
            .split_first_chunk::<N>()
            .ok_or_else(|| self.truncated())?;
        self.rest = rest;
        Ok(*taken)
    }

    fn u8(&mut self) -> Result<u8, PacketError> {
        self.take::<1>().map(|[byte]| byte)
    }

    fn u32(&mut self) -> Result<u32, PacketError> {
        self.take().map(u32::from_le_bytes)
    }

    fn u64(&mut self) -> Result<u64, PacketError> {
        self.take().map(u64::from_le_bytes)
    }

    fn node(&mut self) -> Result<NodeId, PacketError> {
        match self.u64()? {
            0 => Err(PacketError::NodeZero),
            id => Ok(NodeId(id)),
        }
    }

    fn incarnation(&mut self) -> Result<Incarnation, PacketError> {
        let incarnation = Incarnation(self.u32()?);
        if incarnation > Incarnation::MAX {
            return Err(PacketError::Incarnation);
        }
        Ok(incarnation)
    }

    fn record(&mut self) -> Result<Record, PacketError> {
        let node = self.node()?;
        let state = state_of(self.u8()?)?;
        let incarnation = self.incarnation()?;
        let accuser = match state {
            MemberState::Suspect => self.node()?,
            MemberState::Alive | MemberState::Faulty | MemberState::Left => NodeId(0),
        };
        let length = self.u8()?;
        if length > METADATA_BYTES_MAX {
            return Err(PacketError::MetadataSize { got: length });
        }
        let split = self.rest.split_at_checked(usize::from(length));
        let (metadata, rest) = split.ok_or_else(|| self.truncated())?;
        self.rest = rest;
        // A copy, so that a member does not keep its whole packet in memory.
        let metadata = Bytes::copy_from_slice(metadata);
        Ok(Record {
            member: Member {
                node,
                state,
                incarnation,
                metadata,
            },
            accuser,
        })
    }
}

const fn state_number(state: MemberState) -> u8 {
    match state {
        MemberState::Alive => 1,
        MemberState::Suspect => 2,
        MemberState::Faulty => 3,
        MemberState::Left => 4,
    }
}

const fn state_of(number: u8) -> Result<MemberState, PacketError> {
    match number {
        1 => Ok(MemberState::Alive),
        2 => Ok(MemberState::Suspect),
        3 => Ok(MemberState::Faulty),
        4 => Ok(MemberState::Left),
        got => Err(PacketError::State { got }),
    }
}

/// The version that this crate speaks; packets of any other are dropped.
pub const PROTOCOL_VERSION: u8 = 1;
const MAGIC: [u8; 2] = *b"Nw";
const CHECKSUM_BYTES: usize = 4;
const HEADER_BYTES: usize = 2 + 1 + 1 + 8 + 8 + 8 + 4;
const TABLE_BYTES: usize = 8 + 8 + 1;
/// A record without accuser and metadata.
const RECORD_BYTES: usize = 8 + 1 + 4 + 1;

#[cfg(test)]
mod tests;
