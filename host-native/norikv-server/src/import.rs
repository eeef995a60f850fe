//! A file into a cluster: many writes in flight, resumable after a kill, exact counts at the end.
//!
//! **Invariant: the progress file names an offset below which every line is acknowledged or was
//! refused and counted.** Lines of one key are written in the order in which they stand, since one
//! worker writes all lines of a key.

mod checkpoint;
mod reader;
mod watermark;
mod worker;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow};
use norikv_client::Client;
use tokio::sync::mpsc;

use crate::records::Format;
use checkpoint::Checkpoint;
use reader::Line;
use watermark::Watermark;
use worker::{Ended, Outcome, Workers};

/// What to import, and how.
#[derive(Debug)]
pub(crate) struct Import {
    pub(crate) file: PathBuf,
    pub(crate) format: Format,
    /// Writes in flight.
    pub(crate) in_flight: u16,
}

/// What an import came to, earlier runs over the same file included.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Counts {
    pub(crate) written: u64,
    pub(crate) refused: u64,
}

/// Who is told how it goes.
pub(crate) trait Observer {
    /// Line `number` was refused, because of `why`.
    fn refused(&mut self, number: u64, why: &str);
    /// Everything below `offset` of `size` bytes is dealt with.
    fn progress(&mut self, offset: u64, size: u64, counts: Counts);
}

/// How often the progress file is brought up to date.
const CHECKPOINT_EVERY: Duration = Duration::from_millis(250);
/// Lines read but not yet dealt with, for each write in flight.
const LINES_PER_WRITE: usize = 8;

impl Import {
    /// Runs the import to its end; goes on where an earlier one stopped.
    ///
    /// # Errors
    /// When the file cannot be read or changed since the import began, or the cluster cannot be
    /// written to. The progress file names where to go on.
    pub(crate) async fn run(
        &self,
        client: &Client,
        observer: &mut impl Observer,
    ) -> Result<Counts> {
        let (hash, size) = reader::fingerprint(&self.file)
            .with_context(|| format!("reading {}", self.file.display()))?;
        let mut checkpoint = Checkpoint::load_or_new(&self.file, hash)?;
        let mut lines = reader::lines(&self.file, checkpoint.offset, checkpoint.counts.lines())?;
        let (ended_in, mut ended) = mpsc::unbounded_channel();
        let workers = Workers::start(client, hash, self.in_flight, &ended_in);
        drop(ended_in);

        let mut watermark = Watermark::new(checkpoint.offset, checkpoint.counts);
        let window = usize::from(self.in_flight) * LINES_PER_WRITE;
        let mut saved = Instant::now();
        let mut all_read = false;
        loop {
            tokio::select! {
                line = lines.recv(), if !all_read && watermark.open() < window => match line {
                    Some(Ok(line)) => self.begin(line, &mut watermark, &workers, observer),
                    Some(Err(why)) => {
                        return Err(why).with_context(|| format!("reading {}", self.file.display()));
                    }
                    None => all_read = true,
                },
                Some(Ended { sequence, outcome }) = ended.recv(), if watermark.open() > 0 => {
                    match outcome {
                        Outcome::Written => watermark.end(sequence, true),
                        Outcome::Refused(why) => {
                            observer.refused(watermark.number_of(sequence), &why);
                            watermark.end(sequence, false);
                        }
                        Outcome::Failed(error) => {
                            checkpoint.advance(&watermark)?;
                            let place = watermark.counts().lines();
                            return Err(anyhow!(error)).with_context(|| format!(
                                "stopped behind line {place}; run the same command again to go on there"
                            ));
                        }
                    }
                }
                else => break,
            }
            observer.progress(watermark.offset(), size, watermark.counts());
            if saved.elapsed() >= CHECKPOINT_EVERY {
                checkpoint.advance(&watermark)?;
                saved = Instant::now();
            }
        }
        checkpoint.remove()?;
        Ok(watermark.counts())
    }

    fn begin(
        &self,
        line: Line,
        watermark: &mut Watermark,
        workers: &Workers,
        observer: &mut impl Observer,
    ) {
        let sequence = watermark.begin(line.end);
        match self.format.read(&line.bytes) {
            Ok(record) => workers.write(sequence, line.number, record),
            Err(why) => {
                observer.refused(line.number, &why);
                watermark.end(sequence, false);
            }
        }
    }
}

impl Counts {
    /// Lines dealt with.
    pub(crate) fn lines(self) -> u64 {
        self.written + self.refused
    }
}
