//! A write that carries an idempotency key takes effect once, however often it is asked for.

use alloc::collections::BTreeMap;

use bytes::Bytes;
use nori_raft::{Entry, Payload};
use norikv_node::{Command, Decided, Outcome};
use norikv_types::{GroupId, Version};

use crate::cluster::Violation;

/// The version that each idempotency key made.
#[derive(Debug, Default)]
pub(super) struct Names(BTreeMap<Bytes, Version>);

impl Names {
    pub(super) fn check(
        &mut self,
        group: GroupId,
        entry: &Entry,
        decided: &Decided,
    ) -> Result<(), Violation> {
        let Payload::Command(bytes) = &entry.payload else {
            return Ok(());
        };
        let (Outcome::Written { version }
        | Outcome::Counted { version, .. }
        | Outcome::Transacted { version, .. }) = &decided.outcome
        else {
            return Ok(());
        };
        let command = Command::decode(bytes).ok();
        let Some(name) = command.and_then(|command| command.idempotency) else {
            return Ok(());
        };
        let first = *self.0.entry(name).or_insert(*version);
        if first == *version {
            return Ok(());
        }
        Err(Violation::AppliedTwice {
            group,
            first,
            second: *version,
        })
    }
}
