//! A node's data directory: its lock, its identity, its log and its storage.
//!
//! **Invariant: nothing in the directory is touched before it is locked and known to be this
//! node's.**
//!
//! ```text
//! <data_dir>/lock       held while the node runs
//! <data_dir>/identity   whose data this is
//! <data_dir>/log/       the replicated log of all groups
//! <data_dir>/data/      the storage
//! ```

use std::path::{Path, PathBuf};
use std::sync::Arc;

use nori_env::{
    BlockStore, DirStore, Entropy, IoError, IoErrorKind, OsEntropy, Owner, SystemClock,
};
use norikv_node::adapters::{LsmStorage, PlacementRouter, WalLog};
use norikv_node::{NodeConfig, PortError, ReplicatedLog, Storage};
use norikv_types::GroupId;

use crate::identity::{DATA, Identity, LOG};
use crate::workers::{Prepare, Seal};
use crate::{Error, RuntimeConfig};

/// Everything that is open while a node runs. Dropping it releases the directory.
#[derive(Debug)]
pub(crate) struct Stores {
    pub(crate) log: Arc<dyn ReplicatedLog>,
    pub(crate) storage: Arc<dyn Storage>,
    /// The groups that this node may hold.
    pub(crate) groups: Vec<GroupId>,
    /// Whether the directory was there when the cluster was made.
    pub(crate) founder: bool,
    /// The log again, for what only this one can do.
    wal: Option<Arc<WalLog>>,
    directory: PathBuf,
    /// Holds the lock.
    _root: Option<DirStore>,
}

impl Stores {
    /// Locks the directory, checks whose it is, and opens what is in it.
    ///
    /// # Errors
    /// `Locked`, `Foreign`, `Unidentified`, `BadIdentity`; `Store` and `Stored`, which name the
    /// object and the range. Nothing is open or locked then.
    pub(crate) fn open(config: &RuntimeConfig) -> Result<Self, Error> {
        let NodeConfig {
            nodes,
            groups,
            replication,
            ..
        } = &config.node;
        let router = PlacementRouter::new(nodes, *groups, *replication)
            .map_err(|error| Error::Config(error.to_string()))?;
        let groups = router.placement().groups().collect();
        let directory = config.data_dir.as_path();
        let owner = Owner(OsEntropy.draw());
        let root = open_store(directory)?;
        lock(&root, directory, owner)?;
        let founder = Identity::of(&config.node).claim(directory)?;

        let path = directory.join(LOG);
        let store = open_store(&path)?;
        lock(&store, &path, owner)?;
        let wal =
            Self::open_log(Arc::new(store), config, owner).map_err(|source| Error::Stored {
                path: path.clone(),
                source,
            })?;
        let report = wal.report();
        for (object, start, end) in &report.ranges {
            let path = path.display();
            tracing::error!(%path, %object, start, end, "bytes of the log are corrupt; peers have them");
        }
        if report.uncertain_bytes > 0 {
            let bytes = report.uncertain_bytes;
            tracing::warn!(bytes, path = %path.display(), "a torn tail of the log was cut");
        }

        let path = directory.join(DATA);
        let store = open_store(&path)?;
        lock(&store, &path, owner)?;
        let storage = Self::open_storage(Arc::new(store), config, owner, &router)
            .map_err(|source| Error::Stored { path, source })?;
        let wal = Arc::new(wal);
        Ok(Self {
            log: Arc::clone(&wal) as Arc<dyn ReplicatedLog>,
            storage: Arc::new(storage),
            groups,
            founder,
            wal: Some(wal),
            directory: config.data_dir.clone(),
            _root: Some(root),
        })
    }

    fn open_log(
        store: Arc<dyn BlockStore>,
        config: &RuntimeConfig,
        owner: Owner,
    ) -> Result<WalLog, PortError> {
        let segment_bytes = config.storage.segment_bytes;
        let defaults = nori_wal::Options::default();
        let options = nori_wal::Options {
            segment_bytes,
            first_segment_bytes: defaults.first_segment_bytes.min(segment_bytes),
            owner: Some(owner),
            ..defaults
        };
        WalLog::open_replica(store, Arc::new(OsEntropy), options, config.node.replication)
    }

    fn open_storage(
        store: Arc<dyn BlockStore>,
        config: &RuntimeConfig,
        owner: Owner,
        router: &PlacementRouter,
    ) -> Result<LsmStorage, PortError> {
        let options = nori_lsm::Options {
            memtable_bytes: config.storage.memtable_bytes,
            cache_bytes: config.storage.cache_bytes,
            owner: Some(owner),
            ..nori_lsm::Options::default()
        };
        let placement = router.placement().clone();
        LsmStorage::open(
            store,
            Arc::new(SystemClock),
            Arc::new(OsEntropy),
            options,
            placement,
        )
    }

    /// Stores of other kinds; nothing is locked.
    #[cfg(test)]
    pub(crate) fn of(
        log: Arc<dyn ReplicatedLog>,
        storage: Arc<dyn Storage>,
        groups: Vec<GroupId>,
        directory: PathBuf,
    ) -> Self {
        Self {
            log,
            storage,
            groups,
            founder: true,
            wal: None,
            directory,
            _root: None,
        }
    }

    /// A failure of what is stored here.
    pub(crate) fn failed(&self, source: PortError) -> Error {
        Error::Stored {
            path: self.directory.clone(),
            source,
        }
    }

    /// What seals the log when it is idle.
    pub(crate) fn seal(&self) -> Option<Seal> {
        let wal = Arc::clone(self.wal.as_ref()?);
        Some(Box::new(move || wal.seal()))
    }

    /// What sets the log's next segment aside.
    pub(crate) fn prepare(&self) -> Option<Prepare> {
        let wal = Arc::clone(self.wal.as_ref()?);
        Some(Box::new(move || wal.prepare()))
    }

    /// Marks the log as cleanly closed and releases the directory.
    pub(crate) fn close(self) -> Result<(), Error> {
        match &self.wal {
            Some(wal) => wal.close().map_err(|source| self.failed(source)),
            None => Ok(()),
        }
    }
}

fn open_store(path: &Path) -> Result<DirStore, Error> {
    DirStore::open(path).map_err(|source| Error::Store {
        path: path.to_path_buf(),
        source,
    })
}

fn lock(store: &DirStore, path: &Path, owner: Owner) -> Result<(), Error> {
    store.acquire(owner).map_err(|source| match source {
        IoError {
            kind: IoErrorKind::Fenced,
            ..
        } => Error::Locked {
            path: path.to_path_buf(),
        },
        source => Error::Store {
            path: path.to_path_buf(),
            source,
        },
    })
}
