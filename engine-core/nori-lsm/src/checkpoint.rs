//! A second store with everything that this one holds.
//!
//! **Invariant: a checkpoint opens as a store that holds everything written before the call, or it
//! does not open.** Its manifest is written last. It shares no object with the first store but
//! tables and value files, and they never change.

use alloc::sync::Arc;

use nori_env::{BlockStore, ObjectId, ObjectKind, Owner};
use nori_sstable::SeqNo;
use nori_wal::Lsn;

use crate::engine::Engine;
use crate::levels::Levels;
use crate::manifest::{Manifest, Recovered};
use crate::transfer::{Progress, Transfer};
use crate::version_edit::LiveSet;
use crate::{Error, Lsm};

impl Lsm {
    /// Makes a store in the directory `path`, which must be missing or empty, with everything
    /// written before the call. Tables are linked where both directories lie in one file system,
    /// so it takes no space for them; else they are copied and verified.
    ///
    /// Returns the last write that is in it.
    ///
    /// # Errors
    /// As [`checkpoint_in`](Self::checkpoint_in).
    #[cfg(feature = "std")]
    pub fn checkpoint(&self, path: impl AsRef<std::path::Path>) -> Result<SeqNo, Error> {
        let target = nori_env::DirStore::open(path)?;
        let to = target.path().to_path_buf();
        let from = self.pool.as_ref().map(|pool| pool.path.clone());
        let link = |id: ObjectId| {
            let name = alloc::format!("{id}");
            let linked = from
                .as_ref()
                .map(|from| std::fs::hard_link(from.join(&name), to.join(&name)));
            linked.is_some_and(|linked| linked.is_ok())
        };
        let target: Arc<dyn BlockStore> = Arc::new(target);
        self.engine.checkpoint(&target, &link, &mut |_| ())
    }

    /// Makes a store in `target`, which must be empty, with everything written before the call.
    /// Every table is copied and the copy verified.
    ///
    /// Returns the last write that is in it.
    ///
    /// # Errors
    /// `NotEmpty` when `target` holds anything, `Io` with `Fenced` when someone has it open;
    /// `Table` when a table is damaged. Nothing that opens is left behind then.
    pub fn checkpoint_in(
        &self,
        target: &Arc<dyn BlockStore>,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SeqNo, Error> {
        self.engine.checkpoint(target, &|_| false, progress)
    }
}

impl Engine {
    fn checkpoint(
        self: &Arc<Self>,
        target: &Arc<dyn BlockStore>,
        link: &dyn Fn(ObjectId) -> bool,
        progress: &mut dyn FnMut(Progress),
    ) -> Result<SeqNo, Error> {
        claim_empty(&**target, Owner(self.entropy.draw()))?;
        let (live, levels) = self.flushed_live()?;
        let bytes = live.bytes();
        let mut transfer = Transfer::new(&*self.store, &**target, bytes, progress);
        let made = live.tables.values().try_for_each(|table| {
            let id = ObjectId::table(table.number);
            if link(id) {
                transfer.linked(id, table.meta.size);
                return Ok(());
            }
            transfer.table(table.number, table.number, &table.meta)
        });
        let made = made.and_then(|()| {
            live.values.iter().try_for_each(|(number, known)| {
                let id = ObjectId::values(*number);
                if link(id) {
                    transfer.linked(id, known.meta.size);
                    return Ok(());
                }
                transfer.values(*number, *number, &known.meta)
            })
        });
        // Only now may they be deleted.
        drop(levels);
        let seqno = live.last_seqno;
        let made = made.and_then(|()| self.begin(target, live));
        if made.is_err() {
            clear(&**target);
        }
        made.map(|()| seqno)
    }

    /// Everything written before the call, in tables, and the handles that keep them.
    pub(crate) fn flushed_live(self: &Arc<Self>) -> Result<(LiveSet, Arc<Levels>), Error> {
        self.flush_all()?;
        // Levels change only under the manifest's lock.
        let manifest = self.manifest.lock();
        let live = LiveSet {
            // None of it is in the log.
            log_from: Lsn(0),
            ..manifest.live().clone()
        };
        Ok((live, Arc::clone(&self.view().levels)))
    }

    fn begin(&self, target: &Arc<dyn BlockStore>, live: LiveSet) -> Result<(), Error> {
        target.barrier()?;
        let (target, entropy) = (Arc::clone(target), Arc::clone(&self.entropy));
        let bytes = self.options.manifest_bytes;
        Manifest::start(target, entropy, Recovered::fresh(live), bytes).map(|_| ())
    }
}

/// Deletes everything in a store that was empty and did not come to be one. What cannot be deleted
/// does not open: the manifest goes first.
pub(crate) fn clear(target: &dyn BlockStore) {
    let mut made = target.list().unwrap_or_default();
    made.sort_unstable_by_key(|id| id.kind != ObjectKind::Manifest);
    for id in made {
        let _ = target.delete(id);
    }
}

/// Takes the lock of a store that is to be made.
///
/// # Errors
/// `NotEmpty`, or `Io` with `Fenced`.
pub(crate) fn claim_empty(target: &dyn BlockStore, owner: Owner) -> Result<(), Error> {
    target.acquire(owner)?;
    match target.list()?.is_empty() {
        true => Ok(()),
        false => Err(Error::NotEmpty),
    }
}
