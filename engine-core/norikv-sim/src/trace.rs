//! The fingerprint of a run.
//!
//! **Invariant: everything that went into a node or came out of it is in the hash, in order, as
//! little-endian bytes.** Two runs with one hash did the same.

use alloc::vec::Vec;

use norikv_node::{Input, Output};
use norikv_types::{Mono, NodeId};
use serde::Serialize;
use xxhash_rust::xxh3::Xxh3;

/// xxh3-64 over the run so far. A record is: kind (1 byte), time (u64), node (u64), length of the
/// body (u32), body in postcard; integers little-endian.
pub(crate) struct Trace {
    hash: Xxh3,
    body: Vec<u8>,
    events: u64,
}

#[derive(Debug, Clone, Copy)]
#[repr(u8)]
enum Record {
    Input = 1,
    Output = 2,
    Digest = 3,
    Started = 4,
    Stopped = 5,
}

impl Trace {
    pub(crate) fn new(seed: u64) -> Self {
        let mut hash = Xxh3::new();
        hash.update(&seed.to_le_bytes());
        Self {
            hash,
            body: Vec::new(),
            events: 0,
        }
    }

    pub(crate) fn input(&mut self, at: Mono, node: NodeId, input: &Input) {
        self.record(Record::Input, at, node, input);
    }

    pub(crate) fn output(&mut self, at: Mono, node: NodeId, output: &Output) {
        self.record(Record::Output, at, node, output);
    }

    pub(crate) fn digest(&mut self, at: Mono, node: NodeId, digest: u64) {
        self.record(Record::Digest, at, node, &digest.to_le_bytes());
    }

    pub(crate) fn started(&mut self, at: Mono, node: NodeId) {
        self.record(Record::Started, at, node, &());
    }

    pub(crate) fn stopped(&mut self, at: Mono, node: NodeId) {
        self.record(Record::Stopped, at, node, &());
    }

    /// Records so far.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn value(&self) -> u64 {
        self.hash.digest()
    }

    fn record(&mut self, kind: Record, at: Mono, node: NodeId, body: &impl Serialize) {
        let mut bytes = core::mem::take(&mut self.body);
        bytes.clear();
        bytes.resize(HEAD, 0);
        bytes = match postcard::to_extend(body, bytes) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("a growing buffer takes everything: {error}"),
        };
        let len = u32::try_from(bytes.len() - HEAD).unwrap_or(u32::MAX);
        bytes[0] = kind as u8;
        bytes[1..9].copy_from_slice(&at.as_nanos().to_le_bytes());
        bytes[9..17].copy_from_slice(&node.0.to_le_bytes());
        bytes[17..HEAD].copy_from_slice(&len.to_le_bytes());
        self.hash.update(&bytes);
        self.events += 1;
        self.body = bytes;
    }
}

impl core::fmt::Debug for Trace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Trace({:016x})", self.value())
    }
}

const HEAD: usize = 21;
