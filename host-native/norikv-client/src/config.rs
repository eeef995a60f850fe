//! Where the cluster is and how patient the client is.

use std::time::Duration;

/// What a [`Client`](crate::Client) is made with.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// `host:port` of the nodes' HTTP sockets; at least one.
    pub endpoints: Vec<String>,
    /// How long a call may take in all, repetitions included.
    pub timeout: Duration,
    /// How long one node may take to answer before the next one is asked.
    pub attempt_timeout: Duration,
    /// Pause before a call is repeated; doubles up to `backoff_max`.
    pub backoff: Duration,
    /// Longest pause before a call is repeated.
    pub backoff_max: Duration,
}

impl Config {
    /// The defaults: 10 s a call, 3 s an attempt, 10 ms before the first repetition,
    /// 160 ms at most before a later one.
    #[must_use]
    pub fn new<E: Into<String>>(endpoints: impl IntoIterator<Item = E>) -> Self {
        Self {
            endpoints: endpoints.into_iter().map(Into::into).collect(),
            timeout: Duration::from_secs(10),
            attempt_timeout: Duration::from_secs(3),
            backoff: Duration::from_millis(10),
            backoff_max: Duration::from_millis(160),
        }
    }
}
