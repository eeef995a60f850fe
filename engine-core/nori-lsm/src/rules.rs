//! What is particular to a keyspace: how its operands merge, what compactions drop of it.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use crate::compaction_filter::CompactionFilter;
use crate::merge_operator::MergeOperator;
use crate::{Error, MergeRefused};

/// How one keyspace is treated. The default knows no operator, no filter and no end of values.
#[derive(Debug, Clone, Default)]
pub struct KeyspaceOptions {
    /// Merges operands; without one, reads of a key that has operands fail.
    pub merge_operator: Option<Arc<dyn MergeOperator>>,
    /// Asked by compactions about each value.
    pub compaction_filter: Option<Arc<dyn CompactionFilter>>,
    /// How long values last that are put without a time of their own; it counts for what is
    /// written from now on.
    pub ttl: Option<Duration>,
}

/// The keyspaces as reads, flushes and compactions see them. Never changes: an edit makes new ones.
#[derive(Debug, Clone, Default)]
pub(crate) struct Rules {
    pub(crate) keyspaces: BTreeMap<u16, KeyspaceOptions>,
    /// Keyspaces that take no writes any more.
    pub(crate) closing: BTreeSet<u16>,
    /// Keyspaces that are gone, with all that was in them.
    pub(crate) dropped: BTreeSet<u16>,
}

impl Rules {
    pub(crate) fn of(&self, keyspace: u16) -> Option<&KeyspaceOptions> {
        self.keyspaces.get(&keyspace)
    }

    /// Merges `operands`, the newest first, onto `base`.
    ///
    /// # Errors
    /// `NoMergeOperator`, `Merge`.
    pub(crate) fn fold(
        &self,
        keyspace: u16,
        key: &[u8],
        base: Option<&[u8]>,
        operands: &mut dyn DoubleEndedIterator<Item = &[u8]>,
    ) -> Result<Vec<u8>, Error> {
        let operator = self
            .of(keyspace)
            .and_then(|rules| rules.merge_operator.as_deref());
        let Some(operator) = operator else {
            return Err(Error::NoMergeOperator { keyspace });
        };
        let mut folded = None;
        while let Some(operand) = operands.next_back() {
            let older = folded.as_deref().or(base);
            let refused = |MergeRefused(code)| Error::Merge { keyspace, code };
            folded = Some(operator.merge(key, older, operand).map_err(refused)?);
        }
        Ok(folded.unwrap_or_default())
    }
}
