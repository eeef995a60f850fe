//! Why a node cannot be started.

use std::io;
use std::path::PathBuf;

use nori_env::IoError;
use norikv_node::PortError;

/// Why a node was not started. Nothing runs and nothing is locked after one; files that were made
/// before it are left.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another node of this one, runs on the directory.
    #[error("{path} is in use by another process", path = path.display())]
    Locked {
        /// The data directory.
        path: PathBuf,
    },
    /// The directory holds the data of another node, or of a cluster with another plan.
    #[error(
        "{path} belongs to another node or cluster: its {what} is {stored}, the configuration says {configured}",
        path = path.display()
    )]
    Foreign {
        /// The data directory.
        path: PathBuf,
        /// What differs.
        what: &'static str,
        /// As the directory has it.
        stored: String,
        /// As the configuration has it.
        configured: String,
    },
    /// The directory holds data, but nothing says whose.
    #[error("{path} holds data but no identity file; it is not touched", path = path.display())]
    Unidentified {
        /// The data directory.
        path: PathBuf,
    },
    /// The identity file fails its checks.
    #[error("{path} is damaged: its checks fail", path = path.display())]
    BadIdentity {
        /// The file.
        path: PathBuf,
    },
    /// The directory cannot be used.
    #[error("{path}: {source}", path = path.display())]
    Io {
        /// The directory or file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// One of the directory's stores cannot be used.
    #[error("{path}: {source}", path = path.display())]
    Store {
        /// The store's directory.
        path: PathBuf,
        /// What the store says.
        source: IoError,
    },
    /// What is stored cannot be opened: the detail names object and range.
    #[error("{path}: {source}", path = path.display())]
    Stored {
        /// The store's directory.
        path: PathBuf,
        /// What the adapter says.
        source: PortError,
    },
    /// The configuration is one that no node can run with.
    #[error("{0}")]
    Config(String),
    /// The transport cannot be started.
    #[error(transparent)]
    Transport(#[from] norikv_transport_quic::Error),
    /// The operating system gives no thread.
    #[error("cannot start a thread: {0}")]
    Thread(io::Error),
}
