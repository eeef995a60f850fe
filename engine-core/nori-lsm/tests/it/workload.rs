//! A seeded run of writes and background work, with the states that it may leave behind.

use std::collections::BTreeMap;

use bytes::Bytes;
use nori_lsm::{Error, JobState, Lsm, WriteBatch};
use norikv_types::Prng;

pub(crate) type State = BTreeMap<Bytes, Bytes>;

/// Batches, and the state after each.
pub(crate) struct Workload {
    batches: Vec<Vec<(Bytes, Option<Bytes>)>>,
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
            let mut batch = vec![(Bytes::from("count"), Some(Bytes::from(format!("{number}"))))];
            for _ in 0..=prng.below(2) {
                let key = Bytes::from(format!("key{:02}", prng.below(12)));
                let value = match prng.below(4) {
                    0 => None,
                    _ => Some(Bytes::from(format!(
                        "{number:0width$}",
                        width = usize::try_from(prng.below(40)).expect("small")
                    ))),
                };
                batch.push((key, value));
            }
            let mut state = states.last().expect("there is a first").clone();
            for (key, value) in &batch {
                match value {
                    Some(value) => state.insert(key.clone(), value.clone()),
                    None => state.remove(key),
                };
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
        for (key, value) in &self.batches[number] {
            match value {
                Some(value) => batch.put(key, value),
                None => batch.delete(key),
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
