//! One HTTP request to one node and its answer, whole.

use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response, StatusCode};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::client::legacy::connect::HttpConnector;

/// Connections to all nodes, kept between calls.
pub(crate) type Connections = Pool<HttpConnector, Full<Bytes>>;

/// What came back.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: hyper::HeaderMap,
    pub(crate) body: Bytes,
}

/// Why nothing came back.
#[derive(Debug)]
pub(crate) enum Failed {
    /// The node never saw the request.
    NotSent(String),
    /// It may have.
    Lost(String),
}

/// Sends `request` and reads the answer whole, within `patience`.
pub(crate) async fn exchange(
    connections: &Connections,
    request: Request<Full<Bytes>>,
    patience: Duration,
) -> Result<Answer, Failed> {
    let whole = async {
        let response: Response<Incoming> = connections.request(request).await.map_err(|why| {
            if why.is_connect() {
                Failed::NotSent(chain(&why))
            } else {
                Failed::Lost(chain(&why))
            }
        })?;
        let (head, body) = response.into_parts();
        let body = body
            .collect()
            .await
            .map_err(|why| Failed::Lost(chain(&why)))?
            .to_bytes();
        Ok(Answer {
            status: head.status,
            headers: head.headers,
            body,
        })
    };
    match tokio::time::timeout(patience, whole).await {
        Ok(outcome) => outcome,
        Err(_elapsed) => Err(Failed::Lost(format!(
            "nothing within {} ms",
            patience.as_millis()
        ))),
    }
}

/// An error with everything that caused it, in one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        line.push_str(": ");
        line.push_str(&inner.to_string());
        cause = inner.source();
    }
    line
}
