//! What a data directory says about itself: whose it is, and of which cluster.
//!
//! **Invariant: written before anything else in the directory, and never changed.** What stands here
//! decides where every key lies; a node that is configured otherwise must not touch the data.
//!
//! The file `identity`, little-endian:
//! ```text
//! offset  size  what
//!      0     4  magic "NKVI"
//!      4     2  format version, u16: 1
//!      6     2  0: made with the cluster; 1: in place of a lost one
//!      8     8  cluster id, u64
//!     16     8  node id, u64
//!     24     4  groups, u32
//!     28     4  replication, u32
//!     32     4  n: nodes in the cluster, u32
//!     36   8 n  their ids, u64, ascending
//! 36+8 n     4  CRC-32 of everything before
//! ```

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::Path;

use norikv_node::NodeConfig;
use norikv_types::NodeId;

use crate::Error;

/// What never changes about a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Identity {
    cluster: u64,
    node: NodeId,
    groups: u32,
    replication: u32,
    nodes: Vec<NodeId>,
    /// Whether the directory was there when the cluster was made: only then are the votes in it all
    /// that this node ever cast.
    founder: bool,
}

impl Identity {
    pub(crate) fn of(config: &NodeConfig) -> Self {
        let mut nodes = config.nodes.clone();
        nodes.sort_unstable();
        Self {
            cluster: config.cluster,
            node: config.id,
            groups: config.groups,
            replication: config.replication,
            nodes,
            founder: config.founder,
        }
    }

    /// Claims `directory`, which exists and is locked, for this identity: writes it into an empty
    /// one, compares it in one that has it. Says whether it was there when the cluster was made: what
    /// an empty one is told now holds for good.
    ///
    /// # Errors
    /// `Foreign` names the first thing that differs; `Unidentified` when there is data but no
    /// identity; `BadIdentity`; `Io`. Nothing was changed.
    pub(crate) fn claim(&self, directory: &Path) -> Result<bool, Error> {
        let path = directory.join(FILE);
        match fs::read(&path) {
            Ok(bytes) => match Self::decode(&bytes) {
                Some(stored) => self.compare(&stored, directory).map(|()| stored.founder),
                None => Err(Error::BadIdentity { path }),
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                let io = |source| Error::Io {
                    path: directory.to_path_buf(),
                    source,
                };
                if holds_objects(directory).map_err(io)? {
                    return Err(Error::Unidentified {
                        path: directory.to_path_buf(),
                    });
                }
                self.write(directory).map_err(io)?;
                Ok(self.founder)
            }
            Err(source) => Err(Error::Io { path, source }),
        }
    }

    fn compare(&self, stored: &Self, directory: &Path) -> Result<(), Error> {
        let foreign = |what, stored, configured| {
            Err(Error::Foreign {
                path: directory.to_path_buf(),
                what,
                stored,
                configured,
            })
        };
        let hex = |cluster: u64| format!("{cluster:#018x}");
        let list = |nodes: &[NodeId]| {
            nodes
                .iter()
                .map(|node| node.0.to_string())
                .collect::<Vec<_>>()
                .join(", ")
        };
        if stored.cluster != self.cluster {
            return foreign("cluster", hex(stored.cluster), hex(self.cluster));
        }
        if stored.node != self.node {
            return foreign("node", stored.node.0.to_string(), self.node.0.to_string());
        }
        if stored.groups != self.groups {
            return foreign(
                "number of groups",
                stored.groups.to_string(),
                self.groups.to_string(),
            );
        }
        if stored.replication != self.replication {
            let (stored, configured) = (stored.replication, self.replication);
            return foreign("replication", stored.to_string(), configured.to_string());
        }
        if stored.nodes != self.nodes {
            return foreign("list of nodes", list(&stored.nodes), list(&self.nodes));
        }
        if stored.founder && !self.founder {
            let (stored, configured) = ("with the cluster", "in place of a lost one");
            return foreign("directory made", stored.into(), configured.into());
        }
        Ok(())
    }

    /// Whole or not at all: a new file under another name, synced, then renamed.
    fn write(&self, directory: &Path) -> io::Result<()> {
        let draft = directory.join("identity.new");
        let mut file = File::create(&draft)?;
        file.write_all(&self.encode())?;
        file.sync_all()?;
        fs::rename(&draft, directory.join(FILE))?;
        File::open(directory)?.sync_all()
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(MIN_SIZE + self.nodes.len() * 8);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_le_bytes());
        bytes.extend_from_slice(&u16::from(!self.founder).to_le_bytes());
        bytes.extend_from_slice(&self.cluster.to_le_bytes());
        bytes.extend_from_slice(&self.node.0.to_le_bytes());
        bytes.extend_from_slice(&self.groups.to_le_bytes());
        bytes.extend_from_slice(&self.replication.to_le_bytes());
        let count = u32::try_from(self.nodes.len()).unwrap_or(u32::MAX);
        bytes.extend_from_slice(&count.to_le_bytes());
        for node in &self.nodes {
            bytes.extend_from_slice(&node.0.to_le_bytes());
        }
        let checksum = crc32fast::hash(&bytes);
        bytes.extend_from_slice(&checksum.to_le_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Option<Self> {
        let (body, checksum) = bytes.split_last_chunk::<4>()?;
        if crc32fast::hash(body) != u32::from_le_bytes(*checksum) {
            return None;
        }
        let rest = body
            .strip_prefix(&MAGIC)?
            .strip_prefix(&VERSION.to_le_bytes())?;
        let (standing, rest) = rest.split_first_chunk::<2>()?;
        let founder = match u16::from_le_bytes(*standing) {
            0 => true,
            1 => false,
            _ => return None,
        };
        let (cluster, rest) = rest.split_first_chunk::<8>()?;
        let (node, rest) = rest.split_first_chunk::<8>()?;
        let (groups, rest) = rest.split_first_chunk::<4>()?;
        let (replication, rest) = rest.split_first_chunk::<4>()?;
        let (count, rest) = rest.split_first_chunk::<4>()?;
        let (nodes, []) = rest.as_chunks::<8>() else {
            return None;
        };
        if u32::try_from(nodes.len()) != Ok(u32::from_le_bytes(*count)) {
            return None;
        }
        Some(Self {
            cluster: u64::from_le_bytes(*cluster),
            node: NodeId(u64::from_le_bytes(*node)),
            groups: u32::from_le_bytes(*groups),
            replication: u32::from_le_bytes(*replication),
            nodes: nodes
                .iter()
                .map(|id| NodeId(u64::from_le_bytes(*id)))
                .collect(),
            founder,
        })
    }
}

/// Whether one of the stores has been written to.
fn holds_objects(directory: &Path) -> io::Result<bool> {
    for store in [LOG, DATA] {
        match fs::read_dir(directory.join(store)) {
            Ok(mut entries) => {
                if entries.any(|entry| entry.is_ok_and(|entry| entry.file_name() != "lock")) {
                    return Ok(true);
                }
            }
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(false)
}

/// The folder of the replicated log.
pub(crate) const LOG: &str = "log";
/// The folder of the storage.
pub(crate) const DATA: &str = "data";

const FILE: &str = "identity";
const MAGIC: [u8; 4] = *b"NKVI";
const VERSION: u16 = 1;
const MIN_SIZE: usize = 40;

#[cfg(test)]
mod tests;
