//! Two entries with the same index and term are the same and follow the same entry, so the logs are
//! the same up to there (Raft §5.3, log matching).

use alloc::collections::BTreeMap;

use nori_raft::{Entry, Payload};
use norikv_types::{GroupId, NodeId, Term, Version};
use xxhash_rust::xxh3::xxh3_64;

use crate::cluster::Violation;

/// Every entry ever stored: a fingerprint of its payload, and the term of the entry before it.
#[derive(Debug, Default)]
pub(super) struct Entries(BTreeMap<Version, (u64, Option<Term>)>);

impl Entries {
    pub(super) fn check(
        &mut self,
        node: NodeId,
        group: GroupId,
        entry: &Entry,
        before: Option<Term>,
    ) -> Result<(), Violation> {
        let version = entry.version();
        let own = (fingerprint(entry), before);
        let known = self.0.entry(version).or_insert(own);
        if known.1.is_none() {
            known.1 = before;
        }
        let follows = before.is_none() || known.1 == before;
        if known.0 == own.0 && follows {
            return Ok(());
        }
        Err(Violation::LogMismatch {
            node,
            group,
            version,
        })
    }
}

pub(super) fn fingerprint(entry: &Entry) -> u64 {
    match &entry.payload {
        Payload::Noop | Payload::Elided => 0,
        Payload::Command(command) => xxh3_64(command),
        Payload::Configuration(configuration) => {
            xxh3_64(alloc::format!("{configuration:?}").as_bytes())
        }
    }
}
