//! What a replica is told at construction and never learns otherwise.
//!
//! **Invariant: nothing here changes during the life of a [`Raft`](crate::Raft).** Who belongs to
//! the group does: that is a [`Configuration`](crate::Configuration), which the log carries.

use alloc::collections::BTreeSet;
use core::time::Duration;

use norikv_types::NodeId;
use serde::{Deserialize, Serialize};

use crate::error::{ConfigFault, Error};

/// Settings of one replica. Start from [`Config::new`] and change fields.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Config {
    /// This replica.
    pub id: NodeId,
    /// The voters that the group begins with, the same on all of them; empty on a replica that
    /// joins later. Of no account once the log or the state has a configuration: the first leader
    /// writes this one into the log (dissertation §4.4).
    pub founders: BTreeSet<NodeId>,
    /// Without a leader's word for a random time in `election_timeout_min..=election_timeout_max` a
    /// follower campaigns. Within the minimum it grants no vote (dissertation §4.2.3).
    pub election_timeout_min: Duration,
    /// See `election_timeout_min`; also the time after which a leader without a quorum steps down.
    pub election_timeout_max: Duration,
    /// How readily it campaigns, up to [`PRIORITY_MAX`]: each step below it waits longer, so that
    /// those above go first; 0 never campaigns.
    pub priority: u8,
    /// A leader sends to every peer at least this often, on multiples of it; below `election_timeout_min`.
    pub heartbeat_interval: Duration,
    /// By how much two clocks' rates may differ, in parts per million; shortens the lease.
    pub clock_drift_ppm: u32,
    /// Append messages under way to one peer, at most.
    pub inflight_messages_max: u32,
    /// Entry bytes under way to one peer, at most; one message is always allowed.
    pub inflight_bytes_max: u64,
    /// Entry bytes in one message, at most; one entry is always allowed.
    pub append_bytes_max: u32,
    /// Command bytes in a leader's log above its commit index, at most; one command is always
    /// allowed.
    pub uncommitted_bytes_max: u64,
    /// A leader to whom nobody turned for so long puts its group to sleep; `None`: never. Its host
    /// must then watch the leaders' nodes and say [`Input::Wake`](crate::Input::Wake).
    pub quiesce_after: Option<Duration>,
    /// Entry bytes that a leader keeps in memory for peers that lack them, at most. What is not
    /// durable or not committed comes on top.
    pub recent_bytes_max: u64,
    /// Seed of the randomness (election timeouts). Replicas should differ in it.
    pub seed: u64,
}

impl Config {
    /// Settings for a local network: elections after 150–300 ms, heartbeats every 50 ms, 1 % drift,
    /// 256 messages and 8 MiB under way to a peer, 1 MiB a message, 64 MiB uncommitted, 1 MiB in
    /// memory.
    #[must_use]
    pub fn new(id: NodeId, founders: impl IntoIterator<Item = NodeId>, seed: u64) -> Self {
        Self {
            id,
            founders: founders.into_iter().collect(),
            election_timeout_min: Duration::from_millis(150),
            election_timeout_max: Duration::from_millis(300),
            priority: PRIORITY_MAX,
            heartbeat_interval: Duration::from_millis(50),
            clock_drift_ppm: 10_000,
            inflight_messages_max: 256,
            inflight_bytes_max: 8 << 20,
            append_bytes_max: 1 << 20,
            uncommitted_bytes_max: 64 << 20,
            quiesce_after: None,
            recent_bytes_max: 1 << 20,
            seed,
        }
    }

    /// Checks that the settings can work together.
    ///
    /// # Errors
    /// [`Error::Config`] names the first fault.
    pub fn check(&self) -> Result<(), Error> {
        let fault = if self.id == NodeId(0) || self.founders.contains(&NodeId(0)) {
            ConfigFault::NodeZero
        } else if self.heartbeat_interval.is_zero()
            || self.heartbeat_interval >= self.election_timeout_min
        {
            ConfigFault::HeartbeatInterval
        } else if self.election_timeout_min > self.election_timeout_max {
            ConfigFault::ElectionTimeout
        } else if self.priority > PRIORITY_MAX {
            ConfigFault::Priority
        } else if self.clock_drift_ppm >= 1_000_000 {
            ConfigFault::ClockDrift
        } else if self.inflight_messages_max == 0
            || self.inflight_bytes_max == 0
            || self.append_bytes_max == 0
            || self.uncommitted_bytes_max == 0
        {
            ConfigFault::ZeroLimit
        } else {
            return Ok(());
        };
        Err(Error::Config { fault })
    }

    /// How long a lease lasts from the send time of its round (dissertation §6.4.1): the time in
    /// which no supporter votes, by the slowest clock.
    pub(crate) fn lease_duration(&self) -> Duration {
        let parts = u128::from(1_000_000 - self.clock_drift_ppm);
        let nanos = self.election_timeout_min.as_nanos() * parts / 1_000_000;
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }
}

/// The priority of a replica that campaigns as soon as any.
pub const PRIORITY_MAX: u8 = 3;
