//! The endpoint of one node: its socket, its peers, their connections.

use core::fmt;
use std::collections::BTreeMap;
use std::net::{SocketAddr, UdpSocket};
use std::sync::Arc;

use bytes::Bytes;
use norikv_types::NodeId;
use parking_lot::Mutex;
use quinn::crypto::rustls::{QuicClientConfig, QuicServerConfig};
use quinn::{
    ClientConfig, Endpoint, EndpointConfig, IdleTimeout, ServerConfig, TokioRuntime,
    TransportConfig, VarInt,
};
use socket2::{Domain, Protocol, Socket, Type};
use tokio::runtime::Handle;
use tokio::task::AbortHandle;

use crate::connection;
use crate::dial::dial_forever;
use crate::lane;
use crate::peer::{Peer, Sink, close};
use crate::{Config, Error, Inbound, Lane, Limits, Refusal, SendError};

/// This node's connections to all its peers. Dropping it closes them.
pub struct Transport {
    shared: Arc<Shared>,
    address: SocketAddr,
    tasks: Mutex<Vec<AbortHandle>>,
}

pub(crate) struct Shared {
    pub(crate) id: NodeId,
    pub(crate) cluster: u64,
    pub(crate) boot: u64,
    pub(crate) limits: Limits,
    pub(crate) endpoint: Endpoint,
    pub(crate) peers: BTreeMap<NodeId, Arc<Peer>>,
    pub(crate) sink: Sink,
    /// The last refusal told of each address that connected in vain, so that it is told once.
    refusals: Mutex<BTreeMap<SocketAddr, Refusal>>,
}

impl Shared {
    /// Tells that an incoming connection was refused, once for the same address and reason.
    pub(crate) fn refused(&self, address: SocketAddr, reason: Refusal) {
        let mut refusals = self.refusals.lock();
        if refusals.get(&address) == Some(&reason) {
            return;
        }
        if refusals.len() >= REFUSALS_MAX {
            refusals.clear();
        }
        refusals.insert(address, reason.clone());
        tracing::warn!(%address, %reason, "incoming connection refused");
        (self.sink)(Inbound::Refused {
            peer: None,
            address,
            dialled: false,
            reason,
        });
    }
}

/// What goes on with one peer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerStats {
    /// The peer.
    pub peer: NodeId,
    /// Where it listens.
    pub address: SocketAddr,
    /// Whether there is a connection.
    pub up: bool,
    /// Frames that were not sent, by lane: pushed out, refused, or lost with a connection.
    pub dropped: [(Lane, u64); 4],
    /// Bytes that wait, by lane.
    pub queued_bytes: [(Lane, u64); 4],
}

impl Transport {
    /// Listens, and starts to connect to every peer. What happens is told to `sink`, which is called
    /// on the runtime's threads and must not block.
    ///
    /// # Errors
    /// `Bind` when the port is taken; `ForeignCertificate` and `Tls` when the credentials are not
    /// this node's; `Limit`.
    pub fn bind(
        config: Config,
        runtime: &Handle,
        sink: impl Fn(Inbound) + Send + Sync + 'static,
    ) -> Result<Self, Error> {
        let Config {
            id,
            cluster,
            boot,
            listen,
            peers,
            tls,
            limits,
        } = config;
        limits.check()?;
        tls.check_node(id)?;
        let unusable = |error: &dyn fmt::Display| Error::Tls(error.to_string());
        let transport = Arc::new(transport_config(&limits));
        let crypto = QuicServerConfig::try_from(tls.server()?).map_err(|e| unusable(&e))?;
        let mut server = ServerConfig::with_crypto(Arc::new(crypto));
        server.transport_config(Arc::clone(&transport));
        let crypto = QuicClientConfig::try_from(tls.client()?).map_err(|e| unusable(&e))?;
        let mut client = ClientConfig::new(Arc::new(crypto));
        client.transport_config(transport);

        let refused = |source| Error::Bind {
            node: id,
            address: listen,
            source,
        };
        let socket = listen_on(listen, limits.socket_buffer_bytes).map_err(refused)?;
        let _entered = runtime.enter();
        let mut endpoint = Endpoint::new(
            EndpointConfig::default(),
            Some(server),
            socket,
            Arc::new(TokioRuntime),
        )
        .map_err(refused)?;
        endpoint.set_default_client_config(client);
        let address = endpoint.local_addr().map_err(refused)?;

        let peers = peers
            .into_iter()
            .filter(|(peer, _)| *peer != id)
            .map(|(peer, address)| (peer, Arc::new(Peer::new(peer, address, &limits))))
            .collect();
        let sink = Arc::new(sink);
        let refusals = Mutex::default();
        let shared = Arc::new(Shared {
            id,
            cluster,
            boot,
            limits,
            endpoint,
            peers,
            sink,
            refusals,
        });
        let mut tasks = vec![
            runtime
                .spawn(accept_forever(Arc::clone(&shared)))
                .abort_handle(),
        ];
        for peer in shared.peers.values() {
            let dialler = dial_forever(Arc::clone(&shared), Arc::clone(peer));
            tasks.push(runtime.spawn(dialler).abort_handle());
        }
        Ok(Self {
            shared,
            address,
            tasks: Mutex::new(tasks),
        })
    }

    /// Hands a frame to `peer`'s queue in `lane`. Never waits; may be called from any thread.
    ///
    /// A frame in the control lane may wait for a connection; in the others it is refused without
    /// one. A full queue loses its oldest frame (control, append) or refuses the new one (snapshot,
    /// forward).
    ///
    /// # Errors
    /// The frame was not and will not be sent. `Ok` does not say that it arrives.
    pub fn send(&self, peer: NodeId, lane: Lane, frame: Bytes) -> Result<(), SendError> {
        let to = self
            .shared
            .peers
            .get(&peer)
            .ok_or(SendError::UnknownPeer(peer))?;
        let (size, limit) = (frame.len(), self.shared.limits.frame_bytes_max);
        if u32::try_from(size).is_ok_and(|size| size <= limit) {
            to.send(lane, frame)
        } else {
            let limit = usize::try_from(limit).unwrap_or(usize::MAX);
            Err(SendError::TooLarge { size, limit })
        }
    }

    /// Sends a packet that may get lost. Without a connection one is dialled, and the latest packet
    /// kept for it. Never waits; may be called from any thread.
    ///
    /// # Errors
    /// The packet was not and will not be sent.
    pub fn send_datagram(&self, peer: NodeId, packet: Bytes) -> Result<(), SendError> {
        let to = self
            .shared
            .peers
            .get(&peer)
            .ok_or(SendError::UnknownPeer(peer))?;
        to.send_datagram(packet)
    }

    /// Where this node listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What goes on with each peer, by id.
    #[must_use]
    pub fn stats(&self) -> Vec<PeerStats> {
        let stats = |peer: &Arc<Peer>| PeerStats {
            peer: peer.id,
            address: peer.address,
            up: peer.is_up(),
            dropped: lane::ALL.map(|lane| (lane, peer.queue(lane).dropped())),
            queued_bytes: lane::ALL.map(|lane| (lane, peer.queue(lane).bytes())),
        };
        self.shared.peers.values().map(stats).collect()
    }

    /// Says goodbye to every peer and waits until they know or cannot be told. The port is free once
    /// the transport is dropped and the runtime has let go of its tasks.
    pub async fn close(&self) {
        self.stop();
        self.shared.endpoint.wait_idle().await;
    }

    fn stop(&self) {
        for task in self.tasks.lock().drain(..) {
            task.abort();
        }
        self.shared
            .endpoint
            .close(close::SHUTDOWN.into(), b"shut down");
    }
}

impl Drop for Transport {
    fn drop(&mut self) {
        self.stop();
    }
}

impl fmt::Debug for Transport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Transport")
            .field("id", &self.shared.id)
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

async fn accept_forever(shared: Arc<Shared>) {
    while let Some(incoming) = shared.endpoint.accept().await {
        let shared = Arc::clone(&shared);
        tokio::spawn(async move { connection::accept(&shared, incoming).await });
    }
}

/// A socket whose buffers hold a burst from every peer, as far as the system grants it.
fn listen_on(address: SocketAddr, buffer_bytes: u32) -> std::io::Result<UdpSocket> {
    let socket = Socket::new(
        Domain::for_address(address),
        Type::DGRAM,
        Some(Protocol::UDP),
    )?;
    let asked = usize::try_from(buffer_bytes).unwrap_or(usize::MAX);
    socket.set_recv_buffer_size(asked)?;
    socket.set_send_buffer_size(asked)?;
    let (receive, send) = (socket.recv_buffer_size()?, socket.send_buffer_size()?);
    tracing::debug!(asked, receive, send, "socket buffers");
    socket.bind(&address.into())?;
    Ok(socket.into())
}

fn transport_config(limits: &Limits) -> TransportConfig {
    let mut config = TransportConfig::default();
    config
        .max_idle_timeout(IdleTimeout::try_from(limits.idle_timeout).ok())
        .keep_alive_interval(Some(limits.keep_alive))
        .initial_rtt(INITIAL_RTT)
        .max_concurrent_bidi_streams(VarInt::from_u32(0))
        .max_concurrent_uni_streams(VarInt::from_u32(8))
        .stream_receive_window(VarInt::from_u32(STREAM_WINDOW))
        .receive_window(VarInt::from_u32(STREAM_WINDOW * 4))
        .send_window(u64::from(STREAM_WINDOW) * 4);
    config
}

/// Before the first measurement; decides how soon a lost first packet is sent again (three times
/// this). QUIC's own third of a second is for the internet.
const INITIAL_RTT: core::time::Duration = core::time::Duration::from_millis(50);

/// Bytes of one lane in flight. Four of them are the connection's window, so that a full lane never
/// keeps another from sending.
const STREAM_WINDOW: u32 = 4 << 20;

/// Addresses whose refusal is remembered.
const REFUSALS_MAX: usize = 256;

#[cfg(test)]
mod tests;
