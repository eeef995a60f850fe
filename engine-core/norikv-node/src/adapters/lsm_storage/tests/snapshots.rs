//! Groups that leave one store and enter another.

use nori_env::{IoErrorKind, IoOp};
use norikv_testkit::FailPoint;

use super::*;
use crate::PortErrorKind;

fn source() -> (Version, Vec<Bytes>) {
    let source = Replica::new();
    source.storage.apply(GROUP, &random_log(1, 250)).unwrap();
    source.export()
}

fn bad(result: Result<(), PortError>) {
    assert_eq!(result.unwrap_err().kind, PortErrorKind::BadSnapshot);
}

#[test]
fn an_installed_snapshot_is_the_whole_group_durably() {
    let source = Replica::new();
    source.storage.apply(GROUP, &random_log(1, 250)).unwrap();
    let (at, chunks) = source.export();
    assert!(chunks.len() > 2, "{} chunks", chunks.len());

    let mut target = Replica::new();
    let other = [put_in(GroupId(0), 1)];
    target.storage.apply(GroupId(0), &other).unwrap();
    target.storage.apply(GROUP, &random_log(2, 100)).unwrap();
    target.install(at, &chunks).unwrap();
    for crashed in [false, true] {
        if crashed {
            target.crash(&mut Prng::new(4));
        }
        assert_eq!(target.applied(), at);
        assert_eq!(target.storage.flushed(GROUP), at.index);
        assert_eq!(target.export(), (at, chunks.clone()));
        assert_eq!(target.scan_all(), source.scan_all());
        // What was applied to another group before was flushed on the way.
        assert_eq!(
            target.storage.applied(GroupId(0)).unwrap(),
            other[0].version()
        );
        assert_eq!(target.incoming(), 0);
    }
    let next = random_log(1, 300);
    let from = usize::try_from(at.index.0).unwrap();
    assert_eq!(
        target.storage.apply(GROUP, &next[from..]).unwrap(),
        source.storage.apply(GROUP, &next[from..]).unwrap()
    );
    assert_eq!(target.export(), source.export());
}

#[test]
fn an_export_shows_one_point_in_time() {
    let replica = Replica::new();
    let log = random_log(1, 300);
    replica.storage.apply(GROUP, &log[..200]).unwrap();
    let (at, chunks) = replica.export();
    let mut export = replica.storage.export(GROUP).unwrap();
    let mut found = vec![export.next_chunk(CHUNK_BYTES).unwrap().bytes];
    replica.storage.apply(GROUP, &log[200..]).unwrap();
    replica.flush();
    assert_eq!(export.at(), at);
    while found.len() < chunks.len() {
        let chunk = export.next_chunk(CHUNK_BYTES).unwrap();
        assert_eq!(chunk.last, found.len() + 1 == chunks.len());
        found.push(chunk.bytes);
    }
    assert_eq!(found, chunks);
    assert!(export.next_chunk(CHUNK_BYTES).is_err(), "it has ended");
}

#[test]
fn a_group_without_anything_can_travel_too() {
    let empty = Replica::new();
    let (at, chunks) = empty.export();
    assert_eq!((at, chunks.len()), (Version::default(), 1));
    let mut target = Replica::new();
    target.install(at, &chunks).unwrap();
    target.reopen();
    assert_eq!(target.applied(), at);
    assert_eq!(target.export(), (at, chunks));
}

#[test]
fn a_snapshot_with_a_chunk_missing_doubled_or_of_elsewhere_is_refused() {
    let (at, chunks) = source();
    let target = Replica::new();
    target.storage.apply(GROUP, &random_log(2, 30)).unwrap();
    let before = target.export();

    bad(target.install(at, &[]));
    bad(target.install(at, &chunks[..chunks.len() - 1]));
    bad(target.install(at, &chunks[1..]));
    let mut doubled = chunks.clone();
    doubled.insert(1, chunks[0].clone());
    bad(target.install(at, &doubled));
    let mut swapped = chunks.clone();
    swapped.swap(1, 2);
    bad(target.install(at, &swapped));
    let mut longer = chunks.clone();
    longer.extend(chunks.last().cloned());
    bad(target.install(at, &longer));
    bad(target.install(Version::default(), &chunks));
    let mut damaged = chunks[0].to_vec();
    damaged[50] ^= 1;
    bad(target.install(at, &[damaged.into()]));
    bad(target.install(at, &[Bytes::from_static(b"not a chunk")]));

    let other = Replica::new();
    other.storage.apply(GROUP, &random_log(1, 251)).unwrap();
    let (_, newer) = other.export();
    bad(target.install(at, &[&chunks[..1], &newer[1..]].concat()));
    let mut staging = target.storage.stage(GroupId(4)).unwrap();
    bad(staging.chunk(&chunks[0]));
    // A staging that refused a chunk takes no other one either.
    let mut staging = target.storage.stage(GROUP).unwrap();
    bad(staging.chunk(&chunks[1]));
    bad(staging.chunk(&chunks[0]));
    bad(staging.install(at));

    assert_eq!(target.export(), before);
    assert_eq!(target.incoming(), 0);
    target.install(at, &chunks).unwrap();
    assert_eq!(target.export(), (at, chunks));
}

#[test]
fn a_snapshot_with_keys_of_another_group_is_refused() {
    let target = Replica::new();
    let forge = |keys: &[Bytes]| {
        let mut chunk = chunk::ChunkWriter::new();
        keys.iter().for_each(|key| chunk.add(key, b""));
        chunk.finish(&chunk::ChunkHead {
            group: GROUP,
            number: 0,
            at: Version::default(),
            last: true,
        })
    };
    let [metadata, data] = target.storage.inner.ranges(GROUP);
    let taken = |keys: &[Bytes]| target.storage.stage(GROUP).unwrap().chunk(&forge(keys));
    let own = Bytes::from([&metadata.start[..], &[9]].concat());
    assert_eq!(taken(&[own.clone(), data.start.clone()]), Ok(()));
    bad(taken(&[data.start.clone(), own]));
    bad(taken(&[data.start.clone(), data.start.clone()]));
    bad(taken(&[data.end]));
    bad(taken(&[metadata.end]));
    bad(taken(&[state_machine::group_key(GROUP)]));
    bad(taken(&[state_machine::group_key(GroupId(0))]));
    bad(taken(&[Bytes::new()]));
}

#[test]
fn the_applied_index_never_goes_back_to_an_older_snapshot() {
    let (at, chunks) = source();
    let target = Replica::new();
    target.storage.apply(GROUP, &random_log(1, 260)).unwrap();
    let before = target.export();
    bad(target.install(at, &chunks));
    assert_eq!(target.export(), before);
}

#[test]
fn what_was_not_installed_is_gone_when_it_is_dropped_and_at_the_next_start() {
    let (_, chunks) = source();
    let mut target = Replica::new();
    let mut staging = target.storage.stage(GROUP).unwrap();
    assert_eq!(target.incoming(), 0, "nothing before the first chunk");
    staging.chunk(&chunks[0]).unwrap();
    assert_eq!(target.incoming(), 1);
    drop(staging);
    assert_eq!(target.incoming(), 0);

    let mut staging = target.storage.stage(GROUP).unwrap();
    staging.chunk(&chunks[0]).unwrap();
    target.reopen();
    assert_eq!(target.incoming(), 0);
    drop(staging);
}

#[test]
fn an_install_cut_off_anywhere_leaves_the_old_group_or_the_new_one() {
    let (at, chunks) = source();
    let mut outcomes = [0, 0];
    for mutations in 0.. {
        let mut target = Replica::new();
        target.storage.apply(GROUP, &random_log(2, 120)).unwrap();
        target.flush();
        let before = target.export();
        target.disk.power_off_after(mutations);
        let installed = target.install(at, &chunks);
        let finished = !target.disk.is_off();
        target.crash(&mut Prng::new(mutations));
        let after = target.export();
        if after == before {
            outcomes[0] += 1;
            assert!(
                installed.is_err(),
                "cut at {mutations}: installed, then lost"
            );
            assert_eq!(target.applied(), before.0);
        } else {
            outcomes[1] += 1;
            assert_eq!(after, (at, chunks.clone()), "cut at {mutations}: a mixture");
            assert_eq!(target.applied(), at);
        }
        assert_eq!(target.incoming(), 0);
        if finished {
            break;
        }
    }
    assert!(outcomes[0] > 5, "{outcomes:?}");
    assert!(outcomes[1] > 0, "{outcomes:?}");
}

#[test]
fn a_disk_that_fills_up_during_a_transfer_ends_only_the_transfer() {
    let (at, chunks) = source();
    let target = Replica::new();
    target.storage.apply(GROUP, &random_log(2, 30)).unwrap();
    let before = target.export();
    let mut point = FailPoint::nth(IoOp::Append, 1, IoErrorKind::NoSpace);
    point.kind = Some(ObjectKind::Incoming);
    target.disk.fail(point);
    let error = target.install(at, &chunks).unwrap_err();
    assert_eq!(error.kind, PortErrorKind::NoSpace);
    assert_eq!(target.export(), before);
    assert_eq!(target.incoming(), 0);

    // And while the tables are written.
    let mut point = FailPoint::next(IoOp::Append, IoErrorKind::NoSpace);
    point.kind = Some(ObjectKind::Table);
    target.disk.fail(point);
    let error = target.install(at, &chunks).unwrap_err();
    assert_eq!(error.kind, PortErrorKind::NoSpace);
    assert_eq!(target.export(), before);
    target.install(at, &chunks).unwrap();
    assert_eq!(target.export(), (at, chunks));
}

#[test]
fn a_spooled_chunk_that_rots_is_corruption_and_not_installed() {
    let (at, chunks) = source();
    let target = Replica::new();
    let mut staging = target.storage.stage(GROUP).unwrap();
    for chunk in &chunks {
        staging.chunk(chunk).unwrap();
    }
    let mut listed = target.disk.list().unwrap().into_iter();
    let id = listed.find(|id| id.kind == ObjectKind::Incoming);
    assert!(target.disk.flip_bit(id.unwrap(), 8 * 2_500));
    let error = staging.install(at).unwrap_err();
    assert_eq!(error.kind, PortErrorKind::Corrupt);
    assert!(error.detail.contains("incoming at byte"), "{error}");
    assert_eq!(target.applied(), Version::default());
    assert_eq!(target.incoming(), 0);
}
