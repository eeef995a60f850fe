//! A cluster of three nodes in this process: real files, QUIC between the nodes, HTTP to the clients.

mod nodes;
mod workload;

pub use workload::{KEY_BYTES, VALUE_BYTES};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::measure::{Figure, Times};
use crate::scratch::Scratch;
use nodes::Nodes;

/// What is done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// How long each figure takes.
    pub times: Times,
    /// Numbers of clients.
    pub clients: Vec<u32>,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Nodes, each with a replica of every group.
    pub nodes: u64,
    /// Raft groups.
    pub groups: u32,
    /// Groups that each node led when the measurement began.
    pub groups_led: Vec<u32>,
    /// Bytes of a key.
    pub key_bytes: usize,
    /// Bytes of a value.
    pub value_bytes: usize,
    /// Sizes of each node's store.
    pub sizes: Sizes,
    /// Puts of new keys.
    pub puts: Vec<Figure>,
    /// Keys that the puts had written when the gets began.
    pub keys: u64,
    /// Gets of keys that the puts wrote.
    pub gets: Vec<Figure>,
}

/// Sizes of each node's store.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sizes {
    /// Bytes of a segment of the log.
    pub segment_bytes: u64,
    /// Bytes of writes held in memory before they are written to a table.
    pub memtable_bytes: u64,
    /// Bytes of the cache of blocks.
    pub cache_bytes: u64,
}

impl Settings {
    /// 1, 16 and 64 clients.
    #[must_use]
    pub fn new(times: Times) -> Self {
        Self {
            times,
            clients: vec![1, 16, 64],
        }
    }
}

/// Starts a cluster in `scratch`, measures it and stops it; `progress` hears what begins.
///
/// # Errors
/// When the cluster does not start, answers wrongly, or answers nothing: there are no figures then.
/// Calls that fail are counted in their figure.
pub fn run(
    settings: &Settings,
    scratch: &Scratch,
    progress: &mut dyn FnMut(&str),
) -> Result<Report> {
    progress("starting three nodes");
    let folder = scratch.join("cluster");
    let nodes = Nodes::start(&folder)?;
    let groups_led = nodes.groups_led()?;
    let clients = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(CLIENT_THREADS)
        .thread_name("client")
        .enable_all()
        .build()
        .context("starting the clients' threads")?;
    let mut workload = workload::Workload::new(&clients, nodes.endpoints(), settings.times);
    let mut puts = Vec::new();
    for count in &settings.clients {
        progress(&format!("put, clients: {count}"));
        puts.push(workload.puts(*count)?);
    }
    let mut gets = Vec::new();
    for consistency in workload::CONSISTENCIES {
        for count in &settings.clients {
            progress(&format!(
                "{}, clients: {count}",
                workload::name_of(consistency)
            ));
            gets.push(workload.gets(*count, consistency)?);
        }
    }
    let keys = workload.keys();
    clients.shutdown_background();
    let report = Report {
        nodes: nodes::COUNT,
        groups: nodes.groups(),
        groups_led,
        key_bytes: KEY_BYTES,
        value_bytes: VALUE_BYTES,
        sizes: nodes.sizes(),
        puts,
        keys,
        gets,
    };
    nodes.stop()?;
    std::fs::remove_dir_all(&folder)?;
    Ok(report)
}

/// Threads of all clients together.
const CLIENT_THREADS: usize = 2;
