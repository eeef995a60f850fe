//! How long a group takes no write after something happened to its leader.

use std::sync::Arc;
use std::time::{Duration, Instant};

use norikv_client::{Client, Config, Expect};
use norikv_placement::{Placement, shard_of};
use serde::Serialize;
use tokio::task::JoinSet;

use crate::fault::Kind;
use crate::op::VALUE_BYTES_MAX;
use crate::record::Record;

/// Writes to one group, again and again, until one is acknowledged.
#[derive(Debug)]
pub(crate) struct Probe {
    clients: Vec<Client>,
    placement: Placement,
    record: Arc<Record>,
}

/// A time without writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Outage {
    /// What happened to the leader.
    pub kind: Kind,
    /// Whether nothing else was wrong at the same time.
    pub undisturbed: bool,
    /// Milliseconds from then to the first acknowledgement of a write that began after; nothing
    /// when there was none before [`GIVE_UP`].
    pub took_ms: Option<u64>,
}

impl Probe {
    /// Writes through the nodes at `endpoints` in a cluster placed like this.
    #[must_use]
    pub(crate) fn new(endpoints: Vec<String>, placement: Placement, record: Arc<Record>) -> Self {
        let client = |endpoint| {
            let mut config = Config::new([endpoint]);
            config.timeout = ATTEMPT;
            config.attempt_timeout = ATTEMPT;
            Client::new(config)
        };
        Self {
            clients: endpoints.into_iter().map(client).collect(),
            placement,
            record,
        }
    }

    /// The time from `since` until `group` takes a write through another node than `victim`. A new
    /// write begins every few milliseconds, whether earlier ones were answered or not.
    pub(crate) async fn measure(
        &self,
        group: u32,
        victim: u64,
        since: Instant,
    ) -> Option<Duration> {
        let mut writes = JoinSet::new();
        let others: Vec<&Client> = (1..)
            .zip(&self.clients)
            .filter(|(node, _)| *node != victim)
            .map(|(_, client)| client)
            .collect();
        let mut turn = others.iter().cycle();
        let mut tick = tokio::time::interval(EVERY);
        while since.elapsed() < GIVE_UP {
            tokio::select! {
                _ = tick.tick() => {
                    let client = Client::clone(turn.next()?);
                    let value = self.record.draw_write();
                    let key = self.key(group, value.0);
                    writes.spawn(async move {
                        let put = client.put(key.as_bytes(), value.bytes(VALUE_BYTES_MAX), Expect::Any).await;
                        put.is_ok().then(Instant::now)
                    });
                }
                Some(Ok(Some(acknowledged))) = writes.join_next(), if !writes.is_empty() => {
                    return Some(acknowledged.duration_since(since));
                }
            }
        }
        None
    }

    /// Writes large values to a few keys through other nodes than `victim`, for ever.
    pub(crate) async fn burst(&self, victim: u64) {
        loop {
            for (node, client) in (1..).zip(&self.clients) {
                if node == victim {
                    continue;
                }
                let write = self.record.draw_write().0;
                let mut value = vec![write.to_le_bytes()[0]; LARGE];
                value[..8].copy_from_slice(&write.to_le_bytes());
                let key = format!("b/{}", write % 16);
                // Whether it is acknowledged is not what it is for.
                let _outcome = client.put(key.as_bytes(), value, Expect::Any).await;
            }
            tokio::time::sleep(EVERY).await;
        }
    }

    /// A key of the group that nobody else writes.
    fn key(&self, group: u32, write: u64) -> String {
        (0_u64..)
            .map(|nth| format!("p/{write:08}-{nth}"))
            .find(|key| self.placement.group_of(shard_of(key.as_bytes())).0 == group)
            .unwrap_or_default()
    }
}

/// Bytes of a large value.
const LARGE: usize = 256 << 10;
const EVERY: Duration = Duration::from_millis(10);
const ATTEMPT: Duration = Duration::from_secs(2);
/// The longest outage that is measured.
pub(crate) const GIVE_UP: Duration = Duration::from_secs(30);
