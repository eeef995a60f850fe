//! The node, as the client side sees it.

use std::future::Future;
use std::time::Duration;

use norikv_node::{Answer, Call, Failure, NodeStatus};

/// A node that carries out calls.
pub trait Service: Send + Sync + 'static {
    /// Carries out `call` within `patience`.
    ///
    /// # Errors
    /// The node's [`Failure`], which says what became of the write.
    fn call(
        &self,
        call: Call,
        patience: Duration,
    ) -> impl Future<Output = Result<Answer, Failure>> + Send;

    /// The node's view of itself and its cluster; `None` when the node has stopped.
    fn status(&self) -> impl Future<Output = Option<NodeStatus>> + Send;

    /// The node's meters as OpenMetrics text.
    fn metrics(&self) -> String;
}
