//! What is done to a cluster.
//!
//! **Invariant: a client has one call under way, and every answer is checked.** A get that misses a
//! key that was written, or shows a wrong value, ends the run; a call that fails is counted apart.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use norikv_client::{Client, Config, Consistency, Expect};
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use crate::keys::{Choice, write_key};
use crate::measure::{Figure, Gate, Tally, Times};
use crate::values::{is_value_of, write_value};

/// The reads that are measured.
pub(super) const CONSISTENCIES: [Consistency; 3] = [
    Consistency::Linearizable,
    Consistency::Follower,
    Consistency::Lease,
];

/// Clients of one cluster.
pub(super) struct Workload<'a> {
    runtime: &'a Runtime,
    endpoints: Vec<String>,
    times: Times,
    /// Keys that puts were sent for: those with a lower index.
    next: Arc<AtomicU64>,
    /// Puts that failed: their keys may be absent.
    failed: u64,
}

impl<'a> Workload<'a> {
    pub(super) fn new(runtime: &'a Runtime, endpoints: Vec<String>, times: Times) -> Self {
        Self {
            runtime,
            endpoints,
            times,
            next: Arc::default(),
            failed: 0,
        }
    }

    /// Keys that were put.
    pub(super) fn keys(&self) -> u64 {
        self.next.load(Ordering::Relaxed)
    }

    /// `count` clients put new keys, one after the other.
    pub(super) fn puts(&mut self, count: u32) -> Result<Figure> {
        let next = Arc::clone(&self.next);
        let (figure, failed) = self.measure("put", count, |client, gate, _seed| {
            let next = Arc::clone(&next);
            async move {
                let mut key = vec![0; KEY_BYTES];
                let mut run = Counted::default();
                while gate.is_running() {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    write_key(index, &mut key);
                    let mut value = vec![0; VALUE_BYTES];
                    write_value(index, 0, &mut value);
                    let value = Bytes::from(value);
                    let start = Instant::now();
                    let put = client.put(&key, value, Expect::Any).await;
                    gate.count(start, put.is_ok(), &mut run.tally);
                    run.failed += u64::from(put.is_err());
                }
                Ok(run)
            }
        })?;
        self.failed += failed;
        Ok(figure)
    }

    /// `count` clients get keys that were put, each as likely as any other.
    pub(super) fn gets(&self, count: u32, consistency: Consistency) -> Result<Figure> {
        let (keys, may_miss) = (self.keys(), self.failed > 0);
        let name = name_of(consistency);
        let (figure, _failed) = self.measure(name, count, |client, gate, seed| async move {
            let mut choice = Choice::uniform(keys, seed);
            let mut key = vec![0; KEY_BYTES];
            let mut run = Counted::default();
            while gate.is_running() {
                let index = choice.draw();
                write_key(index, &mut key);
                let start = Instant::now();
                let got = client.get(&key, consistency).await;
                gate.count(start, got.is_ok(), &mut run.tally);
                match got {
                    Ok(Some((value, _version))) => ensure!(
                        is_value_of(index, 0, &value, VALUE_BYTES),
                        "key {index} has a value that nobody wrote"
                    ),
                    Ok(None) => ensure!(may_miss, "key {index} was written and was not found"),
                    Err(_counted) => run.failed += 1,
                }
            }
            Ok(run)
        })?;
        Ok(figure)
    }

    /// Runs `count` clients, each with its own connections, which begin at the three nodes in turn.
    fn measure<F>(
        &self,
        name: &str,
        count: u32,
        client: impl Fn(Client, Arc<Gate>, u64) -> F,
    ) -> Result<(Figure, u64)>
    where
        F: Future<Output = Result<Counted>> + Send + 'static,
    {
        let gate = Arc::new(Gate::default());
        let running: Vec<JoinHandle<Result<Counted>>> = (0..count)
            .map(|number| {
                let mut endpoints = self.endpoints.clone();
                let first = usize::try_from(number).unwrap_or(0) % endpoints.len();
                endpoints.rotate_left(first);
                let own = Client::new(Config::new(endpoints));
                self.runtime
                    .spawn(client(own, Arc::clone(&gate), u64::from(number)))
            })
            .collect();
        let window = gate.watch(self.times);
        let (mut tallies, mut failed) = (Vec::new(), 0);
        for client in running {
            let run = self.runtime.block_on(client).context("a client panicked")?;
            let run = run.with_context(|| name.to_owned())?;
            failed += run.failed;
            tallies.push(run.tally);
        }
        let mut figure = window.figure(name, count, tallies)?;
        // Sockets are among it.
        figure.written_bytes = None;
        Ok((figure, failed))
    }
}

/// What a client counts.
#[derive(Default)]
struct Counted {
    tally: Tally,
    /// Calls that failed, whether the window was open or not.
    failed: u64,
}

/// What the tables call such reads.
pub(super) const fn name_of(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Linearizable => "get, linearizable",
        Consistency::Lease => "get, lease",
        Consistency::StaleOk => "get, stale ok",
        Consistency::Follower => "get, follower",
    }
}

/// Bytes of a key.
pub const KEY_BYTES: usize = 64;
/// Bytes of a value.
pub const VALUE_BYTES: usize = 256;
