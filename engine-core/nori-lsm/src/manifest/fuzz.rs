//! Records whose checksums fit around edits that may be anything.

use alloc::sync::Arc;
use alloc::vec::Vec;

use nori_env::fuzzing::{Drawn, Image, Tape};
use nori_env::{BlockStore, Geometry, MemStore, ObjectId};

use super::record::{self, HEAD_BYTES, Head, Kind, Successor, align_up};
use super::{recover, recovery};
use crate::fuzz::{open, options, work};
use crate::inspect_manifest;
use crate::version_edit::{LiveSet, VersionEdit};

/// See [`BODIES`](crate::fuzz::BODIES).
pub(crate) fn manifest(bytes: &[u8]) {
    let tape = &mut Tape::new(bytes);
    let geometry = Geometry {
        unit: 64,
        psow: tape.byte() & 1 == 0,
        recycle: false,
        capacity: None,
    };
    let (mut image, edits) = real(geometry);
    for _ in 0..=tape.below(2) {
        let number = 1 + tape.below(4);
        let align = if geometry.psow { 1 } else { geometry.unit };
        let head = Head {
            number,
            uid: tape.below(3),
            align,
        };
        let stated = match tape.byte() % 8 {
            0 => 1 << (tape.byte() % 32),
            _ => align,
        };
        let stated = Head {
            align: stated,
            ..head
        };
        let mut bytes = stated.encode().to_vec();
        for at_first in (0..=tape.below(5)).map(|nth| nth == 0) {
            let at = align_up(bytes.len() as u64, align);
            bytes.resize(usize::try_from(at).expect("small"), 0);
            let kind = match tape.byte() % 8 {
                0 => [Kind::Base, Kind::Edit, Kind::Seal, Kind::Superseded][tape.index(4)],
                1 => Kind::Superseded,
                _ if at_first => Kind::Base,
                _ => Kind::Edit,
            };
            let watermark = if tape.byte() & 1 == 0 {
                0
            } else {
                tape.below(at + 2)
            };
            let payload = match tape.byte() % 4 {
                0 => tape.bytes(200).to_vec(),
                1 if kind == Kind::Superseded => {
                    let to = Successor {
                        number: tape.below(6),
                        uid: tape.below(3),
                    };
                    bytes.extend_from_slice(&to.encode_twice(&head, at, watermark));
                    continue;
                }
                _ => {
                    let mut edit = edits[tape.index(edits.len())].clone();
                    if tape.byte() & 1 == 0 {
                        tape.damage(&mut edit);
                    }
                    edit
                }
            };
            check(&payload);
            bytes.extend_from_slice(&record::encode(&head, at, kind, watermark, &payload));
        }
        if tape.below(4) == 0 {
            tape.damage(&mut bytes);
        }
        image.objects.insert(ObjectId::manifest(number), bytes);
    }
    let store: Arc<dyn BlockStore> = Arc::new(image.store(geometry));
    for id in image.objects.keys() {
        let object = store.open(*id).expect("it is there");
        let _ = (
            inspect_manifest(&*object),
            recovery::read_one(&*store, id.number).is_ok(),
        );
    }
    let _ = recover(&*store, true).is_ok();
    if let Ok(lsm) = open(&store, options(), &Drawn::new(2)) {
        let mut iter = lsm.iter(.., &lsm.snapshot());
        while let Ok(Some(_)) = iter.next() {}
        let _ = lsm.put(b"key", b"value");
        let _ = lsm.flush();
        let _ = work(&lsm);
    }
}

/// An edit that decodes says the same when it is encoded again.
fn check(payload: &[u8]) {
    let Some(edit) = VersionEdit::decode(payload) else {
        return;
    };
    let again = VersionEdit::decode(&edit.encode());
    assert_eq!(again.as_ref(), Some(&edit));
    let mut live = LiveSet::default();
    if live.apply(&edit).is_ok() {
        let _ = live.bytes();
    }
}

/// A store with a few tables, and the edits that made it.
fn real(geometry: Geometry) -> (Image, Vec<Vec<u8>>) {
    let store = Arc::new(MemStore::with_geometry(geometry));
    let shared: Arc<dyn BlockStore> = Arc::clone(&store) as Arc<dyn BlockStore>;
    let mut edits = Vec::new();
    let lsm = open(&shared, options(), &Drawn::new(1)).expect("a new store");
    for round in 0..3_u8 {
        for key in [b"a", b"b", b"c"] {
            lsm.put(key, &[round; 20]).expect("there is room");
        }
        lsm.flush().expect("there is room");
        if round == 1 {
            work(&lsm).expect("there is room");
        }
        let live = lsm.engine.manifest.lock().live().clone();
        edits.push(live.as_edit().encode());
        let one = VersionEdit {
            removed: live.tables.keys().copied().take(1).collect(),
            added: live.tables.values().take(1).cloned().collect(),
            ..live.as_edit()
        };
        edits.push(one.encode());
    }
    drop(lsm);
    (Image::of(&*store), edits)
}

const _: () = assert!(HEAD_BYTES == 32);
