//! The names of broken promises, for command lines and tables.
//!
//! **Invariant: every violation has a name, and no two share one.**

use crate::cluster::Violation;

macro_rules! names {
    ($($variant:ident: $name:literal,)*) => {
        impl Violation {
            /// Every [name](Self::name).
            pub const NAMES: &'static [&'static str] = &[$($name),*];

            /// What was broken, in a word.
            #[must_use]
            pub const fn name(&self) -> &'static str {
                match self {
                    $(Self::$variant { .. } => $name,)*
                }
            }
        }
    };
}

names! {
    TwoLeaders: "two-leaders",
    HardStateWentBack: "hard-state-went-back",
    LogMismatch: "log-mismatch",
    AppliedAnother: "applied-another",
    OutcomesDiffer: "outcomes-differ",
    LeaderIncomplete: "leader-incomplete",
    DurableLost: "durable-lost",
    SaidTooEarly: "said-too-early",
    LacksWhatItPromised: "lacks-what-it-promised",
    Misuse: "misuse",
    AcknowledgedTooEarly: "acknowledged-too-early",
    AppliedTwice: "applied-twice",
    StaleRead: "stale-read",
    CommittedOldTerm: "committed-old-term",
    LeaderOverwrote: "leader-overwrote",
    LeaseOverlaps: "lease-overlaps",
    VotedTwice: "voted-twice",
    UnsafeChange: "unsafe-change",
    RemovedMember: "removed-member",
    BegunOverPast: "begun-over-past",
    ElectedByFew: "elected-by-few",
    CommittedByFew: "committed-by-few",
    NoLeader: "no-leader",
    Unbounded: "unbounded",
    TooManyMessages: "too-many-messages",
    UnknownValue: "unknown-value",
    UnexpectedFailure: "unexpected-failure",
    CannotOpen: "cannot-open",
    Halted: "halted",
    NotConverged: "not-converged",
    ReplicasDiffer: "replicas-differ",
    WatchedWrong: "watched-wrong",
    ScannedWrong: "scanned-wrong",
    Outlived: "outlived",
    NotLinearizable: "not-linearizable",
}
