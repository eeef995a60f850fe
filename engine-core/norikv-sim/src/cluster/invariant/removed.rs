//! A replica is destroyed only when a committed configuration that came after its beginning is
//! without it; one begins empty only where none is and nothing is left of an earlier one; and who
//! has none says nothing (dissertation §4.2.2, §4.4: a removed server counts for nothing).

use alloc::collections::BTreeMap;

use nori_raft::{Configuration, Entry, HardState, Payload, Persist, SnapshotMeta};
use norikv_types::{GroupId, LogIndex, NodeId};

use super::Invariants;
use super::recovered::{Replica, Standing};
use crate::cluster::Violation;

/// The configurations of a group that are known to be committed, by index; at 0 the first one.
#[derive(Debug, Default)]
pub(super) struct Settled(BTreeMap<LogIndex, Configuration>);

impl Settled {
    /// With whom the group begins.
    pub(super) fn founded(&mut self, founders: &[NodeId]) {
        if let Ok(first) = Configuration::new(founders.iter().copied()) {
            self.0.entry(LogIndex(0)).or_insert(first);
        }
    }

    /// Somebody applies entries, so they are committed.
    pub(super) fn apply(&mut self, entries: &[Entry]) {
        for entry in entries {
            if let Payload::Configuration(own) = &entry.payload {
                self.0.insert(entry.index, Configuration::clone(own));
            }
        }
    }

    fn newest(&self) -> Option<(LogIndex, &Configuration)> {
        self.0.last_key_value().map(|(at, own)| (*at, own))
    }

    /// Whether a configuration after `index` is without the node.
    fn excludes(&self, node: NodeId, index: LogIndex) -> bool {
        let later = self.0.range(index.next()..);
        later.into_iter().any(|(_, own)| !own.contains(node))
    }
}

/// What a removed replica's log is told last.
pub(super) fn is_nothing(persist: &Persist) -> bool {
    persist.hard_state == Some(HardState::default())
        && persist.reset == Some(SnapshotMeta::default())
        && persist.entries.is_empty()
}

impl Invariants {
    /// The newest configuration of a group that is committed, and where it stands.
    pub(crate) fn settled(&self, group: GroupId) -> Option<(LogIndex, &Configuration)> {
        self.groups.get(&group)?.settled.newest()
    }

    /// The newest configuration of a group that is committed.
    pub(crate) fn configuration(&self, group: GroupId) -> Option<&Configuration> {
        self.settled(group).map(|(_, own)| own)
    }

    /// Whether the node has a replica that holds everything up to `index`.
    pub(crate) fn holds_up_to(&self, node: NodeId, group: GroupId, index: LogIndex) -> bool {
        let replica = self.replicas.get(&(node, group));
        replica.is_some_and(|own| own.is_present() && own.is_durable_up_to(index))
    }

    /// Whether the node has a replica.
    pub(crate) fn is_present(&self, node: NodeId, group: GroupId) -> bool {
        let replica = self.replicas.get(&(node, group));
        replica.is_some_and(Replica::is_present)
    }

    /// The disks of a node are gone, and with them all that it promised.
    pub(crate) fn lost(&mut self, node: NodeId) {
        self.installing.retain(|(own, _), _| *own != node);
        self.outdated.retain(|(own, _)| *own != node);
        let own = self
            .replicas
            .iter_mut()
            .filter(|((own, _), _)| *own == node);
        for (_, replica) in own {
            replica.leads = None;
            replica.standing = match replica.standing {
                Standing::Present | Standing::Lost => Standing::Lost,
                Standing::None | Standing::Erasing => Standing::None,
            };
            if replica.standing == Standing::None {
                *replica = Replica::default();
            }
        }
    }

    /// A node gives its replica up.
    pub(crate) fn removed(&mut self, node: NodeId, group: GroupId) -> Result<(), Violation> {
        self.outdated.remove(&(node, group));
        let memory = self.groups.entry(group).or_default();
        let replica = self.replicas.entry((node, group)).or_default();
        let begun = replica.begun_behind;
        if !replica.is_present() || !memory.settled.excludes(node, begun) {
            return Err(Violation::RemovedMember { node, group });
        }
        replica.standing = Standing::Erasing;
        replica.leads = None;
        Ok(())
    }

    /// The storage of a node holds nothing of a group.
    pub(crate) fn cleared(&mut self, node: NodeId, group: GroupId) {
        if let Some(replica) = self.replicas.get_mut(&(node, group))
            && replica.standing == Standing::Erasing
        {
            replica.cleared();
        }
    }

    /// A node begins an empty replica.
    pub(crate) fn begun(&mut self, node: NodeId, group: GroupId) -> Result<(), Violation> {
        let newest = self.settled(group).map(|(at, _)| at);
        let replica = self.replicas.entry((node, group)).or_default();
        let empty = match replica.standing {
            Standing::Present => false,
            Standing::Lost => true,
            Standing::None | Standing::Erasing => replica.is_erased(),
        };
        if !empty {
            return Err(Violation::BegunOverPast { node, group });
        }
        *replica = Replica::empty(newest.unwrap_or_default());
        Ok(())
    }
}
