mod ports;

use bytes::Bytes;
use norikv_node::{Answer, Call, Consistency, Expect, Failure};
use norikv_transport_quic::{Authority, Limits};
use norikv_types::{Applied, ErrorKind, NodeId};

use super::*;
use crate::StorageOptions;
use ports::{Forgetful, stores};

fn config() -> RuntimeConfig {
    let id = NodeId(1);
    RuntimeConfig {
        data_dir: "nowhere".into(),
        node: NodeConfig {
            replication: 1,
            ..NodeConfig::new(id, vec![id], 7)
        },
        listen: ([127, 0, 0, 1], 0).into(),
        peers: BTreeMap::new(),
        tls: Authority::create(7)
            .expect("an authority")
            .issue(id, &[])
            .expect("issued"),
        transport: Limits::default(),
        storage: StorageOptions::default(),
    }
}

async fn started() -> (Runtime, Arc<Forgetful>) {
    let ports = Arc::new(Forgetful::default());
    let config = config();
    let runtime = Runtime::over(stores(&ports, &config), config).expect("started");
    let mut notices = runtime.handle().subscribe();
    while !runtime.handle().ready().await {
        let _either = tokio::time::timeout(Duration::from_millis(50), notices.recv()).await;
    }
    (runtime, ports)
}

async fn put(handle: &RuntimeHandle, key: &str) -> Result<Answer, Failure> {
    let key = Bytes::copy_from_slice(key.as_bytes());
    let (value, expect) = (Bytes::from_static(b"value"), Expect::Any);
    let call = Call::Put {
        key,
        value,
        expect,
        idempotency: None,
        ttl_ms: None,
    };
    handle.call(call, PATIENCE).await
}

#[tokio::test(flavor = "multi_thread")]
async fn calls_go_all_the_way_and_back() {
    let (runtime, _ports) = started().await;
    put(runtime.handle(), "key").await.expect("written");
    let key = Bytes::from_static(b"key");
    let call = Call::Get {
        key,
        consistency: Consistency::Linearizable,
    };
    let answer = runtime.handle().call(call, PATIENCE).await.expect("read");
    assert!(matches!(answer, Answer::Value { .. }), "{answer:?}");
    runtime.shutdown().await.expect("clean");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_stops_the_node_and_is_named_everywhere() {
    let (runtime, ports) = started().await;
    let handle = runtime.handle();
    put(handle, "before").await.expect("written");
    ports.append.fail_with_no_space();
    let failure = put(handle, "under way")
        .await
        .expect_err("the disk is full");
    assert_eq!(failure.kind, ErrorKind::NoSpace, "{failure}");
    assert_eq!(
        failure.applied,
        Applied::Unknown,
        "it was proposed: {failure}"
    );
    let why = tokio::time::timeout(PATIENCE, handle.failed())
        .await
        .expect("in time");
    assert!(
        why.contains("no space left") && why.contains("1.log at byte 4096"),
        "{why}"
    );
    assert!(!handle.ready().await);
    assert!(handle.status().await.expect("it still talks").halted);
    let failure = put(handle, "later").await.expect_err("stopped");
    assert_eq!(
        (failure.kind, failure.applied),
        (ErrorKind::NoSpace, Applied::No),
        "{failure}"
    );
    runtime.shutdown().await.expect("nothing to close");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_that_fails_stops_the_node() {
    let (runtime, ports) = started().await;
    let handle = runtime.handle();
    ports.apply.fail_with_no_space();
    let failure = put(handle, "key").await.expect_err("cannot be applied");
    assert_ne!(failure.applied, Applied::No, "it is in the log: {failure}");
    tokio::time::timeout(PATIENCE, handle.failed())
        .await
        .expect("in time");
    assert!(!handle.ready().await);
    runtime.shutdown().await.expect("nothing to close");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thread_that_panics_ends_the_node_and_no_call_hangs() {
    let (runtime, ports) = started().await;
    let handle = runtime.handle();
    ports.apply.panic();
    let failure = put(handle, "key").await.expect_err("nobody applies it");
    assert_eq!(
        (failure.kind, failure.applied),
        (ErrorKind::Internal, Applied::Unknown)
    );
    assert!(
        failure.message.contains("norikv-apply panicked"),
        "{failure}"
    );
    assert_eq!(handle.status().await, None);
    assert!(!handle.ready().await);
    runtime.shutdown().await.expect("nothing to close");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dropped_node_ends_and_fails_its_calls() {
    let (runtime, _ports) = started().await;
    let handle = runtime.handle().clone();
    drop(runtime);
    let failure = put(&handle, "key").await.expect_err("gone");
    assert_eq!(failure.applied, Applied::No, "{failure}");
}

/// Longer than anything here takes on a busy machine.
const PATIENCE: Duration = Duration::from_secs(30);
