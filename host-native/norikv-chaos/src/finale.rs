//! When the faults are over: everything heals, and everything acknowledged must be there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bytes::Bytes;
use norikv_api::ClusterBody;
use norikv_client::{Client, Config, Consistency};
use norikv_types::Version;
use serde::Serialize;

use crate::cluster::Cluster;
use crate::record::{KEYS, Record};
use crate::violation::{Findings, Violation};
use crate::worker::{ask, patient};

/// What every replica holds.
pub(crate) type Contents = BTreeMap<Bytes, (Bytes, Version)>;

/// What was seen at the end.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Rest {
    /// Milliseconds until every replica had applied the same log, after the last fault was undone.
    pub converged_ms: u64,
    /// Records that every replica holds.
    pub records: u64,
    /// Keys that were read at last, linearizably.
    pub read: u64,
    /// Milliseconds until the same, after every process was killed at once and started again.
    pub converged_again_ms: u64,
}

/// Waits until every replica has applied the whole log of its group.
///
/// # Errors
/// When that does not happen.
pub(crate) async fn converge(cluster: &Cluster) -> Result<Duration, Violation> {
    let since = Instant::now();
    let mut seen = String::new();
    while since.elapsed() < PATIENCE {
        let statuses = cluster.statuses().await;
        match at_rest(&statuses) {
            Ok(()) => return Ok(since.elapsed()),
            Err(why) => seen = why,
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let tails: Vec<String> = cluster.nodes.iter().map(|node| node.tail()).collect();
    let seen = format!("{} s: {seen}\n{}", PATIENCE.as_secs(), tails.join("\n"));
    Err(Violation::NotConverged { seen })
}

/// Whether all logs are the same length, committed and applied, and every group has one leader.
fn at_rest(statuses: &[Option<ClusterBody>]) -> Result<(), String> {
    let mut ends: BTreeMap<u32, (u64, u64)> = BTreeMap::new();
    let mut leaders: BTreeMap<u32, u32> = BTreeMap::new();
    for (number, status) in (1..).zip(statuses) {
        let Some(status) = status else {
            return Err(format!("node {number} does not answer"));
        };
        if !status.ready || status.halted {
            return Err(format!("node {number} is not ready"));
        }
        for group in &status.groups {
            let Some(replica) = &group.replica else {
                continue;
            };
            let end = (replica.term, replica.last_index);
            let whole = replica.commit_index == replica.last_index
                && replica.applied_index == replica.last_index;
            if !whole || *ends.entry(group.group).or_insert(end) != end {
                return Err(format!("node {number}, group {}: {replica:?}", group.group));
            }
            *leaders.entry(group.group).or_default() += u32::from(replica.role == "leader");
        }
    }
    match leaders.iter().find(|(_, count)| **count != 1) {
        Some((group, count)) => Err(format!("group {group} has {count} leaders")),
        None => Ok(()),
    }
}

/// Reads every key of every epoch, linearizably, into the histories.
pub(crate) async fn read_everything(
    cluster: &Cluster,
    record: &Record,
    findings: &Findings,
) -> u64 {
    let client = Client::new(patient(cluster.endpoints(1)));
    let mut read = 0;
    for epoch in 0..record.epochs() {
        for key in 0..KEYS {
            let begun = record.begin_get(READER, epoch, key);
            let heard = ask(&client, &begun, findings).await;
            if matches!(heard, crate::record::Heard::Refused) {
                let message = format!("reading {:?} at rest", begun.key());
                findings.add(Violation::Failure { message });
            }
            record.end(begun, heard);
            read += 1;
        }
    }
    read
}

/// What all nodes say they hold, each asked for its own replicas, and the linearizable read too.
///
/// # Errors
/// When two of them differ.
pub(crate) async fn contents(cluster: &Cluster, when: &str) -> Result<Contents, Violation> {
    let agreed = scan(cluster, 1, Consistency::Linearizable).await?;
    for node in &cluster.nodes {
        let own = scan(cluster, node.number, Consistency::StaleOk).await?;
        if let Some(difference) = difference(&agreed, &own) {
            let difference = format!("{when}, node {}: {difference}", node.number);
            return Err(Violation::ReplicasDiffer { difference });
        }
    }
    Ok(agreed)
}

/// The last index of each group's log.
pub(crate) async fn ends(cluster: &Cluster) -> BTreeMap<u32, u64> {
    let mut ends = BTreeMap::new();
    for status in cluster.statuses().await.into_iter().flatten() {
        for group in status.groups {
            let last = group.replica.map_or(0, |replica| replica.last_index);
            let end = ends.entry(group.group).or_insert(last);
            *end = last.max(*end);
        }
    }
    ends
}

/// Takes the keys out of both that `after` holds with a version for which `is_late`: writes that
/// nobody waited for any more. A link that was cut gives back what it held once it is healed, and
/// whenever that arrives it may be written.
pub(crate) fn pass_over_late(
    before: &mut Contents,
    after: &mut Contents,
    is_late: impl Fn(&[u8], Version) -> bool,
) {
    after.retain(|key, (_, version)| {
        let late = is_late(key, *version);
        if late {
            before.remove(key);
        }
        !late
    });
}

/// The first difference between two replicas, in words.
#[must_use]
pub(crate) fn difference(agreed: &Contents, own: &Contents) -> Option<String> {
    let keys = agreed.keys().chain(own.keys());
    let key = keys.filter(|key| agreed.get(*key) != own.get(*key)).min()?;
    let show = |held: Option<&(Bytes, Version)>| match held {
        None => "nothing".to_owned(),
        Some((value, version)) => format!(
            "{} bytes beginning {:02x?} at {}-{}",
            value.len(),
            value.get(..8).unwrap_or(value),
            version.term.0,
            version.index.0
        ),
    };
    Some(format!(
        "{} is {} there and {} here",
        String::from_utf8_lossy(key),
        show(agreed.get(key)),
        show(own.get(key))
    ))
}

async fn scan(
    cluster: &Cluster,
    node: u64,
    consistency: Consistency,
) -> Result<Contents, Violation> {
    let mut config = Config::new([cluster.node(node).http.clone()]);
    config.timeout = Duration::from_secs(20);
    config.attempt_timeout = Duration::from_secs(10);
    let client = Client::new(config);
    let mut contents = Contents::new();
    let mut after: Option<Bytes> = None;
    loop {
        let page = client
            .scan(b"", after.as_deref(), 1_000, consistency)
            .await
            .map_err(|why| Violation::Failure {
                message: format!("scanning node {node} at rest: {why}"),
            })?;
        for item in page.items {
            after = Some(item.key.clone());
            contents.insert(item.key, (item.value, item.version));
        }
        if !page.more {
            return Ok(contents);
        }
    }
}

/// How long a cluster with nothing wrong may take to come to rest.
const PATIENCE: Duration = Duration::from_secs(60);
/// The client that reads at the end.
const READER: u64 = 1_000;

#[cfg(test)]
mod tests;
