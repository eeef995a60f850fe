//! The first frame of every stream: who speaks, for which cluster, in which lane.
//!
//! **Invariant: magic and version stand first and keep their place for ever**, so that a node of any
//! later version is told what is wrong instead of being misread.
//!
//! ```text
//! offset  size  what
//!      0     4  magic "NKVQ"
//!      4     2  protocol version, u16 LE: 1
//!      6     1  lane: 1 control, 2 append, 3 snapshot, 4 forward
//!      7     1  0
//!      8     8  cluster id, u64 LE
//!     16     8  node id, u64 LE
//!     24     8  boot id, u64 LE: drawn anew at every start of a node
//! ```
//! Like every frame it is preceded by its length as u32 LE, here 32. Node 2 of cluster 7, boot 9,
//! opens its append stream with
//! `20 00 00 00 4e 4b 56 51 01 00 02 00 07 00 00 00 00 00 00 00 02 00 00 00 00 00 00 00 09 00 00 00 00 00 00 00`.

use norikv_types::NodeId;

use crate::{Lane, Refusal, lane};

/// The bytes that every stream opens with.
pub const MAGIC: [u8; 4] = *b"NKVQ";

/// The version of frames and hellos that this crate speaks.
pub const PROTOCOL_VERSION: u16 = 1;

/// Who opened a stream, and for what.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hello {
    /// The speaker's cluster.
    pub cluster: u64,
    /// The speaker.
    pub node: NodeId,
    /// The speaker's start: another number after every restart.
    pub boot: u64,
    /// What the stream carries.
    pub lane: Lane,
}

impl Hello {
    /// Bytes of an encoded hello, its length prefix not counted.
    pub const SIZE: usize = 32;

    /// The hello as it stands on the wire, without the length prefix.
    #[must_use]
    pub fn encode(&self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        let (head, ids) = bytes.split_at_mut(8);
        let [major, minor] = PROTOCOL_VERSION.to_le_bytes();
        let [m0, m1, m2, m3] = MAGIC;
        head.copy_from_slice(&[m0, m1, m2, m3, major, minor, lane::number(self.lane), 0]);
        for (place, id) in ids
            .chunks_exact_mut(8)
            .zip([self.cluster, self.node.0, self.boot])
        {
            place.copy_from_slice(&id.to_le_bytes());
        }
        bytes
    }

    /// Reads a hello.
    ///
    /// # Errors
    /// `NotAPeer` when it does not start with the magic or has an impossible length or lane;
    /// `Version` when the speaker's protocol is another one, whatever follows.
    pub fn decode(bytes: &[u8]) -> Result<Self, Refusal> {
        let Some((magic, rest)) = bytes.split_first_chunk::<4>() else {
            return Err(Refusal::NotAPeer);
        };
        if *magic != MAGIC {
            return Err(Refusal::NotAPeer);
        }
        let Some((version, rest)) = rest.split_first_chunk::<2>() else {
            return Err(Refusal::NotAPeer);
        };
        let theirs = u16::from_le_bytes(*version);
        if theirs != PROTOCOL_VERSION {
            return Err(Refusal::Version {
                ours: PROTOCOL_VERSION,
                theirs,
            });
        }
        let Some((&[lane, 0], rest)) = rest.split_first_chunk::<2>() else {
            return Err(Refusal::NotAPeer);
        };
        let (ids, []) = rest.as_chunks::<8>() else {
            return Err(Refusal::NotAPeer);
        };
        let (Some(lane), [cluster, node, boot]) = (lane::of_number(lane), ids) else {
            return Err(Refusal::NotAPeer);
        };
        Ok(Self {
            cluster: u64::from_le_bytes(*cluster),
            node: NodeId(u64::from_le_bytes(*node)),
            boot: u64::from_le_bytes(*boot),
            lane,
        })
    }
}

#[cfg(test)]
mod tests;
