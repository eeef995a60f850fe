//! Damage in the log of a replica, which its peers repair.
//!
//! **Invariant: damage strikes only what the log itself proves to have been synced**: bytes of
//! closed segments, and of the active one as far as a later group vouches for them. (Rot of the
//! very last group looks like a torn tail; that is a stated limit of the log.) **And it strikes the
//! next node only once this one is whole again**: nothing damaged is left in its log, and no
//! replica on it lacks anything.

use alloc::collections::BTreeSet;
use alloc::vec::Vec;

use nori_env::{BlockStore, ObjectId};
use nori_raft as raft;
use nori_wal::{Inspected, Wal};
use norikv_node::LogReport;
use norikv_testkit::Scope;
use norikv_types::{GroupId, NodeId, Prng};
use serde::Serialize;

use crate::cluster::Simulation;
use crate::cluster::host::Host;
use crate::cluster::plan::Action;

/// What came of damage in logs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
pub struct Salvaged {
    /// Starts over a log of which bytes are corrupt.
    pub starts: u64,
    /// Times that a replica found entries that it cannot read, at a start or while it ran.
    pub found: u64,
    /// Times that a replica had everything again.
    pub repaired: u64,
    /// Groups that at a start may have forgotten their vote.
    pub doubted: u64,
}

impl Salvaged {
    pub(crate) fn add(&mut self, other: &Self) {
        self.starts += other.starts;
        self.found += other.found;
        self.repaired += other.repaired;
        self.doubted += other.doubted;
    }
}

impl Simulation {
    /// Damages the log of a node; whether there was something to damage.
    pub(super) fn damage_log(&mut self, host: usize, action: &Action) -> bool {
        let prng = &mut self.nemesis.prng;
        let machine = &self.hosts[host];
        let disk = &machine.log_disk;
        let sector = matches!(action, Action::LatentSector { .. });
        let proven = (prng.below(ACTIVE_IN) == 0)
            .then(|| machine.proven_byte(sector, prng))
            .flatten();
        let hit = match proven {
            Some((object, at)) if sector => disk.break_sector(object, at),
            Some((object, at)) => disk.flip_bit(object, at * 8 + prng.below(8)),
            None => match machine.closed_segment(prng) {
                Some(scope) if sector => disk.break_random_sector(prng, scope).is_some(),
                Some(scope) => disk.rot(prng, scope).is_some(),
                None => false,
            },
        };
        if hit {
            self.nemesis.rotten.insert(machine.id);
        }
        hit
    }

    /// Takes note of nodes whose logs are whole again.
    pub(super) fn look_for_mended(&mut self) {
        let mut rotten = core::mem::take(&mut self.nemesis.rotten);
        rotten.retain(|node| {
            self.host_of(*node)
                .is_none_or(|host| !self.is_log_whole(host))
        });
        self.nemesis.rotten = rotten;
    }

    fn is_log_whole(&self, host: usize) -> bool {
        let machine = &self.hosts[host];
        let groups = (0..self.config.groups).map(GroupId);
        let mut lacking = groups.filter(|group| self.is_lacking(machine.id, *group));
        machine.process.is_some() && !machine.log_is_damaged() && lacking.next().is_none()
    }

    /// Whether the replica lacks something of its log, as it says or as is known.
    pub(crate) fn is_lacking(&self, node: NodeId, group: GroupId) -> bool {
        self.nemesis.in_repair.contains(&(node, group)) || self.invariants.is_lacking(node, group)
    }

    /// A process started over what its log could read.
    pub(crate) fn salvaged(&mut self, node: NodeId, report: &LogReport) {
        self.nemesis.salvaged.starts += u64::from(report.corrupt_bytes > 0);
        self.nemesis.in_repair.retain(|(own, _)| *own != node);
    }

    /// A replica says how it is with its log.
    pub(crate) fn log_changed(&mut self, node: NodeId, group: GroupId, event: &raft::Event) {
        let nemesis = &mut self.nemesis;
        match event {
            raft::Event::EntriesDamaged { .. } => {
                nemesis.salvaged.found += 1;
                nemesis.in_repair.insert((node, group));
            }
            raft::Event::Repaired => {
                nemesis.salvaged.repaired += 1;
                nemesis.in_repair.remove(&(node, group));
            }
            _ => {}
        }
    }
}

impl Host {
    /// Whether something in the log does not read as it was written.
    pub(crate) fn log_is_damaged(&self) -> bool {
        let damage = self.log_disk.damage();
        let objects: BTreeSet<ObjectId> = match self.log_disk.list() {
            Ok(objects) => objects.into_iter().collect(),
            Err(_) => return !damage.is_empty(),
        };
        damage.iter().any(|damage| objects.contains(&damage.object))
    }

    /// A segment of the log that is closed.
    fn closed_segment(&self, prng: &mut Prng) -> Option<Scope> {
        let closed = match &self.process {
            Some(process) => process.closed_segments(),
            None => self.closed.clone(),
        };
        let nth = usize::try_from(prng.below(closed.len().max(1) as u64)).ok()?;
        closed
            .get(nth)
            .map(|number| Scope::Object(ObjectId::log(*number)))
    }

    /// A byte of the active segment of which a later group says that it was synced; with `sector`
    /// one that shares its sector with nothing else.
    fn proven_byte(&self, sector: bool, prng: &mut Prng) -> Option<(ObjectId, u64)> {
        let (number, proven) = self.process.as_ref()?.proven()?;
        let object = ObjectId::log(number);
        let mut frames: Vec<(u64, u64)> = Vec::new();
        let see = &mut |inspected: Inspected<'_>| {
            if let Inspected::Frame(frame) = inspected
                && frame.lsn < proven
            {
                frames.push((frame.offset, frame.offset + u64::from(frame.len)));
            }
        };
        Wal::inspect(&self.log_disk, object, see).ok()?;
        let (first, last) = (frames.first()?.0, frames.last()?.1);
        let unit = u64::from(self.log_disk.geometry().unit);
        let end = match sector {
            true => last / unit * unit,
            false => last,
        };
        let span = end.checked_sub(first).filter(|span| *span > 0)?;
        Some((object, first + prng.below(span)))
    }
}

/// One strike in this many is at the active segment: behind it no table may say what groups are.
const ACTIVE_IN: u64 = 3;
