//! Carries out a plan.
//!
//! **Invariant: a fault that was begun is undone, and each is counted where it takes hold.** One that
//! cannot take hold (a group without a leader has none to kill) is counted as passed over.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use futures::future::join_all;
use parking_lot::Mutex;
use serde::Serialize;

use crate::cluster::{Cluster, Node};
use crate::fault::{Fault, Kind, Links, Target};
use crate::operator::Operator;
use crate::plan::Planned;
use crate::probe::{Outage, Probe};
use crate::violation::{Findings, Violation};

/// Who does the harm.
#[derive(Debug)]
pub(crate) struct Nemesis {
    cluster: Arc<Cluster>,
    findings: Arc<Findings>,
    operator: Arc<Operator>,
    probe: Probe,
    /// How long a disk stays full at least, when its node does not end of it.
    full: Duration,
    started: Instant,
    /// Faults begun, over all lanes.
    begun: AtomicU64,
    tallies: Mutex<BTreeMap<Kind, Tally>>,
    outages: Mutex<Vec<Outage>>,
}

/// How often a kind of fault was carried out.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Tally {
    /// Took hold.
    pub fired: u64,
    /// Met nobody.
    pub passed_over: u64,
    /// How often a node ended because its disk was full.
    pub halted: u64,
}

impl Nemesis {
    /// Against a cluster; faults are timed from now.
    #[must_use]
    pub(crate) fn new(
        cluster: Arc<Cluster>,
        findings: Arc<Findings>,
        operator: Arc<Operator>,
        probe: Probe,
        full: Duration,
    ) -> Self {
        Self {
            cluster,
            findings,
            operator,
            probe,
            full,
            started: Instant::now(),
            begun: AtomicU64::new(0),
            tallies: Mutex::default(),
            outages: Mutex::default(),
        }
    }

    /// Faults begun.
    #[must_use]
    pub(crate) fn begun(&self) -> u64 {
        self.begun.load(Ordering::Relaxed)
    }

    /// How often each kind was carried out.
    #[must_use]
    pub(crate) fn tallies(&self) -> BTreeMap<Kind, Tally> {
        self.tallies.lock().clone()
    }

    /// The times without writes that were measured.
    #[must_use]
    pub(crate) fn outages(&self) -> Vec<Outage> {
        self.outages.lock().clone()
    }

    /// Carries out the faults of one lane, one after the other. Ends early at a violation.
    pub(crate) async fn lane(self: Arc<Self>, faults: Vec<Planned>) {
        for planned in faults {
            tokio::time::sleep(planned.at.saturating_sub(self.started.elapsed())).await;
            if self.findings.any() {
                return;
            }
            let fired = self.carry_out(&planned).await;
            let mut tallies = self.tallies.lock();
            let tally = tallies.entry(planned.fault.kind()).or_default();
            match fired {
                Some(halted) => {
                    tally.fired += 1;
                    tally.halted += halted;
                }
                None => tally.passed_over += 1,
            }
        }
    }

    /// Does it, waits, undoes it. `None` where it met nobody; otherwise how often a node ended of it.
    async fn carry_out(&self, planned: &Planned) -> Option<u64> {
        let lasts = planned.lasts;
        let leader = match planned.fault {
            Fault::Kill(Target::Leader(group))
            | Fault::Pause(Target::Leader(group))
            | Fault::Network(Links::Around(Target::Leader(group)), _) => {
                Some((group, self.leader(group).await?))
            }
            _ => None,
        };
        let well = self.cluster.mesh.is_well();
        let before = self.begun.fetch_add(1, Ordering::Relaxed) + 1;
        match planned.fault {
            Fault::Kill(target) => {
                let nodes = self.nodes(target, leader);
                let since = Instant::now();
                join_all(nodes.iter().map(|node| node.kill())).await;
                self.wait(lasts, planned, leader, since, well, before).await;
                for node in nodes {
                    self.start(node).await;
                }
            }
            Fault::Stop(number) => {
                let node = self.cluster.node(number);
                // Until it serves it does not listen to SIGTERM, which ends it all the same.
                let serves = self.cluster.answers(number).await;
                if let Err(how) = node.stop(serves).await {
                    self.ended(node, how);
                }
                tokio::time::sleep(lasts).await;
                self.start(node).await;
            }
            Fault::Pause(target) => {
                let nodes = self.nodes(target, leader);
                let since = Instant::now();
                join_all(nodes.iter().map(|node| node.pause(true))).await;
                let lasts = lasts.max(PAUSE_MIN);
                self.wait(lasts, planned, leader, since, well, before).await;
                join_all(nodes.iter().map(|node| node.pause(false))).await;
            }
            Fault::FillDisk(number) => return Some(self.fill(number, lasts).await),
            Fault::ReplaceDisk(number) => {
                return self.moved(self.operator.replace_disk(number).await);
            }
            Fault::Transfer { group, to } => {
                return self.moved(Ok(self.operator.transfer(group, to).await));
            }
            Fault::Move { group, node } => {
                return self.moved(self.operator.away_and_back(group, node, lasts).await);
            }
            Fault::Network(links, trouble) => {
                let count = self.cluster.nodes.len() as u64;
                let links = links.resolve(count, leader.map(|(_, node)| node));
                let since = Instant::now();
                let id = self.cluster.mesh.begin(&links, trouble);
                self.wait(lasts, planned, leader, since, well, before).await;
                self.cluster.mesh.end(id);
            }
        }
        Some(0)
    }

    /// Waits while a fault lasts, and measures what it does to a leader's group.
    async fn wait(
        &self,
        lasts: Duration,
        planned: &Planned,
        leader: Option<(u32, u64)>,
        since: Instant,
        well: bool,
        before: u64,
    ) {
        let measure = async {
            let Some((group, node)) = leader else { return };
            let took = self.probe.measure(group, node, since).await;
            let took_ms = took.and_then(|took| u64::try_from(took.as_millis()).ok());
            self.outages.lock().push(Outage {
                kind: planned.fault.kind(),
                undisturbed: well && self.begun() == before,
                took_ms,
            });
        };
        // An outage longer than the fault is no longer only the fault's: cut off, and told as such.
        let both = async { tokio::join!(tokio::time::sleep(lasts), measure) };
        if tokio::time::timeout(lasts + LONGER, both).await.is_err() {
            self.outages.lock().push(Outage {
                kind: planned.fault.kind(),
                undisturbed: well && self.begun() == before,
                took_ms: None,
            });
        }
    }

    /// Fills a node's disk while much is written; frees it and has the node run. A node whose log
    /// finds no room halts; it is started again at once, on the full disk, and again with room.
    /// Says how often it ended.
    async fn fill(&self, number: u64, lasts: Duration) -> u64 {
        let node = self.cluster.node(number);
        let Ok(disks) = &self.cluster.disks else {
            return 0;
        };
        node.may_end(true).await;
        let mut halts = 0;
        let full = async {
            let since = Instant::now();
            while since.elapsed() < lasts.max(self.full) && halts < 2 {
                disks.fill(number)?;
                tokio::time::sleep(LOOK_EVERY).await;
                if self.halted(node).await {
                    halts += 1;
                    if halts == 1 {
                        node.start_as(true).await?;
                    }
                }
            }
            disks.free(number)
        };
        let outcome: anyhow::Result<()> = tokio::select! {
            outcome = full => outcome,
            () = self.probe.burst(number) => Ok(()),
        };
        if let Err(why) = outcome {
            let message = format!("the full disk of node {number}: {why:#}");
            self.findings.add(Violation::Failure { message });
            let _told_already = disks.free(number);
        }
        // It may have met the end of the disk just before.
        let freed = Instant::now();
        while freed.elapsed() < AFTERMATH && node.has_process().await {
            tokio::time::sleep(LOOK_EVERY).await;
            halts += u64::from(self.halted(node).await);
        }
        if node.has_process().await {
            node.may_end(false).await;
        } else {
            self.start(node).await;
        }
        halts
    }

    /// Whether a node with a full disk ended; when it did, it must have been for that.
    async fn halted(&self, node: &Node) -> bool {
        let Some(status) = node.ended().await else {
            return false;
        };
        let tail = node.tail();
        if status.code() != Some(1) || !tail.contains("no space") {
            self.ended(
                node,
                format!("met a full disk and ended with {status}\n{tail}"),
            );
        }
        true
    }

    /// What came of a move: `None` where it did not come about.
    fn moved(&self, outcome: anyhow::Result<bool>) -> Option<u64> {
        match outcome {
            Ok(done) => done.then_some(0),
            Err(why) => {
                let message = format!("{why:#}");
                self.findings.add(Violation::Failure { message });
                None
            }
        }
    }

    async fn start(&self, node: &Node) {
        if let Err(why) = node.start().await {
            self.ended(node, format!("does not start: {why:#}"));
        }
    }

    fn ended(&self, node: &Node, how: String) {
        self.findings.add(Violation::Ended {
            node: node.number,
            how,
        });
    }

    /// Who leads a group, if anybody does soon.
    async fn leader(&self, group: u32) -> Option<u64> {
        for _ in 0..20 {
            if let Some(leader) = self.cluster.leader(group).await {
                return Some(leader);
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
        None
    }

    fn nodes(&self, target: Target, leader: Option<(u32, u64)>) -> Vec<&Node> {
        let one = match target {
            Target::All => return self.cluster.nodes.iter().collect(),
            Target::Node(node) => Some(node),
            Target::Leader(_) => leader.map(|(_, node)| node),
        };
        one.map(|node| self.cluster.node(node))
            .into_iter()
            .collect()
    }
}

/// Longer than leases and elections last.
const PAUSE_MIN: Duration = Duration::from_millis(1_200);
const AFTERMATH: Duration = Duration::from_secs(2);
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How much longer than its fault an outage is watched.
const LONGER: Duration = Duration::from_millis(500);
