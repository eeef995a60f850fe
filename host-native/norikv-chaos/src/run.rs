//! A run from its first process to its last.

use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use norikv_placement::Placement;
use norikv_types::{NodeId, Prng};
use parking_lot::Mutex;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::cluster::{Cluster, GROUPS, Settings};
use crate::finale::{self, Rest};
use crate::judge::Verdicts;
use crate::nemesis::Nemesis;
use crate::operator::Operator;
use crate::plan::{Pace, Plan, Scope};
use crate::probe::Probe;
use crate::record::Record;
use crate::report::Report;
use crate::violation::{Findings, Violation};
use crate::worker::Worker;

/// What is run.
#[derive(Debug, Clone)]
pub struct Options {
    /// The cluster.
    pub settings: Settings,
    /// How long faults go on.
    pub duration: Duration,
    /// Draws the plan, and what the clients ask.
    pub seed: u64,
    /// How the faults follow each other.
    pub pace: Pace,
    /// Clients.
    pub clients: u64,
    /// How long an epoch's keys are in use.
    pub epoch: Duration,
}

/// How far a run is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Progress {
    /// Since the first fault could happen.
    pub elapsed: Duration,
    /// Operations ended.
    pub operations: u64,
    /// Faults begun.
    pub faults: u64,
    /// Epochs judged.
    pub judged: u64,
}

impl Options {
    /// What the plan is drawn for.
    #[must_use]
    pub fn scope(&self) -> Scope {
        Scope {
            nodes: self.settings.nodes,
            groups: GROUPS,
            duration: self.duration,
            pace: self.pace,
            disks: self.settings.disks.is_ok(),
        }
    }
}

/// Runs a cluster under faults and judges what its clients heard.
///
/// # Errors
/// When the run cannot take place; a violation is no error but part of the report. Dropped or
/// failed, it leaves no process behind.
pub async fn run(options: &Options, progress: &(dyn Fn(Progress) + Sync)) -> Result<Report> {
    let findings = Arc::new(Findings::new());
    let cluster = Arc::new(Cluster::start(&options.settings).await?);
    cluster.ready().await?;
    let mut scope = options.scope();
    scope.disks = cluster.disks.is_ok();
    let plan = Plan::draw(options.seed, &scope);

    let ids: Vec<NodeId> = cluster
        .nodes
        .iter()
        .map(|node| NodeId(node.number))
        .collect();
    let placement = Placement::new(&ids, GROUPS, Placement::REPLICATION_DEFAULT)
        .context("placing the groups")?;
    let record = Arc::new(Record::new(placement.clone(), Arc::clone(&findings)));
    let probe = Probe::new(cluster.endpoints(1), placement.clone(), Arc::clone(&record));
    let operator = Arc::new(Operator::new(Arc::clone(&cluster), placement.clone()));
    let nemesis = Nemesis::new(
        Arc::clone(&cluster),
        Arc::clone(&findings),
        Arc::clone(&operator),
        probe,
        options.pace.full,
    );
    let nemesis = Arc::new(nemesis);

    // Everything that runs beside, ended when this is dropped.
    let (stop, stopping) = watch::channel(false);
    let mut prng = Prng::new(options.seed).fork();
    let mut clients = JoinSet::new();
    for number in 1..=options.clients {
        let endpoints = cluster.endpoints(1 + number % options.settings.nodes);
        let worker = Worker::new(
            number,
            prng.next_u64(),
            endpoints,
            Arc::clone(&record),
            Arc::clone(&findings),
        );
        clients.spawn(worker.run(stopping.clone()));
    }
    let mut lanes = JoinSet::new();
    let [first, second] = plan.network;
    for faults in [plan.processes, first, second, plan.moves] {
        lanes.spawn(Arc::clone(&nemesis).lane(faults));
    }
    let mut beside = JoinSet::new();
    beside.spawn(watch_over(Arc::clone(&cluster), Arc::clone(&findings)));
    let judge = Arc::new(Mutex::new(Verdicts::default()));
    beside.spawn(turn_and_judge(
        Arc::clone(&record),
        Arc::clone(&judge),
        Arc::clone(&findings),
        options.epoch,
    ));

    let started = Instant::now();
    let tell = || {
        let verdicts = *judge.lock();
        let sum = |counters: crate::record::OpCounters| {
            counters.answered + counters.conflicts + counters.refused + counters.unknown
        };
        progress(Progress {
            elapsed: started.elapsed().min(options.duration),
            operations: record.counters().into_values().map(sum).sum(),
            faults: nemesis.begun(),
            judged: verdicts.yes + verdicts.no + verdicts.unknown,
        });
    };
    while started.elapsed() < options.duration && !findings.any() {
        let left = options.duration.saturating_sub(started.elapsed());
        tokio::select! {
            () = tokio::time::sleep(left.min(TELL_EVERY)) => {}
            () = findings.first() => {}
        }
        tell();
    }
    // The last faults end by themselves; each node runs and each link is whole then.
    while let Some(ended) = lanes.join_next().await {
        ended.context("a lane of faults")?;
    }
    cluster.mesh.heal();
    stop.send_replace(true);
    while let Some(ended) = clients.join_next().await {
        ended.context("a client")?;
    }
    let seconds = started.elapsed().as_secs();
    beside.abort_all();
    while beside.join_next().await.is_some() {}
    let epochs_verdicts = *judge.lock();
    tell();

    let mut at_last = Verdicts::default();
    let mut rest = Rest::default();
    if !findings.any() {
        match end(&cluster, &operator, &record, &findings, &mut at_last).await {
            Ok(seen) => rest = seen,
            Err(violation) => findings.add(violation),
        }
    }
    let packets = cluster.mesh.counters();
    let disks = match &cluster.disks {
        Ok(disks) => Ok(disks.file_system()),
        Err(why) => Err(why.clone()),
    };
    if let Err(how) = cluster.stop().await
        && !findings.any()
    {
        findings.add(Violation::Failure {
            message: format!("{how:#}"),
        });
    }
    Ok(Report {
        seed: options.seed,
        nodes: options.settings.nodes,
        clients: options.clients,
        seconds,
        epoch_seconds: options.epoch.as_secs(),
        epochs: record.epochs() as u64,
        operations: record.counters(),
        faults: nemesis.tallies(),
        disks: disks.map(|kind| kind.name().to_owned()),
        packets,
        outages: nemesis.outages(),
        judged: epochs_verdicts,
        judged_at_last: at_last,
        rest,
        violations: findings.all(),
    })
}

/// What must be true at the end.
async fn end(
    cluster: &Cluster,
    operator: &Operator,
    record: &Arc<Record>,
    findings: &Findings,
    verdicts: &mut Verdicts,
) -> Result<Rest, Violation> {
    // A move that nobody waited for any more may have come about.
    let gathered = operator.gather_all().await;
    gathered.map_err(|why| Violation::Failure {
        message: format!("{why:#}"),
    })?;
    let converged = finale::converge(cluster).await?;
    let read = finale::read_everything(cluster, record, findings).await;
    for epoch in 0..record.epochs() {
        let history = record.history(epoch);
        if let Some(violation) = verdicts.judge(epoch, &history) {
            return Err(violation);
        }
    }
    finale::converge(cluster).await?;
    let ends = finale::ends(cluster).await;
    let mut before = finale::contents(cluster, "after the run").await?;
    for node in &cluster.nodes {
        node.kill().await;
    }
    for node in &cluster.nodes {
        node.start().await.map_err(|why| Violation::Ended {
            node: node.number,
            how: format!("does not start: {why:#}"),
        })?;
    }
    let again = finale::converge(cluster).await?;
    let mut after = finale::contents(cluster, "after a restart of all nodes").await?;
    let records = after.len() as u64;
    finale::pass_over_late(&mut before, &mut after, |key, version| {
        ends.get(&record.group_of(key))
            .is_some_and(|end| version.index.0 > *end)
    });
    if let Some(difference) = finale::difference(&before, &after) {
        let difference = format!("before and after a restart of all nodes: {difference}");
        return Err(Violation::ReplicasDiffer { difference });
    }
    let millis = |time: Duration| u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
    Ok(Rest {
        converged_ms: millis(converged),
        records,
        read,
        converged_again_ms: millis(again),
    })
}

/// Looks for nodes that end although nobody told them to.
async fn watch_over(cluster: Arc<Cluster>, findings: Arc<Findings>) {
    loop {
        for node in &cluster.nodes {
            if let Some(status) = node.ended_by_itself().await {
                findings.add(Violation::Ended {
                    node: node.number,
                    how: format!("ended by itself with {status}\n{}", node.tail()),
                });
            }
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// Begins an epoch when it is time, and judges those that are over.
async fn turn_and_judge(
    record: Arc<Record>,
    verdicts: Arc<Mutex<Verdicts>>,
    findings: Arc<Findings>,
    epoch: Duration,
) {
    let mut turned = Instant::now();
    loop {
        tokio::time::sleep(Duration::from_millis(200)).await;
        if turned.elapsed() >= epoch {
            turned = Instant::now();
            record.turn();
        }
        while let Some((number, history)) = record.next_settled() {
            let mut own = *verdicts.lock();
            let judged = tokio::task::spawn_blocking(move || {
                let violation = own.judge(number, &history);
                (own, violation)
            });
            let Ok((counted, violation)) = judged.await else {
                let message = "the checker panicked".to_owned();
                findings.add(Violation::Failure { message });
                return;
            };
            *verdicts.lock() = counted;
            if let Some(violation) = violation {
                findings.add(violation);
            }
        }
    }
}

const TELL_EVERY: Duration = Duration::from_millis(250);
