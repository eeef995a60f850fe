//! **What is recovered is a prefix of what was written, without a hole, that holds everything
//! acknowledged as durable.** Where harm that nothing could notice was done (a log's last group
//! rotted, a sync that lied, a disk replaced), the prefix may be shorter, and it is still a prefix.

use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::WallMs;

use super::reads::check_pair;
use crate::storage::StorageViolation;
use crate::storage::model::{Model, newest_slot};

/// How much may be gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::storage) enum LossAllowed {
    /// Nothing that was acknowledged.
    None,
    /// What was written above this seqno, since nobody waited for a sync.
    Above(u64),
    /// So many of the newest batches.
    Newest(u32),
    /// Any number of the newest batches.
    Any,
}

/// What the judgement found.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(in crate::storage) struct Recovered {
    /// Acknowledged batches that are gone.
    pub lost: u32,
    /// Batches that are there although their write failed.
    pub surfaced: u32,
}

/// Finds out which batches are in `content`, moves the model there, and compares.
pub(in crate::storage) fn check(
    model: &mut Model,
    content: &[(Bytes, Bytes)],
    seqno: u64,
    now: WallMs,
    allowed: LossAllowed,
) -> Result<Recovered, StorageViolation> {
    let newest = newest_slot(content);
    let acknowledged = model.last_attempt();
    let mut recovered = Recovered::default();
    if newest < acknowledged {
        if allowed == LossAllowed::None {
            return Err(StorageViolation::AcknowledgedLost {
                recovered: newest,
                acknowledged,
            });
        }
        recovered.lost = model.undo_after(newest);
        if let LossAllowed::Newest(explained) = allowed
            && recovered.lost > explained
        {
            return Err(StorageViolation::MoreLostThanDamaged {
                lost: recovered.lost,
                explained,
            });
        }
        if let LossAllowed::Above(durable) = allowed
            && model.seqno < durable
        {
            return Err(StorageViolation::AcknowledgedLost {
                recovered: newest,
                acknowledged,
            });
        }
        model.uncertain.clear();
    }
    let uncertain: Vec<_> = model.uncertain.drain(..).collect();
    for batch in uncertain {
        let (key, value) = batch.slot();
        let there = content
            .binary_search_by(|(own, _)| own.cmp(key))
            .is_ok_and(|at| content[at].1 == *value);
        if there {
            recovered.surfaced += 1;
            model.apply(batch);
        }
    }
    let visible = model.visible(now);
    let mut expected = visible.iter();
    let mut got = content.iter();
    loop {
        let pair = expected
            .next()
            .map(|(key, value)| (key.clone(), value.clone()));
        let have = got.next();
        check_pair("after an opening", have, pair.as_ref())?;
        if have.is_none() {
            break;
        }
    }
    if seqno != model.seqno {
        // A manifest may know of seqnos whose batches harm took from the log.
        if allowed == LossAllowed::None || seqno < model.seqno {
            return Err(StorageViolation::WrongSeqno {
                got: seqno,
                expected: model.seqno,
            });
        }
        model.seqno = seqno;
    }
    Ok(recovered)
}
