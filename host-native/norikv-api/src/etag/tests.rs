use super::*;

#[test]
fn a_tag_comes_back_as_its_version() {
    let version = Version {
        term: Term(u64::MAX),
        index: LogIndex(0),
    };
    assert_eq!(parse(&format(version)), Ok(version));
}

#[test]
fn what_is_no_tag_of_ours_is_refused() {
    for tag in [
        "",
        "*",
        "1-2",
        "\"1\"",
        "\"1-\"",
        "\"-2\"",
        "\"+1-2\"",
        "W/\"1-2\"",
        "\"1-2",
        "\"a-b\"",
    ] {
        assert!(parse(tag).is_err(), "{tag} was taken");
    }
}
