//! The writers: each takes the lines of its keys one after another.

use norikv_client::{Client, Error, Expect};
use norikv_types::Remedy;
use tokio::sync::mpsc;
use xxhash_rust::xxh3::xxh3_64;

use crate::records::Record;

/// A line that was handed to [`Workers::write`] and ended.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) sequence: u64,
    pub(super) outcome: Outcome,
}

/// What became of a line.
#[derive(Debug)]
pub(super) enum Outcome {
    /// It is acknowledged.
    Written,
    /// It never will be; the others go on.
    Refused(String),
    /// The cluster cannot be written to.
    Failed(Error),
}

/// A fixed number of writers, a queue each.
#[derive(Debug)]
pub(super) struct Workers(Vec<mpsc::UnboundedSender<Task>>);

#[derive(Debug)]
struct Task {
    sequence: u64,
    number: u64,
    record: Record,
}

impl Workers {
    /// Starts `count` writers, which end when the returned value is dropped. `file` names the
    /// writes: a line that is sent again after a kill is the same write.
    pub(super) fn start(
        client: &Client,
        file: u64,
        count: u16,
        ended: &mpsc::UnboundedSender<Ended>,
    ) -> Self {
        let start = |_| {
            let (queue, tasks) = mpsc::unbounded_channel();
            tokio::spawn(work(client.clone(), file, tasks, ended.clone()));
            queue
        };
        Self((0..count.max(1)).map(start).collect())
    }

    /// Queues a write behind those of the same key.
    pub(super) fn write(&self, sequence: u64, number: u64, record: Record) {
        let pick = xxh3_64(&record.key) % self.0.len() as u64;
        let queue = usize::try_from(pick).ok().and_then(|pick| self.0.get(pick));
        if let Some(queue) = queue {
            // A writer is gone only after it reported a failure, which ends the import.
            let _gone = queue.send(Task {
                sequence,
                number,
                record,
            });
        }
    }
}

async fn work(
    client: Client,
    file: u64,
    mut tasks: mpsc::UnboundedReceiver<Task>,
    ended: mpsc::UnboundedSender<Ended>,
) {
    while let Some(Task {
        sequence,
        number,
        record,
    }) = tasks.recv().await
    {
        let name = format!("import-{file:016x}-{number}");
        let outcome = match client
            .put_named(&record.key, record.value, Expect::Any, &name)
            .await
        {
            Ok(_version) => Outcome::Written,
            Err(Error::Refused(why)) if why.code.remedy() == Remedy::Fix => {
                Outcome::Refused(why.message)
            }
            Err(error) => Outcome::Failed(error),
        };
        let failed = matches!(outcome, Outcome::Failed(_));
        if ended.send(Ended { sequence, outcome }).is_err() || failed {
            return;
        }
    }
}
