use super::*;

const ALL: &[&str] = &["consistency", "prefix", "cursor", "limit", "timeout_ms"];

#[test]
fn parameters_hold_any_bytes() {
    let query = Query::parse(Some("prefix=a%FF%26&cursor=a%FFb&limit=7"), ALL).unwrap();
    assert_eq!(&query.prefix()[..], b"a\xff&");
    assert_eq!(query.cursor().as_deref(), Some(&b"a\xffb"[..]));
    assert_eq!(query.limit(), 7);
}

#[test]
fn nothing_given_means_the_defaults() {
    let query = Query::parse(None, ALL).unwrap();
    assert_eq!(query.consistency(), Ok(Consistency::Linearizable));
    assert_eq!((query.limit(), query.patience()), (LIMIT, PATIENCE));
    assert!(query.prefix().is_empty() && query.cursor().is_none());
}

#[test]
fn a_parameter_that_cannot_be_meant_is_refused_by_name() {
    for (raw, name) in [
        ("prefx=a", "prefx"),
        ("limit=0", "limit"),
        ("limit=many", "limit"),
        ("limit=1&limit=2", "limit"),
        ("timeout_ms=0", "timeout_ms"),
        ("timeout_ms=60001", "timeout_ms"),
        ("prefix=%F", "%F"),
    ] {
        let refused = Query::parse(Some(raw), ALL).unwrap_err();
        assert!(refused.contains(name), "{raw}: {refused}");
    }
    let query = Query::parse(Some("consistency=follower"), ALL).unwrap();
    assert_eq!(query.consistency(), Ok(Consistency::Follower));
    let query = Query::parse(Some("consistency=eventual"), ALL).unwrap();
    assert!(query.consistency().unwrap_err().contains("eventual"));
}
