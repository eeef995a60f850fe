use norikv_types::{ErrorKind, GroupId, LogIndex, Term, Version};

use super::super::fake::{Fake, Says};
use super::*;
use crate::Config;

fn put(key: &str, index: u64) -> String {
    format!(
        r#"{{"event":"put","group":1,"key":"{key}","value":"v","version":{{"term":3,"index":{index}}}}}"#
    ) + "\n"
}

fn cursor(text: &str) -> String {
    format!(r#"{{"event":"cursor","cursor":"{text}"}}"#) + "\n"
}

/// The indexes of the events, and the cursor.
async fn next(watch: &mut Watch) -> Result<(Vec<u64>, String), Error> {
    let watched = watch.next().await?;
    let indexes = watched.events.iter().map(|event| event.version.index.0);
    Ok((indexes.collect(), watched.cursor))
}

fn client(endpoints: &[&Fake]) -> Client {
    let mut config = Config::new(endpoints.iter().map(|node| node.address.clone()));
    config.timeout = Duration::from_millis(500);
    Client::new(config)
}

#[tokio::test]
async fn events_come_with_the_cursor_that_covers_them() {
    let lines = [put("a", 4), put("b", 5), cursor("AAA"), cursor("BBB")].concat();
    // Cut anywhere: lines come in pieces.
    let (first, second) = lines.split_at(37);
    let node = Fake::start(vec![Says::text(&[first, second]).and_stays()]).await;
    let mut watch = client(&[&node]).watch(b"a b", "");
    let watched = watch.next().await.unwrap();
    let version = |index| Version {
        term: Term(3),
        index: LogIndex(index),
    };
    let versions: Vec<_> = watched.events.iter().map(|event| event.version).collect();
    assert_eq!(versions, [version(4), version(5)]);
    assert_eq!(watched.events[0].group, GroupId(1));
    assert_eq!(watched.cursor, "AAA");
    // Nothing happened: the watch is alive.
    assert_eq!(next(&mut watch).await.unwrap(), (vec![], "BBB".to_owned()));
    assert_eq!(node.asked(), ["/watch?prefix=a%20b&cursor="]);
}

#[tokio::test]
async fn a_watch_that_loses_its_node_goes_on_at_another_from_the_last_cursor() {
    let lost = [put("a", 4), cursor("AAA"), put("b", 5)].concat();
    let told = [put("b", 5), put("c", 6), cursor("BBB")].concat();
    let one = Fake::start(vec![Says::text(&[&lost])]).await;
    let other = Fake::start(vec![Says::text(&[&told]).and_stays()]).await;
    let mut watch = client(&[&one, &other]).watch(b"", "000");
    assert_eq!(next(&mut watch).await.unwrap(), (vec![4], "AAA".to_owned()));
    // The event that no cursor covered was told again, and is given out once.
    let second = next(&mut watch).await.unwrap();
    assert_eq!(second, (vec![5, 6], "BBB".to_owned()));
    assert_eq!(one.asked(), ["/watch?prefix=&cursor=000"]);
    assert_eq!(other.asked(), ["/watch?prefix=&cursor=AAA"]);
}

#[tokio::test]
async fn a_node_that_must_go_says_so_and_another_one_goes_on() {
    let body = ErrorBody::refused(ErrorKind::Internal, "the node is stopping");
    let end = serde_json::to_string(&WatchLine::Error(body)).unwrap() + "\n";
    let one = Fake::start(vec![Says::text(&[&put("a", 4), &end])]).await;
    let other = Fake::start(vec![Says::text(&[&put("a", 4), &cursor("BBB")])]).await;
    let mut watch = client(&[&one, &other]).watch(b"", "AAA");
    let told = next(&mut watch).await;
    // Whichever is asked next, what was not covered comes again and once.
    let told = match told {
        Ok(told) => told,
        Err(error) => panic!("{error}"),
    };
    assert_eq!(told, (vec![4], "BBB".to_owned()));
}

#[tokio::test]
async fn a_past_that_is_gone_ends_the_watch_at_once() {
    let body = ErrorBody::refused(ErrorKind::Compacted, "known from 9 on");
    let refusal = serde_json::to_string(&body).unwrap();
    let gone = WatchLine::Error(body);
    let line = serde_json::to_string(&gone).unwrap() + "\n";
    let begins = Says::text(&[&refusal]).with_status(410);
    let later = Says::text(&[&cursor("AAA"), &line]);
    for (says, before) in [(begins, 0), (later, 1)] {
        let node = Fake::start(vec![says]).await;
        let mut watch = client(&[&node]).watch(b"", "AQEEBQ");
        for _ in 0..before {
            watch.next().await.unwrap();
        }
        match watch.next().await {
            Err(Error::Refused(body)) => assert_eq!(body.code, ErrorKind::Compacted),
            other => panic!("{other:?}"),
        }
    }
}

#[tokio::test]
async fn what_is_no_watch_is_refused_and_not_asked_for_again() {
    for says in [
        Says::text(&["what?\n"]),
        Says::text(&["<html>"]).with_status(502),
        Says::text(&[&put("a", 4).replace("\"key\":\"a\",", "")]),
    ] {
        let node = Fake::start(vec![says]).await;
        let mut watch = client(&[&node]).watch(b"", "");
        let error = watch.next().await.unwrap_err();
        assert!(matches!(error, Error::Foreign { .. }), "{error}");
        assert_eq!(node.asked().len(), 1);
    }
}

#[tokio::test]
async fn no_node_within_the_timeout_is_said_and_trying_again_goes_on() {
    let node = Fake::start(vec![Says::text(&[&put("a", 4), &cursor("AAA")])]).await;
    let mut watch = client(&[&node]).watch(b"", "");
    assert_eq!(next(&mut watch).await.unwrap(), (vec![4], "AAA".to_owned()));
    for _ in 0..2 {
        let error = watch.next().await.unwrap_err();
        assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    }
}

#[tokio::test]
async fn dropping_what_waits_loses_nothing() {
    let (first, second) = (put("a", 4), [put("b", 5), cursor("AAA")].concat());
    let halves = second.split_at(20);
    let says = Says::text(&[&first, halves.0, halves.1]).and_stays();
    // Who drops it while it asks asks again.
    let node = Fake::start(vec![says; 1_000]).await;
    let mut watch = client(&[&node]).watch(b"", "");
    // Polled once and dropped, again and again, at whatever point it waits.
    let watched = loop {
        let polled = tokio::time::timeout(Duration::from_micros(200), watch.next()).await;
        if let Ok(watched) = polled {
            break watched.unwrap();
        }
    };
    assert_eq!(watched.events.len(), 2);
    assert_eq!(watched.cursor, "AAA");
}
