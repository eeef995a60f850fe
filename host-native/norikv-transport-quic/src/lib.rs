//! How NoriKV servers talk to each other: one mutually authenticated QUIC connection a pair of
//! nodes, one long-lived stream a lane, datagrams for membership.
//!
//! **Invariant: nothing that a peer does costs another peer anything.** Each peer has its own
//! bounded queues and tasks; a slow one fills its queues, loses its oldest frames or refuses new
//! ones, and nobody waits for it. **A frame comes only from the node it says it comes from:** its
//! certificate was issued by the cluster's authority for that id.
#![doc = include_str!("../README.md")]

mod authority;
mod config;
mod connection;
mod credentials;
mod dial;
mod error;
mod hello;
mod inbound;
mod lane;
mod peer;
mod queue;
mod transport;

pub use authority::Authority;
pub use config::{Config, Limits};
pub use credentials::Credentials;
pub use error::{Error, SendError};
pub use hello::{Hello, MAGIC, PROTOCOL_VERSION};
pub use inbound::{Credit, DownReason, Inbound, Refusal};
pub use norikv_node::Lane;
pub use transport::{PeerStats, Transport};
