//! Calls that move replicas and leaders.

use hyper::Method;
use norikv_api::{ChangeReplicasBody, ReplicasBody, TransferBody};

use crate::client::{Call, foreign};
use crate::{Client, Error};

impl Client {
    /// Has the nodes in `add` hold a replica of `group` that votes, and those in `remove` none;
    /// returns who holds it when that is done. What is done already is not done twice, so that
    /// asking again goes on where an earlier call ended.
    ///
    /// # Errors
    /// See [`Error`]; `timed_out` says how far it is.
    pub async fn change_replicas(
        &self,
        group: u32,
        add: &[u64],
        remove: &[u64],
    ) -> Result<ReplicasBody, Error> {
        let (add, remove) = (add.to_vec(), remove.to_vec());
        let body = ChangeReplicasBody { add, remove };
        self.admin(
            format!("/admin/groups/{group}/replicas"),
            serde_json::to_vec(&body),
        )
        .await
    }

    /// Has `node`, which holds a replica of `group` that votes, lead it.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn transfer(&self, group: u32, node: u64) -> Result<ReplicasBody, Error> {
        let body = TransferBody { node };
        self.admin(
            format!("/admin/groups/{group}/leader"),
            serde_json::to_vec(&body),
        )
        .await
    }

    async fn admin(
        &self,
        path: String,
        body: serde_json::Result<Vec<u8>>,
    ) -> Result<ReplicasBody, Error> {
        // A node is to say how far it is before this client stops listening.
        let patience = self.config().attempt_timeout.as_millis() * 9 / 10;
        let body = match body {
            Ok(body) => body.into(),
            Err(why) => unreachable!("numbers are always JSON: {why}"),
        };
        let call = Call {
            method: Method::POST,
            path_and_query: format!("{path}?timeout_ms={}", patience.clamp(1, 60_000)),
            headers: Vec::new(),
            body,
        };
        let (endpoint, answer) = self.call(&call).await?;
        serde_json::from_slice(&answer.body).map_err(|why| foreign(&endpoint, why.to_string()))
    }
}
