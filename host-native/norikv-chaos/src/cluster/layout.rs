//! The folders of a cluster: authority, certificates, ports, configuration files.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};
use std::path::Path;
use std::process::Command;
use std::time::SystemTime;

use anyhow::{Context, Result};
use norikv_types::Prng;

use super::{GROUPS, Settings, Sizes, run};

/// The nodes' addresses, held until the nodes are started.
#[derive(Debug)]
pub(super) struct Ports(BTreeMap<u64, (TcpListener, UdpSocket, SocketAddr, SocketAddr)>);

impl Ports {
    /// Free ports that no outgoing connection takes while a node is down: those below the range
    /// from which the system draws.
    ///
    /// # Errors
    /// When none is free.
    pub(super) fn draw(nodes: u64) -> Result<Self> {
        let range = fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").ok();
        let low = range
            .and_then(|range| range.split_whitespace().next()?.parse::<u16>().ok())
            .filter(|low| *low > FIRST_PORT)
            .unwrap_or(32_768);
        let clock = SystemTime::UNIX_EPOCH
            .elapsed()
            .map_or(0, |now| now.as_nanos());
        let mut prng = Prng::new(u64::try_from(clock).unwrap_or(0) ^ u64::from(std::process::id()));
        let mut ports = BTreeMap::new();
        for node in 1..=nodes {
            let free = (0..1_000).find_map(|_| {
                let mut draw = || {
                    let port = u64::from(FIRST_PORT) + prng.below(u64::from(low - FIRST_PORT));
                    SocketAddr::from((Ipv4Addr::LOCALHOST, u16::try_from(port).unwrap_or(low)))
                };
                let (http, quic) = (draw(), draw());
                let held = (TcpListener::bind(http).ok()?, UdpSocket::bind(quic).ok()?);
                Some((held.0, held.1, http, quic))
            });
            ports.insert(node, free.context("no port is free")?);
        }
        Ok(Self(ports))
    }

    pub(super) fn http(&self, node: u64) -> SocketAddr {
        self.0[&node].2
    }

    /// Where each node listens for its peers.
    pub(super) fn quic(&self) -> BTreeMap<u64, SocketAddr> {
        self.0.iter().map(|(node, own)| (*node, own.3)).collect()
    }
}

/// Makes the cluster's authority and every node's certificate with the binary itself.
pub(super) fn certificates(settings: &Settings) -> Result<()> {
    let authority = settings.folder.join("authority");
    run(Command::new(&settings.binary)
        .args(["cert", "authority", "--cluster", CLUSTER])
        .arg(&authority))?;
    for node in 1..=settings.nodes {
        let tls = settings.folder.join(format!("node-{node}/tls"));
        run(Command::new(&settings.binary)
            .args(["cert", "node", "--node", &node.to_string()])
            .args([&authority, &tls]))?;
    }
    Ok(())
}

/// Writes a node's configuration file, in which each peer's address is that of a relay.
pub(super) fn configure(
    folder: &Path,
    node: u64,
    ports: &Ports,
    peers: &BTreeMap<u64, SocketAddr>,
    sizes: Sizes,
) -> Result<()> {
    fs::create_dir_all(folder.join("log"))?;
    let (_, _, http, quic) = &ports.0[&node];
    let mut text = format!(
        "cluster = \"{CLUSTER}\"\nnode = {node}\nhttp = \"{http}\"\nquic = \"{quic}\"\ngroups = {GROUPS}\n"
    );
    match sizes {
        Sizes::Small => text.push_str(
            "\n[tuning]\nwal_segment_bytes = 1048576\nmemtable_bytes = 131072\nkeep_log_bytes = 65536\n",
        ),
        Sizes::Default => {}
    }
    for (peer, relay) in peers {
        write!(text, "\n[[peers]]\nnode = {peer}\nquic = \"{relay}\"\n")?;
    }
    let path = folder.join(FILE_NAME);
    fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
}

/// The name of a node's configuration file.
pub(super) const FILE_NAME: &str = "norikv.toml";
const CLUSTER: &str = "00000000000c4a05";
const FIRST_PORT: u16 = 10_000;
