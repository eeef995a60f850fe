//! Checkpoints and backups, opened and read.
//!
//! **Invariant: a copy holds what the store held when it was made.** The disk that it is made on does
//! nothing wrong: what its faults do is enumerated in the tests of nori-lsm.

use alloc::sync::Arc;

use nori_env::{BlockStore, Clock, Entropy, MemStore, Owner};
use nori_lsm::{Error, Log, Lsm, Options};

use super::{Checked, World, content_of};
use crate::storage::invariant::reads::check_pair;

impl World<'_> {
    pub(super) fn copy(&mut self, backup: bool) -> Checked {
        let lsm = self.lsm();
        let target: Arc<dyn BlockStore> = Arc::new(MemStore::new());
        let (copied, struck) = self.watched(|world| match backup {
            true => world.back_up(&lsm, &target),
            false => lsm.checkpoint_in(&target, &mut |_| ()).map(drop),
        });
        self.resolve()?;
        match copied {
            Ok(()) => self.compare(&target),
            Err(error) => self.excuse("a copy", struck, &error),
        }
    }

    /// Takes a backup and restores it.
    fn back_up(&self, lsm: &Lsm, target: &Arc<dyn BlockStore>) -> Result<(), Error> {
        let generation = lsm.backup(&self.backups, &mut |_| ())?;
        let number = generation.number;
        self.backups.restore(number, target, &mut |_| ())?;
        self.backups.prune(2).map(drop)
    }

    fn compare(&mut self, target: &Arc<dyn BlockStore>) -> Checked {
        let options = Options {
            owner: Some(Owner(2)),
            mode: nori_lsm::OpenMode::ReadOnly,
            ..self.config.lsm_options(Log::Inside)
        };
        let opened = Lsm::open_in(
            Arc::clone(target),
            Arc::clone(&self.clock) as Arc<dyn Clock>,
            Arc::clone(&self.entropy) as Arc<dyn Entropy>,
            options,
        );
        let content = opened.and_then(|lsm| content_of(&lsm));
        let content = content.unwrap_or_else(|error| panic!("a copy that was verified: {error}"));
        self.counters.copies += 1;
        let visible = self.model.visible(self.clock.wall());
        let mut expected = visible.into_iter();
        for pair in content.iter().map(Some).chain([None]) {
            check_pair("a copy", pair, expected.next().as_ref())?;
        }
        Ok(())
    }
}
