use super::*;

const GOLDEN: [u8; 64] = [
    0x4e, 0x4b, 0x56, 0x49, 1, 0, 0, 0, 7, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 8, 0, 0, 0,
    3, 0, 0, 0, 3, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0,
    0, 0, 0, 0,
];

fn golden() -> Vec<u8> {
    let mut bytes = GOLDEN.to_vec();
    let checksum = crc32fast::hash(&bytes[..60]);
    bytes[60..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

fn identity() -> Identity {
    let nodes = vec![NodeId(3), NodeId(1), NodeId(2)];
    Identity::of(&NodeConfig::new(NodeId(2), nodes, 7))
}

#[test]
fn an_identity_is_written_as_the_documented_bytes() {
    assert_eq!(identity().encode(), golden());
    assert_eq!(Identity::decode(&golden()), Some(identity()));
}

#[test]
fn every_flipped_bit_and_every_truncation_is_noticed() {
    for bit in 0..64 * 8 {
        let mut bytes = golden();
        bytes[bit / 8] ^= 1 << (bit % 8);
        assert_eq!(Identity::decode(&bytes), None, "bit {bit}");
    }
    for end in 0..64 {
        assert_eq!(Identity::decode(&golden()[..end]), None, "{end} bytes");
    }
}

#[test]
fn a_directory_is_claimed_once_and_for_all() {
    let folder = tempfile::tempdir().expect("a folder");
    identity().claim(folder.path()).expect("empty");
    identity().claim(folder.path()).expect("its own");
    let changed = [
        (
            Identity {
                cluster: 8,
                ..identity()
            },
            "cluster",
        ),
        (
            Identity {
                node: NodeId(1),
                ..identity()
            },
            "node",
        ),
        (
            Identity {
                groups: 4,
                ..identity()
            },
            "number of groups",
        ),
        (
            Identity {
                replication: 1,
                ..identity()
            },
            "replication",
        ),
        (
            Identity {
                nodes: vec![NodeId(2)],
                ..identity()
            },
            "list of nodes",
        ),
    ];
    for (other, differs) in changed {
        match other.claim(folder.path()) {
            Err(Error::Foreign { what, .. }) => assert_eq!(what, differs),
            claimed => panic!("{differs}: {claimed:?}"),
        }
    }
    identity().claim(folder.path()).expect("still its own");
}

#[test]
fn a_directory_in_place_of_a_lost_one_stays_one() {
    let folder = tempfile::tempdir().expect("a folder");
    let replacement = Identity {
        founder: false,
        ..identity()
    };
    assert!(!replacement.claim(folder.path()).expect("empty"));
    assert_eq!(Identity::decode(&replacement.encode()), Some(replacement));
    let later = identity().claim(folder.path()).expect("its own");
    assert!(
        !later,
        "what is forgotten on the command line stands in the file"
    );
}

#[test]
fn a_directory_that_was_there_from_the_start_is_no_replacement() {
    let folder = tempfile::tempdir().expect("a folder");
    assert!(identity().claim(folder.path()).expect("empty"));
    let replacement = Identity {
        founder: false,
        ..identity()
    };
    let error = replacement
        .claim(folder.path())
        .expect_err("it has promised things");
    assert!(
        error.to_string().contains("in place of a lost one"),
        "{error}"
    );
}

#[test]
fn data_without_an_identity_is_not_claimed() {
    let folder = tempfile::tempdir().expect("a folder");
    fs::create_dir(folder.path().join(LOG)).expect("made");
    fs::write(folder.path().join(LOG).join("lock"), []).expect("written");
    fs::write(folder.path().join(LOG).join("1.log"), []).expect("written");
    let claimed = identity().claim(folder.path());
    assert!(
        matches!(claimed, Err(Error::Unidentified { .. })),
        "{claimed:?}"
    );
}

#[test]
fn a_damaged_identity_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    identity().claim(folder.path()).expect("empty");
    fs::write(folder.path().join(FILE), b"garbage").expect("written");
    let error = identity().claim(folder.path()).expect_err("garbage");
    assert!(error.to_string().contains("identity"), "{error}");
}
