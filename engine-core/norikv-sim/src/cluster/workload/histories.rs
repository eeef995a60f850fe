//! Everything that clients were told, by what kind of key it is about.
//!
//! **Invariant: keys of one kind have one model, and each key is judged by itself**, the keys of one
//! tag together.

use alloc::format;
use alloc::string::String;
use core::fmt::Debug;

use norikv_testkit::{
    Counter, CounterInput, CounterOutput, History, Model, MortalInput, MortalKey, OperationId,
    Outcome, Transaction, TransactionOutput, Transactions, ValueId, Verdict, VersionedInput,
    VersionedKey, VersionedOutput, Violation, draw, linearizable,
};
use norikv_types::Version;

/// The kinds of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Space {
    /// Plain ones.
    Keys,
    /// Those whose values end by themselves.
    Mortals,
    /// Those that hold numbers.
    Numbers,
    /// Those that transactions take together.
    Tags,
}

type KeyInput = VersionedInput<ValueId, Version>;
type KeyOutput = VersionedOutput<ValueId, Version>;

/// A history for each kind.
#[derive(Debug)]
pub(crate) struct Histories {
    pub(crate) keys: History<u32, KeyInput, KeyOutput>,
    pub(crate) mortals: History<u32, MortalInput<ValueId, Version>, KeyOutput>,
    pub(crate) numbers: History<u32, CounterInput, CounterOutput>,
    pub(crate) tags: History<u32, Transaction<u8, ValueId>, TransactionOutput<ValueId>>,
}

/// What came of judging them.
pub(crate) enum Judged {
    Yes,
    /// The checker met its limit at this key.
    Unknown {
        key: u32,
    },
    /// No order explains what was told.
    No {
        key: u32,
        /// The operations that matter, one a line.
        text: String,
        /// The same, drawn.
        svg: String,
    },
}

impl Histories {
    pub(crate) const fn new() -> Self {
        Self {
            keys: History::new(),
            mortals: History::new(),
            numbers: History::new(),
            tags: History::new(),
        }
    }

    /// An operation had no effect, for sure.
    pub(crate) fn refused(&mut self, space: Space, id: OperationId) {
        match space {
            Space::Keys => self.keys.refused(id),
            Space::Mortals => self.mortals.refused(id),
            Space::Numbers => self.numbers.refused(id),
            Space::Tags => self.tags.refused(id),
        }
    }

    /// Judges all, up to the first that is not explained.
    pub(crate) fn judge(&self) -> Judged {
        let keys = judge(&self.keys, &VersionedKey::new(), "key");
        let ends = || judge(&self.mortals, &MortalKey::new(), "key for values that end");
        keys.or(ends)
            .or(|| judge(&self.numbers, &Counter, "number"))
            .or(|| judge(&self.tags, &Transactions::new(), "tag"))
    }
}

impl Judged {
    /// This, where something is wrong or open here, else the other.
    fn or(self, other: impl FnOnce() -> Self) -> Self {
        match self {
            Self::Yes => other(),
            Self::Unknown { key } => match other() {
                Self::Yes => Self::Unknown { key },
                other => other,
            },
            Self::No { .. } => self,
        }
    }
}

impl Space {
    /// Keys of all kinds have numbers apart from each other.
    pub(crate) const fn first_key(self) -> u32 {
        (self as u32) << 24
    }
}

fn judge<M>(history: &History<u32, M::Input, M::Output>, model: &M, kind: &str) -> Judged
where
    M: Model,
    M::Input: Debug,
    M::Output: Debug,
{
    match linearizable(history, model) {
        Verdict::Yes => Judged::Yes,
        Verdict::Unknown { key } => Judged::Unknown { key },
        Verdict::No(violation) => Judged::No {
            key: violation.key,
            text: describe(history, &violation, kind),
            svg: draw(history, &violation),
        },
    }
}

/// What a violation says, for people: one operation a line.
fn describe<I: Debug, O: Debug, S: Debug>(
    history: &History<u32, I, O>,
    violation: &Violation<u32, S>,
    kind: &str,
) -> String {
    let mut text = format!("{kind} {}", violation.key);
    if !violation.states.is_empty() {
        text.push_str("\n  possible before:");
        for state in &violation.states {
            text.push_str(&format!("\n    {state:?}"));
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
            Outcome::Unknown => (String::from("…"), String::from("unknown")),
            Outcome::Refused => (String::from("-"), String::from("refused")),
        };
        text.push_str(&format!(
            "\n{mark} client {} [{}, {end}] {:?} -> {output}",
            operation.process, operation.invoked.at, operation.input
        ));
    }
    text
}
