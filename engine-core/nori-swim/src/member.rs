//! What is said about a member, and which of two statements wins.
//!
//! **Invariant: statements about one member are totally ordered by (incarnation, state), and a
//! member's record only ever moves up.** So every exchange, in any order, any number of times, brings
//! two tables closer, and two tables that heard the same are the same (SWIM §4.2, with the rule that
//! an `Alive` of a higher incarnation also overrides `Faulty` and `Left`, which lets nodes return).

use core::fmt;

use bytes::Bytes;
use norikv_types::{Mutant, NodeId, breaks};
use serde::{Deserialize, Serialize};

/// Which life of a member, and which refutation in it, a statement is about (SWIM §4.2). Only the
/// member itself raises it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
pub struct Incarnation(pub u32);

/// How a member stands. In the order of precedence within one incarnation.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum MemberState {
    /// It answers.
    Alive,
    /// Some member got no answer; it may still refute.
    Suspect,
    /// It did not refute in time. It is asked again now and then.
    Faulty,
    /// It said good-bye.
    Left,
}

/// One member as this node sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Member {
    /// Who.
    pub node: NodeId,
    /// How it stands.
    pub state: MemberState,
    /// The incarnation this is about.
    pub incarnation: Incarnation,
    /// What the member says about itself, at most [`METADATA_BYTES_MAX`].
    pub metadata: Bytes,
}

/// Longest metadata of a member, bytes.
pub const METADATA_BYTES_MAX: u8 = 128;

impl Incarnation {
    /// The highest there is. A packet that claims more is refused.
    pub const MAX: Self = Self(u32::MAX - 1);

    /// The next one; stays at [`Incarnation::MAX`].
    #[must_use]
    pub const fn next(self) -> Self {
        if self.0 < Self::MAX.0 {
            Self(self.0 + 1)
        } else {
            Self::MAX
        }
    }
}

impl MemberState {
    /// Whether the member takes part: `Alive` or `Suspect`.
    #[must_use]
    pub const fn is_live(self) -> bool {
        matches!(self, Self::Alive | Self::Suspect)
    }

    /// `alive`, `suspect`, `faulty` or `left`.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Alive => "alive",
            Self::Suspect => "suspect",
            Self::Faulty => "faulty",
            Self::Left => "left",
        }
    }
}

impl Member {
    /// Whether this statement is news to one who holds `known` about the same member.
    #[must_use]
    pub(crate) fn overrides(&self, known: &Self) -> bool {
        let revives = self.state == MemberState::Alive && self.incarnation == known.incarnation;
        if breaks(Mutant::OldAliveRevives) && revives {
            return known.state != MemberState::Alive;
        }
        (self.incarnation, self.state) > (known.incarnation, known.state)
    }
}

impl fmt::Display for Incarnation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for MemberState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests;
