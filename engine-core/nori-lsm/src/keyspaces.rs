//! Which keyspaces there are.
//!
//! **Invariant: a keyspace is made and dropped by an edit of the manifest, and its number is never
//! given again.** What a dropped one held is covered by a range tombstone, so that reads need not know;
//! flushes and compactions know, and leave its keys out.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use crate::batch::WriteBatch;
use crate::engine::Engine;
use crate::keyspace::{DEFAULT, ID_MAX};
use crate::rules::{KeyspaceOptions, Rules};
use crate::version_edit::{LiveSet, VersionEdit};
use crate::view::View;
use crate::{DEFAULT_KEYSPACE, Error};

/// The rules for the keyspaces of `live`.
pub(crate) fn rules(live: &LiveSet, options: &BTreeMap<String, KeyspaceOptions>) -> Rules {
    let known = live
        .keyspaces
        .iter()
        .map(|(id, name)| (*id, &**name))
        .chain([(DEFAULT, DEFAULT_KEYSPACE)]);
    Rules {
        keyspaces: known
            .filter_map(|(id, name)| Some((id, options.get(name)?.clone())))
            .collect(),
        closing: live.dropped_keyspaces.clone(),
        dropped: live.dropped_keyspaces.clone(),
    }
}

impl Engine {
    /// The number of the keyspace `name`, which is made if there is none.
    pub(crate) fn keyspace(self: &Arc<Self>, name: &str) -> Result<u16, Error> {
        if name == DEFAULT_KEYSPACE {
            return Ok(DEFAULT);
        }
        let bytes = name.len();
        if bytes == 0 || bytes > NAME_BYTES_MAX {
            return Err(Error::KeyspaceName {
                bytes: bytes as u64,
            });
        }
        let mut manifest = self.manifest.lock();
        let live = manifest.live();
        if let Some((id, _)) = live.keyspaces.iter().find(|(_, known)| &***known == name) {
            return Ok(*id);
        }
        self.check_writable()?;
        let used = live.keyspaces.keys().chain(&live.dropped_keyspaces).max();
        let id = used.map_or(DEFAULT + 1, |id| id + 1);
        if id > ID_MAX {
            return Err(Error::KeyspacesFull);
        }
        let edit = VersionEdit {
            keyspaces: [(id, name.into())].into(),
            ..live.no_change()
        };
        let committed = manifest.commit(&edit);
        self.failed
            .store(manifest.is_failed(), nori_env::sync::Ordering::Release);
        committed?;
        let rules = rules(manifest.live(), &self.options.keyspaces);
        self.set_rules(|old| rules.closing_too(old, None));
        Ok(id)
    }

    pub(crate) fn keyspaces(&self) -> Vec<Arc<str>> {
        let manifest = self.manifest.lock();
        let made = manifest.live().keyspaces.values().cloned();
        core::iter::once(DEFAULT_KEYSPACE.into())
            .chain(made)
            .collect()
    }

    pub(crate) fn drop_keyspace(self: &Arc<Self>, name: &str) -> Result<bool, Error> {
        if name == DEFAULT_KEYSPACE {
            return Err(Error::KeyspaceName {
                bytes: name.len() as u64,
            });
        }
        let id = {
            let manifest = self.manifest.lock();
            let mut known = manifest.live().keyspaces.iter();
            match known.find(|(_, known)| &***known == name) {
                Some((id, _)) => *id,
                None => return Ok(false),
            }
        };
        self.check_writable()?;
        {
            // No batch that is numbered after the range tombstone writes to it.
            let _staging = self.staging.lock();
            self.set_rules(|rules| {
                let mut rules = rules.clone();
                rules.closing.insert(id);
                rules
            });
        }
        let dropped = self.write_drop(id);
        let manifest = self.manifest.lock();
        let rules = rules(manifest.live(), &self.options.keyspaces);
        self.set_rules(|old| rules.closing_too(old, Some(id)));
        dropped.map(|()| true)
    }

    fn write_drop(self: &Arc<Self>, id: u16) -> Result<(), Error> {
        let mut batch = WriteBatch::new();
        batch.delete_keyspace(id);
        self.make_room(0)?;
        self.write(batch)?;
        let mut manifest = self.manifest.lock();
        if !manifest.live().keyspaces.contains_key(&id) {
            // Someone else dropped it meanwhile.
            return Ok(());
        }
        let edit = VersionEdit {
            dropped_keyspaces: [id].into(),
            ..manifest.live().no_change()
        };
        let committed = manifest.commit(&edit);
        self.failed
            .store(manifest.is_failed(), nori_env::sync::Ordering::Release);
        committed
    }

    /// Whoever takes the rules from the manifest holds its lock, as installs do.
    fn set_rules(&self, change: impl FnOnce(&Rules) -> Rules) {
        let mut view = self.view.write();
        let rules = Arc::new(change(&view.rules));
        *view = Arc::new(View {
            rules,
            ..View::clone(&view)
        });
    }
}

impl Rules {
    /// Keyspaces that others are dropping stay closed; `done` is not one of them any more.
    fn closing_too(mut self, old: &Self, done: Option<u16>) -> Self {
        let others = old.closing.iter().filter(|id| Some(**id) != done);
        self.closing.extend(others);
        self
    }
}

/// Longest name of a keyspace in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 255;
