//! What fuzz bodies share: a tape of bytes that decides, and images of stores that are damaged.
//!
//! **Invariant: a body is a function of its bytes**: the same bytes do the same, everywhere.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use norikv_types::Prng;

use crate::sync::Mutex;
use crate::{
    BlockDevice, BlockStore, Entropy, ExtentStore, Geometry, MemDevice, MemStore, ObjectId,
};

/// What a fuzzer calls, with its name.
pub type Body = (&'static str, fn(&[u8]));

/// The bodies of this crate, by name.
pub const BODIES: &[Body] = &[("device", device)];

/// Decisions, taken from the bytes of a fuzzer one after another; zeros when they are used up.
#[derive(Debug, Clone)]
pub struct Tape<'a>(&'a [u8]);

/// The objects of a store, to be damaged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Image {
    /// Their bytes.
    pub objects: BTreeMap<ObjectId, Vec<u8>>,
}

/// Entropy that repeats.
#[derive(Debug)]
pub struct Drawn(Mutex<Prng>);

impl<'a> Tape<'a> {
    /// All of `bytes`.
    #[must_use]
    pub const fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The next byte.
    pub fn byte(&mut self) -> u8 {
        let (first, rest) = self.0.split_first().unwrap_or((&0, &[]));
        self.0 = rest;
        *first
    }

    /// A number below `bound`, 0 for 0; from as many bytes as the bound needs.
    pub fn below(&mut self, bound: u64) -> u64 {
        let mut number = 0;
        let mut reach = 1_u64;
        while reach < bound {
            number = number << 8 | u64::from(self.byte());
            reach = reach.saturating_mul(256);
        }
        number % bound.max(1)
    }

    /// As [`below`](Self::below), as an index.
    pub fn index(&mut self, bound: usize) -> usize {
        usize::try_from(self.below(bound as u64)).unwrap_or(0)
    }

    /// Eight bytes: an edge of some width, or any number.
    pub fn number(&mut self) -> u64 {
        match self.byte() {
            0 => 0,
            1 => u64::MAX,
            2 => u64::from(u32::MAX),
            3 => u64::from(u16::MAX),
            4 => 1 << 63,
            5 => 1 << 31,
            6 => u64::from(self.byte()),
            7 => 1_u64.wrapping_shl(u32::from(self.byte())),
            _ => u64::from_le_bytes(core::array::from_fn(|_| self.byte())),
        }
    }

    /// Up to `max` bytes.
    pub fn bytes(&mut self, max: usize) -> &'a [u8] {
        let len = self.index(max + 1).min(self.0.len());
        let (taken, rest) = self.0.split_at(len);
        self.0 = rest;
        taken
    }

    /// Everything that is left.
    #[must_use]
    pub fn rest(self) -> &'a [u8] {
        self.0
    }

    /// Whether nothing is left.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Changes `bytes` as a fuzzer likes, a few times.
    pub fn damage(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..=self.below(4) {
            let len = bytes.len();
            let at = self.index(len);
            let to = (at + 1 + self.index(64)).min(len);
            match self.byte() % 9 {
                _ if bytes.is_empty() => bytes.extend_from_slice(self.bytes(64)),
                0 => bytes[at] ^= 1 << self.below(8),
                1 => bytes[at] = self.byte(),
                2 => bytes[at..to].fill(0),
                3 => {
                    let from = self.index(len - (to - at) + 1);
                    bytes.copy_within(from..from + (to - at), at);
                }
                4 => bytes.truncate(at),
                5 => {
                    let number = self.number().to_le_bytes();
                    let width = [1, 2, 4, 8][self.index(4)].min(len - at);
                    bytes[at..at + width].copy_from_slice(&number[..width]);
                }
                6 => drop(bytes.splice(at..at, self.bytes(32).iter().copied())),
                7 => drop(bytes.drain(at..to)),
                _ => bytes.extend_from_slice(self.bytes(64)),
            }
        }
    }
}

impl Image {
    /// What `store` holds.
    ///
    /// # Panics
    /// When it cannot be read.
    #[must_use]
    pub fn of(store: &dyn BlockStore) -> Self {
        let read = |id| {
            let object = store.open(id).expect("it is listed");
            let len = usize::try_from(object.len().expect("it is open")).expect("it is small");
            let mut bytes = vec![0; len];
            object.read_at(0, &mut bytes).expect("all of it");
            (id, bytes)
        };
        let ids = store.list().expect("the store is open");
        Self {
            objects: ids.into_iter().map(read).collect(),
        }
    }

    /// A store that holds this.
    ///
    /// # Panics
    /// Never.
    #[must_use]
    pub fn store(&self, geometry: Geometry) -> MemStore {
        let store = MemStore::with_geometry(geometry);
        for (id, bytes) in &self.objects {
            let object = store.create(*id, None).expect("a new store has room");
            object.append(0, &[bytes]).expect("a new store has room");
        }
        store
    }

    /// Changes objects, exchanges and removes some, or adds others.
    pub fn damage(&mut self, tape: &mut Tape<'_>) {
        for _ in 0..=tape.below(3) {
            let ids: Vec<ObjectId> = self.objects.keys().copied().collect();
            let [one, other] = [0; 2].map(|_| ids.get(tape.index(ids.len())).copied());
            let (Some(one), Some(other)) = (one, other) else {
                return;
            };
            match tape.byte() % 16 {
                0 => drop(self.objects.remove(&one)),
                1 => {
                    let bytes = self.objects.get(&other).cloned().unwrap_or_default();
                    self.objects.insert(one, bytes);
                }
                2 => {
                    let number = match tape.below(3) {
                        0 => one.number.wrapping_add(1),
                        1 => one.number.wrapping_sub(1),
                        _ => tape.number(),
                    };
                    let bytes = self.objects.get(&one).cloned().unwrap_or_default();
                    self.objects.insert(ObjectId { number, ..other }, bytes);
                }
                3 => {
                    let bytes = tape.bytes(200).to_vec();
                    self.objects.insert(one, bytes);
                }
                _ => {
                    if let Some(bytes) = self.objects.get_mut(&one) {
                        tape.damage(bytes);
                    }
                }
            }
        }
    }
}

impl Drawn {
    /// Entropy from `seed`.
    #[must_use]
    pub fn new(seed: u64) -> Arc<Self> {
        Arc::new(Self(Mutex::new(Prng::new(seed))))
    }
}

impl Entropy for Drawn {
    fn draw(&self) -> u64 {
        self.0.lock().next_u64()
    }
}

/// Opens an extent store on a damaged device: what one reads out of one slot is right or refused.
fn device(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let blocks = 64 + tape.below(64);
    let device = MemDevice::new(blocks);
    let store = ExtentStore::format(Arc::new(device.clone())).expect("the device is large enough");
    let (mut created, mut sizes) = (0, Vec::new());
    for _ in 0..tape.below(8) {
        created += 1;
        let id = ObjectId::log(created);
        let reserve = (tape.byte() & 1 == 1).then(|| tape.below(3_000));
        let Ok(object) = store.create(id, reserve) else {
            continue;
        };
        let content = vec![tape.byte(); tape.index(3_000)];
        let len = content
            .len()
            .min(reserve.map_or(content.len(), |r| usize::try_from(r).unwrap_or(0)));
        if object.append(0, &[&content[..len]]).is_ok() && object.sync().is_ok() {
            sizes.push((id, content[..len].to_vec()));
        }
    }
    drop(store);
    let mut raw = vec![0; usize::try_from(blocks * 512).expect("small")];
    device.read(0, &mut raw).expect("all of it");
    let len = raw.len();
    // One slot, or anywhere.
    let mut head = raw[..match tape.byte() & 1 {
        0 => 4096,
        _ => len,
    }]
        .to_vec();
    let only_a_slot = head.len() == 4096;
    tape.damage(&mut head);
    head.truncate(len);
    if only_a_slot {
        head.resize(4096, 0);
    }
    raw[..head.len()].copy_from_slice(&head);
    device.write(0, &raw).expect("all of it");
    for _ in 0..2 {
        let Ok(store) = ExtentStore::open(Arc::new(device.clone())) else {
            assert!(!only_a_slot, "slot B is whole");
            return;
        };
        let image = Image::of(&store);
        if only_a_slot {
            for (id, content) in &sizes {
                assert!(image.objects[id].starts_with(content), "{id}");
            }
        }
        if let Ok(object) = store.create(ObjectId::meta(1), None)
            && object.append(0, &[tape.bytes(700)]).is_ok()
        {
            object.sync().expect("memory syncs");
        }
        drop(store.delete(ObjectId::meta(1)));
        store.barrier().expect("memory syncs");
    }
}
