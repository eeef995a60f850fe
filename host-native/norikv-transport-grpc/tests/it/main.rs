//! The routes against a service that records what it was asked and answers as told.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod operations;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::Body;
use axum::http::{Request, Response, StatusCode};
use bytes::Bytes;
use http_body_util::BodyExt;
use norikv_api::{CURSOR, ErrorBody, WATCH_CURSOR, cursor};
use norikv_node::{Answer, Call, Consistency, Expect, Failure, Item, NodeStatus, Page};
use norikv_transport_grpc::{Service, router};
use norikv_types::{Applied, ErrorKind, GroupId, LogIndex, NodeId, Term, Version};
use tower::ServiceExt;

const VERSION: Version = Version {
    term: Term(3),
    index: LogIndex(41),
};

struct Recorder {
    answer: Result<Answer, Failure>,
    asked: Mutex<Vec<Call>>,
    ready: bool,
}

impl Service for Recorder {
    async fn call(&self, call: Call, _patience: Duration) -> Result<Answer, Failure> {
        self.asked.lock().unwrap().push(call);
        self.answer.clone()
    }

    async fn status(&self) -> Option<NodeStatus> {
        Some(NodeStatus {
            node: NodeId(2),
            cluster: 7,
            boot: 1,
            ready: self.ready,
            halted: false,
            calls: 0,
            groups: Vec::new(),
            members: Vec::new(),
        })
    }

    fn metrics(&self) -> String {
        "# EOF\n".to_owned()
    }
}

fn recorder(answer: Result<Answer, Failure>) -> Arc<Recorder> {
    Arc::new(Recorder {
        answer,
        asked: Mutex::default(),
        ready: true,
    })
}

async fn ask(service: &Arc<Recorder>, request: Request<Body>) -> Response<Body> {
    router(Arc::clone(service)).oneshot(request).await.unwrap()
}

async fn error_of(response: Response<Body>) -> ErrorBody {
    let body = response.into_body().collect().await.unwrap().to_bytes();
    serde_json::from_slice(&body).unwrap()
}

fn written() -> Result<Answer, Failure> {
    Ok(Answer::Written { version: VERSION })
}

#[tokio::test]
async fn a_put_carries_raw_key_value_condition_and_name() {
    let service = recorder(written());
    let request = Request::put("/kv/a%2Fb%FF")
        .header("If-Match", "\"3-40\"")
        .header("Idempotency-Key", "once")
        .body(Body::from("raw\0value"))
        .unwrap();
    let response = ask(&service, request).await;
    assert_eq!(response.status(), StatusCode::OK);
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&body[..], br#"{"version":{"term":3,"index":41}}"#);
    let expect = Expect::Version(Version {
        term: Term(3),
        index: LogIndex(40),
    });
    assert_eq!(
        *service.asked.lock().unwrap(),
        [Call::Put {
            key: Bytes::from_static(b"a/b\xff"),
            value: Bytes::from_static(b"raw\0value"),
            expect,
            idempotency: Some(Bytes::from_static(b"once")),
            ttl_ms: None,
        }]
    );
}

#[tokio::test]
async fn a_get_answers_the_raw_value_with_its_version_as_tag() {
    let service = recorder(Ok(Answer::Value {
        value: Bytes::from_static(b"v"),
        version: VERSION,
        expires_at: None,
    }));
    let request = Request::get("/kv/k?consistency=lease")
        .body(Body::empty())
        .unwrap();
    let response = ask(&service, request).await;
    assert_eq!(response.headers()["etag"], "\"3-41\"");
    assert_eq!(
        &response.into_body().collect().await.unwrap().to_bytes()[..],
        b"v"
    );
    let asked = service.asked.lock().unwrap();
    assert!(matches!(
        asked[..],
        [Call::Get {
            consistency: Consistency::Lease,
            ..
        }]
    ));
}

#[tokio::test]
async fn an_absent_key_is_404_and_a_failed_condition_412() {
    let request = || Request::get("/kv/k").body(Body::empty()).unwrap();
    let response = ask(&recorder(Ok(Answer::Absent)), request()).await;
    assert_eq!(response.status(), StatusCode::NOT_FOUND);
    let failure = Failure::refused(ErrorKind::PreconditionFailed, "version 3-41");
    let response = ask(&recorder(Err(failure)), request()).await;
    assert_eq!(response.status(), StatusCode::PRECONDITION_FAILED);
}

#[tokio::test]
async fn a_time_out_says_that_the_write_may_have_been_applied() {
    let failure = Failure::new(ErrorKind::TimedOut, Applied::Unknown, "5000 ms passed");
    let request = Request::put("/kv/k").body(Body::from("v")).unwrap();
    let response = ask(&recorder(Err(failure)), request).await;
    assert_eq!(response.status(), StatusCode::GATEWAY_TIMEOUT);
    let error = error_of(response).await;
    assert_eq!(
        (error.code, error.applied),
        (ErrorKind::TimedOut, Applied::Unknown)
    );
    assert!(error.next.contains("Idempotency-Key"));
}

#[tokio::test]
async fn a_body_over_the_request_limit_never_reaches_the_node() {
    let service = recorder(written());
    let request = Request::put("/kv/k")
        .body(Body::from(vec![0; (2 << 20) + 1]))
        .unwrap();
    let response = ask(&service, request).await;
    assert_eq!(response.status(), StatusCode::PAYLOAD_TOO_LARGE);
    assert!(error_of(response).await.message.contains("2097152"));
    assert!(service.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn a_page_is_a_line_an_item_and_names_where_the_next_one_starts() {
    let item = |key: &'static [u8]| Item {
        key: Bytes::from_static(key),
        value: Bytes::from_static(b"\xff"),
        version: VERSION,
        expires_at: None,
    };
    let page = Page {
        items: vec![item(b"a"), item(b"b\xfe")],
        more: true,
        cursor: vec![(GroupId(0), LogIndex(5)), (GroupId(1), LogIndex(300))],
    };
    let service = recorder(Ok(Answer::Page(page)));
    let request = Request::get("/kv?prefix=&limit=2")
        .body(Body::empty())
        .unwrap();
    let response = ask(&service, request).await;
    assert_eq!(response.headers()[CURSOR], "b%FE");
    assert_eq!(response.headers()[WATCH_CURSOR], "AQIABQGsAg");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8(body.to_vec()).unwrap();
    assert_eq!(
        text.lines().next(),
        Some(r#"{"key":"a","value_b64":"/w==","version":{"term":3,"index":41}}"#)
    );
    assert_eq!(text.lines().count(), 2);
}

#[tokio::test]
async fn a_page_is_asked_for_with_the_cursors_of_the_page_before() {
    let service = recorder(Ok(Answer::Page(Page::default())));
    let request = |uri: &str| Request::get(uri).body(Body::empty()).unwrap();
    let uri = "/kv?prefix=b&cursor=b%FE&watch_cursor=AQIABQGsAg&consistency=follower";
    let response = ask(&service, request(uri)).await;
    assert!(!response.headers().contains_key(CURSOR));
    let expected = Call::Scan {
        prefix: Bytes::from_static(b"b"),
        after: Some(Bytes::from_static(b"b\xfe")),
        limit: 1_000,
        consistency: Consistency::Follower,
        cursor: vec![(GroupId(0), LogIndex(5)), (GroupId(1), LogIndex(300))],
    };
    assert_eq!(service.asked.lock().unwrap().pop(), Some(expected));
    let response = ask(&service, request("/kv?watch_cursor=AQIABQ")).await;
    assert_eq!(response.status(), StatusCode::BAD_REQUEST);
    let message = error_of(response).await.message;
    assert!(
        message.contains("watch_cursor: AQIABQ is no cursor"),
        "{message}"
    );
    assert!(service.asked.lock().unwrap().is_empty());
}

/// As long as it can be: 1,024 groups, each at the end of its log.
#[tokio::test]
async fn the_longest_cursor_fits_into_a_request_and_into_a_header() {
    let positions: Vec<_> = (0..1_024)
        .map(|group| (GroupId(group), LogIndex(u64::MAX)))
        .collect();
    let page = Page {
        cursor: positions.clone(),
        ..Page::default()
    };
    let service = recorder(Ok(Answer::Page(page)));
    let text = cursor::format(&positions);
    assert!(text.len() < 17 << 10, "{}", text.len());
    let key = "%FF".repeat(1_024);
    let uri = format!("/kv?prefix={key}&cursor={key}&watch_cursor={text}");
    let response = ask(&service, Request::get(uri).body(Body::empty()).unwrap()).await;
    assert_eq!(response.headers()[WATCH_CURSOR], text);
    let asked = service.asked.lock().unwrap().pop();
    assert!(matches!(asked, Some(Call::Scan { cursor, .. }) if cursor == positions));
}

#[tokio::test]
async fn what_cannot_be_meant_is_400_and_never_reaches_the_node() {
    let service = recorder(written());
    let bad = [
        Request::put("/kv/%zz").body(Body::empty()).unwrap(),
        Request::put("/kv/").body(Body::empty()).unwrap(),
        Request::put("/kv/k")
            .header("If-Match", "3-41")
            .body(Body::empty())
            .unwrap(),
        Request::put("/kv/k")
            .header("If-None-Match", "\"1-1\"")
            .body(Body::empty())
            .unwrap(),
        Request::get("/kv/k?consistency=eventual")
            .body(Body::empty())
            .unwrap(),
        Request::get("/kv?limit=-1").body(Body::empty()).unwrap(),
    ];
    for request in bad {
        let uri = request.uri().clone();
        let response = ask(&service, request).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{uri}");
        assert_eq!(error_of(response).await.applied, Applied::No);
    }
    assert!(service.asked.lock().unwrap().is_empty());
}

#[tokio::test]
async fn readiness_follows_the_node() {
    let request = || Request::get("/readyz").body(Body::empty()).unwrap();
    assert_eq!(
        ask(&recorder(written()), request()).await.status(),
        StatusCode::OK
    );
    let away = Arc::new(Recorder {
        answer: written(),
        asked: Mutex::default(),
        ready: false,
    });
    assert_eq!(
        ask(&away, request()).await.status(),
        StatusCode::SERVICE_UNAVAILABLE
    );
}
