//! `start`: one node, until it is told to stop or cannot go on.

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use bytes::Bytes;
use norikv_api::NodeAddress;
use norikv_node::{Answer, Call, Failure, NodeConfig, NodeStatus};
use norikv_runtime::{Runtime, RuntimeConfig, RuntimeHandle, StorageOptions};
use norikv_transport_grpc::{Service, router, serve};
use norikv_transport_quic::{Credentials, Limits};
use norikv_types::NodeId;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

use crate::cli::Start;
use crate::config::NodeFile;
use crate::log;

/// How long requests under way may take once the node was told to stop.
const DRAIN: Duration = Duration::from_secs(5);

/// How long nobody asks a group for anything before it falls asleep, where the file does not say.
const QUIESCE_AFTER_MS: u64 = 1_000;

/// Runs the node of a configuration file.
pub(super) async fn run(args: &Start) -> Result<ExitCode> {
    let file = NodeFile::load(&args.config)?;
    let folder = args.config.parent().unwrap_or_else(|| Path::new("."));
    log::start(&folder.join("log"))?;
    let node = file.node;
    let outcome = run_node(file, folder, args).await;
    match &outcome {
        Ok(()) => tracing::info!(node, "stopped"),
        // `main` says it on standard error.
        Err(error) => tracing::error!(target: log::FILE_ONLY, node, "{error:#}"),
    }
    outcome.map(|()| ExitCode::SUCCESS)
}

async fn run_node(file: NodeFile, folder: &Path, args: &Start) -> Result<()> {
    let node = file.node;
    let listener = TcpListener::bind(file.http).await.with_context(|| {
        format!(
            "node {node}: its http port {} is taken; stop who has it",
            file.http
        )
    })?;
    let mut config = runtime_config(&file, folder)?;
    config.node.founder = !args.replace;
    // Reading the log back may take seconds; the sockets' threads must not wait for it.
    let runtime = tokio::task::spawn_blocking(move || Runtime::start(config))
        .await
        .context("starting the node")?
        .with_context(|| format!("node {node} cannot start"))?;
    let handle = runtime.handle().clone();
    tracing::info!(node, http = %file.http, quic = %file.quic, "started");

    let (stop, mut stopping) = watch::channel(false);
    let routes = router(Arc::new(Node(handle.clone())));
    let server = tokio::spawn(serve(listener, routes, async move {
        let _sender_gone = stopping.wait_for(|stop| *stop).await;
    }));
    let failed = tokio::select! {
        () = asked_to_stop(args.until_stdin_ends) => None,
        why = handle.failed() => Some(why),
    };
    tracing::info!(node, "stopping");
    let _nobody_listens = stop.send(true);
    if tokio::time::timeout(DRAIN, server).await.is_err() {
        tracing::warn!(
            node,
            "requests under way were cut off after {} s",
            DRAIN.as_secs()
        );
    }
    runtime
        .shutdown()
        .await
        .with_context(|| format!("node {node} did not stop cleanly"))?;
    match failed {
        None => Ok(()),
        Some(why) => bail!("node {node} cannot go on: {why}"),
    }
}

/// What the configuration file means to the runtime.
fn runtime_config(file: &NodeFile, folder: &Path) -> Result<RuntimeConfig> {
    let mut nodes: Vec<NodeId> = file.peers.iter().map(|peer| NodeId(peer.node)).collect();
    nodes.push(NodeId(file.node));
    nodes.sort_unstable();
    let node = NodeConfig::new(NodeId(file.node), nodes, file.cluster_id()?);
    let mut node = node.with_groups(file.groups);
    let address = NodeAddress {
        quic: file.quic,
        http: file.http,
    };
    node.address = Bytes::from(address.to_string());
    let mut storage = StorageOptions::default();
    let tuning = &file.tuning;
    if let Some(bytes) = tuning.memtable_bytes {
        storage.memtable_bytes = bytes;
    }
    if let Some(bytes) = tuning.wal_segment_bytes {
        storage.segment_bytes = bytes;
    }
    if let Some(bytes) = tuning.keep_log_bytes {
        node.keep_log_bytes = bytes;
    }
    if let Some(streams) = tuning.snapshot_streams {
        node.snapshot.streams_max = streams;
    }
    if let Some(heartbeat) = tuning.heartbeat_ms {
        node.raft.heartbeat_interval = Duration::from_millis(heartbeat);
    }
    let quiesce_after_ms = tuning.quiesce_after_ms.unwrap_or(QUIESCE_AFTER_MS);
    node.raft.quiesce_after =
        (quiesce_after_ms > 0).then(|| Duration::from_millis(quiesce_after_ms));
    if let Some([min, max]) = tuning.election_timeout_ms {
        node.raft.election_timeout_min = Duration::from_millis(min);
        node.raft.election_timeout_max = Duration::from_millis(max);
    }
    let tls = Credentials::load_from(&folder.join("tls"))
        .with_context(|| format!("node {}: its certificate", file.node))?;
    Ok(RuntimeConfig {
        data_dir: folder.join("store"),
        node,
        listen: file.quic,
        peers: file
            .peers
            .iter()
            .map(|peer| (NodeId(peer.node), peer.quic))
            .collect(),
        tls,
        transport: Limits::default(),
        storage,
    })
}

/// Ends when the node is to stop: Ctrl-C, SIGTERM, or the end of standard input where that was
/// asked for.
async fn asked_to_stop(until_stdin_ends: bool) {
    let signalled = async {
        let (Ok(mut interrupt), Ok(mut terminate)) = (
            signal(SignalKind::interrupt()),
            signal(SignalKind::terminate()),
        ) else {
            return std::future::pending().await;
        };
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let orphaned = async {
        if !until_stdin_ends {
            return std::future::pending().await;
        }
        let mut buffer = [0; 64];
        let mut stdin = tokio::io::stdin();
        while !matches!(stdin.read(&mut buffer).await, Ok(0) | Err(_)) {}
    };
    tokio::select! {
        () = signalled => {}
        () = orphaned => {}
    }
}

/// The running node as the client side sees it.
struct Node(RuntimeHandle);

impl Service for Node {
    async fn call(&self, call: Call, patience: Duration) -> Result<Answer, Failure> {
        self.0.call(call, patience).await
    }

    async fn status(&self) -> Option<NodeStatus> {
        let mut status = self.0.status().await?;
        status.halted |= self.0.failure().is_some();
        status.ready &= !status.halted;
        Some(status)
    }

    fn metrics(&self) -> String {
        nori_observe_prom::encode(self.0.metrics())
    }
}
