//! `norikv.toml`: all that a node is told.
//!
//! **Invariant: a field that is unknown or makes no sense is an error that names it;** nothing is
//! silently taken as its default.

use std::collections::BTreeSet;
use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, anyhow, bail, ensure};
use norikv_placement::Placement;
use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

/// A node's configuration file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct NodeFile {
    /// The cluster, 16 hexadecimal digits: nodes of another one are refused.
    pub(crate) cluster: String,
    /// This node's number, 1 and up.
    pub(crate) node: u64,
    /// Where clients reach it (TCP).
    pub(crate) http: SocketAddr,
    /// Where peers reach it (UDP).
    pub(crate) quic: SocketAddr,
    /// How many Raft groups share the 1,024 shards evenly; fixed when the cluster is made.
    pub(crate) groups: u32,
    /// What the defaults do not suit.
    #[serde(default, skip_serializing_if = "Tuning::is_default")]
    pub(crate) tuning: Tuning,
    /// Every other node of the cluster.
    #[serde(default)]
    pub(crate) peers: Vec<PeerEntry>,
}

/// Another node of the cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct PeerEntry {
    pub(crate) node: u64,
    pub(crate) quic: SocketAddr,
}

/// What the defaults do not suit; absent fields keep them.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Tuning {
    /// Bytes of writes kept in memory before they are flushed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) memtable_bytes: Option<u64>,
    /// Bytes of a segment of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) wal_segment_bytes: Option<u64>,
    /// Bytes of flushed log that a group keeps for followers that are behind.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) keep_log_bytes: Option<u64>,
    /// Snapshots that are sent at once, and received at once; the others wait.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) snapshot_streams: Option<u32>,
    /// How often a leader says that it is there, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) heartbeat_ms: Option<u64>,
    /// How long nobody asks a group for anything before it falls asleep, in milliseconds; 0: never.
    /// The same on every node.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) quiesce_after_ms: Option<u64>,
    /// Shortest and longest time without a leader before an election, in milliseconds.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) election_timeout_ms: Option<[u64; 2]>,
}

/// The name of a node's configuration file.
pub(crate) const FILE_NAME: &str = "norikv.toml";

impl NodeFile {
    /// Reads and checks a configuration file.
    ///
    /// # Errors
    /// When it cannot be read, is no TOML, or says something that makes no sense.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let text =
            fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
        let file: Self = toml::from_str(&text).with_context(|| format!("in {}", path.display()))?;
        file.check()
            .with_context(|| format!("in {}", path.display()))?;
        Ok(file)
    }

    /// Writes the configuration file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let text = toml::to_string(self)?;
        fs::write(path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// The cluster as a number.
    pub(crate) fn cluster_id(&self) -> Result<u64> {
        parse_cluster(&self.cluster)
    }

    fn check(&self) -> Result<()> {
        self.cluster_id()?;
        ensure!(self.node > 0, "node is 0; nodes are numbered from 1");
        check_groups(self.groups).map_err(|why| anyhow!("groups is {}: {why}", self.groups))?;
        let mut seen = BTreeSet::from([self.node]);
        for peer in &self.peers {
            ensure!(seen.insert(peer.node), "node {} is there twice", peer.node);
            ensure!(
                peer.node > 0,
                "a peer's node is 0; nodes are numbered from 1"
            );
        }
        if let Some([min, max]) = self.tuning.election_timeout_ms {
            ensure!(
                min > 0 && min <= max,
                "election_timeout_ms is [{min}, {max}]"
            );
        }
        Ok(())
    }
}

impl Tuning {
    fn is_default(&self) -> bool {
        *self == Self::default()
    }
}

/// Whether a cluster can have this many groups.
///
/// # Errors
/// When the shards cannot be spread over them evenly.
pub(crate) fn check_groups(groups: u32) -> Result<(), norikv_placement::Error> {
    Placement::new(&[NodeId(1)], groups, 1).map(|_plan| ())
}

/// The number that 16 hexadecimal digits stand for.
///
/// # Errors
/// When they are something else.
pub(crate) fn parse_cluster(text: &str) -> Result<u64> {
    ensure!(
        text.len() == 16,
        "cluster {text:?} is not 16 hexadecimal digits"
    );
    u64::from_str_radix(text, 16)
        .with_context(|| format!("cluster {text:?} is not 16 hexadecimal digits"))
}

/// 64 random bits.
///
/// # Errors
/// When the system has none.
pub(crate) fn draw() -> Result<u64> {
    getrandom::u64().context("the system has no random bytes")
}

/// The configuration files of the nodes under `data_dir`, in order of their numbers.
///
/// # Errors
/// When the folder cannot be read. A folder that is not there has no nodes.
pub(crate) fn files_in(data_dir: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(data_dir) {
        Ok(entries) => entries,
        Err(why) if why.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        Err(why) => return Err(why).with_context(|| format!("reading {}", data_dir.display())),
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let number = path
            .file_name()
            .and_then(|name| name.to_str())
            .and_then(|name| name.strip_prefix("node-"))
            .and_then(|number| number.parse::<u64>().ok());
        if let Some(number) = number
            && path.join(FILE_NAME).exists()
        {
            found.push((number, path.join(FILE_NAME)));
        }
    }
    found.sort();
    Ok(found.into_iter().map(|(_, path)| path).collect())
}

/// The HTTP sockets of the nodes under `data_dir`.
///
/// # Errors
/// When there is none, or a file is malformed.
pub(crate) fn endpoints_in(data_dir: &Path) -> Result<Vec<String>> {
    let files = files_in(data_dir)?;
    if files.is_empty() {
        bail!(
            "there is no cluster in {}; start one with `norikv dev`, or name a node with --endpoint HOST:PORT",
            data_dir.display()
        );
    }
    files
        .iter()
        .map(|path| Ok(NodeFile::load(path)?.http.to_string()))
        .collect()
}

#[cfg(test)]
mod tests;
