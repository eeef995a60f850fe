//! The disk against the plainest model there is: what each byte has to be.

use alloc::collections::BTreeMap;
use alloc::sync::Arc;

use nori_env::BlockObject;

use super::*;

/// What every object should hold, told by what was asked and by the disk's own list of damage.
#[derive(Default)]
struct Expected {
    objects: BTreeMap<ObjectId, Vec<u8>>,
    seen: usize,
}

impl Expected {
    fn append(&mut self, id: ObjectId, at: u64, bytes: &[u8], damage: &[Damage]) {
        let fresh = &damage[self.seen..];
        self.seen = damage.len();
        let object = self.objects.entry(id).or_default();
        let (from, to) = range(at, bytes.len() as u64);
        if object.len() < to {
            object.resize(to, 0);
        }
        match fresh {
            [] => object[from..to].copy_from_slice(bytes),
            [lost] => assert_eq!(lost.kind, DamageKind::LostWrite),
            [lost, landed] => {
                assert_eq!((lost.object, lost.offset), (id, at));
                assert_eq!(landed.kind, DamageKind::Overwritten);
                let (from, to) = range(landed.offset, landed.len);
                let target = self.objects.get_mut(&landed.object).unwrap();
                target[from..to].copy_from_slice(&bytes[..to - from]);
            }
            more => panic!("{more:?}"),
        }
    }
}

fn range(at: u64, len: u64) -> (usize, usize) {
    let index = |at| usize::try_from(at).unwrap();
    (index(at), index(at + len))
}

fn check(disk: &SimDisk, expected: &Expected, seed: u64) {
    for (id, bytes) in &expected.objects {
        assert_eq!(
            read_all(disk, *id).as_ref(),
            Some(bytes),
            "seed {seed} {id}"
        );
    }
}

#[test]
fn reads_return_what_the_platter_holds_whatever_was_lost_or_misdirected() {
    let mut counters = DiskCounters::default();
    for seed in 0..300 {
        let prng = &mut Prng::new(seed);
        let disk = disk(16, prng.below(2) == 0);
        let mut expected = Expected::default();
        let mut objects: Vec<(Arc<dyn BlockObject>, u64)> = Vec::new();
        let mut number = 0;
        for _ in 0..60 {
            match prng.below(12) {
                0 => {
                    number += 1;
                    let id = ObjectId::log(number);
                    let reserve = prng.below(80) * prng.below(2);
                    objects.push((disk.create(id, Some(reserve)).unwrap(), 0));
                    let (_, reserve) = range(0, reserve);
                    expected.objects.insert(id, vec![0; reserve]);
                }
                1 => disk.lie(Lie::lost_write()),
                2 => disk.lie(Lie::misdirected_write(prng.next_u64())),
                3 if !objects.is_empty() => {
                    number += 1;
                    let (old, new) = (&mut objects[0], ObjectId::log(number));
                    let bytes = expected.objects.remove(&old.0.id()).unwrap();
                    *old = (disk.recycle(old.0.id(), new).unwrap(), 0);
                    expected.objects.insert(new, bytes);
                }
                4 => {
                    for (object, _) in &objects {
                        object.sync().unwrap();
                    }
                    let fork = disk.fork();
                    fork.crash(prng);
                    check(&fork, &expected, seed);
                }
                _ if objects.is_empty() => {}
                _ => {
                    let nth = usize::try_from(prng.below(objects.len() as u64)).unwrap();
                    let (object, end) = &mut objects[nth];
                    let at = *end + prng.below(3);
                    let (_, len) = range(0, prng.below(40));
                    let byte = u8::try_from(prng.below(256)).unwrap();
                    let bytes = vec![byte; len];
                    let (first, second) = bytes.split_at(len / 2);
                    object.append(at, &[first, second]).unwrap();
                    *end = at + len as u64;
                    expected.append(object.id(), at, &bytes, &disk.damage());
                }
            }
            check(&disk, &expected, seed);
        }
        counters += disk.counters();
    }
    assert!(counters.writes_lost > 300, "{counters:?}");
    assert!(counters.writes_misdirected > 300, "{counters:?}");
}
