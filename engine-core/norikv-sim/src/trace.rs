//! The fingerprint of a run.
//!
//! **Invariant: everything that went into a node or came out of it is in the hash, in order, as
//! little-endian bytes.** Two runs with one hash did the same.

use alloc::vec::Vec;

use norikv_node::{Input, Output};
use norikv_types::{Mono, NodeId};
use serde::Serialize;

use crate::SimConfig;
use crate::recording::{Fingerprint, Record, RecordKind, Recorder};

/// Hashes what happens, and writes it down where somebody asked for it.
pub(crate) struct Trace {
    fingerprint: Fingerprint,
    body: Vec<u8>,
    events: u64,
    /// Keeps the trace whole.
    pub(crate) recorder: Option<Recorder>,
    /// Whether the run is taken to its end and judged, and not stopped somewhere.
    pub(crate) to_the_end: bool,
}

impl Trace {
    pub(crate) fn new(config: &SimConfig) -> Self {
        Self {
            fingerprint: Fingerprint::new(config.seed),
            body: Vec::new(),
            events: 0,
            recorder: config.recorded.then(|| Recorder::new(config)),
            to_the_end: false,
        }
    }

    pub(crate) fn input(&mut self, at: Mono, node: NodeId, input: &Input) {
        self.record(RecordKind::Input, at, node, input);
    }

    pub(crate) fn output(&mut self, at: Mono, node: NodeId, output: &Output) {
        self.record(RecordKind::Output, at, node, output);
    }

    pub(crate) fn digest(&mut self, at: Mono, node: NodeId, digest: u64) {
        self.record(RecordKind::Digest, at, node, &digest.to_le_bytes());
    }

    pub(crate) fn started(&mut self, at: Mono, node: NodeId) {
        self.record(RecordKind::Started, at, node, &());
    }

    pub(crate) fn stopped(&mut self, at: Mono, node: NodeId) {
        self.record(RecordKind::Stopped, at, node, &());
    }

    /// Records so far.
    pub(crate) const fn events(&self) -> u64 {
        self.events
    }

    pub(crate) fn value(&self) -> u64 {
        self.fingerprint.value()
    }

    fn record(&mut self, kind: RecordKind, at: Mono, node: NodeId, body: &impl Serialize) {
        let mut bytes = core::mem::take(&mut self.body);
        bytes.clear();
        bytes = match postcard::to_extend(body, bytes) {
            Ok(bytes) => bytes,
            Err(error) => unreachable!("a growing buffer takes everything: {error}"),
        };
        let record = Record {
            kind,
            at,
            node,
            body: bytes.as_slice(),
        };
        self.fingerprint.add(&record);
        if let Some(recorder) = &mut self.recorder {
            recorder.add(&record);
        }
        self.events += 1;
        self.body = bytes;
    }
}

impl core::fmt::Debug for Trace {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "Trace({:016x})", self.value())
    }
}
