//! Reading the live tables and value files over and over in the background, to find rot before anybody needs them.
//!
//! **Invariant: a scrub yields to every other job and keeps to its rate.** It reads a piece, then
//! nothing until as much time has passed as the piece is worth. What it finds it keeps and tells;
//! it changes nothing.

use alloc::boxed::Box;
use alloc::collections::BTreeSet;
use alloc::vec::Vec;
use core::time::Duration;

use nori_env::sync::Mutex;
use nori_env::{ObjectId, ObjectKind};
use nori_sstable::{ValueFileVerifier, Verifier};
use norikv_types::Mono;

use crate::engine::Engine;
use crate::verify::Finding;
use crate::{Error, Lsm};

/// What the background scrub has done since the store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scrubbed {
    /// How often all live tables and value files were read whole.
    pub passes: u64,
    /// Tables that were read.
    pub tables: u64,
    /// Value files that were read.
    pub values: u64,
    /// The damage that is known, one finding an object; without those that are gone.
    pub findings: Vec<Finding>,
}

/// Where the scrub is.
#[derive(Debug, Default)]
pub(crate) struct Scrub {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    next_at: Mono,
    /// The object that is being read, or was read last.
    at: Option<ObjectId>,
    verifier: Option<Check>,
    done: Scrubbed,
}

/// A check under way.
#[derive(Debug)]
enum Check {
    Table(Box<Verifier>),
    Values(ValueFileVerifier),
}

impl Check {
    /// Checks about `bytes`; true once all is done.
    fn step(&mut self, bytes: u64) -> Result<bool, nori_sstable::Error> {
        match self {
            Self::Table(verifier) => Ok(verifier.step(bytes)?.is_some()),
            Self::Values(verifier) => verifier.step(bytes),
        }
    }
}

impl Lsm {
    /// What the background scrub has done so far; see [`Options::scrub_bytes_per_second`].
    ///
    /// [`Options::scrub_bytes_per_second`]: crate::Options::scrub_bytes_per_second
    #[must_use]
    pub fn scrubbed(&self) -> Scrubbed {
        let mut done = self.engine.scrub.state.lock().done.clone();
        let levels = &self.engine.view().levels;
        let tables = levels.runs().flat_map(|run| &run.tables);
        let tables = tables.map(|table| ObjectId::table(table.number));
        let live: BTreeSet<_> = tables
            .chain(levels.values.files().map(|values| values.id()))
            .collect();
        done.findings
            .retain(|finding| live.contains(&finding.object));
        done
    }
}

impl Engine {
    /// When the next piece may be read; `None` where nothing is to be scrubbed.
    pub(crate) fn next_scrub(&self) -> Option<Mono> {
        let has_tables = self.view().levels.runs().any(|run| !run.tables.is_empty());
        let scrubs = self.options.scrub_bytes_per_second > 0 && has_tables;
        scrubs.then(|| self.scrub.state.lock().next_at)
    }

    /// Reads a piece.
    ///
    /// # Errors
    /// Where the host fails; damage is none.
    pub(crate) fn scrub_piece(&self) -> Result<(), Error> {
        let mut state = self.scrub.state.lock();
        let pause = Duration::from_secs(1).saturating_mul(PIECE_BYTES)
            / u32::try_from(self.options.scrub_bytes_per_second.max(1)).unwrap_or(u32::MAX);
        state.next_at = self.clock.now() + pause;
        if state.verifier.is_none() {
            let Some((id, verifier)) = self.next_behind(&mut state) else {
                return Ok(());
            };
            state.at = Some(id);
            state.verifier = Some(verifier);
        }
        let id = state.at.expect("an object is being read");
        let verifier = state.verifier.as_mut().expect("an object is being read");
        match verifier.step(u64::from(PIECE_BYTES)) {
            Ok(false) => return Ok(()),
            Ok(true) => {}
            Err(error) => {
                state.verifier = None;
                let finding = Finding::of(id, error.into())?;
                state.done.findings.retain(|known| known.object != id);
                state.done.findings.push(finding);
            }
        }
        state.verifier = None;
        match id.kind {
            ObjectKind::Values => state.done.values += 1,
            _ => state.done.tables += 1,
        }
        Ok(())
    }

    /// The live object behind the one that was read last, or else the first.
    fn next_behind(&self, state: &mut State) -> Option<(ObjectId, Check)> {
        let view = self.view();
        let tables = || view.levels.runs().flat_map(|run| &run.tables);
        let ids = || {
            let tables = tables().map(|table| ObjectId::table(table.number));
            tables.chain(view.levels.values.files().map(|values| values.id()))
        };
        let behind = ids().filter(|id| state.at.is_some_and(|at| *id > at)).min();
        let next = match behind {
            Some(next) => next,
            None => {
                state.done.passes += u64::from(state.at.is_some());
                ids().min()?
            }
        };
        let check = match next.kind {
            ObjectKind::Values => {
                let mut files = view.levels.values.files();
                Check::Values(files.find(|values| values.id() == next)?.file.verifier())
            }
            _ => {
                let table = tables().find(|table| table.number == next.number)?;
                Check::Table(Box::new(table.table.verifier()))
            }
        };
        Some((next, check))
    }
}

/// Bytes of a piece.
const PIECE_BYTES: u32 = 256 << 10;
