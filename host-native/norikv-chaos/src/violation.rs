//! What must never happen, and how it is told.

use std::fmt;

use norikv_types::Version;
use parking_lot::Mutex;
use tokio::sync::watch;

/// Something that a correct cluster does not do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// No order of the operations on a key explains every answer.
    NotLinearizable {
        /// The epoch.
        epoch: usize,
        /// The key and the operations that matter, one a line.
        window: String,
        /// A drawing of them, SVG.
        drawing: String,
    },
    /// A value was read that nobody wrote under this key.
    UnknownValue {
        /// The key.
        key: String,
    },
    /// One write was seen with two versions: it took place twice.
    Twice {
        /// The write's number.
        write: u64,
        /// Both versions.
        versions: [Version; 2],
    },
    /// Two writes of a group were acknowledged with one version.
    SharedVersion {
        /// The group.
        group: u32,
        /// The version.
        version: Version,
        /// Both writes' numbers.
        writes: [u64; 2],
    },
    /// A call failed as none should.
    Failure {
        /// The failure in words.
        message: String,
    },
    /// A node ended although nobody had it end, or ended otherwise than it was to.
    Ended {
        /// The node.
        node: u64,
        /// How, and the last lines of its log.
        how: String,
    },
    /// With every node running and every link whole, the cluster did not come to rest.
    NotConverged {
        /// What was waited for, and what was seen last.
        seen: String,
    },
    /// Replicas hold different records.
    ReplicasDiffer {
        /// When it was looked at, and the first difference.
        difference: String,
    },
}

/// The violations found so far. The run ends at the first.
#[derive(Debug)]
pub struct Findings {
    found: Mutex<Vec<Violation>>,
    any: watch::Sender<bool>,
}

impl Findings {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        Self {
            found: Mutex::default(),
            any: watch::Sender::new(false),
        }
    }

    /// Adds one.
    pub fn add(&self, violation: Violation) {
        self.found.lock().push(violation);
        self.any.send_replace(true);
    }

    /// All of them.
    #[must_use]
    pub fn all(&self) -> Vec<Violation> {
        self.found.lock().clone()
    }

    /// Whether there is one.
    #[must_use]
    pub fn any(&self) -> bool {
        *self.any.borrow()
    }

    /// Returns when there is one.
    pub async fn first(&self) {
        let mut any = self.any.subscribe();
        let _never_closed = any.wait_for(|any| *any).await;
    }
}

impl Default for Findings {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotLinearizable { epoch, window, .. } => {
                write!(f, "not linearizable, epoch {epoch}: {window}")
            }
            Self::UnknownValue { key } => write!(f, "{key} holds a value that nobody wrote there"),
            Self::Twice { write, versions } => write!(
                f,
                "write {write} took place twice: as {} and as {}",
                Shown(versions[0]),
                Shown(versions[1])
            ),
            Self::SharedVersion {
                group,
                version,
                writes,
            } => write!(
                f,
                "writes {} and {} of group {group} both have version {}",
                writes[0],
                writes[1],
                Shown(*version)
            ),
            Self::Failure { message } => write!(f, "a call failed as none should: {message}"),
            Self::Ended { node, how } => write!(f, "node {node} {how}"),
            Self::NotConverged { seen } => write!(f, "the cluster did not come to rest: {seen}"),
            Self::ReplicasDiffer { difference } => write!(f, "replicas differ: {difference}"),
        }
    }
}

/// A version as `term-index`.
struct Shown(Version);

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.0.term.0, self.0.index.0)
    }
}
