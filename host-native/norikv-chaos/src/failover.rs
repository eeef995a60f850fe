//! How long writes stand still when a node is killed that leads groups.
//!
//! **Invariant: a write counts as the first after a kill only if it began after it,** so nothing
//! that the killed node still acknowledged shortens an outage. An outage lasts until *every* group
//! that the node led took a write.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use norikv_client::{Client, Config, Expect};
use norikv_placement::{Placement, shard_of};
use norikv_types::{NodeId, Prng};
use serde::Serialize;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, GROUPS, Settings};

/// What is measured.
#[derive(Debug, Clone)]
pub struct FailoverOptions {
    /// The cluster.
    pub settings: Settings,
    /// How often a node is killed.
    pub kills: u32,
    /// Draws the victims and the pauses.
    pub seed: u64,
}

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct Failover {
    /// Kill by kill.
    pub kills: Vec<Kill>,
}

/// One kill.
#[derive(Debug, Clone, Serialize)]
pub struct Kill {
    /// Who was killed.
    pub node: u64,
    /// The groups it led and how long each took no write, in milliseconds.
    pub groups: Vec<(u32, u64)>,
}

/// Percentiles of times in milliseconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Spread {
    /// Half are at most this long.
    pub p50: u64,
    /// Nine of ten.
    pub p90: u64,
    /// 99 of 100.
    pub p99: u64,
    /// All.
    pub max: u64,
}

impl Kill {
    /// Until the last group that it led took a write, in milliseconds.
    #[must_use]
    pub fn outage_ms(&self) -> u64 {
        self.groups.iter().map(|(_, ms)| *ms).max().unwrap_or(0)
    }
}

impl Spread {
    /// The percentiles of some times (nearest rank); zeros of none.
    #[must_use]
    pub fn of(mut times: Vec<u64>) -> Self {
        times.sort_unstable();
        let at = |percent: usize| {
            let rank = (times.len() * percent).div_ceil(100);
            times.get(rank.saturating_sub(1)).copied().unwrap_or(0)
        };
        Self {
            p50: at(50),
            p90: at(90),
            p99: at(99),
            max: at(100),
        }
    }
}

impl Failover {
    /// Until all groups that the killed node led took a write.
    #[must_use]
    pub fn by_kill(&self) -> Spread {
        Spread::of(self.kills.iter().map(Kill::outage_ms).collect())
    }

    /// Each group for itself.
    #[must_use]
    pub fn by_group(&self) -> Spread {
        let groups = self.kills.iter().flat_map(|kill| &kill.groups);
        Spread::of(groups.map(|(_, ms)| *ms).collect())
    }

    /// As a table.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::from("milliseconds                       p50   p90   p99   max\n");
        for (name, spread) in [
            ("every group that it led", self.by_kill()),
            ("each group for itself", self.by_group()),
        ] {
            let Spread { p50, p90, p99, max } = spread;
            // Writing to a string does not fail.
            let _whole = writeln!(text, "{name:<32} {p50:>5} {p90:>5} {p99:>5} {max:>5}");
        }
        text
    }
}

/// Kills nodes that lead groups, again and again, while a writer a group writes.
///
/// # Errors
/// When the cluster does not start, a group takes no write for [`GIVE_UP`], or a node ends badly.
pub async fn failover(
    options: &FailoverOptions,
    progress: &(dyn Fn(u32, &Kill) + Sync),
) -> Result<Failover> {
    let cluster = Cluster::start(&options.settings).await?;
    cluster.ready().await?;
    let ids: Vec<NodeId> = (1..=options.settings.nodes).map(NodeId).collect();
    let placement = Placement::new(&ids, GROUPS, Placement::REPLICATION_DEFAULT)
        .context("placing the groups")?;
    let mut prng = Prng::new(options.seed);
    // Ended when they are dropped.
    let mut writers = JoinSet::new();
    let mut heard = Vec::new();
    for group in 0..GROUPS {
        let (tell, told) = watch::channel(None);
        heard.push(told);
        let endpoints = cluster.endpoints(1 + u64::from(group) % options.settings.nodes);
        writers.spawn(write(group, placement.clone(), endpoints, tell));
    }
    let mut kills = Vec::new();
    while kills.len() < usize::try_from(options.kills)? {
        cluster.ready().await?;
        tokio::time::sleep(prng.duration(CALM_MIN, CALM_MAX)).await;
        let (node, led) = victim(&cluster, &mut prng).await?;
        let since = Instant::now();
        cluster.node(node).kill().await;
        let mut groups = Vec::new();
        for group in led {
            let writer = &mut heard[usize::try_from(group)?];
            let begun_after =
                |write: &Option<Written>| write.is_some_and(|write| write.begun >= since);
            let first = tokio::time::timeout(GIVE_UP, writer.wait_for(begun_after)).await;
            let Ok(first) = first else {
                bail!("group {group} took no write for {} s", GIVE_UP.as_secs());
            };
            let acknowledged = first
                .context("a writer ended")?
                .map(|write| write.acknowledged);
            let took = acknowledged.map_or(GIVE_UP, |at| at.duration_since(since));
            groups.push((group, u64::try_from(took.as_millis())?));
        }
        let kill = Kill { node, groups };
        cluster.node(node).start().await?;
        kills.push(kill);
        if let Some(kill) = kills.last() {
            progress(u32::try_from(kills.len())?, kill);
        }
    }
    writers.shutdown().await;
    cluster.ready().await?;
    cluster.stop().await?;
    Ok(Failover { kills })
}

/// A node that leads groups, and which.
async fn victim(cluster: &Cluster, prng: &mut Prng) -> Result<(u64, Vec<u32>)> {
    let mut led = BTreeMap::<u64, Vec<u32>>::new();
    for group in 0..GROUPS {
        if let Some(leader) = cluster.leader(group).await {
            led.entry(leader).or_default().push(group);
        }
    }
    ensure!(!led.is_empty(), "nobody leads anything");
    let nth = prng.below(led.len() as u64);
    let drawn = led.into_iter().nth(usize::try_from(nth)?);
    drawn.context("as many as were counted")
}

/// An acknowledged write.
#[derive(Debug, Clone, Copy)]
struct Written {
    begun: Instant,
    acknowledged: Instant,
}

/// Writes to one group, one write at a time, each repeated every [`EVERY`] through one node after
/// another until it is answered.
async fn write(
    group: u32,
    placement: Placement,
    endpoints: Vec<String>,
    tell: watch::Sender<Option<Written>>,
) {
    let mut config = Config::new(endpoints);
    config.attempt_timeout = ATTEMPT;
    config.backoff = EVERY;
    config.backoff_max = EVERY;
    let client = Client::new(config);
    for number in 0_u64.. {
        let key = (0_u64..)
            .map(|nth| format!("failover/{group}/{}-{nth}", number % KEYS))
            .find(|key| placement.group_of(shard_of(key.as_bytes())).0 == group)
            .unwrap_or_default();
        let begun = Instant::now();
        let put = client.put(key.as_bytes(), key.clone(), Expect::Any);
        if put.await.is_ok() {
            let acknowledged = Instant::now();
            tell.send_replace(Some(Written {
                begun,
                acknowledged,
            }));
        }
        tokio::time::sleep(EVERY).await;
    }
}

/// The longest outage that is waited for.
pub const GIVE_UP: Duration = Duration::from_secs(30);
/// A writer's pause between two attempts and between two writes.
const EVERY: Duration = Duration::from_millis(10);
/// How long a writer waits for a node's answer before it asks the next one.
const ATTEMPT: Duration = Duration::from_secs(1);
/// Keys that a writer writes in turn.
const KEYS: u64 = 64;
/// Shortest and longest time between the moment when all nodes are ready and the next kill.
const CALM_MIN: Duration = Duration::from_millis(200);
const CALM_MAX: Duration = Duration::from_millis(900);

#[cfg(test)]
mod tests;
