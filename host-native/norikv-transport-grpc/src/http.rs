//! The routes.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::header::{CONTENT_TYPE, IF_MATCH, IF_NONE_MATCH};
use axum::http::{HeaderMap, HeaderValue, Method, Response, StatusCode, Uri};
use axum::routing::{get, post};
use axum::{Extension, Router};
use bytes::Bytes;
use http_body_util::{BodyExt, Collected, LengthLimitError, Limited};
use norikv_api::{ClusterBody, IDEMPOTENCY_KEY, etag, path};
use norikv_node::{Call, Expect};
use norikv_types::ErrorKind;
use tokio::net::TcpListener;

use crate::query::Query;
use crate::transactions::{increment, transact};
use crate::watch::{Stopping, watch};
use crate::{Service, admin, reply};

/// Longest request body, bytes. The node's own limit on values lies below it.
const REQUEST_BYTES_MAX: usize = 2 << 20;

/// A refusal is a response already; boxed, since the good case is a few words.
pub(crate) type Refused = Box<Response<Body>>;

/// The routes of a node.
pub fn router<S: Service>(service: Arc<S>) -> Router {
    Router::new()
        .route("/kv", get(scan::<S>))
        .route("/kv/", get(empty_key).put(empty_key).delete(empty_key))
        .route(
            "/kv/{*key}",
            get(read::<S>).put(write::<S>).delete(write::<S>),
        )
        .route("/incr/{*key}", post(increment::<S>))
        .route("/txn", post(transact::<S>))
        .route("/watch", get(watch::<S>))
        .route("/admin/groups/{group}/replicas", post(admin::replicas::<S>))
        .route("/admin/groups/{group}/leader", post(admin::leader::<S>))
        .route("/meta/cluster", get(cluster::<S>))
        .route("/livez", get(|| async { "ok\n" }))
        .route("/readyz", get(ready::<S>))
        .route("/metrics", get(metrics::<S>))
        .fallback(unknown_path)
        .with_state(service)
}

/// Serves `router` on `listener` until `stop` ends, then lets what is under way finish.
///
/// # Errors
/// When the socket fails.
pub async fn serve(
    listener: TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    // Watches have no end of their own.
    let (stopping, stopped) = tokio::sync::watch::channel(false);
    let router = router.layer(Extension(Stopping(stopped)));
    axum::serve(listener, router)
        .with_graceful_shutdown(async move {
            stop.await;
            stopping.send_replace(true);
        })
        .await
}

async fn write<S: Service>(State(service): State<Arc<S>>, request: Request) -> Response<Body> {
    let (call, patience) = match write_call(request).await {
        Ok(parsed) => parsed,
        Err(refused) => return *refused,
    };
    reply::of_result(service.call(call, patience).await)
}

async fn write_call(request: Request) -> Result<(Call, Duration), Refused> {
    let (head, body) = request.into_parts();
    let known: &[&str] = match head.method {
        Method::DELETE => &["timeout_ms"],
        _ => &["ttl", "timeout_ms"],
    };
    let query = Query::parse(head.uri.query(), known).map_err(invalid)?;
    let key = key(head.uri.path())?;
    let expect = expect(&head.headers)?;
    let idempotency = name(&head.headers);
    if head.method == Method::DELETE {
        return Ok((
            Call::Delete {
                key,
                expect,
                idempotency,
            },
            query.patience(),
        ));
    }
    let call = Call::Put {
        key,
        value: whole(body).await?,
        expect,
        idempotency,
        ttl_ms: query.ttl_ms(),
    };
    Ok((call, query.patience()))
}

/// The client's name for a write.
pub(crate) fn name(headers: &HeaderMap) -> Option<Bytes> {
    headers
        .get(IDEMPOTENCY_KEY)
        .map(|name| Bytes::copy_from_slice(name.as_bytes()))
}

/// The whole body, within the limit of a request.
pub(crate) async fn whole(body: Body) -> Result<Bytes, Refused> {
    Limited::new(body, REQUEST_BYTES_MAX)
        .collect()
        .await
        .map(Collected::to_bytes)
        .map_err(|why| {
            Box::new(if why.is::<LengthLimitError>() {
                let limit =
                    format!("the body is over the request limit of {REQUEST_BYTES_MAX} bytes");
                reply::refused(ErrorKind::TooLarge, limit)
            } else {
                reply::refused(
                    ErrorKind::Invalid,
                    format!("the body did not arrive whole: {why}"),
                )
            })
        })
}

async fn read<S: Service>(State(service): State<Arc<S>>, uri: Uri) -> Response<Body> {
    match read_call(&uri) {
        Ok((call, patience)) => reply::of_result(service.call(call, patience).await),
        Err(refused) => *refused,
    }
}

fn read_call(uri: &Uri) -> Result<(Call, Duration), Refused> {
    let query = Query::parse(uri.query(), &["consistency", "timeout_ms"]).map_err(invalid)?;
    let consistency = query.consistency().map_err(invalid)?;
    Ok((
        Call::Get {
            key: key(uri.path())?,
            consistency,
        },
        query.patience(),
    ))
}

async fn scan<S: Service>(State(service): State<Arc<S>>, uri: Uri) -> Response<Body> {
    match scan_call(&uri) {
        Ok((call, patience)) => reply::of_result(service.call(call, patience).await),
        Err(refused) => *refused,
    }
}

fn scan_call(uri: &Uri) -> Result<(Call, Duration), Refused> {
    let allowed = [
        "prefix",
        "limit",
        "cursor",
        "watch_cursor",
        "consistency",
        "timeout_ms",
    ];
    let query = Query::parse(uri.query(), &allowed).map_err(invalid)?;
    let consistency = query.consistency().map_err(invalid)?;
    let (prefix, after, limit) = (query.prefix(), query.cursor(), query.limit());
    let cursor = query.scan_cursor().map_err(invalid)?;
    Ok((
        Call::Scan {
            prefix,
            after,
            limit,
            consistency,
            cursor,
        },
        query.patience(),
    ))
}

async fn cluster<S: Service>(State(service): State<Arc<S>>) -> Response<Body> {
    match service.status().await {
        Some(status) => reply::json(StatusCode::OK, &ClusterBody::from(&status)),
        None => reply::refused(ErrorKind::Internal, "the node has stopped"),
    }
}

async fn ready<S: Service>(State(service): State<Arc<S>>) -> Response<Body> {
    match service.status().await {
        Some(status) if status.ready => Response::new(Body::from("ok\n")),
        Some(status) if status.halted => reply::refused(
            ErrorKind::Internal,
            "the disk failed; this node answers nothing",
        )
        .with_status(StatusCode::SERVICE_UNAVAILABLE),
        Some(_) => reply::refused(
            ErrorKind::NoLeader,
            "a group of this node has no leader, or no majority of its replicas can be reached",
        ),
        None => reply::refused(ErrorKind::Internal, "the node has stopped")
            .with_status(StatusCode::SERVICE_UNAVAILABLE),
    }
}

async fn metrics<S: Service>(State(service): State<Arc<S>>) -> Response<Body> {
    let mut response = Response::new(Body::from(service.metrics()));
    let openmetrics = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static(openmetrics));
    response
}

async fn empty_key() -> Response<Body> {
    reply::refused(
        ErrorKind::Invalid,
        "the key is empty; keys are 1 to 1024 bytes",
    )
}

async fn unknown_path(uri: Uri) -> Response<Body> {
    let path = uri.path();
    let message = format!(
        "{path} is nothing here; see /kv, /incr, /txn, /watch, /meta/cluster, /livez, /readyz, /metrics"
    );
    reply::refused(ErrorKind::Invalid, message).with_status(StatusCode::NOT_FOUND)
}

/// The key in a path `/kv/{key}`.
fn key(path: &str) -> Result<Bytes, Refused> {
    path::decode(path.strip_prefix("/kv/").unwrap_or_default()).map_err(invalid)
}

/// The condition of a write.
fn expect(headers: &HeaderMap) -> Result<Expect, Refused> {
    match (headers.get(IF_MATCH), headers.get(IF_NONE_MATCH)) {
        (None, None) => Ok(Expect::Any),
        (Some(tag), None) => {
            let tag = String::from_utf8_lossy(tag.as_bytes());
            etag::parse(&tag)
                .map(Expect::Version)
                .map_err(|why| invalid(format!("If-Match: {why}")))
        }
        (None, Some(tag)) if tag.as_bytes() == b"*" => Ok(Expect::Absent),
        (None, Some(_)) => Err(invalid("If-None-Match on a write takes * only".to_owned())),
        (Some(_), Some(_)) => Err(invalid(
            "If-Match and If-None-Match exclude each other".to_owned(),
        )),
    }
}

pub(crate) fn invalid(why: String) -> Refused {
    Box::new(reply::refused(ErrorKind::Invalid, why))
}

/// The same response under another status.
trait WithStatus {
    fn with_status(self, status: StatusCode) -> Self;
}

impl WithStatus for Response<Body> {
    fn with_status(mut self, status: StatusCode) -> Self {
        *self.status_mut() = status;
        self
    }
}
