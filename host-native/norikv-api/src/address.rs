//! Where a node is reached: what a server spreads about itself through SWIM.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

/// A node's two sockets. As text: `quic=127.0.0.1:7001,http=127.0.0.1:8001`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeAddress {
    /// Where peers reach it (UDP).
    pub quic: SocketAddr,
    /// Where clients reach it (TCP).
    pub http: SocketAddr,
}

/// The text is not an address of a node.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} is not of the form quic=IP:PORT,http=IP:PORT")]
pub struct AddressError(String);

impl FromStr for NodeAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let parse = || {
            let (quic, http) = text.split_once(',')?;
            Some(Self {
                quic: quic.strip_prefix("quic=")?.parse().ok()?,
                http: http.strip_prefix("http=")?.parse().ok()?,
            })
        };
        parse().ok_or_else(|| AddressError(text.to_owned()))
    }
}

impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "quic={},http={}", self.quic, self.http)
    }
}

#[cfg(test)]
mod tests;
