//! Values that end, numbers, transactions and watches.

use axum::body::Body;
use axum::http::{Request, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use norikv_api::{TTL_MS, cursor};
use norikv_node::{
    Answer, Call, Change, Failure, Step, StepAnswer, Transaction, WatchEvent, WatchPage,
};
use norikv_types::{ErrorKind, GroupId, LogIndex, WallMs};

use crate::{VERSION, ask, error_of, recorder, written};

#[tokio::test]
async fn a_put_says_how_long_its_value_lives_and_a_get_how_long_it_still_does() {
    let service = recorder(written());
    let put = |uri| Request::put(uri).body(Body::from("v")).unwrap();
    let response = ask(&service, put("/kv/k?ttl=30s")).await;
    assert_eq!(response.status(), StatusCode::OK);
    let asked = service.asked.lock().unwrap().pop();
    let Some(Call::Put { ttl_ms, .. }) = asked else {
        panic!("{asked:?}");
    };
    assert_eq!(ttl_ms, Some(30_000));
    for bad in ["/kv/k?ttl=0", "/kv/k?ttl=soon", "/kv/k?by=1"] {
        let response = ask(&service, put(bad)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    let value = |expires_at| Answer::Value {
        value: Bytes::from_static(b"v"),
        version: VERSION,
        expires_at,
    };
    let get = || Request::get("/kv/k").body(Body::empty()).unwrap();
    for (expires_at, header) in [(None, None), (Some(WallMs(5)), Some("0"))] {
        let response = ask(&recorder(Ok(value(expires_at))), get()).await;
        let ttl = response.headers().get(TTL_MS);
        assert_eq!(ttl.map(|ttl| ttl.to_str().unwrap()), header);
    }
}

#[tokio::test]
async fn an_increment_is_by_one_unless_it_says_otherwise() {
    let service = recorder(Ok(Answer::Counted {
        version: VERSION,
        value: -4,
    }));
    for (uri, by) in [("/incr/a%2Fb", 1), ("/incr/a%2Fb?by=-5", -5)] {
        let request = Request::post(uri)
            .header("Idempotency-Key", "once")
            .body(Body::empty())
            .unwrap();
        let response = ask(&service, request).await;
        let body = response.into_body().collect().await.unwrap().to_bytes();
        assert_eq!(
            &body[..],
            br#"{"value":-4,"version":{"term":3,"index":41}}"#
        );
        let expected = Call::Increment {
            key: Bytes::from_static(b"a/b"),
            by,
            idempotency: Some(Bytes::from_static(b"once")),
        };
        assert_eq!(service.asked.lock().unwrap().pop(), Some(expected));
    }
}

#[tokio::test]
async fn a_transaction_is_taken_apart_and_answered_step_by_step() {
    let service = recorder(Ok(Answer::Transacted {
        version: VERSION,
        succeeded: false,
        answers: vec![StepAnswer::Done, StepAnswer::Absent],
    }));
    let post = |body: &'static str| Request::post("/txn").body(Body::from(body)).unwrap();
    let response = ask(&service, post(r#"{"else":[{"op":"delete","key":"k"}]}"#)).await;
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(
        &body[..],
        br#"{"succeeded":false,"version":{"term":3,"index":41},"results":[{},{"exists":false}]}"#
    );
    let transaction = Transaction {
        otherwise: vec![Step::Delete {
            key: Bytes::from_static(b"k"),
        }],
        ..Transaction::default()
    };
    let expected = Call::Transaction {
        transaction,
        idempotency: None,
    };
    assert_eq!(service.asked.lock().unwrap().pop(), Some(expected));
    for bad in ["", "7", r#"{"then":[{"op":"put","key":"k"}]}"#] {
        let response = ask(&service, post(bad)).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{bad}");
    }
    let failure = Failure::refused(ErrorKind::SeveralGroups, "shards 1 and 2");
    let response = ask(&recorder(Err(failure)), post("{}")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    assert!(error_of(response).await.next.contains("tag in braces"));
}

#[tokio::test]
async fn a_watch_gives_lines_and_goes_on_from_its_cursor() {
    let position = vec![(GroupId(1), LogIndex(300))];
    let event = WatchEvent {
        group: GroupId(1),
        key: Bytes::from_static(b"k"),
        version: VERSION,
        change: Change::Delete,
    };
    let service = recorder(Ok(Answer::Watched(WatchPage {
        events: vec![event],
        cursor: position.clone(),
    })));
    let request = Request::get("/watch?prefix=k").body(Body::empty()).unwrap();
    let mut body = ask(&service, request).await.into_body();
    let text = cursor::format(&position);
    let expected = format!(
        "{}\n{}\n",
        r#"{"event":"delete","group":1,"key":"k","version":{"term":3,"index":41}}"#,
        format_args!(r#"{{"event":"cursor","cursor":"{text}"}}"#),
    );
    for _ in 0..3 {
        let frame = body.frame().await.unwrap().unwrap();
        assert_eq!(frame.into_data().unwrap(), expected);
    }
    drop(body);
    let asked = service.asked.lock().unwrap();
    let cursors: Vec<_> = asked
        .iter()
        .map(|call| match call {
            Call::Watch { cursor, .. } => cursor.clone(),
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(cursors, [vec![], position.clone(), position]);
}

#[tokio::test]
async fn a_watch_whose_past_is_gone_is_410_and_names_the_oldest_position() {
    let mut failure = Failure::refused(ErrorKind::Compacted, "known from 9 on");
    failure.oldest = Some((GroupId(4), LogIndex(9)));
    let request = |uri: &str| Request::get(uri).body(Body::empty()).unwrap();
    let service = recorder(Err(failure));
    let response = ask(&service, request("/watch?cursor=AQEEBQ")).await;
    assert_eq!(response.status(), StatusCode::GONE);
    let body = error_of(response).await;
    let oldest = body.oldest.unwrap();
    assert_eq!((oldest.group, oldest.index), (4, 9));
    let response = ask(&service, request("/watch?cursor=nonsense!")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
}
