//! What an operator does by hand while everything else goes on: moves leaders and replicas, and
//! puts an empty disk in place of a lost one.
//!
//! **Invariant: before anything is taken from a group, all its voters are there**, and one thing at
//! a time is taken. A cluster may forget what a majority forgot; it may forget nothing else.

use std::fs;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use norikv_api::ReplicasBody;
use norikv_client::{Client, Config};
use norikv_placement::Placement;
use norikv_types::{GroupId, NodeId};
use tokio::sync::Mutex;

use crate::cluster::Cluster;

/// Moves things.
#[derive(Debug)]
pub(crate) struct Operator {
    cluster: Arc<Cluster>,
    /// Where each group is at home.
    placement: Placement,
    client: Client,
    /// Held while voters of a group are fewer than they should be.
    taken: Mutex<()>,
}

impl Operator {
    pub(crate) fn new(cluster: Arc<Cluster>, placement: Placement) -> Self {
        let mut config = Config::new(cluster.endpoints(1));
        config.timeout = CALL;
        config.attempt_timeout = CALL;
        Self {
            client: Client::new(config),
            cluster,
            placement,
            taken: Mutex::default(),
        }
    }

    /// Has a node lead a group; `false` when that did not come about.
    pub(crate) async fn transfer(&self, group: u32, to: u64) -> bool {
        let _whole = self.taken.lock().await;
        self.client.transfer(group, to).await.is_ok()
    }

    /// Takes a node's replica of a group away, and has it back after a while; `false` when it could
    /// not be taken away.
    ///
    /// # Errors
    /// When the replica does not come back.
    pub(crate) async fn away_and_back(
        &self,
        group: u32,
        node: u64,
        lasts: Duration,
    ) -> Result<bool> {
        let _taken = self.taken.lock().await;
        if !self.waits_for_whole(group).await {
            return Ok(false);
        }
        // Whether it was done is often not known in time: what follows is right either way.
        let gone = self.client.change_replicas(group, &[], &[node]).await;
        tokio::time::sleep(lasts).await;
        self.gather(group).await?;
        Ok(gone.is_ok())
    }

    /// Kills a node, takes its disk away, starts it with an empty one and waits until it votes
    /// again in each of its groups; `false` when a group was not whole.
    ///
    /// # Errors
    /// When the disk cannot be emptied, the node not be started, or does not vote again.
    pub(crate) async fn replace_disk(&self, number: u64) -> Result<bool> {
        let _taken = self.taken.lock().await;
        let groups: Vec<GroupId> = self.placement.groups_of(NodeId(number)).collect();
        for group in &groups {
            if !self.waits_for_whole(group.0).await {
                return Ok(false);
            }
        }
        let node = self.cluster.node(number);
        node.kill().await;
        let store = node.folder().join("store");
        for entry in fs::read_dir(&store)? {
            let path = entry?.path();
            let gone = match path.is_dir() {
                true => fs::remove_dir_all(&path),
                false => fs::remove_file(&path),
            };
            gone.with_context(|| format!("removing {}", path.display()))?;
        }
        node.start_with_empty_disk().await?;
        let since = Instant::now();
        for group in groups {
            // What the others have in their logs may be from before the loss; what it has is not.
            while !self.votes(number, group.0).await {
                if since.elapsed() > PATIENCE {
                    bail!(
                        "node {number} was given an empty disk and does not vote in group {} within {} s",
                        group.0,
                        PATIENCE.as_secs()
                    );
                }
                tokio::time::sleep(AGAIN).await;
            }
            self.gather(group.0).await?;
        }
        Ok(true)
    }

    /// Has every group be where it is at home, wherever it is.
    ///
    /// # Errors
    /// When that does not come about.
    pub(crate) async fn gather_all(&self) -> Result<()> {
        let _taken = self.taken.lock().await;
        for group in self.placement.groups() {
            self.gather(group.0).await?;
        }
        Ok(())
    }

    /// Asks until every node that is to vote in a group does.
    async fn gather(&self, group: u32) -> Result<()> {
        let home = self.home(group);
        let since = Instant::now();
        loop {
            // Also where all vote as far as is known: a call that was given up may still come true.
            let outcome = self.client.change_replicas(group, &home, &[]).await;
            if outcome.is_ok() && self.whole(group).await {
                return Ok(());
            }
            if since.elapsed() > PATIENCE {
                let last = match outcome {
                    Ok(replicas) => format!("{replicas:?}"),
                    Err(why) => why.to_string(),
                };
                bail!(
                    "group {group} was to have the voters {home:?} again and has not within {} s: {last}",
                    PATIENCE.as_secs()
                );
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether a node votes in a group, by its own log.
    async fn votes(&self, node: u64, group: u32) -> bool {
        let members = self.members(node, group).await;
        members.is_some_and(|now| now.voters.contains(&node))
    }

    /// Who belongs to a group, by a node's own log.
    async fn members(&self, node: u64, group: u32) -> Option<ReplicasBody> {
        let statuses = self.cluster.statuses().await;
        let own = statuses
            .into_iter()
            .flatten()
            .find(|own| own.node == node)?;
        let mut groups = own.groups.into_iter();
        let own = groups.find(|own| own.group == group)?;
        own.replica?.configuration
    }

    /// The same as [`Self::whole`], and waits a moment for it.
    async fn waits_for_whole(&self, group: u32) -> bool {
        let since = Instant::now();
        loop {
            let whole = self.whole(group).await;
            if whole || since.elapsed() > MOMENT {
                return whole;
            }
            tokio::time::sleep(AGAIN).await;
        }
    }

    /// Whether all that should vote in a group do, by its leader's log, and nothing is under way.
    async fn whole(&self, group: u32) -> bool {
        let Some(leader) = self.cluster.leader(group).await else {
            return false;
        };
        let members = self.members(leader, group).await;
        members.is_some_and(|now| is_whole(&now, &self.home(group)))
    }

    fn home(&self, group: u32) -> Vec<u64> {
        let replicas = self.placement.replicas(GroupId(group));
        replicas.iter().map(|node| node.0).collect()
    }
}

/// Whether exactly these vote, with no change under way.
fn is_whole(now: &ReplicasBody, home: &[u64]) -> bool {
    now.outgoing.is_empty()
        && now.learners.is_empty()
        && now.voters.len() == home.len()
        && home.iter().all(|node| now.voters.contains(node))
}

/// How long one call may take.
const CALL: Duration = Duration::from_secs(4);
/// How long a replica may take to come back, whatever else goes wrong meanwhile.
const PATIENCE: Duration = Duration::from_secs(120);
/// How long a group may take to be whole before it is let be.
const MOMENT: Duration = Duration::from_secs(3);
const AGAIN: Duration = Duration::from_millis(200);
