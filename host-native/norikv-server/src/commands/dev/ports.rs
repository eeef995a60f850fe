//! Ports for nodes of this machine.
//!
//! **Invariant: a node's ports lie below those that systems hand out by themselves**, so that while
//! a node is down no outgoing connection of another program sits on them when it returns.

use std::io::ErrorKind;
use std::net::{Ipv4Addr, SocketAddr, TcpListener, UdpSocket};

use anyhow::{Context, Result, bail};

use crate::config;

/// Ports that were free when they were drawn; nobody else draws them while this lives.
#[derive(Debug, Default)]
pub(super) struct Ports {
    held: Vec<(TcpListener, UdpSocket)>,
}

impl Ports {
    /// Draws an address for HTTP (TCP) and one for peers (UDP).
    ///
    /// # Errors
    /// When a socket cannot be had for another reason than that its port is taken, or when nearly
    /// every port is.
    pub(super) fn draw(&mut self) -> Result<(SocketAddr, SocketAddr)> {
        let http = free(TcpListener::bind)?;
        let quic = free(UdpSocket::bind)?;
        let addresses = (http.local_addr()?, quic.local_addr()?);
        self.held.push((http, quic));
        Ok(addresses)
    }
}

/// A socket on a free port, drawn at random.
fn free<S>(bind: impl Fn(SocketAddr) -> std::io::Result<S>) -> Result<S> {
    for _ in 0..TRIES {
        let port = FIRST + u16::try_from(config::draw()? % u64::from(END - FIRST))?;
        match bind((Ipv4Addr::LOCALHOST, port).into()) {
            Ok(socket) => return Ok(socket),
            // Some ports are reserved for others on some systems.
            Err(why)
                if matches!(
                    why.kind(),
                    ErrorKind::AddrInUse | ErrorKind::PermissionDenied
                ) => {}
            Err(why) => return Err(why).context("looking for a free port"),
        }
    }
    bail!("looking for a free port: {TRIES} drawn between {FIRST} and {END} are all taken")
}

/// Above the ports that well-known services have.
const FIRST: u16 = 10_240;
/// Linux hands out ports from here on (`net.ipv4.ip_local_port_range`), others from 49152.
const END: u16 = 32_768;
const TRIES: u32 = 1_000;

#[cfg(test)]
mod tests;
