//! The threads that carry out what the node says: one for the log, one that applies, one for
//! snapshots, one for background work, a few that read.
//!
//! **Invariant: each runs its tasks in the order in which the node gave them out, and ends when its
//! line ends.** None of them polls: each waits on its line.

use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use crossbeam_channel::{
    Receiver, RecvTimeoutError, Sender, TryRecvError, bounded, select, unbounded,
};
use nori_env::Clock;
use norikv_node::driver::{
    ApplyTask, ApplyWorker, JobTask, JobWorker, LogTask, LogWorker, ReadTask, ReadWorker,
    SnapshotTask, SnapshotWorker,
};
use norikv_node::{Input, Maintenance, PortError, ReplicatedLog, Storage};
use norikv_types::GroupId;

use crate::inbox::{Inbox, Message};
use crate::metrics::HostMetrics;
use crate::shared::Shared;

/// The ways to the workers. Dropping them ends the workers once they have done what was asked.
pub(crate) struct Lines {
    log: Sender<Vec<LogTask>>,
    apply: Sender<ApplyTask>,
    read: Sender<ReadTask>,
    snapshot: Sender<SnapshotTask>,
    job: Sender<JobTask>,
}

impl Lines {
    pub(crate) fn log(&self, tasks: Vec<LogTask>) {
        give(&self.log, tasks);
    }

    pub(crate) fn apply(&self, task: ApplyTask) {
        give(&self.apply, task);
    }

    pub(crate) fn read(&self, task: ReadTask) {
        give(&self.read, task);
    }

    pub(crate) fn snapshot(&self, task: SnapshotTask) {
        give(&self.snapshot, task);
    }

    pub(crate) fn job(&self, task: JobTask) {
        give(&self.job, task);
    }
}

/// A worker that is gone has panicked, which was reported and ends the node.
fn give<T>(line: &Sender<T>, task: T) {
    let _ended = line.send(task);
}

/// What the workers work on.
pub(crate) struct Ports {
    pub(crate) storage: Arc<dyn Storage>,
    pub(crate) log: Arc<dyn ReplicatedLog>,
    pub(crate) groups: Vec<GroupId>,
    pub(crate) clock: Arc<dyn Clock>,
    /// Proves the log's last commit once nothing more follows it.
    pub(crate) seal: Option<Seal>,
    /// Sets the log's next segment aside when it is wanted.
    pub(crate) prepare: Option<Prepare>,
}

/// Makes the end of an idle log provable: a later start can tell it from a torn one.
pub(crate) type Seal = Box<dyn Fn() -> Result<(), PortError> + Send>;

/// Makes the next segment of the log before an append has to wait for it; says whether it did.
pub(crate) type Prepare = Box<dyn Fn() -> Result<bool, PortError> + Send>;

/// Starts every worker.
///
/// # Errors
/// When the system gives no thread; those that were started end by themselves.
pub(crate) fn start(
    ports: Ports,
    readers: usize,
    inbox: &Inbox,
    shared: &Arc<Shared>,
) -> io::Result<(Lines, Vec<JoinHandle<()>>)> {
    let (log, log_tasks) = unbounded();
    let (apply, apply_tasks) = unbounded();
    let (read, read_tasks) = unbounded();
    let (snapshot, snapshot_tasks) = unbounded();
    let (job, job_tasks) = unbounded();
    // One place is enough: a wake-up that finds it taken would find the same work.
    let (wake, woken) = bounded(1);
    let mut threads = Vec::new();

    let worker = LogWorker::new(Arc::clone(&ports.log));
    let (clock, to, host) = (Arc::clone(&ports.clock), inbox.clone(), Arc::clone(shared));
    let seal = ports.seal;
    threads.push(spawn("norikv-log", inbox, shared, move || {
        run_log(
            worker,
            &log_tasks,
            &to,
            clock.as_ref(),
            &host.metrics,
            seal.as_ref(),
        );
    })?);

    let worker = ApplyWorker::new(Arc::clone(&ports.storage));
    let (to, wake_jobs) = (inbox.clone(), wake.clone());
    threads.push(spawn("norikv-apply", inbox, shared, move || {
        run_apply(worker, &apply_tasks, &to, &wake_jobs);
    })?);

    let worker = SnapshotWorker::new(Arc::clone(&ports.storage));
    let to = inbox.clone();
    threads.push(spawn("norikv-snapshot", inbox, shared, move || {
        run_snapshots(worker, &snapshot_tasks, &to, &wake);
    })?);

    let worker = JobWorker::new(
        Arc::clone(&ports.storage),
        Arc::clone(&ports.log),
        ports.groups.iter().copied(),
    );
    let (to, host) = (inbox.clone(), Arc::clone(shared));
    let prepare = ports.prepare;
    threads.push(spawn("norikv-jobs", inbox, shared, move || {
        run_jobs(
            worker,
            &job_tasks,
            &woken,
            &to,
            &host.metrics,
            prepare.as_ref(),
        );
    })?);

    let worker = ReadWorker::new(Arc::clone(&ports.storage), Arc::clone(&ports.log));
    for reader in 1..=readers {
        let (worker, tasks, to) = (worker.clone(), read_tasks.clone(), inbox.clone());
        threads.push(spawn(
            &format!("norikv-read-{reader}"),
            inbox,
            shared,
            move || {
                for task in tasks {
                    to.tell(vec![worker.run(&task)]);
                }
            },
        )?);
    }
    Ok((
        Lines {
            log,
            apply,
            read,
            snapshot,
            job,
        },
        threads,
    ))
}

/// Takes every batch that waits: one group commit serves them all.
fn run_log(
    mut worker: LogWorker,
    tasks: &Receiver<Vec<LogTask>>,
    inbox: &Inbox,
    clock: &dyn Clock,
    metrics: &HostMetrics,
    seal: Option<&Seal>,
) {
    let mut sealed = true;
    loop {
        let next = match seal {
            Some(_) if !sealed => tasks.recv_timeout(SEAL_AFTER),
            _ => tasks
                .recv()
                .map_err(|_ended| RecvTimeoutError::Disconnected),
        };
        let mut batch = match next {
            Ok(batch) => batch,
            Err(RecvTimeoutError::Timeout) => {
                sealed = true;
                match seal.map(|seal| seal()) {
                    Some(Err(error)) => inbox.tell(vec![Input::LogFailed(error)]),
                    Some(Ok(())) => metrics.log_seals.add(1),
                    None => {}
                }
                continue;
            }
            Err(RecvTimeoutError::Disconnected) => return,
        };
        sealed = false;
        for more in tasks.try_iter() {
            batch.extend(more);
        }
        let start = clock.now();
        let inputs = worker.run(&batch);
        let took = clock.now().since(start);
        metrics
            .log_sync
            .record(u64::try_from(took.as_nanos()).unwrap_or(u64::MAX));
        metrics.log_batch.record(batch.len() as u64);
        inbox.tell(inputs);
    }
}

fn run_apply(
    mut worker: ApplyWorker,
    tasks: &Receiver<ApplyTask>,
    inbox: &Inbox,
    wake_jobs: &Sender<()>,
) {
    for task in tasks {
        let mut inputs: Vec<Input> = worker.run(&task).into_iter().collect();
        inputs.extend(worker.pressure());
        inbox.tell(inputs);
        let _already = wake_jobs.try_send(());
    }
}

fn run_snapshots(
    mut worker: SnapshotWorker,
    tasks: &Receiver<SnapshotTask>,
    inbox: &Inbox,
    wake_jobs: &Sender<()>,
) {
    for task in tasks {
        inbox.tell(worker.run(&task).into_iter().collect());
        if matches!(task, SnapshotTask::Install { .. }) {
            let _already = wake_jobs.try_send(());
        }
    }
}

/// Works as long as there is something to do, looking at its line between two pieces.
fn run_jobs(
    mut worker: JobWorker,
    tasks: &Receiver<JobTask>,
    woken: &Receiver<()>,
    inbox: &Inbox,
    metrics: &HostMetrics,
    prepare: Option<&Prepare>,
) {
    loop {
        if let Some(prepare) = prepare {
            // Where it fails the rotation tries again, and says so.
            let _unprepared = prepare();
        }
        loop {
            match tasks.try_recv() {
                Ok(task) => inbox.tell(worker.run(&task)),
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return,
            }
        }
        let (state, inputs) = worker.step(STEP_BYTES);
        if inputs
            .iter()
            .any(|input| matches!(input, Input::Flushed { .. }))
        {
            metrics.flushes.add(1);
        }
        inbox.tell(inputs);
        if state == Maintenance::More {
            continue;
        }
        select! {
            recv(tasks) -> task => match task {
                Ok(task) => inbox.tell(worker.run(&task)),
                Err(_ended) => return,
            },
            recv(woken) -> _woken => {}
        }
    }
}

/// A thread of the node. One that panics ends the node: what it held may be half done.
pub(crate) fn spawn(
    name: &str,
    inbox: &Inbox,
    shared: &Arc<Shared>,
    work: impl FnOnce() + Send + 'static,
) -> io::Result<JoinHandle<()>> {
    let watch = Watch {
        name: name.to_owned(),
        inbox: inbox.clone(),
        shared: Arc::clone(shared),
    };
    thread::Builder::new().name(name.to_owned()).spawn(move || {
        let watch = watch;
        work();
        drop(watch);
    })
}

/// Notices a panic.
struct Watch {
    name: String,
    inbox: Inbox,
    shared: Arc<Shared>,
}

impl Drop for Watch {
    fn drop(&mut self) {
        if thread::panicking() {
            self.shared
                .fail(format!("the thread {} panicked", self.name));
            self.inbox.put(Message::Stop);
        }
    }
}

/// A log that is idle for so long is sealed.
const SEAL_AFTER: core::time::Duration = core::time::Duration::from_millis(200);

/// Bytes of background work after which the jobs' thread looks at its line.
const STEP_BYTES: u64 = 4 << 20;
