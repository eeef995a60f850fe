//! The list of live tables, as a log of edits.
//!
//! **Invariant: an edit counts once it is synced, and once it is acknowledged no damage to one
//! record makes it disappear silently.** Each record carries the watermark: where the last
//! completed sync ended. After every edit a seal is appended and synced that says how far the edit
//! reached; bad bytes below any watermark are corruption, bad bytes above are a torn tail.
//!
//! A manifest is replaced by a whole new one (rollover) when it has grown and at every open: write
//! and sync N+1; append and sync `superseded by N+1` to N (the commit point); barrier; delete N.
//! What an open read back is thereby made durable before anything is built on it.

#[cfg(feature = "fuzzing")]
pub(crate) mod fuzz;
mod inspect;
mod record;
mod recovery;

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::{BlockObject, BlockStore, Entropy, IoError, IoErrorKind, ObjectId, ObjectKind};
use norikv_types::{Mutant, breaks};

use self::record::{HEAD_BYTES, Head, Kind, Successor, align_up};
use crate::version_edit::{LiveSet, VersionEdit};
use crate::{Damage, Error};

pub use self::inspect::{EditInfo, ManifestContent, ManifestPart, TableInfo, inspect_manifest};
pub(crate) use self::recovery::{Recovered, read_one, recover};

/// The manifest that edits are appended to. One at a time: callers hold it under a lock.
#[derive(Debug)]
pub(crate) struct Manifest {
    store: Arc<dyn BlockStore>,
    entropy: Arc<dyn Entropy>,
    object: Arc<dyn BlockObject>,
    head: Head,
    /// Where the next record goes.
    end: u64,
    /// Where the last completed sync ended.
    watermark: u64,
    /// Bytes of the head and the base: what a new manifest would take about.
    base_end: u64,
    live: LiveSet,
    rollover_bytes: u64,
    /// The highest number that was tried.
    number_max: u64,
    /// Those that lead here, the oldest first, until they are deleted.
    superseded: Vec<u64>,
    /// A sync failed: nothing can be appended any more.
    failed: bool,
}

impl Manifest {
    /// Starts a new manifest with all of `recovered` and makes it the store's only one.
    ///
    /// # Errors
    /// The old manifest still counts, unless the error is `SyncFailed`; then either does, and
    /// both say the same.
    pub(crate) fn start(
        store: Arc<dyn BlockStore>,
        entropy: Arc<dyn Entropy>,
        recovered: Recovered,
        rollover_bytes: u64,
    ) -> Result<Self, Error> {
        let number = recovered.number_max + 1;
        let mut manifest = Self::create(store, entropy, recovered.live, number, rollover_bytes)?;
        if let Some(current) = recovered.current {
            current.supersede(manifest.successor())?;
        }
        // One by one: debris first, since it must not outlive the beginning of the chain; then the
        // oldest first, since one that comes back after a crash has to find the one it names.
        for number in recovered.old {
            manifest.store.barrier()?;
            manifest.forget(number)?;
        }
        manifest.rollover_bytes = rollover_bytes.max(2 * manifest.base_end);
        Ok(manifest)
    }

    /// The manifest that counts, as it was read; no edit can be made.
    ///
    /// # Errors
    /// `NoStore` when there is none.
    pub(crate) fn read_only(
        store: Arc<dyn BlockStore>,
        entropy: Arc<dyn Entropy>,
        recovered: Recovered,
    ) -> Result<Self, Error> {
        let current = recovered.current.ok_or(Error::NoStore)?;
        Ok(Self {
            store,
            entropy,
            object: current.object,
            head: current.head,
            end: current.watermark,
            watermark: current.watermark,
            base_end: current.watermark,
            live: recovered.live,
            rollover_bytes: u64::MAX,
            number_max: recovered.number_max,
            superseded: Vec::new(),
            failed: true,
        })
    }

    /// Writes and syncs manifest `number` with `live` as its base. Nothing names it yet.
    pub(crate) fn create(
        store: Arc<dyn BlockStore>,
        entropy: Arc<dyn Entropy>,
        live: LiveSet,
        number: u64,
        rollover_bytes: u64,
    ) -> Result<Self, Error> {
        let object = store.create(ObjectId::manifest(number), None)?;
        let geometry = store.geometry();
        let head = Head {
            number,
            uid: entropy.draw(),
            align: if geometry.psow { 1 } else { geometry.unit },
        };
        let base_at = align_up(HEAD_BYTES, head.align);
        let mut bytes = head.encode().to_vec();
        bytes.resize(narrow(base_at), 0);
        let payload = live.as_edit().encode();
        bytes.extend_from_slice(&record::encode(&head, base_at, Kind::Base, 0, &payload));
        let base_end = bytes.len() as u64;
        append(&*object, 0, &bytes)?;
        object.sync()?;
        let mut manifest = Self {
            store,
            entropy,
            object,
            head,
            end: base_end,
            watermark: base_end,
            base_end,
            live,
            rollover_bytes,
            number_max: number,
            superseded: Vec::new(),
            failed: false,
        };
        manifest.seal()?;
        Ok(manifest)
    }

    /// Makes `edit` durable.
    ///
    /// # Errors
    /// `Io` with `NoSpace` and other failures of the append: the edit does not count. `SyncFailed`:
    /// it may or may not, and every later edit fails with [`Error::Failed`].
    pub(crate) fn commit(&mut self, edit: &VersionEdit) -> Result<(), Error> {
        if self.failed {
            return Err(Error::Failed);
        }
        if self.end > self.rollover_bytes {
            match self.rollover() {
                // There may still be room for an edit.
                Err(error) if error.kind() == Some(IoErrorKind::NoSpace) && !self.failed => {}
                done => done?,
            }
        }
        let mut live = self.live.clone();
        live.apply(edit)
            .expect("an edit of our own fits the live set");
        self.append_synced(Kind::Edit, &edit.encode())?;
        self.live = live;
        // The edit is durable. Without a seal only its proof against rot is missing, which the
        // next record brings; a sync that fails here shows at the next edit.
        if let Err(error) = self.seal() {
            self.failed |= error.kind() != Some(IoErrorKind::NoSpace);
        }
        Ok(())
    }

    /// The live tables as of the last edit.
    pub(crate) const fn live(&self) -> &LiveSet {
        &self.live
    }

    /// The number of its object.
    pub(crate) const fn number(&self) -> u64 {
        self.head.number
    }

    /// Whether an edit failed in a way after which it may or may not be durable.
    pub(crate) const fn is_failed(&self) -> bool {
        self.failed
    }

    fn rollover(&mut self) -> Result<(), Error> {
        // A number is tried once: one that failed may have left an object behind.
        self.number_max += 1;
        let number = self.number_max;
        let named = self.write_and_name(number);
        let next = match named {
            Ok(next) => next,
            Err(error) => {
                // While nothing can name it, it only takes space. After a failed sync something
                // may, and the next open tells; both say the same.
                if !self.failed {
                    let _ = self.forget(number);
                }
                return Err(error);
            }
        };
        let mut superseded = core::mem::take(&mut self.superseded);
        superseded.push(self.head.number);
        let rollover_bytes = self.rollover_bytes.max(2 * next.base_end);
        *self = Self {
            rollover_bytes,
            superseded,
            ..next
        };
        // Failing to delete one takes nothing away as long as those that it leads to stay; the next
        // rollover or open tries again.
        while let Some(oldest) = self.superseded.first().copied() {
            if self.store.barrier().is_err() || self.forget(oldest).is_err() {
                break;
            }
            self.superseded.remove(0);
        }
        Ok(())
    }

    /// Writes manifest `number` and makes this one name it.
    fn write_and_name(&mut self, number: u64) -> Result<Self, Error> {
        let next = Self::create(
            Arc::clone(&self.store),
            Arc::clone(&self.entropy),
            self.live.clone(),
            number,
            self.rollover_bytes,
        )?;
        let at = align_up(self.end, self.head.align);
        let name = next.successor();
        self.append_synced_bytes(&name.encode_twice(&self.head, at, self.watermark))?;
        Ok(next)
    }

    fn forget(&self, number: u64) -> Result<(), Error> {
        match self.store.delete(ObjectId::manifest(number)) {
            Err(error) if error.kind != IoErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    const fn successor(&self) -> Successor {
        Successor {
            number: self.head.number,
            uid: self.head.uid,
        }
    }

    fn append_synced(&mut self, kind: Kind, payload: &[u8]) -> Result<(), Error> {
        let at = align_up(self.end, self.head.align);
        let bytes = record::encode(&self.head, at, kind, self.watermark, payload);
        self.append_synced_bytes(&bytes)
    }

    fn append_synced_bytes(&mut self, bytes: &[u8]) -> Result<(), Error> {
        let at = align_up(self.end, self.head.align);
        if let Err(error) = append(&*self.object, at, bytes) {
            // NoSpace: none of it counts, and the same range may be appended again.
            self.failed = error.kind != IoErrorKind::NoSpace;
            return Err(error.into());
        }
        let synced = match breaks(Mutant::EditUnsynced) {
            true => Ok(()),
            false => self.object.sync(),
        };
        if let Err(error) = synced {
            self.failed = true;
            return Err(error.into());
        }
        self.end = at + bytes.len() as u64;
        self.watermark = self.end;
        Ok(())
    }

    fn seal(&mut self) -> Result<(), Error> {
        self.append_synced(Kind::Seal, &[])
    }
}

/// A manifest that was read and is about to be superseded.
#[derive(Debug)]
pub(crate) struct Predecessor {
    object: Arc<dyn BlockObject>,
    head: Head,
    /// Where its verified records end.
    watermark: u64,
}

impl Predecessor {
    /// The commit point of a rollover at open. Bytes of a torn tail stay where they are; the
    /// record goes behind them.
    fn supersede(self, successor: Successor) -> Result<(), Error> {
        let at = align_up(self.object.len()?, self.head.align);
        let bytes = successor.encode_twice(&self.head, at, self.watermark);
        append(&*self.object, at, &bytes)?;
        Ok(self.object.sync()?)
    }
}

/// Appends, asking again where nothing happened.
fn append(object: &dyn BlockObject, at: u64, bytes: &[u8]) -> Result<(), IoError> {
    let mut left = INTERRUPTED_MAX;
    loop {
        match object.append(at, &[bytes]) {
            Err(error) if error.kind == IoErrorKind::Interrupted && left > 0 => left -= 1,
            other => return other,
        }
    }
}

/// The manifests of a store, sorted by number.
pub(crate) fn manifests(store: &dyn BlockStore) -> Result<Vec<u64>, Error> {
    let listed = store.list()?.into_iter();
    let manifests = listed.filter(|id| id.kind == ObjectKind::Manifest);
    manifests.map(number_of).collect()
}

/// The number of an object, if another may follow it.
pub(crate) fn number_of(id: ObjectId) -> Result<u64, Error> {
    match id.number <= ObjectId::NUMBER_MAX {
        true => Ok(id.number),
        false => Err(Error::Corrupt {
            object: id,
            offset: 0,
            what: Damage::Malformed,
        }),
    }
}

fn narrow(bytes: u64) -> usize {
    usize::try_from(bytes).expect("a head fits in memory")
}

/// How often an append that was interrupted is asked again.
const INTERRUPTED_MAX: u32 = 100;
