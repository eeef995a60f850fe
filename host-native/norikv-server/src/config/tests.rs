use super::*;

fn example() -> NodeFile {
    NodeFile {
        cluster: "00000000000000ff".to_owned(),
        node: 1,
        http: "127.0.0.1:8001".parse().unwrap(),
        quic: "127.0.0.1:7001".parse().unwrap(),
        groups: Placement::GROUPS_DEFAULT,
        tuning: Tuning {
            heartbeat_ms: Some(100),
            ..Tuning::default()
        },
        peers: vec![PeerEntry {
            node: 2,
            quic: "127.0.0.1:7002".parse().unwrap(),
        }],
    }
}

#[test]
fn a_saved_file_is_loaded_as_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    example().save(&path).unwrap();
    assert_eq!(NodeFile::load(&path).unwrap(), example());
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    let text = toml::to_string(&example()).unwrap();
    for (from, to, named) in [
        ("node = 1", "node = 0", "node is 0"),
        ("groups = 8", "groups = 0", "groups is 0"),
        ("groups = 8", "groups = 12", "groups is 12"),
        ("groups = 8", "groups = 2048", "groups is 2048"),
        ("00000000000000ff", "ff", "16 hexadecimal digits"),
        ("node = 2", "node = 1", "twice"),
        ("heartbeat_ms", "hartbeat_ms", "hartbeat_ms"),
    ] {
        assert!(text.contains(from), "{from}");
        fs::write(&path, text.replacen(from, to, 1)).unwrap();
        let refused = format!("{:#}", NodeFile::load(&path).unwrap_err());
        assert!(refused.contains(named), "{refused} does not name {named}");
        assert!(
            refused.contains(FILE_NAME),
            "{refused} does not name the file"
        );
    }
}

#[test]
fn every_number_of_groups_that_divides_the_shards_is_taken() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join(FILE_NAME);
    for groups in [1, 2, 4, 8, 16, 32, 64, 128, 256, 512, 1_024] {
        let mut file = example();
        file.groups = groups;
        file.save(&path).unwrap();
        assert_eq!(NodeFile::load(&path).unwrap().groups, groups);
    }
}
