//! Rot and bad sectors that a seed draws.

use super::*;

const LOG: ObjectId = ObjectId::log(1);

/// Ten synced bytes in a reserve of 64, six more that are not, and a table of five.
fn filled() -> SimDisk {
    let disk = disk(16, true);
    let log = disk.create(LOG, Some(64)).unwrap();
    log.append(0, &[&[b'x'; 10]]).unwrap();
    log.sync().unwrap();
    log.append(10, &[&[b'y'; 6]]).unwrap();
    let table = disk.create(ObjectId::table(1), None).unwrap();
    table.append(0, &[&[b'z'; 5]]).unwrap();
    table.sync().unwrap();
    disk
}

#[test]
fn rot_hits_each_written_durable_byte_and_no_other() {
    let mut hit = BTreeSet::new();
    for seed in 0..400 {
        let disk = filled();
        let damage = disk.rot(&mut Prng::new(seed), Scope::Any).unwrap();
        hit.insert((damage.object, damage.offset));
        assert_eq!((damage.kind, damage.len), (DamageKind::BitRot, 1));
        assert_eq!(disk.damage(), [damage]);
        let bytes = read_all(&disk, damage.object).unwrap();
        let byte = bytes[usize::try_from(damage.offset).unwrap()];
        let was = if damage.object == LOG { b'x' } else { b'z' };
        assert_eq!((byte ^ was).count_ones(), 1);
        let differ = read_all(&filled(), damage.object).unwrap();
        let differ = differ.iter().zip(&bytes).filter(|(own, was)| own != was);
        assert_eq!(differ.count(), 1);
    }
    assert_eq!(hit.len(), 15, "{hit:?}");
}

#[test]
fn rot_keeps_to_its_scope_and_never_flips_a_bit_back() {
    let disk = filled();
    let mut prng = Prng::new(3);
    let scope = Scope::Kind(ObjectKind::Table);
    let mut hit = 0;
    for _ in 0..50 {
        if let Some(damage) = disk.rot(&mut prng, scope) {
            hit += 1;
            assert_eq!(damage.object, ObjectId::table(1));
        }
    }
    assert_eq!(hit, 5, "each byte once");
    assert_eq!(disk.counters().bits_flipped, 5);
    assert_eq!(disk.rot(&mut prng, Scope::Kind(ObjectKind::Meta)), None);
    let bytes = read_all(&disk, ObjectId::table(1)).unwrap();
    assert!(bytes.iter().all(|byte| *byte != b'z'));
}

#[test]
fn rot_finds_what_is_durable_between_what_is_not() {
    for seed in 0..100 {
        let disk = disk(16, true);
        let old = disk.create(LOG, Some(64)).unwrap();
        old.append(0, &[&[b'o'; 40]]).unwrap();
        old.sync().unwrap();
        let new = disk.recycle(LOG, ObjectId::log(2)).unwrap();
        assert_eq!(disk.rot(&mut Prng::new(seed), Scope::Any), None, "stale");
        new.append(0, &[&[b'n'; 4]]).unwrap();
        assert_eq!(disk.rot(&mut Prng::new(seed), Scope::Any), None, "unsynced");
        new.sync().unwrap();
        new.append(4, &[&[b'n'; 4]]).unwrap();
        let damage = disk.rot(&mut Prng::new(seed), Scope::Any).unwrap();
        assert!(damage.offset < 4, "seed {seed}: {damage:?}");
    }
}

#[test]
fn a_broken_sector_fails_every_read_that_touches_it_and_is_counted() {
    let disk = filled();
    let mut prng = Prng::new(1);
    let damage = disk
        .break_random_sector(&mut prng, Scope::Object(LOG))
        .unwrap();
    assert_eq!(
        (damage.kind, damage.offset, damage.len),
        (DamageKind::BadSector, 0, 16)
    );
    assert_eq!(
        disk.break_random_sector(&mut prng, Scope::Object(LOG)),
        None
    );
    let log = disk.open(LOG).unwrap();
    let read = |from: u64, len: usize| log.read_at(from, &mut vec![0; len]);
    assert_eq!(read(15, 1).unwrap_err().kind, IoErrorKind::Media);
    assert_eq!(read(0, 64).unwrap_err().kind, IoErrorKind::Media);
    read(16, 48).unwrap();
    let counters = disk.counters();
    assert_eq!((counters.sectors_broken, counters.media_errors), (1, 2));
}

#[test]
fn what_is_written_over_a_broken_sector_can_be_read() {
    let disk = disk(16, true);
    let log = disk.create(LOG, Some(64)).unwrap();
    log.append(0, &[&[b'o'; 40]]).unwrap();
    log.sync().unwrap();
    assert!(disk.break_sector(LOG, 35));
    log.append(40, &[&[b'n'; 8]]).unwrap();
    let read = |from: u64, len: usize| log.read_at(from, &mut vec![0; len]);
    read(40, 8).unwrap();
    assert_eq!(read(39, 1).unwrap_err().kind, IoErrorKind::Media);
    drop(log);
    let log = disk.recycle(LOG, ObjectId::log(2)).unwrap();
    log.append(0, &[&[b'n'; 40]]).unwrap();
    log.read_at(0, &mut [0; 40]).unwrap();
}

#[test]
fn the_same_seed_damages_the_same_place_and_a_fork_on_its_own() {
    let damaged = |seed| {
        let disk = filled();
        disk.rot(&mut Prng::new(seed), Scope::Any);
        disk.break_random_sector(&mut Prng::new(seed), Scope::Any);
        disk.damage()
    };
    assert_eq!(damaged(4), damaged(4));
    assert!((0..20).any(|seed| damaged(seed) != damaged(4)));
    let disk = filled();
    let fork = disk.fork();
    fork.rot(&mut Prng::new(0), Scope::Any);
    assert!(disk.damage().is_empty());
    assert_eq!(disk.counters().bits_flipped, 0);
    assert_eq!(read_all(&disk, LOG), read_all(&filled(), LOG));
}
