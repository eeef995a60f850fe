use std::os::unix::fs::PermissionsExt;

use super::*;

fn addresses() -> Vec<String> {
    vec!["127.0.0.1".to_owned(), "localhost".to_owned()]
}

#[test]
fn a_saved_authority_issues_certificates_that_the_first_one_accepts() {
    let folder = tempfile::tempdir().expect("a folder");
    Authority::create(7)
        .expect("created")
        .save(folder.path())
        .expect("saved");
    let authority = Authority::load(folder.path()).expect("loaded");
    let node = folder.path().join("node-2");
    authority
        .issue(NodeId(2), &addresses())
        .expect("issued")
        .save(&node)
        .expect("saved");
    let credentials = Credentials::load_from(&node).expect("loaded");
    credentials.check_node(NodeId(2)).expect("it is node 2's");
    credentials.server().expect("fits together");
    credentials.client().expect("fits together");
}

#[test]
fn a_certificate_is_not_another_nodes() {
    let authority = Authority::create(7).expect("created");
    let credentials = authority.issue(NodeId(2), &addresses()).expect("issued");
    let error = credentials
        .check_node(NodeId(3))
        .expect_err("it is node 2's");
    let text = error.to_string();
    assert!(
        text.contains("node 3") && text.contains("node-2.norikv"),
        "{text}"
    );
}

#[test]
fn keys_can_be_read_by_their_owner_only() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::create(7).expect("created");
    authority.save(folder.path()).expect("saved");
    authority
        .issue(NodeId(1), &[])
        .expect("issued")
        .save(folder.path().join("node").as_path())
        .expect("saved");
    for key in [
        folder.path().join("ca.key"),
        folder.path().join("node/node.key"),
    ] {
        let mode = fs::metadata(&key).expect("there").permissions().mode();
        assert_eq!(mode & 0o777, 0o600, "{}", key.display());
    }
}

#[test]
fn an_authority_is_never_overwritten() {
    let folder = tempfile::tempdir().expect("a folder");
    Authority::create(7)
        .expect("created")
        .save(folder.path())
        .expect("saved");
    let error = Authority::create(7)
        .expect("created")
        .save(folder.path())
        .expect_err("there");
    assert!(error.to_string().contains("ca.key"), "{error}");
}

#[test]
fn a_file_without_a_certificate_is_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::create(7).expect("created");
    authority
        .issue(NodeId(1), &[])
        .expect("issued")
        .save(folder.path())
        .expect("saved");
    fs::write(folder.path().join("node.crt"), "nothing").expect("written");
    let error = Credentials::load_from(folder.path()).expect_err("no certificate");
    assert!(error.to_string().contains("node.crt"), "{error}");
    fs::remove_file(folder.path().join("node.key")).expect("removed");
    authority.issue(NodeId(1), &[]).expect("issued");
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let authority = Authority::create(7).expect("created");
    let (one, two) = (folder.path().join("1"), folder.path().join("2"));
    authority
        .issue(NodeId(1), &[])
        .expect("issued")
        .save(&one)
        .expect("saved");
    authority
        .issue(NodeId(2), &[])
        .expect("issued")
        .save(&two)
        .expect("saved");
    fs::copy(two.join("node.key"), one.join("node.key")).expect("copied");
    let credentials = Credentials::load_from(&one).expect("each file is fine");
    assert!(matches!(credentials.server(), Err(Error::Tls(_))));
}
