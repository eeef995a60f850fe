//! The lanes between two nodes: one stream each, so that bulk never stands before a heartbeat.

use core::fmt;

/// A stream between two nodes, by what it carries.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(u8)]
pub enum Lane {
    /// Heartbeats, votes, read confirmations: small and urgent.
    Control = 1,
    /// Log entries and their acknowledgements.
    Append = 2,
    /// Chunks of snapshots: bulk.
    Snapshot = 3,
    /// Client calls handed to the node that leads.
    Forward = 4,
}

impl Lane {
    /// Every lane, in the order of their numbers.
    pub const ALL: [Self; 4] = [Self::Control, Self::Append, Self::Snapshot, Self::Forward];

    /// The number that stands for the lane in a hello.
    #[must_use]
    pub const fn number(self) -> u8 {
        self as u8
    }

    /// The lane of `number`.
    #[must_use]
    pub const fn of_number(number: u8) -> Option<Self> {
        match number {
            1 => Some(Self::Control),
            2 => Some(Self::Append),
            3 => Some(Self::Snapshot),
            4 => Some(Self::Forward),
            _ => None,
        }
    }

    /// The lane's word in logs and meters.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Control => "control",
            Self::Append => "append",
            Self::Snapshot => "snapshot",
            Self::Forward => "forward",
        }
    }

    /// Which stream goes first when there is not room for all: higher first.
    pub(crate) const fn priority(self) -> i32 {
        match self {
            Self::Control => 3,
            Self::Append => 2,
            Self::Forward => 1,
            Self::Snapshot => 0,
        }
    }

    /// Position in an array over [`Lane::ALL`].
    pub(crate) const fn index(self) -> usize {
        self as usize - 1
    }

    /// Whether the oldest frame gives way when the queue is full. Raft sends again what is lost
    /// here; a forwarded call or a piece of a snapshot has to be refused instead.
    pub(crate) const fn drops_oldest(self) -> bool {
        matches!(self, Self::Control | Self::Append)
    }
}

impl fmt::Display for Lane {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
