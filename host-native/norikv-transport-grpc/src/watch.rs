//! Watches, as one answer without an end.
//!
//! **Invariant: the next page is asked of the node when the client has taken the one before**, so a
//! slow client costs one page of memory. A watch ends when the client goes away, when the server is
//! to stop, or with a line that says why.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::Extension;
use axum::body::Body;
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderValue, Response, Uri};
use bytes::Bytes;
use futures::stream;
use norikv_api::{ErrorBody, NDJSON, WatchLine, cursor};
use norikv_node::{Answer, Call, Failure, WatchPage};
use norikv_types::{ErrorKind, GroupId, LogIndex};
use tokio::sync::watch;

use crate::http::invalid;
use crate::query::Query;
use crate::{Service, reply};

/// Whether the server is to stop.
#[derive(Debug, Clone)]
pub(crate) struct Stopping(pub(crate) watch::Receiver<bool>);

/// What the pages of one watch are asked with.
struct Pages<S> {
    service: Arc<S>,
    stopping: Option<watch::Receiver<bool>>,
    prefix: Bytes,
    limit: u32,
    cursor: Vec<(GroupId, LogIndex)>,
    ended: bool,
}

pub(crate) async fn watch<S: Service>(
    State(service): State<Arc<S>>,
    stopping: Option<Extension<Stopping>>,
    uri: Uri,
) -> Response<Body> {
    let query = match Query::parse(uri.query(), &["prefix", "cursor", "limit"]) {
        Ok(query) => query,
        Err(why) => return *invalid(why),
    };
    let cursor = match query.watch_cursor() {
        Ok(cursor) => cursor,
        Err(why) => return *invalid(why),
    };
    let mut pages = Pages {
        service,
        stopping: stopping.map(|Extension(Stopping(stopping))| stopping),
        prefix: query.prefix(),
        limit: query.limit(),
        cursor,
        ended: false,
    };
    // A watch that cannot begin is refused like any other call.
    let first = match pages.next(Duration::ZERO).await {
        Some(Ok(page)) => page,
        Some(Err(failure)) => return reply::of_result(Err(failure)),
        None => return reply::refused(ErrorKind::Internal, "the node is stopping"),
    };
    let first = (!first.events.is_empty() || pages.cursor != first.cursor).then_some(first);
    if let Some(page) = &first {
        pages.cursor.clone_from(&page.cursor);
    }
    let lines = stream::unfold((pages, first), |(mut pages, first)| async move {
        if pages.ended {
            return None;
        }
        let page = match first {
            Some(page) => Ok(page),
            None => pages.next(PATIENCE).await?,
        };
        let lines = match page {
            Ok(page) => {
                pages.cursor.clone_from(&page.cursor);
                of_page(&page)
            }
            Err(failure) => {
                pages.ended = true;
                let mut lines = Vec::new();
                push(&mut lines, &WatchLine::Error(ErrorBody::from(&failure)));
                lines
            }
        };
        Some((Ok::<_, Infallible>(Bytes::from(lines)), (pages, None)))
    });
    let mut response = Response::new(Body::from_stream(lines));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(NDJSON));
    response
}

impl<S: Service> Pages<S> {
    /// The next page; `None` when the server is to stop.
    async fn next(&mut self, patience: Duration) -> Option<Result<WatchPage, Failure>> {
        let call = Call::Watch {
            prefix: self.prefix.clone(),
            cursor: self.cursor.clone(),
            limit: self.limit,
        };
        let answer = async {
            // A patience of nothing asks what is there already; the node still takes its time.
            match self.service.call(call, patience.max(FIRST)).await {
                Ok(Answer::Watched(page)) => Ok(page),
                Ok(_) => Err(Failure::refused(
                    ErrorKind::Internal,
                    "an answer to another question",
                )),
                Err(failure) => Err(failure),
            }
        };
        let Some(stopping) = &mut self.stopping else {
            return Some(answer.await);
        };
        tokio::select! {
            page = answer => Some(page),
            _ = stopping.wait_for(|stop| *stop) => None,
        }
    }
}

fn of_page(page: &WatchPage) -> Vec<u8> {
    let mut lines = Vec::new();
    for event in &page.events {
        push(&mut lines, &WatchLine::of(event));
    }
    let cursor = cursor::format(&page.cursor);
    push(&mut lines, &WatchLine::Cursor { cursor });
    lines
}

fn push(lines: &mut Vec<u8>, line: &WatchLine) {
    if serde_json::to_writer(&mut *lines, line).is_ok() {
        lines.push(b'\n');
    }
}

/// How long a page is waited for; a quiet watch says at least this often that it goes on.
const PATIENCE: Duration = Duration::from_secs(5);
/// How long the beginning may take.
const FIRST: Duration = Duration::from_millis(500);
