//! A stretch of a log that cannot be read, and what is known of it.

use norikv_types::{LogIndex, Term};

/// A stretch of entries that cannot be read.
#[derive(Debug)]
pub(super) struct Hole {
    /// The first entry that is not durable again.
    pub(super) from: LogIndex,
    pub(super) up_to: LogIndex,
    /// Both sides of it have one term, and so has it.
    pub(super) is_term_known: bool,
    /// Up to here entries came back.
    pub(super) filled: LogIndex,
    /// What a peer said of the last one, by what stands behind it there.
    pub(super) close: Close,
    /// The write that stores them.
    pub(super) write: u64,
}

/// What is known of the last entry of a stretch of which no term is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Close {
    /// Nothing, and nobody was asked.
    Unknown,
    /// An answer held it without what stands behind it: that is asked for first.
    Asked,
    /// Its term: a log that has the same behind it has it before that (log matching, Raft §5.3).
    Term(Term),
    /// The leader of this term has something else behind it.
    Differs(Term),
}

impl Hole {
    pub(super) const fn new(from: LogIndex, up_to: LogIndex, is_term_known: bool) -> Self {
        Self {
            from,
            up_to,
            is_term_known,
            filled: from.prev(),
            close: Close::Unknown,
            write: 0,
        }
    }

    pub(super) fn is_filled(&self) -> bool {
        self.filled >= self.up_to
    }
}
