//! Writes a trace while a run goes on.
//!
//! **Invariant: what is kept in memory is compressed**, but for one chunk.

use alloc::vec::Vec;

use norikv_types::Mono;

use crate::recording::{End, FORMAT, MAGIC, Record, Recording, chunk};
use crate::{Scenario, SimConfig};

/// A trace that is being written.
pub(crate) struct Recorder {
    recording: Recording,
    /// Records that are not in a chunk yet.
    open: Vec<u8>,
    /// The time of the last of them; 0 when there is none.
    last: Mono,
}

impl Recorder {
    pub(crate) fn new(config: &SimConfig) -> Self {
        Self::with_scenario(config, Scenario::new(config.clone()).to_text())
    }

    pub(super) fn with_scenario(config: &SimConfig, scenario: alloc::string::String) -> Self {
        let mut bytes = Vec::new();
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&FORMAT.to_le_bytes());
        bytes.extend_from_slice(&[0; 2]);
        bytes.extend_from_slice(&chunk::length(scenario.as_bytes()).to_le_bytes());
        let sum = chunk::checksum(&[&bytes, scenario.as_bytes()]);
        bytes.extend_from_slice(&sum.to_le_bytes());
        bytes.extend_from_slice(scenario.as_bytes());
        Self {
            recording: Recording {
                chunks_at: bytes.len(),
                bytes,
                scenario,
                config: SimConfig {
                    watched: false,
                    recorded: false,
                    flip: None,
                    ..config.clone()
                },
                end: End {
                    to_the_end: false,
                    steps: 0,
                    records: 0,
                    hash: 0,
                },
            },
            open: Vec::new(),
            last: Mono::ZERO,
        }
    }

    pub(crate) fn add(&mut self, record: &Record<&[u8]>) {
        self.open = record.write(self.last, core::mem::take(&mut self.open));
        self.last = record.at;
        if self.open.len() >= CHUNK_BYTES {
            self.close_chunk();
        }
    }

    pub(super) fn finish(mut self, end: End) -> Recording {
        self.close_chunk();
        let bytes = &mut self.recording.bytes;
        let begin = bytes.len();
        bytes.extend_from_slice(&[0; 4]);
        bytes.extend_from_slice(&u32::from(end.to_the_end).to_le_bytes());
        for number in [end.steps, end.records, end.hash] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        let sum = chunk::checksum(&[bytes.get(begin..).unwrap_or_default()]);
        bytes.extend_from_slice(&sum.to_le_bytes());
        self.recording.end = end;
        self.recording
    }

    fn close_chunk(&mut self) {
        if !self.open.is_empty() {
            chunk::write(&self.open, &mut self.recording.bytes);
            self.open.clear();
            self.last = Mono::ZERO;
        }
    }
}

/// A chunk is closed by the record that takes it to this length or beyond.
const CHUNK_BYTES: usize = 64 << 10;
