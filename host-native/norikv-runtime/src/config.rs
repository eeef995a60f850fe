//! What a node's runtime is told at its start.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;

use norikv_node::NodeConfig;
use norikv_transport_quic::{Credentials, Limits};
use norikv_types::NodeId;

use crate::Error;

/// Everything a node is started with.
#[derive(Debug, Clone)]
pub struct RuntimeConfig {
    /// Where its data lies; made if need be. Locked while the node runs.
    pub data_dir: PathBuf,
    /// What the node itself is told. Its `boot` and `seed` are drawn anew at every start.
    pub node: NodeConfig,
    /// Where it listens for its peers; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Where the other nodes listen.
    pub peers: BTreeMap<NodeId, SocketAddr>,
    /// Its certificate and the cluster's authority.
    pub tls: Credentials,
    /// Bounds and times of its connections.
    pub transport: Limits,
    /// Sizes of its stores.
    pub storage: StorageOptions,
}

/// Sizes of a node's stores.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StorageOptions {
    /// Bytes of one segment of the log.
    pub segment_bytes: u64,
    /// Bytes of writes held in memory before they are flushed.
    pub memtable_bytes: u64,
    /// Bytes of the cache of blocks.
    pub cache_bytes: u64,
    /// Threads that read, 1–64.
    pub readers: u32,
}

impl Default for StorageOptions {
    fn default() -> Self {
        Self {
            segment_bytes: 64 << 20,
            memtable_bytes: 32 << 20,
            cache_bytes: 64 << 20,
            readers: 2,
        }
    }
}

impl RuntimeConfig {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let NodeConfig { id, nodes, .. } = &self.node;
        if !nodes.contains(id) {
            return Err(Error::Config(format!(
                "{id} is not among the cluster's nodes"
            )));
        }
        let unknown = nodes
            .iter()
            .find(|node| *node != id && !self.peers.contains_key(node));
        if let Some(node) = unknown {
            return Err(Error::Config(format!("{id} has no address for {node}")));
        }
        if !(1..=64).contains(&self.storage.readers) {
            let readers = self.storage.readers;
            return Err(Error::Config(format!(
                "{readers} readers; 1 to 64 are possible"
            )));
        }
        Ok(())
    }
}
