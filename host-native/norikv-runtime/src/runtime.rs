//! One node from its start to its end.

use core::fmt;
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::unbounded;
use nori_env::{Clock, Entropy, OsEntropy, SystemClock};
use norikv_node::driver::restore;
use norikv_node::{Maintenance, Node, NodeConfig, Storage};
use norikv_transport_quic::{Config as TransportConfig, Transport};
use norikv_types::Mono;
use tokio::sync::oneshot;

use crate::event_loop::{EventLoop, Out};
use crate::inbox::{Inbox, Message};
use crate::shared::Shared;
use crate::stores::Stores;
use crate::workers::{self, Ports};
use crate::{Error, RuntimeConfig, RuntimeHandle};

/// A running node. Dropping it ends the node without waiting; [`shutdown`](Self::shutdown) ends it
/// in good order.
pub struct Runtime {
    handle: RuntimeHandle,
    threads: Vec<JoinHandle<()>>,
    stores: Option<Stores>,
    net: Net,
}

/// The threads of the sockets. Ended without waiting, since that is not allowed in async code.
struct Net(Option<tokio::runtime::Runtime>);

impl Runtime {
    /// Opens the data directory, reads back what the node knew, and starts it. Blocks while it reads.
    ///
    /// # Errors
    /// See [`Error`]: nothing runs and nothing is locked.
    pub fn start(config: RuntimeConfig) -> Result<Self, Error> {
        config.check()?;
        let stores = Stores::open(&config)?;
        Self::over(stores, config)
    }

    /// Starts a node over opened stores.
    fn over(stores: Stores, config: RuntimeConfig) -> Result<Self, Error> {
        let clock: Arc<dyn Clock> = Arc::new(SystemClock);
        let entropy = OsEntropy;
        let RuntimeConfig {
            node,
            listen,
            peers,
            tls,
            transport,
            storage,
            ..
        } = config;
        let node = NodeConfig {
            boot: entropy.draw(),
            seed: entropy.draw(),
            founder: stores.founder,
            ..node
        };
        let groups = stores.groups.clone();
        let restored = restore(
            stores.log.as_ref(),
            stores.storage.as_ref(),
            groups.iter().copied(),
        )
        .map_err(|source| stores.failed(source))?;

        let shared = Arc::new(Shared::new());
        let (sender, receiver) = unbounded();
        let inbox = Inbox(sender);
        let net = Net(Some(
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(NET_THREADS)
                .thread_name("norikv-net")
                .enable_all()
                .build()
                .map_err(Error::Thread)?,
        ));
        let runtime = net.0.as_ref().map(|runtime| runtime.handle().clone());
        let Some(runtime) = runtime else {
            unreachable!("it was just made")
        };
        let transport = TransportConfig {
            id: node.id,
            cluster: node.cluster,
            boot: node.boot,
            listen,
            peers,
            tls,
            limits: transport,
        };
        let to = inbox.clone();
        let sink = move |inbound| to.put(Message::Peer(inbound));
        let transport = Arc::new(Transport::bind(transport, &runtime, sink)?);

        let (id, calls_max) = (node.id, node.limits.calls_max);
        let machine = Node::new(node, restored, &shared.meter, clock.now())
            .map_err(|error| Error::Config(error.to_string()))?;
        let ports = Ports {
            storage: Arc::clone(&stores.storage),
            log: Arc::clone(&stores.log),
            groups,
            clock: Arc::clone(&clock),
            seal: stores.seal(),
            prepare: stores.prepare(),
        };
        let readers = usize::try_from(storage.readers).unwrap_or(1);
        let (lines, mut threads) =
            workers::start(ports, readers, &inbox, &shared).map_err(Error::Thread)?;
        let handle = RuntimeHandle::new(
            id,
            inbox.clone(),
            Arc::clone(&clock),
            Arc::clone(&shared),
            Arc::clone(&transport),
            runtime,
            calls_max,
        );
        let event_loop = EventLoop {
            node: machine,
            clock,
            inbox: receiver,
            lines,
            transport,
            shared: Arc::clone(&shared),
            waiting: BTreeMap::new(),
            next_request: 1,
            wall_due: Mono::ZERO,
            out: Out::default(),
        };
        let event_loop = workers::spawn("norikv-node", &inbox, &shared, move || event_loop.run())
            .map_err(Error::Thread)?;
        threads.insert(0, event_loop);
        tracing::info!(node = id.0, address = %handle.address(), "node started");
        Ok(Self {
            handle,
            threads,
            stores: Some(stores),
            net,
        })
    }

    /// A way to the node.
    #[must_use]
    pub const fn handle(&self) -> &RuntimeHandle {
        &self.handle
    }

    /// Ends the node: takes no more calls, fails those without an answer, says goodbye to the peers,
    /// flushes, closes the log and releases the directory.
    ///
    /// # Errors
    /// When what was written could not be flushed or the log not be closed: nothing acknowledged is
    /// lost, the next start has more to read back. The directory is released.
    pub async fn shutdown(mut self) -> Result<(), Error> {
        let transport = self.handle.close();
        let threads = core::mem::take(&mut self.threads);
        let stores = self.stores.take();
        let mut net = core::mem::replace(&mut self.net, Net(None));
        let clean = self.handle.failure().is_none();
        let (done, finished) = oneshot::channel();
        // Everything here waits, so it gets a thread of its own.
        let closer = thread::Builder::new().name("norikv-close".to_owned());
        closer
            .spawn(move || {
                for thread in threads {
                    // One that panicked said so when it did.
                    let _panicked = thread.join();
                }
                if let (Some(net), Some(transport)) = (net.0.take(), transport) {
                    net.block_on(async {
                        let _late = tokio::time::timeout(GOODBYE_PATIENCE, transport.close()).await;
                    });
                    drop(transport);
                    net.shutdown_timeout(GOODBYE_PATIENCE);
                }
                let closed = stores.map_or(Ok(()), |stores| finish(stores, clean));
                let _gone = done.send(closed);
            })
            .map_err(Error::Thread)?;
        finished.await.unwrap_or(Ok(()))
    }
}

/// Flushes and closes what the threads have left.
fn finish(stores: Stores, clean: bool) -> Result<(), Error> {
    if !clean {
        // What is in memory may follow on something that never reached the disk.
        return Ok(());
    }
    let clock = SystemClock;
    let deadline = clock.now() + FLUSH_PATIENCE;
    flush(stores.storage.as_ref(), || clock.now() < deadline)
        .map_err(|source| stores.failed(source))?;
    stores.close()
}

fn flush(storage: &dyn Storage, in_time: impl Fn() -> bool) -> Result<(), norikv_node::PortError> {
    storage.flush();
    while in_time() && storage.maintain(FLUSH_STEP_BYTES)? == Maintenance::More {}
    Ok(())
}

impl Drop for Runtime {
    fn drop(&mut self) {
        drop(self.handle.close());
    }
}

impl Drop for Net {
    fn drop(&mut self) {
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}

impl fmt::Debug for Runtime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Runtime")
            .field("handle", &self.handle)
            .finish_non_exhaustive()
    }
}

/// Threads for sockets and encryption.
const NET_THREADS: usize = 2;
/// How long the peers may take to hear that this node goes.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(1);
/// How long the last flush may take; without it the next start reads more of the log.
const FLUSH_PATIENCE: Duration = Duration::from_secs(10);
/// Bytes of one step of it.
const FLUSH_STEP_BYTES: u64 = 16 << 20;

#[cfg(test)]
mod tests;
