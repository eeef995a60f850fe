//! Starts nodes over temporary directories.

use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use bytes::Bytes;
use norikv_node::{Answer, Call, Consistency, Expect, Failure, NodeConfig};
use norikv_runtime::{Error, Runtime, RuntimeConfig, RuntimeHandle, StorageOptions};
use norikv_transport_quic::{Authority, Limits};
use norikv_types::NodeId;
use tempfile::TempDir;

pub(crate) const CLUSTER: u64 = 0x0123_4567_89ab_cdef;

/// Longer than anything here takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A cluster whose nodes can be started and stopped one by one.
pub(crate) struct Cluster {
    folder: TempDir,
    pub(crate) authority: Authority,
    addresses: BTreeMap<NodeId, SocketAddr>,
}

impl Cluster {
    pub(crate) fn of(nodes: u64) -> Self {
        let addresses = (1..=nodes).map(|id| (NodeId(id), free_address())).collect();
        Self {
            folder: tempfile::tempdir().expect("a folder"),
            authority: Authority::create(CLUSTER).expect("an authority"),
            addresses,
        }
    }

    pub(crate) fn data_dir(&self, id: u64) -> PathBuf {
        self.folder.path().join(format!("node-{id}"))
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn config(&self, id: u64) -> RuntimeConfig {
        let id = NodeId(id);
        let nodes: Vec<NodeId> = self.addresses.keys().copied().collect();
        let replication = u32::try_from(nodes.len()).expect("few");
        RuntimeConfig {
            data_dir: self.data_dir(id.0),
            node: NodeConfig {
                replication,
                ..NodeConfig::new(id, nodes, CLUSTER)
            },
            listen: self.addresses[&id],
            peers: self.addresses.clone(),
            tls: self.authority.issue(id, &[]).expect("issued"),
            transport: Limits::default(),
            storage: StorageOptions {
                segment_bytes: 4 << 20,
                memtable_bytes: 1 << 20,
                cache_bytes: 4 << 20,
                ..StorageOptions::default()
            },
        }
    }

    pub(crate) fn start(&self, id: u64) -> Runtime {
        Runtime::start(self.config(id)).expect("started")
    }

    pub(crate) fn refused(&self, config: RuntimeConfig) -> Error {
        Runtime::start(config).expect_err("refused")
    }
}

/// Waits until the node can serve; what it says in between wakes it.
pub(crate) async fn until_ready(node: &RuntimeHandle) {
    until(node, "ready", async |node| node.ready().await).await;
}

/// Waits until `holds` of the node; looks again whenever something happens there, and now and then.
pub(crate) async fn until(
    node: &RuntimeHandle,
    what: &str,
    holds: impl AsyncFn(&RuntimeHandle) -> bool,
) {
    let mut notices = node.subscribe();
    let wait = async {
        while !holds(node).await {
            let _either = tokio::time::timeout(Duration::from_millis(50), notices.recv()).await;
        }
    };
    if tokio::time::timeout(PATIENCE, wait).await.is_err() {
        panic!("not {what} in time: {:#?}", node.status().await);
    }
}

pub(crate) async fn put(node: &RuntimeHandle, key: &str, value: &str) -> Result<Answer, Failure> {
    let call = Call::Put {
        key: Bytes::copy_from_slice(key.as_bytes()),
        value: Bytes::copy_from_slice(value.as_bytes()),
        expect: Expect::Any,
        idempotency: None,
        ttl_ms: None,
    };
    node.call(call, PATIENCE).await
}

pub(crate) async fn get(node: &RuntimeHandle, key: &str) -> Option<String> {
    let call = Call::Get {
        key: Bytes::copy_from_slice(key.as_bytes()),
        consistency: Consistency::Linearizable,
    };
    match node.call(call, PATIENCE).await {
        Ok(Answer::Value { value, .. }) => Some(String::from_utf8(value.to_vec()).expect("text")),
        Ok(Answer::Absent) => None,
        other => panic!("get {key}: {other:?}"),
    }
}

/// A port that nobody has, below those that the system hands out by itself: no other socket sits
/// on it while its node is down. No test of this process gets one twice.
fn free_address() -> SocketAddr {
    static DRAWN: AtomicU32 = AtomicU32::new(0);
    loop {
        let next = DRAWN.fetch_add(1, Ordering::Relaxed);
        let port = 10_240 + (std::process::id().wrapping_mul(64).wrapping_add(next)) % 22_000;
        let port = u16::try_from(port).expect("below 32768");
        if let Ok(socket) = UdpSocket::bind(("127.0.0.1", port)) {
            return socket.local_addr().expect("bound");
        }
    }
}
