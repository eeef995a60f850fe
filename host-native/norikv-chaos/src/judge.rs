//! Whether an epoch's answers could have come from one copy that does one thing at a time.

use std::time::{Duration, Instant};

use norikv_testkit::{Model, Outcome, Verdict, draw, linearizable};
use serde::Serialize;

use crate::record::{KeyHistory, KeyModel};
use crate::violation::Violation;

/// What was judged, and how.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Verdicts {
    /// Histories for which an order exists.
    pub yes: u64,
    /// Those for which none does.
    pub no: u64,
    /// Those where the search gave up.
    pub unknown: u64,
    /// Operations in all of them, a scan as one for each key.
    pub operations: u64,
    /// The longest history, operations.
    pub longest: u64,
    /// Time it took.
    #[serde(serialize_with = "seconds")]
    pub took: Duration,
}

impl Verdicts {
    /// Judges the history of an epoch and counts the verdict.
    pub fn judge(&mut self, epoch: usize, history: &KeyHistory) -> Option<Violation> {
        let started = Instant::now();
        let verdict = linearizable(history, &KeyModel::new());
        self.took += started.elapsed();
        let count = history.operations().len() as u64;
        self.operations += count;
        self.longest = self.longest.max(count);
        match verdict {
            Verdict::Yes => {
                self.yes += 1;
                None
            }
            Verdict::Unknown { .. } => {
                self.unknown += 1;
                None
            }
            Verdict::No(violation) => {
                self.no += 1;
                Some(Violation::NotLinearizable {
                    epoch,
                    window: describe(history, &violation),
                    drawing: draw(history, &violation),
                })
            }
        }
    }
}

/// The operations that matter, for people: one a line.
fn describe(
    history: &KeyHistory,
    violation: &norikv_testkit::Violation<u32, <KeyModel as Model>::State>,
) -> String {
    let mut text = format!("key {}", violation.key);
    if !violation.states.is_empty() {
        text.push_str("\n  possible before:");
        for state in &violation.states {
            let relation = if state.exact { "at" } else { "above" };
            text.push_str(&format!(
                "\n    {:?} {relation} {:?}",
                state.value, state.version
            ));
        }
    }
    for id in &violation.window {
        let operation = history.operation(*id);
        let mark = if *id == violation.unexplained {
            "=>"
        } else {
            "  "
        };
        let (end, output) = match &operation.outcome {
            Outcome::Returned { output, at } => (format!("{}", at.at), format!("{output:?}")),
            Outcome::Unknown => ("…".to_owned(), "unknown".to_owned()),
            Outcome::Refused => ("-".to_owned(), "refused".to_owned()),
        };
        text.push_str(&format!(
            "\n{mark} client {} [{}, {end}] {:?} → {output}",
            operation.process, operation.invoked.at, operation.input
        ));
    }
    text
}

fn seconds<S: serde::Serializer>(took: &Duration, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_f64(took.as_secs_f64())
}

#[cfg(test)]
mod tests;
