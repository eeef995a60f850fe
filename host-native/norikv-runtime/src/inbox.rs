//! The one queue in front of the event loop.
//!
//! **Invariant: everything that reaches the node passes here, in the order of arrival.** Nobody who
//! puts something in ever waits; what comes in is bounded at its source (calls by the handle, frames
//! by their credits, results by the tasks that are out).

use crossbeam_channel::Sender;
use norikv_node::{Answer, Call, Failure, Input, NodeStatus};
use norikv_transport_quic::Inbound;
use norikv_types::Mono;
use tokio::sync::oneshot;

/// What reaches the event loop.
#[derive(Debug)]
pub(crate) enum Message {
    /// A client's call.
    Call {
        /// What is asked.
        call: Call,
        /// When an answer is of no use any more.
        deadline: Mono,
        /// Where the answer goes.
        reply: Reply,
    },
    /// What a worker says.
    Inputs(Vec<Input>),
    /// What the transport says.
    Peer(Inbound),
    /// Someone wants to see the node's state.
    Status(oneshot::Sender<NodeStatus>),
    /// The end: what was not answered will not be.
    Stop,
}

pub(crate) type Reply = oneshot::Sender<Result<Answer, Failure>>;

/// The way in.
#[derive(Debug, Clone)]
pub(crate) struct Inbox(pub(crate) Sender<Message>);

impl Inbox {
    /// Hands `message` to the loop. Lost when the loop has ended: then nobody waits for it.
    pub(crate) fn put(&self, message: Message) {
        let _ended = self.0.send(message);
    }

    /// Hands what a worker says to the loop.
    pub(crate) fn tell(&self, inputs: Vec<Input>) {
        if !inputs.is_empty() {
            self.put(Message::Inputs(inputs));
        }
    }
}
