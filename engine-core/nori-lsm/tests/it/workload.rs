//! A seeded run of writes and background work, with the states that it may leave behind.

use std::collections::BTreeMap;

use bytes::Bytes;
use nori_lsm::{Error, JobState, Lsm, WriteBatch};
use norikv_types::{Prng, WallMs};

pub(crate) type State = BTreeMap<Bytes, Bytes>;

/// One write.
#[derive(Debug, Clone)]
enum Change {
    Put(Bytes, Bytes),
    /// A put with an end that does not come.
    Expiring(Bytes, Bytes),
    Delete(Bytes),
    DeleteRange(Bytes, Bytes),
}

/// Batches, and the state after each.
pub(crate) struct Workload {
    batches: Vec<Vec<Change>>,
    /// `states[n]` is what `n` batches leave.
    pub(crate) states: Vec<State>,
    work: Prng,
}

impl Workload {
    pub(crate) fn new(seed: u64, count: u32) -> Self {
        let mut prng = Prng::new(seed);
        let mut batches = Vec::new();
        let mut states = vec![State::new()];
        for number in 0..count {
            let count = Bytes::from(format!("{number}"));
            let mut batch = vec![Change::Put(Bytes::from("count"), count)];
            for _ in 0..=prng.below(2) {
                let at = prng.below(12);
                let key = Bytes::from(format!("key{at:02}"));
                let mut value = || {
                    let width = usize::try_from(prng.below(40)).expect("small");
                    Bytes::from(format!("{number:0width$}"))
                };
                batch.push(match value().len() % 8 {
                    0 | 1 => Change::Delete(key),
                    2 => Change::DeleteRange(key, Bytes::from(format!("key{:02}", at + 4))),
                    3 => Change::Expiring(key, value()),
                    _ => Change::Put(key, value()),
                });
            }
            let mut state = states.last().expect("there is a first").clone();
            for change in &batch {
                match change.clone() {
                    Change::Put(key, value) | Change::Expiring(key, value) => {
                        state.insert(key, value);
                    }
                    Change::Delete(key) => {
                        state.remove(&key);
                    }
                    Change::DeleteRange(from, to) => {
                        state.retain(|key, _| *key < from || *key >= to);
                    }
                }
            }
            batches.push(batch);
            states.push(state);
        }
        let work = prng.fork();
        Self {
            batches,
            states,
            work,
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.batches.len()
    }

    fn batch(&self, number: usize) -> WriteBatch {
        let mut batch = WriteBatch::new();
        for change in &self.batches[number] {
            match change {
                Change::Put(key, value) => batch.put(key, value),
                Change::Expiring(key, value) => batch.put_expiring(key, value, WallMs(u64::MAX)),
                Change::Delete(key) => batch.delete(key),
                Change::DeleteRange(from, to) => batch.delete_range(from, to),
            };
        }
        batch
    }

    pub(crate) fn write(&self, lsm: &Lsm, number: usize) -> Result<(), Error> {
        lsm.write(self.batch(number)).map(|_| ())
    }

    /// Now and then a piece of background work; a job may be given up half done.
    pub(crate) fn work(&mut self, lsm: &Lsm) -> Result<(), Error> {
        if self.work.below(4) == 0 {
            lsm.rotate();
        }
        if self.work.below(2) == 0 {
            return Ok(());
        }
        while let Some(mut job) = lsm.next_job() {
            let mut steps = self.work.below(20);
            while steps > 0 && job.step(64)? == JobState::More {
                steps -= 1;
            }
            if self.work.below(3) == 0 {
                break;
            }
        }
        Ok(())
    }

    /// Runs it from batch `from`, stopping at the first error of a write; returns how many batches
    /// are acknowledged.
    pub(crate) fn run(&mut self, lsm: &Lsm, from: usize) -> (usize, Result<(), Error>) {
        for number in from..self.len() {
            if let Err(error) = self.write(lsm, number) {
                return (number, Err(error));
            }
            // A job that fails takes nothing with it.
            let _ = self.work(lsm);
        }
        (self.len(), Ok(()))
    }

    /// Which of the states `lsm` is in: by its own counter, with every key checked.
    pub(crate) fn state_of(&self, lsm: &Lsm) -> Result<usize, Error> {
        let count = match lsm.get(b"count")? {
            None => 0,
            Some(number) => {
                let number = core::str::from_utf8(&number).expect("a number");
                number.parse::<usize>().expect("a number") + 1
            }
        };
        let expected: Vec<_> = self.states[count].clone().into_iter().collect();
        let snapshot = lsm.snapshot();
        let dumped = crate::support::dump(lsm, &snapshot)?;
        assert_eq!(dumped, expected, "state {count} whole");
        for (key, value) in &expected {
            assert_eq!(lsm.get(key)?.as_ref(), Some(value));
        }
        Ok(count)
    }
}
