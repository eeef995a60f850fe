//! Deletes tables that nobody needs any more.

use alloc::vec::Vec;

use nori_env::{IoErrorKind, ObjectId};

use crate::Error;
use crate::engine::Engine;
use crate::event::Event;

/// A collection under way.
#[derive(Debug)]
pub(crate) struct Collect {
    numbers: Vec<u64>,
}

impl Collect {
    pub(crate) const fn new(numbers: Vec<u64>) -> Self {
        Self { numbers }
    }

    /// Deletes a few tables; true when none is left.
    pub(crate) fn step(&mut self, engine: &Engine) -> Result<bool, Error> {
        for _ in 0..DELETES_PER_STEP {
            let Some(&number) = self.numbers.last() else {
                return Ok(true);
            };
            match engine.store.delete(ObjectId::table(number)) {
                Err(error) if error.kind != IoErrorKind::NotFound => return Err(error.into()),
                _ => {
                    self.numbers.pop();
                    engine.events.push(Event::Deleted(ObjectId::table(number)));
                }
            }
        }
        Ok(self.numbers.is_empty())
    }

    /// What is not deleted yet.
    pub(crate) fn rest(&self) -> Vec<u64> {
        self.numbers.clone()
    }
}

const DELETES_PER_STEP: u32 = 8;
