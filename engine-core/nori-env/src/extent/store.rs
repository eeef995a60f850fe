//! Names, and the table that makes them durable.
//!
//! **Invariant: the table on the device is the one in memory as it was at the last commit**, and
//! blocks that it refers to are not given to anybody else.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use super::allocator::FreeMap;
use super::map::Map;
use super::object::ExtentObject;
use super::table::{HEAD_LEN, Layout, Table};
use crate::sync::{AtomicBool, AtomicU64, Mutex, Ordering, RwLock};
use crate::{
    BlockDevice, BlockObject, BlockStore, Geometry, IoError, IoErrorKind, IoOp, ObjectId, Owner,
};

/// A store on a raw device. Its bytes are described in `docs/formats/extent-store.md`.
///
/// A failed flush of the device poisons all of the store: every later append, sync and change of a
/// name fails as `SyncFailed`, and what the device holds is found out by opening it anew.
///
/// ```
/// use std::sync::Arc;
/// use nori_env::{BlockStore, ExtentStore, MemDevice, ObjectId};
///
/// let device = MemDevice::new(2_048);
/// let store = ExtentStore::open_or_format(Arc::new(device.clone()))?;
/// let object = store.create(ObjectId::table(1), None)?;
/// object.append(0, &[b"kept"])?;
/// object.sync()?;
/// drop((object, store));
///
/// let store = ExtentStore::open(Arc::new(device))?;
/// let mut bytes = [0; 4];
/// store.open(ObjectId::table(1))?.read_at(0, &mut bytes)?;
/// assert_eq!(&bytes, b"kept");
/// # Ok::<(), nori_env::IoError>(())
/// ```
#[derive(Debug)]
pub struct ExtentStore {
    disk: Arc<Disk>,
}

/// The device and its table; objects keep it.
#[derive(Debug)]
pub(super) struct Disk {
    pub(super) device: Arc<dyn BlockDevice>,
    pub(super) layout: Layout,
    state: Mutex<State>,
    /// Held while a table is written: one at a time.
    committing: Mutex<()>,
    /// The newest change of a name that is durable.
    committed: AtomicU64,
    poisoned: AtomicBool,
}

#[derive(Debug)]
struct State {
    owner: Option<Owner>,
    names: BTreeMap<ObjectId, Arc<Node>>,
    /// Without a name. Their blocks are free once a table without them is durable and nobody has
    /// them open.
    doomed: Vec<Arc<Node>>,
    free: FreeMap,
    /// In all objects, those without a name too.
    extents: u64,
    generation: u64,
    /// Counts changes of names.
    changes: u64,
    next_serial: u64,
}

/// An object; shared by its names and by those who opened it.
#[derive(Debug)]
pub(super) struct Node {
    serial: u64,
    pub(super) map: RwLock<Map>,
    /// The change that gave it its newest name.
    born: AtomicU64,
}

impl ExtentStore {
    /// Makes an empty store of `device`, whatever was on it.
    ///
    /// # Errors
    /// `NoSpace` when the device is too small for a table; whatever the device reports.
    pub fn format(device: Arc<dyn BlockDevice>) -> Result<Self, IoError> {
        let layout = Layout::new(device.geometry().unit, device.blocks());
        let Some(data) = layout.data() else {
            return Err(IoError::store(IoErrorKind::NoSpace, IoOp::Create));
        };
        let mut free = FreeMap::default();
        free.give(data);
        // Slot B tells that formatting came to its end: until then it is zero.
        if !matches!(read_slot(&*device, Some(layout))?, Slot::Zero) {
            let head = vec![0; HEAD_LEN.next_multiple_of(layout.unit as usize)];
            device.write(layout.slot(1), &head)?;
            device.flush()?;
        }
        let slot = Table::default().encode(&layout);
        for number in 0..2 {
            device.write(layout.slot(number), &slot)?;
            device.flush()?;
        }
        Ok(Self::with(device, layout, Table::default(), free))
    }

    /// Opens the store on `device`, as it was at its last commit.
    ///
    /// # Errors
    /// `NotFound` when no store was ever formatted there to the end; `Media` when there is one and
    /// no copy of its table verifies. Nothing is written then.
    pub fn open(device: Arc<dyn BlockDevice>) -> Result<Self, IoError> {
        let mut slots = [read_slot(&*device, None)?, Slot::Bad];
        let known = slots[0].layout();
        slots[1] = read_slot(
            &*device,
            Some(known.unwrap_or_else(|| Layout::new(device.geometry().unit, device.blocks()))),
        )?;
        let [first, second] = slots;
        // What can be read is not thereby durable: after a failed flush only a cache may hold it. So
        // the slots are written anew; A only while B is whole, and where a tear cannot harm bytes
        // that stay the same, for A may be all that holds what was acknowledged.
        let psow = device.geometry().psow;
        let (layout, table, free, from) = match (first, second) {
            (Slot::Good(layout, a, free), second) => {
                let older = matches!(second, Slot::Good(_, b, _) if b.generation != a.generation);
                (layout, a, free, if older && psow { 0 } else { 1 })
            }
            (Slot::Bad | Slot::Zero, Slot::Good(layout, b, free)) => (layout, b, free, 0),
            (Slot::Bad | Slot::Zero, Slot::Zero) => {
                return Err(IoError::store(IoErrorKind::NotFound, IoOp::Open));
            }
            (Slot::Bad | Slot::Zero, Slot::Bad) => {
                return Err(IoError::store(IoErrorKind::Media, IoOp::Open));
            }
        };
        let slot = table.encode(&layout);
        for number in from..2 {
            device.write(layout.slot(number), &slot)?;
            device.flush()?;
        }
        Ok(Self::with(device, layout, table, free))
    }

    /// As [`open`](Self::open), on a device that may be new: where no store was ever formatted to
    /// the end, one is.
    ///
    /// # Errors
    /// As [`open`](Self::open) and [`format`](Self::format), but not `NotFound`.
    pub fn open_or_format(device: Arc<dyn BlockDevice>) -> Result<Self, IoError> {
        match Self::open(Arc::clone(&device)) {
            Err(error) if error.kind == IoErrorKind::NotFound => Self::format(device),
            opened => opened,
        }
    }

    /// Bytes that no object has.
    #[must_use]
    pub fn free_bytes(&self) -> u64 {
        self.disk.state.lock().free.blocks() * u64::from(self.disk.layout.unit)
    }

    fn with(device: Arc<dyn BlockDevice>, layout: Layout, table: Table, free: FreeMap) -> Self {
        let objects: Vec<Arc<Node>> = (table.objects.into_iter().zip(0..))
            .map(|(map, serial)| Arc::new(Node::new(serial, map, 0)))
            .collect();
        let node = |object: u32| Arc::clone(&objects[object as usize]);
        let names = table.names.into_iter();
        let names = names.map(|(id, object)| (id, node(object))).collect();
        Self {
            disk: Arc::new(Disk {
                device,
                layout,
                state: Mutex::new(State {
                    owner: None,
                    names,
                    doomed: Vec::new(),
                    free,
                    extents: (objects.iter())
                        .map(|node| node.map.read().extents().len() as u64)
                        .sum(),
                    generation: table.generation,
                    changes: 0,
                    next_serial: objects.len() as u64,
                }),
                committing: Mutex::new(()),
                committed: AtomicU64::new(0),
                poisoned: AtomicBool::new(false),
            }),
        }
    }

    fn object(&self, id: ObjectId, node: &Arc<Node>, end: u64) -> Arc<dyn BlockObject> {
        Arc::new(ExtentObject::new(
            Arc::clone(&self.disk),
            id,
            Arc::clone(node),
            end,
        ))
    }
}

impl BlockStore for ExtentStore {
    fn geometry(&self) -> Geometry {
        let data = self.disk.layout.data();
        Geometry {
            capacity: data.map(|data| data.blocks * u64::from(self.disk.layout.unit)),
            ..self.disk.device.geometry()
        }
    }

    fn acquire(&self, owner: Owner) -> Result<(), IoError> {
        let mut state = self.disk.state.lock();
        if state.owner.is_some_and(|held| held != owner) {
            return Err(IoError::store(IoErrorKind::Fenced, IoOp::Acquire));
        }
        state.owner = Some(owner);
        Ok(())
    }

    fn list(&self) -> Result<Vec<ObjectId>, IoError> {
        Ok(self.disk.state.lock().names.keys().copied().collect())
    }

    fn create(&self, id: ObjectId, reserve: Option<u64>) -> Result<Arc<dyn BlockObject>, IoError> {
        let failed = |kind| id.error(kind, IoOp::Create, 0);
        let disk = &self.disk;
        disk.check_usable().map_err(failed)?;
        let node = {
            let mut state = disk.state.lock();
            if state.names.contains_key(&id) {
                return Err(failed(IoErrorKind::Exists));
            }
            let map = Map::new(0, reserve.is_some());
            state.next_serial += 1;
            Arc::new(Node::new(state.next_serial, map, 0))
        };
        let object = ExtentObject::new(Arc::clone(disk), id, Arc::clone(&node), 0);
        let set_aside = reserve.map_or(Ok(()), |bytes| object.set_aside(bytes));
        let mut state = disk.state.lock();
        let named = set_aside.and_then(|()| match state.names.contains_key(&id) {
            true => Err(failed(IoErrorKind::Exists)),
            false if !state.fits(&disk.layout, 1, 0) => Err(failed(IoErrorKind::NoSpace)),
            false => Ok(()),
        });
        if let Err(error) = named {
            state.give_all(&node);
            return Err(IoError {
                op: IoOp::Create,
                ..error
            });
        }
        let born = state.change();
        node.born.store(born, Ordering::Release);
        state.names.insert(id, node);
        Ok(Arc::new(object))
    }

    fn open(&self, id: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let state = self.disk.state.lock();
        let node = state.names.get(&id);
        let node = node.ok_or_else(|| id.error(IoErrorKind::NotFound, IoOp::Open, 0))?;
        let end = node.map.read().len;
        Ok(self.object(id, node, end))
    }

    fn recycle(&self, old: ObjectId, new: ObjectId) -> Result<Arc<dyn BlockObject>, IoError> {
        let failed = |kind| old.error(kind, IoOp::Recycle, 0);
        self.disk.check_usable().map_err(failed)?;
        let mut state = self.disk.state.lock();
        if state.names.contains_key(&new) {
            return Err(new.error(IoErrorKind::Exists, IoOp::Recycle, 0));
        }
        let node = state.names.get(&old).cloned();
        let node = node.ok_or_else(|| failed(IoErrorKind::NotFound))?;
        if !self.geometry().recycle || state.names_of(&node) > 1 {
            return Err(failed(IoErrorKind::Unsupported));
        }
        state.names.remove(&old);
        state.names.insert(new, Arc::clone(&node));
        node.map.write().fixed = true;
        let born = state.change();
        node.born.store(born, Ordering::Release);
        Ok(self.object(new, &node, 0))
    }

    fn delete(&self, id: ObjectId) -> Result<(), IoError> {
        let failed = |kind| id.error(kind, IoOp::Delete, 0);
        self.disk.check_usable().map_err(failed)?;
        let mut state = self.disk.state.lock();
        let node = state.names.remove(&id);
        let node = node.ok_or_else(|| failed(IoErrorKind::NotFound))?;
        if state.names_of(&node) == 0 {
            state.doomed.push(node);
        }
        state.change();
        Ok(())
    }

    fn link(&self, from: ObjectId, to: ObjectId) -> Result<(), IoError> {
        let failed = |kind| from.error(kind, IoOp::Link, 0);
        self.disk.check_usable().map_err(failed)?;
        let mut state = self.disk.state.lock();
        let node = state.names.get(&from).cloned();
        let node = node.ok_or_else(|| failed(IoErrorKind::NotFound))?;
        if state.names.contains_key(&to) {
            return Err(to.error(IoErrorKind::Exists, IoOp::Link, 0));
        }
        if !state.fits(&self.disk.layout, 1, 0) {
            return Err(failed(IoErrorKind::NoSpace));
        }
        let born = state.change();
        node.born.store(born, Ordering::Release);
        state.names.insert(to, node);
        Ok(())
    }

    fn barrier(&self) -> Result<(), IoError> {
        let changes = self.disk.state.lock().changes;
        if self.disk.committed.load(Ordering::Acquire) >= changes {
            return Ok(());
        }
        let failed = |kind| IoError::store(kind, IoOp::Barrier);
        self.disk.commit(None).map_err(failed)
    }
}

impl Disk {
    pub(super) fn check_usable(&self) -> Result<(), IoErrorKind> {
        match self.poisoned.load(Ordering::Acquire) {
            true => Err(IoErrorKind::SyncFailed),
            false => Ok(()),
        }
    }

    /// Makes what was written to the device durable.
    pub(super) fn flush(&self) -> Result<(), IoErrorKind> {
        self.check_usable()?;
        self.device.flush().map_err(|_why| {
            self.poisoned.store(true, Ordering::Release);
            IoErrorKind::SyncFailed
        })
    }

    /// Whether the newest name of `node` is durable.
    pub(super) fn is_named(&self, node: &Node) -> bool {
        node.born.load(Ordering::Acquire) <= self.committed.load(Ordering::Acquire)
    }

    /// Makes the names, and the length of `syncing`, durable.
    pub(super) fn commit(&self, syncing: Option<&Node>) -> Result<(), IoErrorKind> {
        let _one = self.committing.lock();
        self.check_usable()?;
        let (table, changes, synced, doomed) = {
            let mut state = self.state.lock();
            let synced = syncing.map(|node| {
                let mut map = node.map.write();
                let len = map.len;
                core::mem::replace(&mut map.synced, len)
            });
            state.generation += 1;
            let table = state.table(&self.layout);
            (
                table,
                state.changes,
                synced,
                core::mem::take(&mut state.doomed),
            )
        };
        let slot = table.encode(&self.layout);
        let write = |number| {
            let written = self.device.write(self.layout.slot(number), &slot);
            written.map_err(|_why| {
                // Of a slot that is torn nobody knows what it holds; the other one is whole.
                self.poisoned.store(true, Ordering::Release);
                IoErrorKind::SyncFailed
            })
        };
        let done = self
            .flush()
            .and_then(|()| write(0))
            .and_then(|()| self.flush());
        if let Err(kind) = done {
            if let (Some(node), Some(synced)) = (syncing, synced) {
                node.map.write().synced = synced;
            }
            self.state.lock().doomed.extend(doomed);
            return Err(kind);
        }
        self.committed.store(changes, Ordering::Release);
        write(1)?;
        self.free(doomed)
    }

    /// Frees the blocks of objects that no durable table refers to, as far as nobody reads them.
    fn free(&self, doomed: Vec<Arc<Node>>) -> Result<(), IoErrorKind> {
        let (gone, held): (Vec<_>, Vec<_>) =
            (doomed.into_iter()).partition(|node| Arc::strong_count(node) == 1);
        self.state.lock().doomed.extend(held);
        if gone.is_empty() {
            return Ok(());
        }
        // Until slot B is durable too, a rotten slot A would bring the objects back.
        self.flush()?;
        for node in &gone {
            for extent in node.map.read().extents() {
                self.device.discard(extent.start, extent.blocks);
            }
        }
        let mut state = self.state.lock();
        for node in gone {
            state.give_all(&node);
        }
        Ok(())
    }

    /// Gives `node` blocks for `bytes` in all.
    pub(super) fn reach(&self, node: &Node, bytes: u64) -> Result<(), IoErrorKind> {
        let need = self.layout.blocks_of(bytes);
        if node.map.read().blocks() >= need {
            return Ok(());
        }
        if self.state.lock().grow(&self.layout, node, need) {
            return Ok(());
        }
        // What was deleted may be freed now.
        self.commit(None)?;
        match self.state.lock().grow(&self.layout, node, need) {
            true => Ok(()),
            false => Err(IoErrorKind::NoSpace),
        }
    }
}

impl State {
    fn change(&mut self) -> u64 {
        self.changes += 1;
        self.changes
    }

    fn names_of(&self, node: &Arc<Node>) -> usize {
        let same = |other: &&Arc<Node>| Arc::ptr_eq(other, node);
        self.names.values().filter(same).count()
    }

    /// Gives `node` blocks up to `need` in all, or none.
    fn grow(&mut self, layout: &Layout, node: &Node, need: u64) -> bool {
        let mut map = node.map.write();
        let (before, extents) = (map.blocks(), map.extents().len());
        let growing = match map.fixed {
            true => 0,
            false => before.min(GROWTH_BYTES / u64::from(layout.unit)),
        };
        while map.blocks() < need {
            let more = (map.extents().len() - extents) as u64 + 1;
            let want = (need - map.blocks()).max(growing);
            let fits = self.fits(layout, 0, more);
            match fits.then(|| self.free.take(map.last(), want)).flatten() {
                Some(extent) => map.push(extent),
                None => {
                    map.cut(before, |extent| self.free.give(extent));
                    return false;
                }
            }
        }
        self.extents += (map.extents().len() - extents) as u64;
        true
    }

    /// Gives all blocks of `node` back.
    fn give_all(&mut self, node: &Node) {
        let mut map = node.map.write();
        self.extents -= map.extents().len() as u64;
        map.cut(0, |extent| self.free.give(extent));
    }

    /// Whether the table has room for so many more names and extents.
    fn fits(&self, layout: &Layout, names: u64, extents: u64) -> bool {
        let names = self.names.len() as u64 + names;
        Table::bytes(names, self.extents + extents, names) <= layout.slot_bytes()
    }

    /// The table as it is now, with the synced length of each object.
    fn table(&self, layout: &Layout) -> Table {
        let mut table = Table {
            generation: self.generation,
            ..Table::default()
        };
        let mut seen = BTreeMap::new();
        for (id, node) in &self.names {
            let object = *seen.entry(node.serial).or_insert_with(|| {
                let mut map = node.map.read().clone();
                // What lies behind is the object's as long as this process lives.
                map.cut(layout.blocks_of(map.synced), |_| {});
                map.len = map.synced;
                table.objects.push(map);
                u32::try_from(table.objects.len() - 1).expect("a slot is below 4 GiB")
            });
            table.names.insert(*id, object);
        }
        table
    }
}

impl Node {
    fn new(serial: u64, map: Map, born: u64) -> Self {
        Self {
            serial,
            map: RwLock::new(map),
            born: AtomicU64::new(born),
        }
    }
}

/// What stands in a slot.
enum Slot {
    Good(Layout, Table, FreeMap),
    /// It never was written.
    Zero,
    Bad,
}

impl Slot {
    const fn layout(&self) -> Option<Layout> {
        match self {
            Self::Good(layout, ..) => Some(*layout),
            Self::Zero | Self::Bad => None,
        }
    }
}

/// Reads slot A, or, where the layout is known or guessed, slot B.
fn read_slot(device: &dyn BlockDevice, second: Option<Layout>) -> Result<Slot, IoError> {
    let unit = device.geometry().unit;
    let at = second.map_or(0, |layout| layout.slot(1));
    if at >= device.blocks() {
        return Ok(Slot::Zero);
    }
    let mut head = vec![0; HEAD_LEN.next_multiple_of(unit as usize)];
    match device.read(at, &mut head) {
        Ok(()) => {}
        Err(error) if matches!(error.kind, IoErrorKind::Media | IoErrorKind::ShortRead) => {
            return Ok(Slot::Bad);
        }
        Err(error) => return Err(error),
    }
    let Some(layout) = Table::layout(&head, unit, device.blocks()) else {
        let zero = head.iter().all(|byte| *byte == 0);
        return Ok(if zero { Slot::Zero } else { Slot::Bad });
    };
    if second.is_some_and(|known| known != layout) {
        return Ok(Slot::Bad);
    }
    let mut slot = vec![0; usize::try_from(layout.slot_bytes()).unwrap_or(0)];
    match device.read(at, &mut slot) {
        Ok(()) => {}
        Err(error) if error.kind == IoErrorKind::Media => return Ok(Slot::Bad),
        Err(error) => return Err(error),
    }
    Ok(match Table::decode(&slot, &layout) {
        Some((table, free)) => Slot::Good(layout, table, free),
        None => Slot::Bad,
    })
}

/// An object that grows gets as much again, up to this.
const GROWTH_BYTES: u64 = 256 << 10;

#[cfg(test)]
mod tests;
