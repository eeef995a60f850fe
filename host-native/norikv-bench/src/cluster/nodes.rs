//! Three nodes, each composed as the server composes one.
//!
//! **Invariant: nodes share nothing but the processors and the disk.** Each has its own folder,
//! sockets, certificate and threads, and talks to the others over QUIC alone.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nori_env::{Entropy, OsEntropy};
use norikv_node::{Answer, Call, Failure, NodeConfig, NodeStatus};
use norikv_runtime::{Runtime, RuntimeConfig, RuntimeHandle, StorageOptions};
use norikv_transport_grpc::{Service, router, serve};
use norikv_transport_quic::{Authority, Limits};
use norikv_types::NodeId;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use super::Sizes;

/// How many there are.
pub(super) const COUNT: u64 = 3;

/// A running cluster that serves HTTP.
pub(super) struct Nodes {
    nodes: Vec<Running>,
    groups: u32,
    storage: StorageOptions,
}

struct Running {
    runtime: Runtime,
    /// The threads of its HTTP side.
    http: tokio::runtime::Runtime,
    server: JoinHandle<std::io::Result<()>>,
    stop: watch::Sender<bool>,
    endpoint: String,
}

impl Nodes {
    /// Starts them in folders below `folder` and waits until every one can serve.
    pub(super) fn start(folder: &Path) -> Result<Self> {
        let cluster = OsEntropy.draw();
        let authority = Authority::create(cluster)?;
        // All are held at once, so that no two are the same.
        let held = (0..COUNT)
            .map(|_| UdpSocket::bind(("127.0.0.1", 0)))
            .collect::<Result<Vec<_>, _>>()
            .context("looking for free ports")?;
        let peers = (1..)
            .zip(&held)
            .map(|(id, socket)| Ok((NodeId(id), socket.local_addr()?)))
            .collect::<Result<BTreeMap<NodeId, SocketAddr>>>()?;
        drop(held);
        let ids: Vec<NodeId> = peers.keys().copied().collect();
        let storage = StorageOptions::default();
        let mut groups = 0;
        let mut nodes = Vec::new();
        for (id, listen) in &peers {
            let node = NodeConfig::new(*id, ids.clone(), cluster);
            groups = node.groups;
            nodes.push(Running::start(RuntimeConfig {
                data_dir: folder.join(format!("node-{}", id.0)),
                node,
                listen: *listen,
                peers: peers.clone(),
                tls: authority.issue(*id, &["127.0.0.1".to_owned()])?,
                transport: Limits::default(),
                storage: storage.clone(),
            })?);
        }
        let nodes = Self {
            nodes,
            groups,
            storage,
        };
        for node in &nodes.nodes {
            node.until_ready()?;
        }
        Ok(nodes)
    }

    /// Where they serve HTTP.
    pub(super) fn endpoints(&self) -> Vec<String> {
        let endpoints = self.nodes.iter().map(|node| node.endpoint.clone());
        endpoints.collect()
    }

    /// How many groups each of them leads.
    pub(super) fn groups_led(&self) -> Result<Vec<u32>> {
        let mut led = Vec::new();
        for node in &self.nodes {
            let handle = node.runtime.handle();
            let status = node.http.block_on(handle.status());
            let status = status.context("a node does not tell its status")?;
            let groups = status.groups.iter();
            let leading = groups.filter(|group| group.leader == Some(status.node));
            led.push(u32::try_from(leading.count())?);
        }
        Ok(led)
    }

    pub(super) const fn groups(&self) -> u32 {
        self.groups
    }

    pub(super) const fn sizes(&self) -> Sizes {
        Sizes {
            segment_bytes: self.storage.segment_bytes,
            memtable_bytes: self.storage.memtable_bytes,
            cache_bytes: self.storage.cache_bytes,
        }
    }

    /// Ends them in good order.
    pub(super) fn stop(self) -> Result<()> {
        for node in &self.nodes {
            let _nobody_listens = node.stop.send(true);
        }
        for node in self.nodes {
            let Running {
                runtime,
                http,
                server,
                ..
            } = node;
            http.block_on(async {
                // Idle connections may be kept open; nothing is under way on them.
                let _cut_off = tokio::time::timeout(DRAIN, server).await;
                runtime.shutdown().await
            })
            .context("stopping a node")?;
            http.shutdown_background();
        }
        Ok(())
    }
}

impl Running {
    fn start(config: RuntimeConfig) -> Result<Self> {
        let id = config.node.id;
        let http = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(HTTP_THREADS)
            .thread_name("http")
            .enable_all()
            .build()
            .with_context(|| format!("{id}: starting threads"))?;
        let listener = http.block_on(TcpListener::bind(("127.0.0.1", 0)));
        let listener = listener.with_context(|| format!("{id}: looking for a free port"))?;
        let endpoint = listener.local_addr()?.to_string();
        let runtime = Runtime::start(config).with_context(|| format!("{id} cannot start"))?;
        let routes = router(Arc::new(Served(runtime.handle().clone())));
        let (stop, mut stopping) = watch::channel(false);
        let server = http.spawn(serve(listener, routes, async move {
            let _sender_gone = stopping.wait_for(|stop| *stop).await;
        }));
        Ok(Self {
            runtime,
            http,
            server,
            stop,
            endpoint,
        })
    }

    /// Waits until the node can serve; what it says in between wakes it.
    fn until_ready(&self) -> Result<()> {
        let handle = self.runtime.handle();
        let mut notices = handle.subscribe();
        let wait = async {
            while !handle.ready().await {
                let _either = tokio::time::timeout(LOOK_AGAIN, notices.recv()).await;
            }
        };
        let waited = self
            .http
            .block_on(async { tokio::time::timeout(READY, wait).await });
        if waited.is_err() {
            let why = handle.failure().unwrap_or_default();
            bail!(
                "{} was not ready in {} s {why}",
                self.endpoint,
                READY.as_secs()
            );
        }
        Ok(())
    }
}

/// A node as the HTTP side sees it.
struct Served(RuntimeHandle);

impl Service for Served {
    async fn call(&self, call: Call, patience: Duration) -> Result<Answer, Failure> {
        self.0.call(call, patience).await
    }

    async fn status(&self) -> Option<NodeStatus> {
        self.0.status().await
    }

    fn metrics(&self) -> String {
        // Nobody asks a measured node for them.
        String::new()
    }
}

/// Threads of each node's HTTP side.
const HTTP_THREADS: usize = 2;
/// How long the nodes may take to elect their leaders.
const READY: Duration = Duration::from_secs(60);
/// How long a node that says nothing is left alone before it is asked again.
const LOOK_AGAIN: Duration = Duration::from_millis(50);
/// How long requests under way may take once the cluster ends.
const DRAIN: Duration = Duration::from_secs(1);
