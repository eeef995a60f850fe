//! One thing that happened at a node.
//!
//! **Invariant: the time is that of the record before or later**; it is stored as the difference.

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::{Mono, NodeId};

/// What went into a node or came out of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record<Body = Bytes> {
    /// What it is.
    pub kind: RecordKind,
    /// Virtual time.
    pub at: Mono,
    /// Where.
    pub node: NodeId,
    /// In postcard; what depends on the kind.
    pub body: Body,
}

/// The kinds of [`Record`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
#[non_exhaustive]
pub enum RecordKind {
    /// A `norikv_node::Input`.
    Input = 1,
    /// A `norikv_node::Output`.
    Output = 2,
    /// xxh3-64 of a node's state, of its log's disk or of its tables' disk, in this order, every
    /// 1,000 steps.
    Digest = 3,
    /// A process started; no body.
    Started = 4,
    /// A process ended; no body.
    Stopped = 5,
}

impl Record<&[u8]> {
    /// kind (1 byte), nanoseconds since `before` (varint), node (varint), length of the body
    /// (varint), body.
    pub(super) fn write(&self, before: Mono, mut out: Vec<u8>) -> Vec<u8> {
        assert!(self.at >= before, "time does not run backwards");
        let since = self.at.as_nanos() - before.as_nanos();
        let head = (self.kind as u8, since, self.node.0, self.body.len() as u64);
        out = match postcard::to_extend(&head, out) {
            Ok(out) => out,
            Err(error) => unreachable!("a growing buffer takes everything: {error}"),
        };
        out.extend_from_slice(self.body);
        out
    }
}

impl Record {
    /// Takes the record at the beginning of `bytes`.
    pub(super) fn read(before: Mono, bytes: &mut Bytes) -> Option<Self> {
        let head = postcard::take_from_bytes::<(u8, u64, u64, u64)>(bytes);
        let ((kind, since, node, len), rest) = head.ok()?;
        let head_len = bytes.len() - rest.len();
        let len = usize::try_from(len).ok().filter(|len| *len <= rest.len())?;
        let at = before.as_nanos().checked_add(since)?;
        let record = Self {
            kind: RecordKind::from_byte(kind)?,
            at: Mono::from_nanos(at),
            node: NodeId(node),
            body: bytes.slice(head_len..head_len + len),
        };
        *bytes = bytes.slice(head_len + len..);
        Some(record)
    }
}

impl RecordKind {
    const fn from_byte(byte: u8) -> Option<Self> {
        Some(match byte {
            1 => Self::Input,
            2 => Self::Output,
            3 => Self::Digest,
            4 => Self::Started,
            5 => Self::Stopped,
            _ => return None,
        })
    }
}
