//! The part of a URL behind the question mark, with bytes in it.
//!
//! **Invariant: a parameter that is unknown, repeated or malformed is refused by name,** so that a
//! typing error never reads more or less than was meant.

use std::time::Duration;

use bytes::Bytes;
use norikv_api::{cursor, path, ttl};
use norikv_node::Consistency;
use norikv_types::{GroupId, LogIndex};

/// The parameters of any request; each is present at most once.
#[derive(Debug, Default)]
pub(crate) struct Query {
    consistency: Option<String>,
    prefix: Option<Bytes>,
    cursor: Option<Bytes>,
    watch_cursor: Option<Bytes>,
    limit: Option<u32>,
    timeout_ms: Option<u64>,
    ttl_ms: Option<u64>,
    by: Option<i64>,
}

/// How long a call may take when the request does not say.
const PATIENCE: Duration = Duration::from_secs(5);
/// The longest a request may ask for, in milliseconds.
const TIMEOUT_MS_MAX: u64 = 60_000;
/// Items of a page when the request does not say.
const LIMIT: u32 = 1_000;

impl Query {
    /// Parses `raw`, of which only the parameters in `allowed` may be there.
    ///
    /// # Errors
    /// A sentence that names the parameter and what is wrong with it.
    pub(crate) fn parse(raw: Option<&str>, allowed: &[&str]) -> Result<Self, String> {
        let mut query = Self::default();
        for pair in raw
            .unwrap_or_default()
            .split('&')
            .filter(|pair| !pair.is_empty())
        {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            if !allowed.contains(&name) {
                return Err(format!(
                    "unknown parameter {name}; known: {}",
                    allowed.join(", ")
                ));
            }
            let bytes = path::decode(&value.replace('+', "%20"))?;
            let text = || String::from_utf8_lossy(&bytes).into_owned();
            let number = || {
                text()
                    .parse::<u64>()
                    .map_err(|_bad| format!("{name} is no number: {}", text()))
            };
            let fresh = match name {
                "consistency" => query.consistency.replace(text()).is_none(),
                "prefix" => query.prefix.replace(bytes.clone()).is_none(),
                "cursor" => query.cursor.replace(bytes.clone()).is_none(),
                "watch_cursor" => query.watch_cursor.replace(bytes.clone()).is_none(),
                "limit" => {
                    let limit = number()?;
                    let limit = u32::try_from(limit).unwrap_or(u32::MAX);
                    if limit == 0 {
                        return Err("limit must be at least 1".to_owned());
                    }
                    query.limit.replace(limit).is_none()
                }
                "ttl" => query.ttl_ms.replace(ttl::parse(&text())?).is_none(),
                "by" => {
                    let by = text().parse::<i64>();
                    let by =
                        by.map_err(|_bad| format!("by is no number of 64 bits: {}", text()))?;
                    query.by.replace(by).is_none()
                }
                _ => {
                    let timeout_ms = number()?;
                    if !(1..=TIMEOUT_MS_MAX).contains(&timeout_ms) {
                        return Err(format!("timeout_ms must be 1 to {TIMEOUT_MS_MAX}"));
                    }
                    query.timeout_ms.replace(timeout_ms).is_none()
                }
            };
            if !fresh {
                return Err(format!("parameter {name} is there twice"));
            }
        }
        Ok(query)
    }

    /// How fresh a read must be; linearizable unless it says otherwise.
    pub(crate) fn consistency(&self) -> Result<Consistency, String> {
        match self.consistency.as_deref() {
            None | Some("linearizable") => Ok(Consistency::Linearizable),
            Some("lease") => Ok(Consistency::Lease),
            Some("follower") => Ok(Consistency::Follower),
            Some("stale_ok") => Ok(Consistency::StaleOk),
            Some(other) => Err(format!(
                "consistency {other} is none of linearizable, lease, follower, stale_ok"
            )),
        }
    }

    /// How long the call may take.
    pub(crate) fn patience(&self) -> Duration {
        self.timeout_ms.map_or(PATIENCE, Duration::from_millis)
    }

    /// The prefix of a scan; empty for every key.
    pub(crate) fn prefix(&self) -> Bytes {
        self.prefix.clone().unwrap_or_default()
    }

    /// The last key of the page before; an empty cursor is none.
    pub(crate) fn cursor(&self) -> Option<Bytes> {
        self.cursor.clone().filter(|cursor| !cursor.is_empty())
    }

    /// Where a watch stands; nowhere: from now on.
    pub(crate) fn watch_cursor(&self) -> Result<Vec<(GroupId, LogIndex)>, String> {
        let text = self.cursor.as_deref().unwrap_or_default();
        cursor::parse(&String::from_utf8_lossy(text))
    }

    /// Where the pages of a scan before this one were read; nowhere: there are none.
    pub(crate) fn scan_cursor(&self) -> Result<Vec<(GroupId, LogIndex)>, String> {
        let text = self.watch_cursor.as_deref().unwrap_or_default();
        cursor::parse(&String::from_utf8_lossy(text)).map_err(|why| format!("watch_cursor: {why}"))
    }

    /// How long a value lives, in milliseconds.
    pub(crate) const fn ttl_ms(&self) -> Option<u64> {
        self.ttl_ms
    }

    /// What to add to a number; 1 unless it says otherwise.
    pub(crate) fn by(&self) -> i64 {
        self.by.unwrap_or(1)
    }

    /// Most items of a page.
    pub(crate) fn limit(&self) -> u32 {
        self.limit.unwrap_or(LIMIT)
    }
}

#[cfg(test)]
mod tests;
