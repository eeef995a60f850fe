//! What a transport is told when it is made.

use core::time::Duration;
use std::collections::BTreeMap;
use std::net::SocketAddr;

use norikv_types::NodeId;

use crate::{Credentials, Error};

/// Who this node is and whom it talks to.
#[derive(Debug, Clone)]
pub struct Config {
    /// This node.
    pub id: NodeId,
    /// Its cluster; peers of another are refused.
    pub cluster: u64,
    /// A number drawn anew at every start.
    pub boot: u64,
    /// The UDP address to listen on; port 0 takes a free one.
    pub listen: SocketAddr,
    /// Every other node and where it listens. This node's own entry is ignored.
    pub peers: BTreeMap<NodeId, SocketAddr>,
    /// This node's certificate and the cluster's authority.
    pub tls: Credentials,
    /// Bounds and times.
    pub limits: Limits,
}

/// Bounds and times of a transport. Memory a peer: each lane's queue, plus as much inbound.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Longest frame, bytes.
    pub frame_bytes_max: u32,
    /// Frames that wait in one lane for one peer.
    pub queue_frames_max: u32,
    /// Bytes that wait in one lane for one peer; one frame is always taken.
    pub queue_bytes_max: u32,
    /// Bytes of one lane of one peer that the host holds before its sender is held back.
    pub inbound_bytes_max: u32,
    /// Longest packet, bytes; the path may allow less.
    pub datagram_bytes_max: u16,
    /// Silence after which a connection is given up, 3–10 s.
    pub idle_timeout: Duration,
    /// An idle connection says something this often.
    pub keep_alive: Duration,
    /// How long one attempt to connect may take.
    pub dial_timeout: Duration,
    /// Wait after the first failed attempt; doubles, with a random factor of 0.5–1.5.
    pub backoff_min: Duration,
    /// The longest wait between attempts, before the random factor.
    pub backoff_max: Duration,
    /// Size asked for each of the socket's two buffers, bytes.
    pub socket_buffer_bytes: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            frame_bytes_max: 16 << 20,
            queue_frames_max: 8_192,
            queue_bytes_max: 32 << 20,
            inbound_bytes_max: 32 << 20,
            datagram_bytes_max: 1_100,
            idle_timeout: Duration::from_secs(4),
            keep_alive: Duration::from_secs(1),
            dial_timeout: Duration::from_secs(2),
            backoff_min: Duration::from_millis(50),
            backoff_max: Duration::from_secs(1),
            socket_buffer_bytes: 4 << 20,
        }
    }
}

impl Limits {
    pub(crate) fn check(&self) -> Result<(), Error> {
        let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        let within = |name, value, min, max| {
            if (min..=max).contains(&value) {
                Ok(())
            } else {
                Err(Error::Limit {
                    name,
                    value,
                    min,
                    max,
                })
            }
        };
        within(
            "idle_timeout in milliseconds",
            millis(self.idle_timeout),
            3_000,
            10_000,
        )?;
        let half = millis(self.idle_timeout) / 2;
        within(
            "keep_alive in milliseconds",
            millis(self.keep_alive),
            50,
            half,
        )?;
        within(
            "frame_bytes_max",
            u64::from(self.frame_bytes_max),
            1_024,
            256 << 20,
        )?;
        within(
            "queue_frames_max",
            u64::from(self.queue_frames_max),
            1,
            1 << 20,
        )?;
        within(
            "inbound_bytes_max",
            u64::from(self.inbound_bytes_max),
            1_024,
            256 << 20,
        )?;
        within(
            "datagram_bytes_max",
            u64::from(self.datagram_bytes_max),
            1,
            65_000,
        )?;
        within(
            "dial_timeout in milliseconds",
            millis(self.dial_timeout),
            10,
            60_000,
        )?;
        within(
            "backoff_min in milliseconds",
            millis(self.backoff_min),
            1,
            60_000,
        )?;
        let min = millis(self.backoff_min);
        within(
            "backoff_max in milliseconds",
            millis(self.backoff_max),
            min,
            60_000,
        )
    }
}
