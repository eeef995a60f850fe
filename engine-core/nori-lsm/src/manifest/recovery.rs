//! Finding the manifest that counts, and the tables it names.
//!
//! **Invariant: a store opens with every edit that was acknowledged, or not at all.**
//!
//! From the lowest manifest the chain of successors leads to the one that counts. Whatever else is
//! there is debris of a rollover that was not completed, unless it has edits of its own: then
//! the record that named it was lost, and opening the older one would go back in time.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;

use nori_env::{BlockObject, BlockStore, IoErrorKind, ObjectId, ObjectKind};

use super::record::{self, HEAD_BYTES, Head, HeadError, Kind, Successor, align_up};
use super::{Predecessor, manifests};
use crate::levels;
use crate::version_edit::{LiveSet, VersionEdit};
use crate::{Damage, Error};

/// What the manifests of a store say.
#[derive(Debug)]
pub(crate) struct Recovered {
    pub(crate) live: LiveSet,
    /// The manifest that counts; `None` in a new store.
    pub(super) current: Option<Predecessor>,
    /// The highest number in use.
    pub(super) number_max: u64,
    /// Manifests to delete once a new one counts, in this order: debris, then the chain of
    /// successors from its beginning to `current`.
    pub(super) old: Vec<u64>,
}

impl Recovered {
    /// A store without a manifest that is to begin with `live`.
    pub(crate) const fn fresh(live: LiveSet) -> Self {
        Self {
            live,
            current: None,
            number_max: 0,
            old: Vec::new(),
        }
    }
}

/// What manifest `number` says by itself, wherever it stands in a chain.
pub(crate) fn read_one(store: &dyn BlockStore, number: u64) -> Result<LiveSet, Error> {
    match read(store, number) {
        Ok(contents) => {
            let live = contents.live;
            let id = ObjectId::manifest(number);
            levels::check(&live).map_err(|what| corrupt(id, 0, what))?;
            Ok(live)
        }
        Err(Unreadable::Stillborn(error) | Unreadable::Failed(error)) => Err(error),
    }
}

/// One manifest, read.
struct Contents {
    object: Arc<dyn BlockObject>,
    head: Head,
    live: LiveSet,
    successor: Option<Successor>,
    /// Where the verified records end.
    end: u64,
    edits: u32,
}

/// Why a manifest cannot be read.
enum Unreadable {
    /// Its head or its base does not verify, and it is as short as a first manifest whose creation
    /// was cut off: it never counted.
    Stillborn(Error),
    /// Anything else.
    Failed(Error),
}

/// Reads the manifests of `store`. `has_log` says whether the store's log holds anything.
pub(crate) fn recover(store: &dyn BlockStore, has_log: bool) -> Result<Recovered, Error> {
    let numbers = manifests(store)?;
    let listed = store.list()?;
    let is_data = |id: &ObjectId| matches!(id.kind, ObjectKind::Table | ObjectKind::Values);
    let has_data = has_log || listed.iter().any(is_data);
    let mut failed = corrupt(ObjectId::manifest(1), 0, Damage::NoManifest);
    let mut found = None;
    for &number in &numbers {
        match read(store, number) {
            Ok(contents) => {
                found = Some(contents);
                break;
            }
            // Cut off while the very first manifest was written: nothing was ever acknowledged.
            Err(Unreadable::Stillborn(error)) => failed = error,
            Err(Unreadable::Failed(error)) => return Err(error),
        }
    }
    let Some(mut contents) = found else {
        return match has_data {
            true => Err(failed),
            false => Ok(Recovered {
                live: LiveSet::default(),
                current: None,
                number_max: numbers.last().copied().unwrap_or(0),
                old: numbers,
            }),
        };
    };
    let mut chain = vec![contents.head.number];
    while let Some(successor) = contents.successor {
        let id = ObjectId::manifest(successor.number);
        if successor.number <= contents.head.number {
            return Err(corrupt(
                ObjectId::manifest(contents.head.number),
                contents.end,
                Damage::Malformed,
            ));
        }
        contents = match read(store, successor.number) {
            Ok(contents) => contents,
            Err(Unreadable::Stillborn(error) | Unreadable::Failed(error)) => return Err(error),
        };
        if contents.head.uid != successor.uid {
            return Err(corrupt(id, 0, Damage::NotTheSuccessor));
        }
        chain.push(contents.head.number);
    }
    for &number in numbers.iter().filter(|n| **n > contents.head.number) {
        if let Ok(debris) = read(store, number)
            && (debris.edits > 0 || debris.successor.is_some())
        {
            return Err(corrupt(ObjectId::manifest(number), 0, Damage::Unnamed));
        }
    }
    let live = contents.live;
    levels::check(&live)
        .map_err(|what| corrupt(ObjectId::manifest(contents.head.number), 0, what))?;
    Ok(Recovered {
        live,
        current: Some(Predecessor {
            object: contents.object,
            head: contents.head,
            watermark: contents.end,
        }),
        number_max: numbers.last().copied().unwrap_or(0),
        old: debris_first(&numbers, &chain),
    })
}

/// Debris that outlived the beginning of the chain would be taken for it, and what the chain goes
/// on to for manifests that nobody names.
fn debris_first(numbers: &[u64], chain: &[u64]) -> Vec<u64> {
    let debris = numbers.iter().filter(|number| !chain.contains(number));
    debris.chain(chain).copied().collect()
}

fn read(store: &dyn BlockStore, number: u64) -> Result<Contents, Unreadable> {
    let id = ObjectId::manifest(number);
    let object = store.open(id).map_err(|error| {
        Unreadable::Failed(match error.kind {
            IoErrorKind::NotFound => corrupt(id, 0, Damage::Missing),
            _ => error.into(),
        })
    })?;
    let bytes = load(&*object).map_err(Unreadable::Failed)?;
    // Longer than a head and an empty base, a seal stood there, so it was whole once.
    let unborn = |error| match bytes.len() as u64 > stillborn_max(store) {
        true => Unreadable::Failed(error),
        false => Unreadable::Stillborn(error),
    };
    let head = Head::decode(number, &bytes).map_err(|error| match error {
        HeadError::Version(version) => Unreadable::Failed(Error::Unsupported {
            object: id,
            version,
        }),
        HeadError::Damaged => unborn(corrupt(id, 0, Damage::Head)),
    })?;

    let mut contents = Contents {
        object,
        head,
        live: LiveSet::default(),
        successor: None,
        end: 0,
        edits: 0,
    };
    let base_at = align_up(HEAD_BYTES, head.align);
    let mut at = base_at;
    while at < bytes.len() as u64 {
        let Some(record) = record::decode(&head, &bytes, at) else {
            contents.read_past_damage(&bytes, at)?;
            break;
        };
        let malformed = || Unreadable::Failed(corrupt(id, at, Damage::Malformed));
        if (record.kind == Kind::Base) != (at == base_at) {
            return Err(malformed());
        }
        match record.kind {
            Kind::Base | Kind::Edit => {
                let edit = VersionEdit::decode(record.payload).ok_or_else(malformed)?;
                contents
                    .live
                    .apply(&edit)
                    .map_err(|what| Unreadable::Failed(corrupt(id, at, what)))?;
                contents.edits += u32::from(record.kind == Kind::Edit);
            }
            Kind::Seal => {}
            Kind::Superseded => {
                contents.successor = Some(Successor::decode(record.payload).ok_or_else(malformed)?);
            }
        }
        contents.end = record.end;
        at = align_up(record.end, head.align);
    }
    if contents.end == 0 {
        return Err(unborn(corrupt(id, base_at, Damage::Record)));
    }
    Ok(contents)
}

impl Contents {
    /// Decides about the bytes from `damaged`, where a record should begin and none verifies: a
    /// torn tail, or damage to what was durable. Behind a torn tail only the record stands that
    /// an open put there to name a successor.
    fn read_past_damage(&mut self, bytes: &[u8], damaged: u64) -> Result<(), Unreadable> {
        let id = ObjectId::manifest(self.head.number);
        let mut durable_to = 0;
        let mut strange = false;
        let mut at = damaged + u64::from(self.head.align);
        while at < bytes.len() as u64 {
            match record::decode(&self.head, bytes, at) {
                None => at += u64::from(self.head.align),
                Some(record) => {
                    durable_to = durable_to.max(record.watermark);
                    match record.kind {
                        Kind::Superseded => {
                            let successor = Successor::decode(record.payload);
                            strange |= successor.is_none();
                            self.successor = successor.or(self.successor);
                        }
                        Kind::Base | Kind::Edit | Kind::Seal => strange = true,
                    }
                    at = align_up(record.end, self.head.align);
                }
            }
        }
        // Where a successor is named, it holds everything that this one held.
        if self.successor.is_none() && (durable_to > damaged || strange) {
            return Err(Unreadable::Failed(corrupt(id, damaged, Damage::Record)));
        }
        if self.successor.is_some() {
            self.end = self.end.max(damaged);
        }
        Ok(())
    }
}

/// All bytes of a manifest.
pub(super) fn load(object: &dyn BlockObject) -> Result<Vec<u8>, Error> {
    let len = usize::try_from(object.len()?).expect("a manifest fits in memory");
    let mut bytes = vec![0; len];
    match object.read_at(0, &mut bytes) {
        Ok(()) => Ok(bytes),
        Err(error) if matches!(error.kind, IoErrorKind::Media | IoErrorKind::ShortRead) => {
            Err(corrupt(object.id(), 0, Damage::Unreadable))
        }
        Err(error) => Err(error.into()),
    }
}

/// The most bytes that a first manifest can have whose creation was cut off before its sync.
fn stillborn_max(store: &dyn BlockStore) -> u64 {
    let geometry = store.geometry();
    let align = if geometry.psow { 1 } else { geometry.unit };
    let head = Head {
        number: 1,
        uid: 0,
        align,
    };
    let base_at = align_up(HEAD_BYTES, align);
    let payload = LiveSet::default().as_edit().encode();
    record::encode(&head, base_at, Kind::Base, 0, &payload).len() as u64 + base_at
}

const fn corrupt(object: ObjectId, offset: u64, what: Damage) -> Error {
    Error::Corrupt {
        object,
        offset,
        what,
    }
}
