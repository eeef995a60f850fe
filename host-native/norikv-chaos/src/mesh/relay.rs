//! The sockets between nodes.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::{Context, Result};
use bytes::Bytes;
use parking_lot::Mutex;
use tokio::net::UdpSocket;
use tokio::task::JoinSet;

use super::{Link, Mesh, Packet};

/// A relay for each ordered pair of nodes; they end when this is dropped.
#[derive(Debug)]
pub(crate) struct Relays {
    addresses: BTreeMap<Link, SocketAddr>,
    _tasks: JoinSet<()>,
}

impl Relays {
    /// Starts the relays between nodes that listen at `nodes`.
    ///
    /// # Errors
    /// When there is no socket left.
    pub(crate) async fn start(mesh: &Arc<Mesh>, nodes: &BTreeMap<u64, SocketAddr>) -> Result<Self> {
        let mut addresses = BTreeMap::new();
        let mut tasks = JoinSet::new();
        for from in nodes.keys() {
            for (to, target) in nodes.iter().filter(|(to, _)| *to != from) {
                let near = bind().await?;
                let far = bind().await?;
                let link = Link {
                    from: *from,
                    to: *to,
                };
                addresses.insert(link, near.local_addr()?);
                let dialler = Arc::new(Mutex::new(None));
                tasks.spawn(there(
                    Arc::clone(mesh),
                    link,
                    Arc::clone(&near),
                    Arc::clone(&far),
                    *target,
                    Arc::clone(&dialler),
                ));
                let back = Link {
                    from: *to,
                    to: *from,
                };
                tasks.spawn(and_back(Arc::clone(mesh), back, far, near, dialler));
            }
        }
        Ok(Self {
            addresses,
            _tasks: tasks,
        })
    }

    /// Where `link.from` has to send what is for `link.to`.
    ///
    /// # Panics
    /// When there is no such link.
    #[must_use]
    pub(crate) fn address(&self, link: Link) -> SocketAddr {
        self.addresses[&link]
    }
}

/// Passes on what the dialling node sends, and remembers where it sends from.
async fn there(
    mesh: Arc<Mesh>,
    link: Link,
    near: Arc<UdpSocket>,
    far: Arc<UdpSocket>,
    target: SocketAddr,
    dialler: Arc<Mutex<Option<SocketAddr>>>,
) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        // An error is that of an earlier packet to somebody who is gone.
        let Ok((len, from)) = near.recv_from(&mut buffer).await else {
            continue;
        };
        *dialler.lock() = Some(from);
        let packet = Packet {
            via: Arc::clone(&far),
            to: target,
            bytes: Bytes::copy_from_slice(&buffer[..len]),
        };
        mesh.carry(link, packet);
    }
}

/// Passes back what the dialled node answers.
async fn and_back(
    mesh: Arc<Mesh>,
    link: Link,
    far: Arc<UdpSocket>,
    near: Arc<UdpSocket>,
    dialler: Arc<Mutex<Option<SocketAddr>>>,
) {
    let mut buffer = vec![0; DATAGRAM_MAX];
    loop {
        let Ok((len, _from)) = far.recv_from(&mut buffer).await else {
            continue;
        };
        let Some(to) = *dialler.lock() else {
            continue;
        };
        let packet = Packet {
            via: Arc::clone(&near),
            to,
            bytes: Bytes::copy_from_slice(&buffer[..len]),
        };
        mesh.carry(link, packet);
    }
}

async fn bind() -> Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind("127.0.0.1:0")
        .await
        .context("a socket for a relay")?;
    Ok(Arc::new(socket))
}

const DATAGRAM_MAX: usize = 65_536;
