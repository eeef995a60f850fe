//! At most one node leads a group in a term (Raft §5.2, election safety).

use alloc::collections::BTreeMap;

use norikv_types::{GroupId, NodeId, Term};

use crate::cluster::Violation;

#[derive(Debug, Default)]
pub(super) struct Leaders(BTreeMap<Term, NodeId>);

impl Leaders {
    pub(super) fn check(
        &mut self,
        node: NodeId,
        group: GroupId,
        term: Term,
    ) -> Result<(), Violation> {
        let first = *self.0.entry(term).or_insert(node);
        if first == node {
            return Ok(());
        }
        Err(Violation::TwoLeaders {
            group,
            term,
            first,
            second: node,
        })
    }
}
