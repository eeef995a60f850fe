//! A disk whose power can be cut: what was not synced survives unit by unit as the test chooses.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::ops::Range;

use nori_env::sync::{AtomicU64, Mutex, Ordering};
use nori_env::{BlockObject, BlockStore, Geometry, IoError, IoErrorKind, IoOp, ObjectId, Owner};

use super::device::settle;
use super::{CrashFault, UnitFate};

/// An object store. Clones share it; [`fork`](Self::fork) copies it. It has no lock: whoever asks
/// holds it.
#[derive(Debug, Clone)]
pub struct CrashDisk(Arc<Mutex<State>>, Arc<Mutex<Power>>);

/// What disks of one machine share.
#[derive(Debug, Clone, Default)]
struct Power {
    /// Operations that change something, so far.
    ops: u64,
    fault: Option<(u64, CrashFault)>,
    off: bool,
}

#[derive(Debug, Clone)]
struct State {
    geometry: Geometry,
    files: BTreeMap<u64, File>,
    names: BTreeMap<ObjectId, u64>,
    stable_names: BTreeMap<ObjectId, u64>,
    next_file: u64,
    /// Bytes that the device cannot give back.
    unreadable: Option<(ObjectId, Range<u64>)>,
}

#[derive(Debug, Clone, Default)]
struct File {
    now: Vec<u8>,
    stable: Vec<u8>,
    /// Units that differ and may reach the disk by themselves.
    dirty: BTreeSet<u64>,
    reserved: bool,
    poisoned: bool,
}

#[derive(Debug)]
struct Object {
    disk: CrashDisk,
    id: ObjectId,
    file: u64,
    /// Where the last append through this opening ended.
    end: AtomicU64,
}

impl CrashDisk {
    /// An empty disk with units of `unit` bytes.
    #[must_use]
    pub fn new(unit: u32, psow: bool, recycle: bool) -> Self {
        let state = State {
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
            unreadable: None,
        };
        Self(Arc::new(Mutex::new(state)), Arc::default())
    }

    /// An empty disk of the same kind in the same machine: operations on both are counted together,
    /// and the power goes for both at once. A disk that comes out of a crash or a fork stands alone.
    #[must_use]
    pub fn beside(&self) -> Self {
        let Geometry {
            unit,
            psow,
            recycle,
            ..
        } = self.0.lock().geometry;
        Self(Self::new(unit, psow, recycle).0, Arc::clone(&self.1))
    }

    /// A copy that shares nothing with this one.
    #[must_use]
    pub fn fork(&self) -> Self {
        let power = self.1.lock().clone();
        Self(
            Arc::new(Mutex::new(self.0.lock().clone())),
            Arc::new(Mutex::new(power)),
        )
    }

    /// Operations that change something, so far.
    #[must_use]
    pub fn ops(&self) -> u64 {
        self.1.lock().ops
    }

    /// Arms `fault` for the operation after the first `op`.
    pub fn arm(&self, op: u64, fault: CrashFault) {
        self.1.lock().fault = Some((op, fault));
    }

    /// The device cannot give these bytes back.
    pub fn spoil(&self, id: ObjectId, range: Range<u64>) {
        self.0.lock().unreadable = Some((id, range));
    }

    /// A fault that was armed and did not happen yet.
    #[must_use]
    pub fn armed(&self) -> bool {
        self.1.lock().fault.is_some()
    }

    /// Names and units whose fate a power cut would decide.
    #[must_use]
    pub fn undecided(&self) -> usize {
        let state = self.0.lock();
        let units: usize = state.files.values().map(|file| file.dirty.len()).sum();
        units + state.pending_names().len()
    }

    /// In how many ways the power can go now. Saturates.
    #[must_use]
    pub fn outcomes(&self) -> u64 {
        let names = self.0.lock().pending_names().len();
        let units = self.undecided() - names;
        let ways = |base: u64, count| base.checked_pow(u32::try_from(count).unwrap_or(u32::MAX));
        (ways(3, units).zip(ways(2, names))).map_or(u64::MAX, |(u, n)| u.saturating_mul(n))
    }

    /// The disk after the power went, with these fates of the undecided names and units.
    ///
    /// # Panics
    /// When there are fewer fates.
    #[must_use]
    pub fn crash_as(&self, fates: &[UnitFate]) -> Self {
        let mut fates = fates.iter();
        self.crash(|choices| match fates.next().expect("a fate for each") {
            UnitFate::Lost => 0,
            UnitFate::Kept => 1,
            UnitFate::Torn => choices - 1,
        })
    }

    /// The disk after the power went, in the way that `pick(choices)` picks for each name (lost,
    /// kept) and each unit (lost, kept, torn).
    #[must_use]
    pub fn crash(&self, mut pick: impl FnMut(u64) -> u64) -> Self {
        let mut state = self.0.lock().clone();
        let (unit, psow) = (u64::from(state.geometry.unit), state.geometry.psow);
        for id in state.pending_names() {
            if pick(2) == 1 {
                state.settle(id);
            }
        }
        for file in state.files.values_mut() {
            for dirty in core::mem::take(&mut file.dirty) {
                let from = index(dirty * unit);
                let to = (from + index(unit)).min(file.now.len());
                let fate = match pick(3) {
                    0 => continue,
                    1 => UnitFate::Kept,
                    _ => UnitFate::Torn,
                };
                let known = file.stable.len();
                file.stable.resize(known.max(to), 0);
                settle(&mut file.stable[from..to], &file.now[from..to], fate, psow);
                if fate == UnitFate::Torn && psow && known < to {
                    // Of what made the object longer only the new part is there.
                    file.stable
                        .truncate(known.max(from) + (to - known.max(from)) / 2);
                }
            }
            file.now = file.stable.clone();
            file.poisoned = false;
        }
        state.names = state.stable_names.clone();
        let live: BTreeSet<u64> = state.names.values().copied().collect();
        state.files.retain(|file, _| live.contains(file));
        Self(Arc::new(Mutex::new(state)), self.powered())
    }

    /// The process ends, the machine goes on: caches stay.
    #[must_use]
    pub fn restart(&self) -> Self {
        let mut state = self.0.lock().clone();
        for file in state.files.values_mut() {
            file.poisoned = false;
        }
        Self(Arc::new(Mutex::new(state)), self.powered())
    }

    /// Its power as it is when it is there again.
    fn powered(&self) -> Arc<Mutex<Power>> {
        Arc::new(Mutex::new(Power {
            ops: self.ops(),
            ..Power::default()
        }))
    }

    /// Flips one bit of an object; `false` when it has no such byte.
    #[must_use]
    pub fn flip_bit(&self, id: ObjectId, bit: u64) -> bool {
        let mut state = self.0.lock();
        let file = state.names.get(&id).copied();
        let Some(file) = file.and_then(|file| state.files.get_mut(&file)) else {
            return false;
        };
        let (at, mask) = (index(bit / 8), 1 << (bit % 8));
        match file.now.get_mut(at) {
            Some(byte) => *byte ^= mask,
            None => return false,
        }
        if let Some(byte) = file.stable.get_mut(at) {
            *byte ^= mask;
        }
        true
    }

    /// Counts an operation; the fault that happens now, if it is not one that stops it.
    fn step(&self, op: IoOp, id: ObjectId) -> Result<Option<CrashFault>, IoError> {
        let mut power = self.1.lock();
        let failed = |kind| Err(id.error(kind, op, 0));
        if power.off {
            return failed(IoErrorKind::Other);
        }
        let now = power.ops;
        power.ops += 1;
        let due = (power.fault.filter(|(at, _)| *at == now)).map(|(_, fault)| fault);
        match due {
            Some(CrashFault::PowerCut) => {
                power.fault = None;
                power.off = true;
                Ok(due)
            }
            Some(CrashFault::NoSpace) if matches!(op, IoOp::Create | IoOp::Append) => {
                power.fault = None;
                failed(IoErrorKind::NoSpace)
            }
            Some(CrashFault::SyncFailed) if matches!(op, IoOp::Sync | IoOp::Barrier) => {
                power.fault = None;
                Ok(due)
            }
            _ => Ok(None),
        }
    }

    fn object(&self, id: ObjectId, file: u64, end: u64) -> Arc<dyn BlockObject> {
        Arc::new(Object {
            disk: self.clone(),
            id,
            file,
            end: AtomicU64::new(end),
        })
    }
}

impl State {
    fn pending_names(&self) -> Vec<ObjectId> {
        let ids: BTreeSet<_> = (self.names.keys())
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

    fn file(&mut self, number: u64) -> &mut File {
        self.files
            .get_mut(&number)
            .expect("a handle keeps its file")
    }

    fn named(&self, id: ObjectId, op: IoOp) -> Result<u64, IoError> {
        let file = self.names.get(&id).copied();
        file.ok_or_else(|| id.error(IoErrorKind::NotFound, op, 0))
    }

    fn unnamed(&self, id: ObjectId, op: IoOp) -> Result<(), IoError> {
        match self.names.contains_key(&id) {
            true => Err(id.error(IoErrorKind::Exists, op, 0)),
            false => Ok(()),
        }
    }
}

fn cut(fault: Option<CrashFault>, id: ObjectId, op: IoOp) -> Result<(), IoError> {
    match fault {
        Some(CrashFault::PowerCut) => Err(id.error(IoErrorKind::Other, op, 0)),
        _ => Ok(()),
    }
}

fn index(at: u64) -> usize {
    usize::try_from(at).expect("fits in memory")
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
        state.unnamed(id, IoOp::Create)?;
        let file = state.next_file;
        state.next_file += 1;
        let zeros = vec![0; index(reserve.unwrap_or(0))];
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
        Ok(self.object(id, file, 0))
    }

    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let mut state = self.0.lock();
        let file = state.named(id, IoOp::Open)?;
        let end = state.file(file).now.len() as u64;
        drop(state);
        Ok(self.object(id, file, end))
    }

    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let fault = self.step(IoOp::Recycle, old)?;
        let mut state = self.0.lock();
        state.unnamed(new, IoOp::Recycle)?;
        let file = state.named(old, IoOp::Recycle)?;
        let names = state.names.values().filter(|other| **other == file).count();
        if names > 1 || !state.geometry.recycle {
            return Err(old.error(IoErrorKind::Unsupported, IoOp::Recycle, 0));
        }
        state.names.remove(&old);
        state.names.insert(new, file);
        drop(state);
        cut(fault, old, IoOp::Recycle)?;
        Ok(self.object(new, file, 0))
    }

    fn delete(&self, id: ObjectId) -> Result<(), IoError> {
        let fault = self.step(IoOp::Delete, id)?;
        let removed = self.0.lock().names.remove(&id);
        removed.ok_or_else(|| id.error(IoErrorKind::NotFound, IoOp::Delete, 0))?;
        cut(fault, id, IoOp::Delete)
    }

    fn link(&self, from: ObjectId, to: ObjectId) -> Result<(), IoError> {
        let fault = self.step(IoOp::Link, from)?;
        let mut state = self.0.lock();
        state.unnamed(to, IoOp::Link)?;
        let file = state.named(from, IoOp::Link)?;
        state.names.insert(to, file);
        cut(fault, from, IoOp::Link)
    }

    fn barrier(&self) -> Result<(), IoError> {
        let fault = self.step(IoOp::Barrier, ObjectId::log(0))?;
        match fault {
            Some(CrashFault::SyncFailed) => {
                return Err(IoError::store(IoErrorKind::SyncFailed, IoOp::Barrier));
            }
            fault => cut(fault, ObjectId::log(0), IoOp::Barrier)?,
        }
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
        Ok(self.disk.0.lock().file(self.file).now.len() as u64)
    }

    fn append(&self, at: u64, bufs: &[&[u8]]) -> Result<(), IoError> {
        let fault = self.disk.step(IoOp::Append, self.id)?;
        let mut state = self.disk.0.lock();
        let unit = u64::from(state.geometry.unit);
        let psow = state.geometry.psow;
        let file = state.file(self.file);
        if file.poisoned {
            return Err(self.id.error(IoErrorKind::SyncFailed, IoOp::Append, at));
        }
        assert!(
            at >= self.end.load(Ordering::Acquire),
            "an append never goes back"
        );
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
        let (from, to) = (index(at), index(end));
        if file.now.len() < to {
            file.now.resize(to, 0);
        }
        file.now[from..to].copy_from_slice(&bytes);
        self.end.store(end, Ordering::Release);
        file.dirty.extend(at / unit..end.div_ceil(unit));
        drop(state);
        cut(fault, self.id, IoOp::Append)
    }

    fn sync(&self) -> Result<(), IoError> {
        let fault = self.disk.step(IoOp::Sync, self.id)?;
        cut(fault, self.id, IoOp::Sync)?;
        let mut state = self.disk.0.lock();
        let unit = index(u64::from(state.geometry.unit));
        let file = state.file(self.file);
        let dirty = core::mem::take(&mut file.dirty);
        if file.poisoned || fault == Some(CrashFault::SyncFailed) {
            file.poisoned = true;
            return Err(self.id.error(IoErrorKind::SyncFailed, IoOp::Sync, 0));
        }
        let File { now, stable, .. } = file;
        stable.resize(now.len(), 0);
        for dirty in dirty {
            let from = index(dirty) * unit;
            let to = (from + unit).min(now.len());
            stable[from..to].copy_from_slice(&now[from..to]);
        }
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
        let from = usize::try_from(offset).unwrap_or(usize::MAX);
        match now.get(from..from.saturating_add(dst.len())) {
            Some(bytes) => dst.copy_from_slice(bytes),
            None => return Err(self.id.error(IoErrorKind::ShortRead, IoOp::Read, offset)),
        }
        Ok(())
    }
}
