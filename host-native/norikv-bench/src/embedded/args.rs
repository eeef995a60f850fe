//! The command line of the comparison, for every program that offers it.

use std::fs;
use std::io::{IsTerminal, Write};
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Settings, Sizes, run};
use crate::scratch::Scratch;

/// Measures embedded engines side by side, each workload in a process of its own.
#[derive(Debug, Clone, Args)]
pub struct EmbeddedArgs {
    /// Engines, separated by commas [default: all of this build; `nori-values` only by name].
    #[arg(long, value_delimiter = ',')]
    engines: Vec<String>,
    /// Workloads or groups, or how their names begin, separated by commas [default: all].
    #[arg(long, value_delimiter = ',')]
    workloads: Vec<String>,
    /// How often each engine runs each workload; the tables show medians.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Keys of a store.
    #[arg(long, default_value_t = 300_000)]
    keys: u64,
    /// Seconds for which each timed workload is measured.
    #[arg(long, default_value_t = 0.6)]
    seconds: f64,
    /// MiB of writes held in memory.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..4096))]
    memtable_mib: u64,
    /// MiB of the cache of blocks or pages.
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..65536))]
    cache_mib: u64,
    /// One round of 50,000 keys and 0.2 seconds: whether everything works, not how fast.
    #[arg(long)]
    quick: bool,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Also write embedded.json, embedded.md and embedded.svg to this folder.
    #[arg(long)]
    out: Option<PathBuf>,
    /// Where the data goes, in a fresh folder that is removed at the end [default: the folder for
    /// temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
}

impl EmbeddedArgs {
    /// Runs it, with a progress bar where somebody watches, and prints what came of it to `out`.
    /// `cell_command` are the arguments that make this program call
    /// [`run_cell`](super::run_cell) with the argument after them.
    ///
    /// # Errors
    /// When an engine failed or answered wrongly, after the figures of the others were printed.
    pub fn run(&self, cell_command: &[&str], out: &mut dyn Write) -> Result<()> {
        let settings = self.settings(cell_command);
        let scratch = Scratch::make(self.dir.as_deref())?;
        let bar = ProgressBar::new(1_000);
        bar.set_style(ProgressStyle::with_template(
            "{wide_bar} {percent} % {elapsed} {msg}",
        )?);
        let watched = std::io::stderr().is_terminal();
        let report = run(&settings, &scratch, &mut |what, share| {
            if watched {
                bar.set_position(permille(share));
                bar.set_message(what.to_owned());
            } else {
                // Whether anybody reads it is all the same.
                let _unread = writeln!(std::io::stderr(), "{what}");
            }
        });
        bar.finish_and_clear();
        let report = report?;
        scratch.remove()?;
        let json = serde_json::to_string(&report)?;
        if self.json {
            writeln!(out, "{json}")?;
        } else {
            write!(out, "{}", report.text())?;
        }
        if let Some(folder) = &self.out {
            fs::create_dir_all(folder)?;
            let write = |name: &str, text: &str| {
                let path = folder.join(name);
                fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
            };
            write("embedded.json", &json)?;
            write("embedded.md", &report.text())?;
            write("embedded.svg", &report.svg()?)?;
        }
        let failed = report.failures.len();
        ensure!(
            failed == 0,
            "{failed} cells gave no figures: see the failures"
        );
        Ok(())
    }

    fn settings(&self, cell_command: &[&str]) -> Settings {
        let (rounds, keys, seconds) = match self.quick {
            true => (1, 50_000, 0.2),
            false => (self.rounds, self.keys, self.seconds),
        };
        Settings {
            engines: self.engines.clone(),
            workloads: self.workloads.clone(),
            rounds,
            keys,
            seconds,
            sizes: Sizes {
                memtable_bytes: self.memtable_mib << 20,
                cache_bytes: self.cache_mib << 20,
                table_bytes: self.memtable_mib << 20,
            },
            counts_syncs: true,
            cell_command: cell_command.iter().map(|word| (*word).to_owned()).collect(),
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a share is between 0 and 1"
)]
fn permille(share: f64) -> u64 {
    (share * 1_000.0) as u64
}
