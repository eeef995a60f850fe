//! What a trace file says of the run that was recorded.

use norikv_sim::Recording;
use norikv_types::Mono;
use serde::Serialize;

/// The end of a recorded run, and whether this build comes to the same.
#[derive(Debug, Serialize)]
pub(crate) struct Recorded {
    steps: u64,
    records: u64,
    /// Sixteen hexadecimal digits.
    trace_hash: String,
    /// Null until the run is over.
    same: Option<bool>,
    /// The hash of this build's run to the same end, once it is over.
    hash_here: Option<String>,
    first_difference: Option<Difference>,
    #[serde(skip)]
    recording: Recording,
}

/// The first record that this build's run has otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Difference {
    /// Counts from 0.
    record: u64,
    /// When and where; null past the end of the recorded run.
    at: Option<Mono>,
    node: Option<u64>,
}

impl Recorded {
    pub(super) fn new(recording: Recording) -> Self {
        Self {
            steps: recording.steps(),
            records: recording.record_count(),
            trace_hash: format!("{:016x}", recording.hash()),
            same: None,
            hash_here: None,
            first_difference: None,
            recording,
        }
    }

    /// Holds the hash of this build's run against the recorded one.
    pub(super) fn compare(&mut self, hash: u64) {
        let same = hash == self.recording.hash();
        self.same = Some(same);
        self.hash_here = Some(format!("{hash:016x}"));
        if !same {
            self.first_difference = self.recording.first_difference().map(|record| {
                let nth = usize::try_from(record).unwrap_or(usize::MAX);
                let found = self.recording.records().nth(nth);
                Difference {
                    record,
                    at: found.as_ref().map(|found| found.at),
                    node: found.as_ref().map(|found| found.node.0),
                }
            });
        }
    }
}
