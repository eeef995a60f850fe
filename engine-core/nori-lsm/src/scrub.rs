//! Reading the live tables over and over in the background, to find rot before anybody needs them.
//!
//! **Invariant: a scrub yields to every other job and keeps to its rate.** It reads a piece, then
//! nothing until as much time has passed as the piece is worth. What it finds it keeps and tells;
//! it changes nothing.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::time::Duration;

use nori_env::ObjectId;
use nori_env::sync::Mutex;
use nori_sstable::Verifier;
use norikv_types::Mono;

use crate::engine::Engine;
use crate::verify::Finding;
use crate::{Error, Lsm};

/// What the background scrub has done since the store was opened.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Scrubbed {
    /// How often all live tables were read whole.
    pub passes: u64,
    /// Tables that were read.
    pub tables: u64,
    /// The damage that is known, one finding a table; without those that are gone.
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
    /// The table that is being read, or was read last.
    at: u64,
    verifier: Option<Verifier>,
    done: Scrubbed,
}

impl Lsm {
    /// What the background scrub has done so far; see [`Options::scrub_bytes_per_second`].
    ///
    /// [`Options::scrub_bytes_per_second`]: crate::Options::scrub_bytes_per_second
    #[must_use]
    pub fn scrubbed(&self) -> Scrubbed {
        let mut done = self.engine.scrub.state.lock().done.clone();
        let levels = &self.engine.view().levels;
        let is_live = |id: ObjectId| {
            let mut live = levels.runs().flat_map(|run| &run.tables);
            live.any(|table| ObjectId::table(table.number) == id)
        };
        done.findings.retain(|finding| is_live(finding.object));
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
            let Some((number, verifier)) = self.next_table_behind(&mut state) else {
                return Ok(());
            };
            state.at = number;
            state.verifier = Some(verifier);
        }
        let verifier = state.verifier.as_mut().expect("a table is being read");
        match verifier.step(u64::from(PIECE_BYTES)) {
            Ok(None) => return Ok(()),
            Ok(Some(_)) => {}
            Err(error) => {
                let id = ObjectId::table(state.at);
                state.verifier = None;
                let finding = Finding::of(id, error.into())?;
                state.done.findings.retain(|known| known.object != id);
                state.done.findings.push(finding);
            }
        }
        state.verifier = None;
        state.done.tables += 1;
        Ok(())
    }

    /// The live table with the lowest number behind the one that was read last, or else the lowest.
    fn next_table_behind(&self, state: &mut State) -> Option<(u64, Verifier)> {
        let view = self.view();
        let tables = || view.levels.runs().flat_map(|run| &run.tables);
        let lowest_behind = |at| {
            let behind = tables().filter(move |table| table.number > at);
            behind.min_by_key(|table| table.number).map(Arc::clone)
        };
        let next = match lowest_behind(state.at) {
            Some(next) => next,
            None => {
                state.done.passes += u64::from(state.at > 0);
                lowest_behind(0)?
            }
        };
        Some((next.number, next.table.verifier()))
    }
}

/// Bytes of a piece.
const PIECE_BYTES: u32 = 256 << 10;
