//! What can go wrong when a transport is made, and when a frame is handed to it.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use norikv_types::NodeId;

/// A failure to make certificates, to read them or to start a transport. Nothing is listening after
/// one; files written before it are left where they are.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The address cannot be listened on; usually another process has the port.
    #[error("{node} cannot listen on {address} (udp): {source}")]
    Bind {
        /// The node that wanted it.
        node: NodeId,
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: io::Error,
    },
    /// A certificate or key file cannot be read or written.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file holds no certificate or key in PEM.
    #[error("{path}: no {expected} in PEM: {detail}", path = path.display())]
    Pem {
        /// The file.
        path: PathBuf,
        /// What was looked for.
        expected: &'static str,
        /// What the reader says.
        detail: String,
    },
    /// Certificates could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// The certificate was issued for another node.
    #[error("the certificate was not issued for {node} but for another: {detail}")]
    ForeignCertificate {
        /// The node that was to use it.
        node: NodeId,
        /// What the check says.
        detail: String,
    },
    /// Certificate, key and authority do not fit together.
    #[error("certificate, key and authority do not fit together: {0}")]
    Tls(String),
    /// A limit in the configuration that cannot be.
    #[error("{name} is {value}, which is not within {min} and {max}")]
    Limit {
        /// The limit.
        name: &'static str,
        /// Its value.
        value: u64,
        /// The least it may be.
        min: u64,
        /// The most it may be.
        max: u64,
    },
}

/// Why a frame or packet was not taken. It was not sent and will not be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// No such node among the peers.
    #[error("{0} is not among the peers")]
    UnknownPeer(NodeId),
    /// There is no connection now.
    #[error("no connection to {0}")]
    NotConnected(NodeId),
    /// The lane's queue is full.
    #[error("the queue to {0} is full")]
    Full(NodeId),
    /// Longer than frames or packets may be.
    #[error("{size} bytes are over the limit of {limit}")]
    TooLarge {
        /// Bytes.
        size: usize,
        /// Bytes allowed.
        limit: usize,
    },
}
