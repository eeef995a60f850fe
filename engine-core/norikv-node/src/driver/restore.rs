//! What a node starts from.

use alloc::collections::BTreeMap;
use alloc::format;
use alloc::vec::Vec;

use nori_raft as raft;
use norikv_types::{GroupId, LogIndex, Mutant, NodeId, Version, breaks};

use crate::{
    GroupLog, LogRecord, NodeConfig, Origin, PortError, PortErrorKind, ReplicatedLog, Storage,
};

/// A replica as the stores have it.
#[derive(Debug, Clone, PartialEq)]
pub struct Stored {
    /// What its Raft goes on from.
    pub raft: raft::Restored,
    /// Whether it began empty, by a leader's word, or may yet: it is no founder, whatever the plan
    /// says.
    pub invited: bool,
}

impl Stored {
    /// With whom the replica begins, where it is of the first ones; `plan` is where its group was
    /// put when the cluster was made.
    #[must_use]
    pub fn founders<'a>(&self, config: &NodeConfig, plan: &'a [NodeId]) -> &'a [NodeId] {
        match config.founder && !self.invited && plan.contains(&config.id) {
            true => plan,
            false => &[],
        }
    }
}

/// Reads back every group's log and brings it together with what the storage has applied. `groups`
/// are all that this node may hold; one of which nothing is stored comes back as
/// [fresh](raft::Restored::fresh). A removal that was interrupted is completed.
///
/// A log that does not contain the applied (term, index) is reset to it, durably, before this
/// returns: the storage is ahead only after a snapshot was installed, and the applied index never
/// goes back.
///
/// # Errors
/// `Corrupt` when the log was released beyond what the storage holds; else whatever the ports
/// report. A reset of another group may have been written.
pub fn restore(
    log: &dyn ReplicatedLog,
    storage: &dyn Storage,
    groups: impl IntoIterator<Item = GroupId>,
) -> Result<BTreeMap<GroupId, Stored>, PortError> {
    let mut restored = BTreeMap::new();
    for group in groups {
        let origin = storage.origin(group)?;
        if origin == Origin::Cleared {
            forget(log, group)?;
            storage.clear(group, Origin::Invited)?;
        }
        let stored = Stored {
            raft: match origin {
                Origin::Cleared => raft::Restored::fresh(),
                Origin::Plan | Origin::Invited => restore_group(log, storage, group)?,
            },
            invited: origin != Origin::Plan,
        };
        restored.insert(group, stored);
    }
    Ok(restored)
}

/// What a log says of a group that it knows nothing of any more.
pub(crate) fn nothing() -> (raft::HardState, Version) {
    (raft::HardState::default(), Version::default())
}

fn forget(log: &dyn ReplicatedLog, group: GroupId) -> Result<(), PortError> {
    let (hard_state, at) = nothing();
    log.append(&[LogRecord {
        group,
        hard_state: Some(&hard_state),
        reset: Some(at),
        rewrites: &[],
        entries: &[],
    }])
}

/// What the log holds of a group, if anything.
fn kept(log: &dyn ReplicatedLog, group: GroupId) -> Result<Option<GroupLog>, PortError> {
    let kept = log.restore(group)?;
    let is_empty = |kept: &GroupLog| {
        let read = (kept.hard_state, kept.start) != nothing() || !kept.entries.is_empty();
        !read && kept.damaged.is_empty() && !kept.is_doubtful
    };
    Ok(kept.filter(|kept| !is_empty(kept)))
}

fn restore_group(
    log: &dyn ReplicatedLog,
    storage: &dyn Storage,
    group: GroupId,
) -> Result<raft::Restored, PortError> {
    let applied = storage.applied(group)?;
    let configuration = storage.configuration(group)?;
    let Some(mut kept) = kept(log, group)? else {
        if applied.index == LogIndex(0) {
            return Ok(raft::Restored::fresh());
        }
        let empty = GroupLog {
            hard_state: raft::HardState::default(),
            start: Version::default(),
            entries: Vec::new(),
            damaged: Vec::new(),
            is_doubtful: false,
        };
        return reset(log, group, empty, applied, configuration);
    };
    if applied.index < kept.start.index {
        return Err(PortError::new(
            PortErrorKind::Corrupt,
            format!(
                "the log of {group} is released up to {}, but the storage holds only {}",
                kept.start.index, applied.index
            ),
        ));
    }
    if skip_applied(&mut kept, applied) {
        log.begin_behind(group, applied)?;
    }
    if !contains(&kept, applied) {
        return reset(log, group, kept, applied, configuration);
    }
    // The commit index is a lower bound that may lag behind what was applied.
    kept.hard_state.commit_index = kept.hard_state.commit_index.max(applied.index);
    Ok(raft::Restored {
        hard_state: kept.hard_state,
        snapshot: raft::SnapshotMeta {
            index: kept.start.index,
            term: kept.start.term,
        },
        applied: match breaks(Mutant::RestartAppliesLastAgain) && applied.index > kept.start.index {
            true => applied.index.prev(),
            false => applied.index,
        },
        configuration,
        entries: kept.entries,
        damaged: kept.damaged,
        amnesia: kept.is_doubtful,
        fresh: false,
    })
}

fn reset(
    log: &dyn ReplicatedLog,
    group: GroupId,
    kept: GroupLog,
    applied: Version,
    configuration: Option<raft::Configuration>,
) -> Result<raft::Restored, PortError> {
    let mut hard_state = kept.hard_state;
    if applied.term > hard_state.term {
        hard_state.term = applied.term;
        hard_state.voted_for = None;
    }
    hard_state.commit_index = applied.index;
    log.append(&[LogRecord {
        group,
        hard_state: Some(&hard_state),
        reset: Some(applied),
        rewrites: &[],
        entries: &[],
    }])?;
    Ok(raft::Restored {
        hard_state,
        snapshot: raft::SnapshotMeta {
            index: applied.index,
            term: applied.term,
        },
        applied: applied.index,
        configuration,
        entries: Vec::new(),
        damaged: Vec::new(),
        amnesia: kept.is_doubtful,
        fresh: false,
    })
}

/// What is lost of a log and applied is not needed: the log is taken to begin behind it. Whether
/// that was so.
fn skip_applied(kept: &mut GroupLog, applied: Version) -> bool {
    let lacks = (kept.damaged.first()).is_some_and(|stretch| stretch.from <= applied.index);
    let reached = kept.entries.last().map(|entry| entry.index);
    let reached = reached.max(kept.damaged.last().map(|stretch| stretch.up_to));
    if !lacks || reached < Some(applied.index) {
        return false;
    }
    let at = (kept.entries).binary_search_by_key(&applied.index, |entry| entry.index);
    let entry = at.ok().and_then(|at| kept.entries.get(at));
    if entry.is_some_and(|entry| entry.term != applied.term) {
        return false;
    }
    kept.start = applied;
    kept.entries.retain(|entry| entry.index > applied.index);
    kept.damaged.retain(|stretch| stretch.up_to > applied.index);
    if let Some(first) = kept.damaged.first_mut() {
        first.from = first.from.max(applied.index.next());
    }
    true
}

fn contains(log: &GroupLog, version: Version) -> bool {
    if version.index == log.start.index {
        return version == log.start;
    }
    log.entries
        .binary_search_by_key(&version.index, |entry| entry.index)
        .is_ok_and(|at| {
            log.entries
                .get(at)
                .is_some_and(|entry| entry.version() == version)
        })
}
