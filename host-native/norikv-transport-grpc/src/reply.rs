//! Answers and failures as HTTP responses.

use std::time::{SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::header::{CONTENT_TYPE, ETAG};
use axum::http::{HeaderValue, Response, StatusCode};
use norikv_api::{
    CURSOR, CountedBody, ErrorBody, ItemBody, NDJSON, ReplicasBody, ResultBody, TTL_MS,
    TransactedBody, WATCH_CURSOR, WrittenBody, cursor, etag, http_status, path,
};
use norikv_node::{Answer, Failure, Page};
use norikv_types::{ErrorKind, WallMs};

/// The response to a call.
pub(crate) fn of_result(result: Result<Answer, Failure>) -> Response<Body> {
    match result {
        Ok(Answer::Written { version }) => json(
            StatusCode::OK,
            &WrittenBody {
                version: version.into(),
            },
        ),
        Ok(Answer::Value {
            value,
            version,
            expires_at,
        }) => {
            let mut response = Response::new(Body::from(value));
            let headers = response.headers_mut();
            headers.insert(
                CONTENT_TYPE,
                HeaderValue::from_static("application/octet-stream"),
            );
            if let Ok(tag) = HeaderValue::from_str(&etag::format(version)) {
                headers.insert(ETAG, tag);
            }
            if let Some(at) = expires_at {
                headers.insert(TTL_MS, HeaderValue::from(remaining_ms(at)));
            }
            response
        }
        Ok(Answer::Absent) => refused(ErrorKind::NotFound, "no such key"),
        Ok(Answer::Page(page)) => of_page(&page),
        Ok(Answer::Replicas(replicas)) => json(StatusCode::OK, &ReplicasBody::from(&replicas)),
        Ok(Answer::Counted { version, value }) => json(
            StatusCode::OK,
            &CountedBody {
                value,
                version: version.into(),
            },
        ),
        Ok(Answer::Transacted {
            version,
            succeeded,
            answers,
        }) => json(
            StatusCode::OK,
            &TransactedBody {
                succeeded,
                version: version.into(),
                results: answers.iter().map(ResultBody::of).collect(),
            },
        ),
        Ok(Answer::Watched(_) | Answer::Compacted { .. }) => {
            refused(ErrorKind::Internal, "an answer to another question")
        }
        Err(failure) => of_error(&ErrorBody::from(&failure)),
    }
}

/// How long something that ends at `at` still lives, by this machine's clock.
fn remaining_ms(at: WallMs) -> u64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    let now_ms = now.map_or(0, |since| since.as_millis());
    at.0.saturating_sub(u64::try_from(now_ms).unwrap_or(u64::MAX))
}

/// A request that was refused before it reached the node.
pub(crate) fn refused(kind: ErrorKind, message: impl Into<String>) -> Response<Body> {
    of_error(&ErrorBody::refused(kind, message))
}

/// `body` as JSON.
pub(crate) fn json(status: StatusCode, body: &impl serde::Serialize) -> Response<Body> {
    let bytes = serde_json::to_vec(body).unwrap_or_default();
    let mut response = Response::new(Body::from(bytes));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

fn of_error(body: &ErrorBody) -> Response<Body> {
    let status =
        StatusCode::from_u16(http_status(body.code)).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    json(status, body)
}

fn of_page(page: &Page) -> Response<Body> {
    let mut lines = Vec::new();
    for item in &page.items {
        let line = ItemBody::of(item);
        if serde_json::to_writer(&mut lines, &line).is_ok() {
            lines.push(b'\n');
        }
    }
    let mut response = Response::new(Body::from(lines));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    let next = page.items.last().filter(|_| page.more);
    if let Some(cursor) = next.and_then(|item| HeaderValue::from_str(&path::encode(&item.key)).ok())
    {
        headers.insert(CURSOR, cursor);
    }
    if let Ok(cursor) = HeaderValue::from_str(&cursor::format(&page.cursor)) {
        headers.insert(WATCH_CURSOR, cursor);
    }
    response
}
