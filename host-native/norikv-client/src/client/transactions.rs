//! Values that end, numbers, and several steps at once.

use std::time::Duration;

use bytes::Bytes;
use hyper::Method;
use norikv_api::{
    CountedBody, IDEMPOTENCY_KEY, TTL_MS, TransactedBody, TransactionBody, etag, path,
};
use norikv_node::{Consistency, Expect, StepAnswer, Transaction};
use norikv_types::{ErrorKind, Version};

use super::{Call, Client, foreign, fresh_name, word};
use crate::Error;

/// A value as it was read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The value.
    pub value: Bytes,
    /// The version of the write that stored it.
    pub version: Version,
    /// How long it still lives; `None`: until it is removed.
    pub ttl: Option<Duration>,
}

/// What came of a transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Transacted {
    /// Whether every comparison held.
    pub succeeded: bool,
    /// The version of all that it wrote.
    pub version: Version,
    /// One for each step of the branch that happened.
    pub answers: Vec<StepAnswer>,
}

impl Client {
    /// Stores `value` under `key` when `expect` holds. It ends after `ttl`, at least a millisecond.
    ///
    /// # Errors
    /// See [`put`](Self::put).
    pub async fn put_for(
        &self,
        key: &[u8],
        value: impl Into<Bytes>,
        expect: Expect,
        ttl: Duration,
    ) -> Result<Version, Error> {
        let query = format!("?ttl={}ms", ttl.as_millis());
        let name = fresh_name();
        self.write_with(Method::PUT, key, &query, value.into(), expect, &name)
            .await
    }

    /// The value of `key` with all that is known of it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn read(&self, key: &[u8], consistency: Consistency) -> Result<Option<Held>, Error> {
        let call = Call {
            method: Method::GET,
            path_and_query: format!("{}?consistency={}", path::of_key(key), word(consistency)),
            headers: Vec::new(),
            body: Bytes::new(),
        };
        let (endpoint, answer) = match self.call(&call).await {
            Ok(answered) => answered,
            Err(Error::Refused(body)) if body.code == ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(error),
        };
        let text = |name: &str| answer.headers.get(name).and_then(|text| text.to_str().ok());
        let version = text("etag")
            .and_then(|tag| etag::parse(tag).ok())
            .ok_or_else(|| foreign(&endpoint, "a value without a version"))?;
        let ttl_ms = text(TTL_MS).and_then(|text| text.parse().ok());
        Ok(Some(Held {
            value: answer.body,
            version,
            ttl: ttl_ms.map(Duration::from_millis),
        }))
    }

    /// Adds `by` to the decimal number under `key`; an absent key counts as 0. What it is then.
    ///
    /// # Errors
    /// See [`put`](Self::put); `not_a_number` and `overflow` when nothing can be added.
    pub async fn increment(&self, key: &[u8], by: i64) -> Result<(i64, Version), Error> {
        self.increment_named(key, by, &fresh_name()).await
    }

    /// The same as [`increment`](Self::increment) under an idempotency key of the caller's.
    ///
    /// # Errors
    /// See [`increment`](Self::increment) and [`put_named`](Self::put_named).
    pub async fn increment_named(
        &self,
        key: &[u8],
        by: i64,
        name: &str,
    ) -> Result<(i64, Version), Error> {
        let call = Call {
            method: Method::POST,
            path_and_query: format!("/incr/{}?by={by}", path::encode(key)),
            headers: vec![(IDEMPOTENCY_KEY, name.to_owned())],
            body: Bytes::new(),
        };
        let (endpoint, answer) = self.call(&call).await?;
        serde_json::from_slice::<CountedBody>(&answer.body)
            .map(|counted| (counted.value, counted.version.into()))
            .map_err(|why| foreign(&endpoint, why.to_string()))
    }

    /// Compares, and carries out one of two lists of steps, at once. All keys are in one group: keys
    /// that share a tag in braces, like `{user7}.name`, always are.
    ///
    /// # Errors
    /// See [`put`](Self::put); `several_groups` when the keys are not together.
    pub async fn transact(&self, transaction: &Transaction) -> Result<Transacted, Error> {
        self.transact_named(transaction, &fresh_name()).await
    }

    /// The same as [`transact`](Self::transact) under an idempotency key of the caller's.
    ///
    /// # Errors
    /// See [`transact`](Self::transact) and [`put_named`](Self::put_named).
    pub async fn transact_named(
        &self,
        transaction: &Transaction,
        name: &str,
    ) -> Result<Transacted, Error> {
        let body = serde_json::to_vec(&TransactionBody::of(transaction)).unwrap_or_default();
        let call = Call {
            method: Method::POST,
            path_and_query: "/txn".to_owned(),
            headers: vec![(IDEMPOTENCY_KEY, name.to_owned())],
            body: body.into(),
        };
        let (endpoint, answer) = self.call(&call).await?;
        let body: TransactedBody = serde_json::from_slice(&answer.body)
            .map_err(|why| foreign(&endpoint, why.to_string()))?;
        let answers = body
            .results
            .into_iter()
            .map(norikv_api::ResultBody::into_answer);
        Ok(Transacted {
            succeeded: body.succeeded,
            version: body.version.into(),
            answers: answers
                .collect::<Result<_, _>>()
                .map_err(|why| foreign(&endpoint, why))?,
        })
    }
}
