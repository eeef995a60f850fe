//! Watching what happens.
//!
//! **Invariant: events are given out with the cursor that covers them**, so one that was given out is
//! never given out again, whichever node is asked next.

use std::collections::VecDeque;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::{Request, Response};
use norikv_api::{ErrorBody, WatchLine, path};
use norikv_node::WatchEvent;
use norikv_types::Remedy;

use super::scan::Shown;
use super::{Client, foreign};
use crate::Error;

/// A watch of the keys that begin with a prefix. It goes on at another node when one is lost.
#[derive(Debug)]
pub struct Watch {
    client: Client,
    prefix: Vec<u8>,
    cursor: String,
    body: Option<Incoming>,
    /// Bytes of a line that is not complete yet.
    partial: Vec<u8>,
    lines: VecDeque<WatchLine>,
    /// Events that no cursor covers yet.
    pending: Vec<WatchEvent>,
    /// What the scan that it goes on behind showed.
    pub(super) shown: Shown,
    /// The attempt under way.
    attempt: usize,
}

/// Some of what happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Watched {
    /// The events, in the order of the log within a group. May be empty: then the watch is alive.
    pub events: Vec<WatchEvent>,
    /// Where to go on from: see [`Client::watch`].
    pub cursor: String,
}

impl Client {
    /// Watches the keys that begin with `prefix` from `cursor` on, which an earlier watch or scan
    /// gave; from now on where it is empty. Asks nobody before the first [`next`](Watch::next).
    #[must_use]
    pub fn watch(&self, prefix: &[u8], cursor: &str) -> Watch {
        Watch {
            client: self.clone(),
            prefix: prefix.to_vec(),
            cursor: cursor.to_owned(),
            body: None,
            partial: Vec::new(),
            lines: VecDeque::new(),
            pending: Vec::new(),
            shown: Shown::default(),
            attempt: 0,
        }
    }
}

impl Watch {
    /// Waits for what happens next. Dropping this future loses nothing.
    ///
    /// # Errors
    /// `compacted` when what lies behind the cursor is gone: scan, and watch behind the scan. `Unreachable` when
    /// no node answers within the client's timeout; calling again tries again.
    pub async fn next(&mut self) -> Result<Watched, Error> {
        let deadline = Instant::now() + self.client.inner.config.timeout;
        let mut backoff = self.client.inner.config.backoff;
        loop {
            if let Some(watched) = self.take()? {
                return Ok(watched);
            }
            match self.read().await {
                Ok(()) => {}
                Err(Lost::Refused(error)) => return Err(error),
                Err(Lost::Node(why)) => {
                    self.hang_up();
                    if Instant::now() >= deadline {
                        let config = &self.client.inner.config;
                        return Err(Error::Unreachable {
                            endpoints: config.endpoints.join(", "),
                            seconds: config.timeout.as_secs(),
                            last: why,
                        });
                    }
                    self.attempt += 1;
                    tokio::time::sleep(backoff).await;
                    backoff = (backoff * 2).min(self.client.inner.config.backoff * 16);
                }
            }
        }
    }

    /// What has arrived and is covered by a cursor.
    fn take(&mut self) -> Result<Option<Watched>, Error> {
        while let Some(line) = self.lines.pop_front() {
            let event = match line {
                WatchLine::Put(body) => body.into_event(true),
                WatchLine::Delete(body) => body.into_event(false),
                WatchLine::Cursor { cursor } => {
                    self.cursor.clone_from(&cursor);
                    self.shown.passed(&cursor);
                    let events = core::mem::take(&mut self.pending);
                    return Ok(Some(Watched { events, cursor }));
                }
                WatchLine::Error(body) => {
                    self.hang_up();
                    if body.code.remedy() == Remedy::Fix {
                        return Err(Error::Refused(Box::new(body)));
                    }
                    // The node goes; another one has what comes next.
                    return Ok(None);
                }
            };
            let event = event.map_err(|why| foreign("a node", why))?;
            if !self.shown.has(&event) {
                self.pending.push(event);
            }
        }
        Ok(None)
    }

    /// Reads more of the answer, or asks for one.
    async fn read(&mut self) -> Result<(), Lost> {
        let Some(body) = &mut self.body else {
            self.body = Some(self.begin().await?);
            return Ok(());
        };
        let frame = tokio::time::timeout(SILENCE, body.frame()).await;
        let data = match frame {
            Ok(Some(Ok(frame))) => frame.into_data().unwrap_or_default(),
            Ok(Some(Err(why))) => return Err(Lost::Node(why.to_string())),
            Ok(None) => return Err(Lost::Node("the node ended the watch".to_owned())),
            Err(_elapsed) => return Err(Lost::Node("the node is silent".to_owned())),
        };
        self.partial.extend_from_slice(&data);
        while let Some(end) = self.partial.iter().position(|byte| *byte == b'\n') {
            let line: Vec<u8> = self.partial.drain(..=end).collect();
            let line = serde_json::from_slice(&line)
                .map_err(|why| Lost::Refused(foreign("a node", why.to_string())))?;
            self.lines.push_back(line);
        }
        Ok(())
    }

    async fn begin(&self) -> Result<Incoming, Lost> {
        let inner = &self.client.inner;
        let first = inner.preferred.load(Ordering::Relaxed);
        let endpoints = &inner.config.endpoints;
        let endpoint = &endpoints[(first + self.attempt) % endpoints.len()];
        let uri = format!(
            "http://{endpoint}/watch?prefix={}&cursor={}",
            path::encode(&self.prefix),
            self.cursor
        );
        let lost = |why: String| Lost::Node(format!("{endpoint}: {why}"));
        let request = Request::get(uri)
            .body(Full::<Bytes>::default())
            .map_err(|why| lost(why.to_string()))?;
        let answer = inner.connections.request(request);
        let answer: Response<Incoming> = tokio::time::timeout(inner.config.attempt_timeout, answer)
            .await
            .map_err(|_elapsed| lost("nothing in time".to_owned()))?
            .map_err(|why| lost(why.to_string()))?;
        if answer.status().is_success() {
            return Ok(answer.into_body());
        }
        let whole = answer.into_body().collect().await;
        let body = whole.map_err(|why| lost(why.to_string()))?.to_bytes();
        match serde_json::from_slice::<ErrorBody>(&body) {
            Ok(body) if body.code.remedy() == Remedy::Fix => {
                Err(Lost::Refused(Error::Refused(Box::new(body))))
            }
            Ok(body) => Err(lost(body.to_string())),
            Err(why) => Err(Lost::Refused(foreign(endpoint, why.to_string()))),
        }
    }

    /// Forgets the answer under way, and the events that no cursor covers.
    fn hang_up(&mut self) {
        self.body = None;
        self.partial.clear();
        self.lines.clear();
        self.pending.clear();
    }
}

/// Why nothing could be read.
enum Lost {
    /// Another node may do better.
    Node(String),
    /// No node will.
    Refused(Error),
}

/// A node says at least every five seconds that it is there.
const SILENCE: Duration = Duration::from_secs(15);

#[cfg(test)]
mod tests;
