//! A disk whose power can be cut: what was not synced survives unit by unit as the test chooses.
#![expect(clippy::unwrap_used, reason = "what fails here fails the test")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use nori_env::sync::Mutex;
use nori_env::{BlockObject, BlockStore, Geometry, IoError, IoErrorKind, IoOp, ObjectId, Owner};

/// A disk. Clones share it; [`fork`](CrashDisk::fork) copies it.
#[derive(Debug, Clone)]
pub(crate) struct CrashDisk(Arc<Mutex<State>>);

/// What happens at one operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The power goes: this operation and all after it fail.
    PowerCut,
    /// This one operation finds no space and does nothing.
    NoSpace,
    /// This one sync fails, and the cache forgets that its pages were not written.
    SyncFailed,
}

#[derive(Debug, Clone)]
struct State {
    geometry: Geometry,
    files: BTreeMap<u64, File>,
    names: BTreeMap<ObjectId, u64>,
    stable_names: BTreeMap<ObjectId, u64>,
    next_file: u64,
    /// Operations that change something, so far.
    ops: u64,
    fault: Option<(u64, Fault)>,
    off: bool,
    /// Bytes that the device cannot give back.
    unreadable: Option<(ObjectId, std::ops::Range<u64>)>,
}

#[derive(Debug, Clone, Default)]
struct File {
    now: Vec<u8>,
    stable: Vec<u8>,
    /// Units that differ and may reach the disk by themselves.
    dirty: BTreeSet<u64>,
    end: u64,
    reserved: bool,
    poisoned: bool,
}

#[derive(Debug)]
struct Object {
    disk: CrashDisk,
    id: ObjectId,
    file: u64,
}

impl CrashDisk {
    pub(crate) fn new(unit: u32, psow: bool, recycle: bool) -> Self {
        Self(Arc::new(Mutex::new(State {
            geometry: Geometry {
                unit,
                psow,
                recycle,
                capacity: None,
            },
            files: BTreeMap::new(),
            names: BTreeMap::new(),
            stable_names: BTreeMap::new(),
            next_file: 0,
            ops: 0,
            fault: None,
            off: false,
            unreadable: None,
        })))
    }

    /// A copy that shares nothing with this one.
    pub(crate) fn fork(&self) -> Self {
        Self(Arc::new(Mutex::new(self.0.lock().clone())))
    }

    /// Operations that change something, so far.
    pub(crate) fn ops(&self) -> u64 {
        self.0.lock().ops
    }

    /// Arms `fault` for the operation after the first `op`.
    pub(crate) fn arm(&self, op: u64, fault: Fault) {
        self.0.lock().fault = Some((op, fault));
    }

    /// The device cannot give these bytes back.
    pub(crate) fn spoil(&self, id: ObjectId, range: std::ops::Range<u64>) {
        self.0.lock().unreadable = Some((id, range));
    }

    /// A fault that was armed and did not happen yet.
    pub(crate) fn armed(&self) -> bool {
        self.0.lock().fault.is_some()
    }

    /// In how many ways the power can go now. Saturates.
    pub(crate) fn outcomes(&self) -> u64 {
        let state = self.0.lock();
        let units: usize = state.files.values().map(|file| file.dirty.len()).sum();
        let names = state.pending_names().len();
        let ways = |base: u64, count| base.checked_pow(u32::try_from(count).unwrap_or(u32::MAX));
        ways(3, units)
            .zip(ways(2, names))
            .map_or(u64::MAX, |(u, n)| u.saturating_mul(n))
    }

    /// The disk after the power went, in the way that `pick(choices)` picks for each unit and name.
    pub(crate) fn crash(&self, mut pick: impl FnMut(u64) -> u64) -> Self {
        let mut state = self.0.lock().clone();
        let (unit, psow) = (u64::from(state.geometry.unit), state.geometry.psow);
        for id in state.pending_names() {
            if pick(2) == 1 {
                state.settle(id);
            }
        }
        for file in state.files.values_mut() {
            let mut after = file.stable.clone();
            for dirty in std::mem::take(&mut file.dirty) {
                let from = usize::try_from(dirty * unit).unwrap();
                let to = (from + usize::try_from(unit).unwrap()).min(file.now.len());
                let torn = match pick(3) {
                    0 => continue,
                    1 => false,
                    _ => true,
                };
                if after.len() < to {
                    after.resize(to, 0);
                }
                let changed = |at: &usize| after[*at] != file.now[*at];
                let start = (from..to).find(changed).unwrap_or(from);
                let until = if torn { start + (to - start) / 2 } else { to };
                if torn && !psow {
                    after[from..to].fill(0xA5);
                } else {
                    after[from..until].copy_from_slice(&file.now[from..until]);
                }
            }
            *file = File {
                now: after.clone(),
                stable: after,
                end: 0,
                reserved: file.reserved,
                ..File::default()
            };
        }
        state.names = state.stable_names.clone();
        let live: BTreeSet<u64> = state.names.values().copied().collect();
        state.files.retain(|file, _| live.contains(file));
        state.off = false;
        state.fault = None;
        Self(Arc::new(Mutex::new(state)))
    }

    /// The process ends, the machine goes on: caches stay.
    pub(crate) fn restart(&self) -> Self {
        let mut state = self.0.lock().clone();
        for file in state.files.values_mut() {
            file.poisoned = false;
        }
        Self(Arc::new(Mutex::new(state)))
    }

    /// Counts an operation; the fault that happens now, if it is not one that stops it.
    fn step(&self, op: IoOp, id: ObjectId) -> Result<Option<Fault>, IoError> {
        let mut state = self.0.lock();
        let failed = |kind| Err(id.error(kind, op, 0));
        if state.off {
            return failed(IoErrorKind::Other);
        }
        let now = state.ops;
        state.ops += 1;
        let due = state
            .fault
            .filter(|(at, _)| *at == now)
            .map(|(_, fault)| fault);
        match due {
            Some(Fault::PowerCut) => {
                state.fault = None;
                state.off = true;
                Ok(due)
            }
            Some(Fault::NoSpace) if matches!(op, IoOp::Create | IoOp::Append) => {
                state.fault = None;
                failed(IoErrorKind::NoSpace)
            }
            Some(Fault::SyncFailed) if op == IoOp::Sync => {
                state.fault = None;
                Ok(due)
            }
            _ => Ok(None),
        }
    }

    fn object(&self, id: ObjectId, file: u64) -> Arc<dyn BlockObject> {
        Arc::new(Object {
            disk: self.clone(),
            id,
            file,
        })
    }
}

impl State {
    fn pending_names(&self) -> Vec<ObjectId> {
        let ids: BTreeSet<_> = self
            .names
            .keys()
            .chain(self.stable_names.keys())
            .copied()
            .collect();
        let pending = |id: &ObjectId| self.names.get(id) != self.stable_names.get(id);
        ids.into_iter().filter(pending).collect()
    }

    /// The name is on disk as it is now; a renamed file leaves its old name.
    fn settle(&mut self, id: ObjectId) {
        match self.names.get(&id).copied() {
            Some(file) => {
                let old: Vec<_> = (self.stable_names.iter())
                    .filter(|(name, other)| **other == file && !self.names.contains_key(name))
                    .map(|(name, _)| *name)
                    .collect();
                for name in old {
                    self.stable_names.remove(&name);
                }
                self.stable_names.insert(id, file);
            }
            None => {
                let renamed = self.stable_names.get(&id).copied();
                let to = renamed.and_then(|file| {
                    let mut names = self.names.iter();
                    names
                        .find(|(_, other)| **other == file)
                        .map(|(name, _)| *name)
                });
                self.stable_names.remove(&id);
                if let (Some(file), Some(to)) = (renamed, to) {
                    self.stable_names.insert(to, file);
                }
            }
        }
    }
}

fn cut(fault: Option<Fault>, id: ObjectId, op: IoOp) -> Result<(), IoError> {
    match fault {
        Some(Fault::PowerCut) => Err(id.error(IoErrorKind::Other, op, 0)),
        _ => Ok(()),
    }
}

impl BlockStore for CrashDisk {
    fn geometry(&self) -> Geometry {
        self.0.lock().geometry
    }

    fn acquire(&self, _: Owner) -> Result<(), IoError> {
        Ok(())
    }

    fn list(&self) -> Result<Vec<ObjectId>, IoError> {
        Ok(self.0.lock().names.keys().copied().collect())
    }

    fn create(&self, id: ObjectId, reserve: Option<u64>) -> Result<Arc<dyn BlockObject>, IoError> {
        let fault = self.step(IoOp::Create, id)?;
        let mut state = self.0.lock();
        assert!(!state.names.contains_key(&id), "{id} is there already");
        let file = state.next_file;
        state.next_file += 1;
        let zeros = vec![0; usize::try_from(reserve.unwrap_or(0)).unwrap()];
        let new = File {
            now: zeros.clone(),
            stable: zeros,
            reserved: reserve.is_some(),
            ..File::default()
        };
        state.files.insert(file, new);
        state.names.insert(id, file);
        drop(state);
        cut(fault, id, IoOp::Create)?;
        Ok(self.object(id, file))
    }

    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let mut state = self.0.lock();
        let file = state.names.get(&id).copied();
        let file = file.ok_or_else(|| id.error(IoErrorKind::NotFound, IoOp::Open, 0))?;
        if let Some(opened) = state.files.get_mut(&file) {
            opened.end = opened.now.len() as u64;
        }
        drop(state);
        Ok(self.object(id, file))
    }

    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let fault = self.step(IoOp::Recycle, old)?;
        let mut state = self.0.lock();
        let file = state.names.remove(&old).unwrap();
        state.names.insert(new, file);
        state.files.get_mut(&file).unwrap().end = 0;
        drop(state);
        cut(fault, old, IoOp::Recycle)?;
        Ok(self.object(new, file))
    }

    fn delete(&self, id: ObjectId) -> Result<(), IoError> {
        let fault = self.step(IoOp::Delete, id)?;
        let removed = self.0.lock().names.remove(&id);
        removed.ok_or_else(|| id.error(IoErrorKind::NotFound, IoOp::Delete, 0))?;
        cut(fault, id, IoOp::Delete)
    }

    fn link(&self, from: ObjectId, _: ObjectId) -> Result<(), IoError> {
        Err(from.error(IoErrorKind::Unsupported, IoOp::Link, 0))
    }

    fn barrier(&self) -> Result<(), IoError> {
        let fault = self.step(IoOp::Barrier, ObjectId::log(0))?;
        cut(fault, ObjectId::log(0), IoOp::Barrier)?;
        let mut state = self.0.lock();
        state.stable_names = state.names.clone();
        Ok(())
    }
}

impl BlockObject for Object {
    fn id(&self) -> ObjectId {
        self.id
    }

    fn len(&self) -> Result<u64, IoError> {
        Ok(self.disk.0.lock().files[&self.file].now.len() as u64)
    }

    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        let fault = self.disk.step(IoOp::Append, self.id)?;
        let mut state = self.disk.0.lock();
        let unit = u64::from(state.geometry.unit);
        let psow = state.geometry.psow;
        let file = state.files.get_mut(&self.file).unwrap();
        if file.poisoned {
            return Err(self.id.error(IoErrorKind::SyncFailed, IoOp::Append, at));
        }
        assert!(at >= file.end, "an append never goes back");
        assert!(
            psow || at.is_multiple_of(unit),
            "without psow every append starts a unit"
        );
        let bytes = bufs.concat();
        let end = at + bytes.len() as u64;
        assert!(
            !file.reserved || end <= file.now.len() as u64,
            "appends stay in the reserve"
        );
        let (from, to) = (usize::try_from(at).unwrap(), usize::try_from(end).unwrap());
        if file.now.len() < to {
            file.now.resize(to, 0);
        }
        file.now[from..to].copy_from_slice(&bytes);
        file.end = end;
        file.dirty.extend(at / unit..end.div_ceil(unit));
        drop(state);
        cut(fault, self.id, IoOp::Append)
    }

    fn sync(&self) -> Result<(), IoError> {
        let fault = self.disk.step(IoOp::Sync, self.id)?;
        cut(fault, self.id, IoOp::Sync)?;
        let mut state = self.disk.0.lock();
        let file = state.files.get_mut(&self.file).unwrap();
        if file.poisoned || fault == Some(Fault::SyncFailed) {
            file.poisoned = true;
            file.dirty.clear();
            return Err(self.id.error(IoErrorKind::SyncFailed, IoOp::Sync, 0));
        }
        file.dirty.clear();
        file.stable = file.now.clone();
        if state.names.get(&self.id) == Some(&self.file) {
            state.settle(self.id);
        }
        Ok(())
    }

    fn read_at(&self, offset: u64, dst: &mut [u8]) -> Result<(), IoError> {
        let state = self.disk.0.lock();
        if let Some((id, range)) = &state.unreadable
            && *id == self.id
            && range.start < offset + dst.len() as u64
            && offset < range.end
        {
            return Err(self.id.error(IoErrorKind::Media, IoOp::Read, offset));
        }
        let now = &state.files[&self.file].now;
        let from = usize::try_from(offset).unwrap();
        match now.get(from..from.saturating_add(dst.len())) {
            Some(bytes) => dst.copy_from_slice(bytes),
            None => return Err(self.id.error(IoErrorKind::ShortRead, IoOp::Read, offset)),
        }
        Ok(())
    }
}
