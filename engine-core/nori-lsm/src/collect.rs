//! Deletes tables and value files that nobody needs any more.

use alloc::vec::Vec;

use nori_env::{IoErrorKind, ObjectId};

use crate::Error;
use crate::engine::Engine;
use crate::event::Event;

/// A collection under way.
#[derive(Debug)]
pub(crate) struct Collect {
    objects: Vec<ObjectId>,
}

impl Collect {
    pub(crate) const fn new(objects: Vec<ObjectId>) -> Self {
        Self { objects }
    }

    /// Deletes a few; true when none is left.
    pub(crate) fn step(&mut self, engine: &Engine) -> Result<bool, Error> {
        for _ in 0..DELETES_PER_STEP {
            let Some(&id) = self.objects.last() else {
                return Ok(true);
            };
            match engine.store.delete(id) {
                Err(error) if error.kind != IoErrorKind::NotFound => return Err(error.into()),
                _ => {
                    self.objects.pop();
                    engine.events.push(Event::Deleted(id));
                }
            }
        }
        Ok(self.objects.is_empty())
    }

    /// What is not deleted yet.
    pub(crate) fn rest(&self) -> Vec<ObjectId> {
        self.objects.clone()
    }
}

const DELETES_PER_STEP: u32 = 8;
