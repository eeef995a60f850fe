//! A trace as a file: what a run did, whole, and the scenario that does it again.
//!
//! **Invariant: what is read is what was written, or an error.** Every byte of a file is under a
//! checksum, its end says how much there must be, and the trace hash is computed again from what
//! stands there. Format 1 is described in `docs/formats/trace.md`.

mod chunk;
mod fingerprint;
mod read;
mod record;
mod write;

use alloc::string::String;
use alloc::vec::Vec;

use crate::{ScenarioError, SimConfig, Simulation};

pub(crate) use fingerprint::Fingerprint;
pub use read::Records;
pub use record::{Record, RecordKind};
pub(crate) use write::Recorder;

/// A recorded run.
///
/// ```
/// use norikv_sim::{Recording, SimConfig, Simulation};
/// use norikv_types::Mono;
/// use core::time::Duration;
///
/// let config = SimConfig { recorded: true, ..SimConfig::calm(7, 3) };
/// let mut world = Simulation::new(config);
/// world.run_until(Mono::ZERO + Duration::from_millis(300));
/// let bytes = world.take_trace().expect("the run is recorded").into_bytes();
///
/// let recording = Recording::parse(bytes)?;
/// assert_eq!(recording.records().count() as u64, recording.record_count());
/// assert_eq!(recording.run_again().trace_hash(), recording.hash());
/// # Ok::<(), norikv_sim::RecordingError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    bytes: Vec<u8>,
    /// Where the chunks begin in `bytes`.
    chunks_at: usize,
    scenario: String,
    config: SimConfig,
    end: End,
}

/// What the end of a file says of the run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct End {
    to_the_end: bool,
    steps: u64,
    records: u64,
    hash: u64,
}

/// Why bytes are no recording. Nothing of them is kept.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RecordingError {
    /// The bytes do not begin as a trace does.
    #[error("not a trace: it begins with {0:02x?}")]
    NotATrace([u8; 4]),
    /// Of a later format.
    #[error("trace format {0} is not known; this build reads format {FORMAT}")]
    Format(u16),
    /// The bytes end too early.
    #[error("cut off: {missing} bytes are missing at {at}")]
    CutOff {
        /// Where something should stand.
        at: u64,
        /// How much of it is missing.
        missing: u64,
    },
    /// Bytes that are not what was written.
    #[error("damaged at {at}: {what}")]
    Damaged {
        /// Where the damaged part begins.
        at: u64,
        /// What is wrong.
        what: &'static str,
    },
    /// Its scenario is none that this build can run.
    #[error("its scenario: {0}")]
    Scenario(#[from] ScenarioError),
}

impl Recording {
    /// Reads a trace, all of it.
    ///
    /// # Errors
    /// [`RecordingError`]; any bytes at all give an error or a recording.
    pub fn parse(bytes: impl Into<Vec<u8>>) -> Result<Self, RecordingError> {
        read::parse(bytes.into())
    }

    /// The file.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// The file.
    #[must_use]
    pub fn into_bytes(self) -> Vec<u8> {
        self.bytes
    }

    /// The scenario that does it again, as text.
    #[must_use]
    pub fn scenario(&self) -> &str {
        &self.scenario
    }

    /// The configuration that does it again.
    #[must_use]
    pub const fn config(&self) -> &SimConfig {
        &self.config
    }

    /// Whether the run was taken to its end and judged, and not stopped somewhere.
    #[must_use]
    pub const fn is_to_the_end(&self) -> bool {
        self.end.to_the_end
    }

    /// Steps of the run.
    #[must_use]
    pub const fn steps(&self) -> u64 {
        self.end.steps
    }

    /// How many records there are.
    #[must_use]
    pub const fn record_count(&self) -> u64 {
        self.end.records
    }

    /// The trace hash.
    #[must_use]
    pub const fn hash(&self) -> u64 {
        self.end.hash
    }

    /// What went into nodes and came out of them, in order.
    #[must_use]
    pub fn records(&self) -> Records<'_> {
        Records::new(self.bytes.get(self.chunks_at..).unwrap_or_default())
    }

    /// Runs the scenario as far as the recorded run went. With the same code the trace hash is the
    /// same, unless somebody interfered with the recorded run by hand.
    #[must_use]
    pub fn run_again(&self) -> Simulation {
        self.run_as(self.config.clone())
    }

    /// The first record that a run of this build does otherwise, with its number, from 0; `None`
    /// when it does the same.
    #[must_use]
    pub fn first_difference(&self) -> Option<u64> {
        let mut world = self.run_as(SimConfig {
            recorded: true,
            ..self.config.clone()
        });
        let again = world.take_trace()?;
        let (mut ours, mut theirs) = (self.records(), again.records());
        for number in 0.. {
            let (own, their) = (ours.next(), theirs.next());
            if own != their {
                return Some(number);
            }
            own?;
        }
        None
    }

    fn run_as(&self, config: SimConfig) -> Simulation {
        let mut world = Simulation::new(config);
        if self.end.to_the_end {
            world.run_to_the_end();
        } else {
            while world.steps() < self.end.steps && world.step().is_some() {}
        }
        world
    }
}

impl Simulation {
    /// The trace so far, whole; `None` unless the run is [recorded](SimConfig::recorded), or when it
    /// was taken already. Nothing is recorded after this.
    pub fn take_trace(&mut self) -> Option<Recording> {
        let recorder = self.trace.recorder.take()?;
        Some(recorder.finish(End {
            to_the_end: self.trace.to_the_end,
            steps: self.steps,
            records: self.trace.events(),
            hash: self.trace.value(),
        }))
    }
}

const MAGIC: [u8; 4] = *b"NTRC";
const FORMAT: u16 = 1;

#[cfg(test)]
mod tests;
