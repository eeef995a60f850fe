//! The client: one call, as many attempts as are safe and as time allows.

#[cfg(test)]
mod fake;
mod scan;
mod transactions;
mod watch;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use bytes::Bytes;
use http_body_util::Full;
use hyper::{Method, Request, StatusCode};
use hyper_util::client::legacy::Client as Pool;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use norikv_api::{
    CURSOR, ClusterBody, ErrorBody, IDEMPOTENCY_KEY, ItemBody, WATCH_CURSOR, WrittenBody, cursor,
    etag, next_step, path,
};
use norikv_node::{Consistency, Expect, Page};
use norikv_types::{Applied, ErrorKind, Remedy, Version};

pub use self::scan::Scan;
pub use self::transactions::{Held, Transacted};
pub use self::watch::{Watch, Watched};
use crate::exchange::{Answer, Connections, Failed, exchange};
use crate::{Config, Error};

/// A client of one cluster. Cheap to clone; clones share their connections.
#[derive(Debug, Clone)]
pub struct Client {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: Config,
    connections: Connections,
    /// The endpoint that answered last; the others are tried when it does not.
    preferred: AtomicUsize,
}

/// One call, as it is sent in every attempt.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) path_and_query: String,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Bytes,
}

impl Call {
    fn is_write(&self) -> bool {
        self.method != Method::GET
    }
}

impl Client {
    /// A client of the cluster at `config.endpoints`. Connects when it is first used.
    ///
    /// # Panics
    /// When there is no endpoint. Writes panic where the system has no random bytes to name them.
    #[must_use]
    pub fn new(config: Config) -> Self {
        assert!(!config.endpoints.is_empty(), "a client needs an endpoint");
        let connections = Pool::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .build_http();
        Self {
            inner: Arc::new(Inner {
                config,
                connections,
                preferred: AtomicUsize::new(0),
            }),
        }
    }

    pub(crate) fn config(&self) -> &Config {
        &self.inner.config
    }

    /// The nodes this client knows.
    #[must_use]
    pub fn endpoints(&self) -> &[String] {
        &self.inner.config.endpoints
    }

    /// Stores `value` under `key` when `expect` holds.
    ///
    /// # Errors
    /// See [`Error`]; [`Error::applied`] says what became of the write.
    pub async fn put(
        &self,
        key: &[u8],
        value: impl Into<Bytes>,
        expect: Expect,
    ) -> Result<Version, Error> {
        self.write(Method::PUT, key, value.into(), expect, &fresh_name())
            .await
    }

    /// The same as [`put`](Self::put) under an idempotency key of the caller's.
    ///
    /// # Errors
    /// See [`put`](Self::put); `idempotency_mismatch` when the key named another write before.
    pub async fn put_named(
        &self,
        key: &[u8],
        value: impl Into<Bytes>,
        expect: Expect,
        name: &str,
    ) -> Result<Version, Error> {
        self.write(Method::PUT, key, value.into(), expect, name)
            .await
    }

    /// Removes `key` when `expect` holds; fine when it is absent.
    ///
    /// # Errors
    /// See [`put`](Self::put).
    pub async fn delete(&self, key: &[u8], expect: Expect) -> Result<Version, Error> {
        self.write(Method::DELETE, key, Bytes::new(), expect, &fresh_name())
            .await
    }

    /// The same as [`delete`](Self::delete) under an idempotency key of the caller's.
    ///
    /// # Errors
    /// See [`put_named`](Self::put_named).
    pub async fn delete_named(
        &self,
        key: &[u8],
        expect: Expect,
        name: &str,
    ) -> Result<Version, Error> {
        self.write(Method::DELETE, key, Bytes::new(), expect, name)
            .await
    }

    /// The value of `key` and the version of the write that stored it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn get(
        &self,
        key: &[u8],
        consistency: Consistency,
    ) -> Result<Option<(Bytes, Version)>, Error> {
        let held = self.read(key, consistency).await?;
        Ok(held.map(|held| (held.value, held.version)))
    }

    /// A page of the keys that begin with `prefix`, behind `after`, in byte order, with where it
    /// was read. [`scan_all`](Self::scan_all) asks for one after the other.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn scan(
        &self,
        prefix: &[u8],
        after: Option<&[u8]>,
        limit: u32,
        consistency: Consistency,
    ) -> Result<Page, Error> {
        let mut query = format!(
            "/kv?prefix={}&limit={limit}&consistency={}",
            path::encode(prefix),
            word(consistency)
        );
        if let Some(after) = after {
            query.push_str("&cursor=");
            query.push_str(&path::encode(after));
        }
        let call = Call {
            method: Method::GET,
            path_and_query: query,
            headers: Vec::new(),
            body: Bytes::new(),
        };
        let (endpoint, answer) = self.call(&call).await?;
        let lines = answer
            .body
            .split(|byte| *byte == b'\n')
            .filter(|line| !line.is_empty());
        let items = lines
            .map(|line| {
                serde_json::from_slice::<ItemBody>(line)
                    .map_err(|why| why.to_string())
                    .and_then(ItemBody::into_item)
            })
            .collect::<Result<_, _>>()
            .map_err(|why| foreign(&endpoint, why))?;
        let cursor = answer.headers.get(WATCH_CURSOR);
        let cursor = cursor.and_then(|text| text.to_str().ok());
        let cursor = cursor.ok_or_else(|| "a page that does not say where it was read".to_owned());
        Ok(Page {
            items,
            more: answer.headers.contains_key(CURSOR),
            cursor: cursor
                .and_then(cursor::parse)
                .map_err(|why| foreign(&endpoint, why))?,
        })
    }

    /// What the node at `endpoint` says about itself and its cluster. One attempt.
    ///
    /// # Errors
    /// `Unreachable` when that node does not answer.
    pub async fn status_of(&self, endpoint: &str) -> Result<ClusterBody, Error> {
        let call = Call {
            method: Method::GET,
            path_and_query: "/meta/cluster".to_owned(),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        match self
            .attempt(endpoint, &call, self.inner.config.attempt_timeout)
            .await
        {
            Ok(answer) => serde_json::from_slice(&answer.body)
                .map_err(|why| foreign(endpoint, why.to_string())),
            Err(Failed::NotSent(last) | Failed::Lost(last)) => Err(Error::Unreachable {
                endpoints: endpoint.to_owned(),
                seconds: self.inner.config.attempt_timeout.as_secs(),
                last,
            }),
        }
    }

    async fn write(
        &self,
        method: Method,
        key: &[u8],
        body: Bytes,
        expect: Expect,
        name: &str,
    ) -> Result<Version, Error> {
        self.write_with(method, key, "", body, expect, name).await
    }

    async fn write_with(
        &self,
        method: Method,
        key: &[u8],
        query: &str,
        body: Bytes,
        expect: Expect,
        name: &str,
    ) -> Result<Version, Error> {
        let mut headers = vec![(IDEMPOTENCY_KEY, name.to_owned())];
        match expect {
            Expect::Any => {}
            Expect::Absent => headers.push(("if-none-match", "*".to_owned())),
            Expect::Version(version) => headers.push(("if-match", etag::format(version))),
        }
        let call = Call {
            method,
            path_and_query: path::of_key(key) + query,
            headers,
            body,
        };
        let (endpoint, answer) = self.call(&call).await?;
        serde_json::from_slice::<WrittenBody>(&answer.body)
            .map(|written| written.version.into())
            .map_err(|why| foreign(&endpoint, why.to_string()))
    }

    /// Tries until it succeeds, must not be repeated, or the time is up.
    pub(crate) async fn call(&self, call: &Call) -> Result<(String, Answer), Error> {
        let config = &self.inner.config;
        let deadline = Instant::now() + config.timeout;
        let mut backoff = config.backoff;
        let mut maybe_applied = false;
        let mut last: Option<Error> = None;
        for attempt in 0_usize.. {
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                break;
            }
            let at = self.inner.preferred.load(Ordering::Relaxed) % config.endpoints.len();
            let endpoint = &config.endpoints[at];
            match self
                .attempt(endpoint, call, left.min(config.attempt_timeout))
                .await
            {
                Ok(answer) if answer.status.is_success() => return Ok((endpoint.clone(), answer)),
                Ok(answer) => {
                    let mut body = error_body(endpoint, &answer)?;
                    maybe_applied |= body.applied == Applied::Unknown;
                    // This attempt had no effect; an earlier one without an answer may have one yet.
                    if maybe_applied && call.is_write() && body.applied == Applied::No {
                        body.applied = Applied::Unknown;
                        body.next = next_step(body.code, body.applied).to_owned();
                    }
                    if body.code.remedy() != Remedy::Retry {
                        return Err(Error::Refused(Box::new(body)));
                    }
                    last = Some(Error::Refused(Box::new(body)));
                }
                Err(failed) => {
                    let (lost, what) = match failed {
                        Failed::NotSent(what) => (false, what),
                        Failed::Lost(what) => (true, what),
                    };
                    maybe_applied |= lost;
                    last = Some(self.no_answer(maybe_applied, format!("{endpoint}: {what}")));
                }
            }
            self.inner.preferred.store(at + 1, Ordering::Relaxed);
            // Every node gets one try at once; then the pauses grow.
            if attempt + 1 >= config.endpoints.len() {
                tokio::time::sleep(backoff.min(left)).await;
                backoff = (backoff * 2).min(config.backoff_max);
            }
        }
        Err(last.unwrap_or_else(|| self.no_answer(maybe_applied, "no time at all".to_owned())))
    }

    async fn attempt(
        &self,
        endpoint: &str,
        call: &Call,
        patience: std::time::Duration,
    ) -> Result<Answer, Failed> {
        let mut request = Request::builder()
            .method(call.method.clone())
            .uri(format!("http://{endpoint}{}", call.path_and_query));
        for (name, value) in &call.headers {
            request = request.header(*name, value);
        }
        let request = request
            .body(Full::new(call.body.clone()))
            .map_err(|why| Failed::NotSent(why.to_string()))?;
        exchange(&self.inner.connections, request, patience).await
    }

    fn no_answer(&self, maybe_applied: bool, last: String) -> Error {
        let seconds = self.inner.config.timeout.as_secs();
        if maybe_applied {
            Error::Unanswered { seconds, last }
        } else {
            Error::Unreachable {
                endpoints: self.inner.config.endpoints.join(", "),
                seconds,
                last,
            }
        }
    }
}

fn error_body(endpoint: &str, answer: &Answer) -> Result<ErrorBody, Error> {
    if answer.status == StatusCode::NOT_FOUND && answer.body.is_empty() {
        return Ok(ErrorBody::refused(ErrorKind::NotFound, "no such key"));
    }
    serde_json::from_slice(&answer.body)
        .map_err(|_not_json| foreign(endpoint, format!("{} without a reason", answer.status)))
}

pub(crate) fn foreign(endpoint: &str, what: impl Into<String>) -> Error {
    Error::Foreign {
        endpoint: endpoint.to_owned(),
        what: what.into(),
    }
}

const fn word(consistency: Consistency) -> &'static str {
    match consistency {
        Consistency::Linearizable => "linearizable",
        Consistency::Lease => "lease",
        Consistency::StaleOk => "stale_ok",
        Consistency::Follower => "follower",
    }
}

/// A name that no other write has: 128 random bits.
fn fresh_name() -> String {
    // Two writes of one name would be taken for one: better no client than a weak name.
    let draw = || getrandom::u64().expect("the system has random bytes");
    format!("{:016x}{:016x}", draw(), draw())
}

#[cfg(test)]
mod tests;
