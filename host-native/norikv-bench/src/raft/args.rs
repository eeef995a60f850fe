//! The command line of the comparison, for every program that offers it.

use std::fs;
use std::io::Write;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use clap::Args;

use super::{RaftSettings, profile, run};

/// Measures the consensus core, beside raft-rs where this build has it.
#[derive(Debug, Clone, Args)]
pub struct RaftArgs {
    /// How often each library is measured; the tables show medians.
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
    /// Processor seconds for each batch size.
    #[arg(long, default_value_t = 0.5)]
    seconds: f64,
    /// Groups that are built to see what one costs that has nothing to do.
    #[arg(long, default_value_t = 1_024, value_parser = clap::value_parser!(u32).range(1..100_000))]
    groups: u32,
    /// Instead of all that only make proposals with this library, for a profiler to look at.
    #[arg(long, value_name = "LIBRARY")]
    profile: Option<String>,
    /// With `--profile`: how many proposals at once.
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..=4_096))]
    batch: u32,
    /// Print JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Also write raft.json and raft.md to this folder.
    #[arg(long)]
    out: Option<PathBuf>,
}

impl RaftArgs {
    /// Runs it and prints what came of it to `out`.
    ///
    /// # Errors
    /// When a library answered wrongly, or nothing can be written.
    pub fn run(&self, out: &mut dyn Write) -> Result<()> {
        ensure!(
            (0.001..=600.0).contains(&self.seconds),
            "--seconds is between 0.001 and 600"
        );
        if let Some(library) = &self.profile {
            let cpu_us = profile(library, self.batch as usize, self.seconds)?;
            writeln!(
                out,
                "{library}, {} at once: {cpu_us:.3} µs a proposal",
                self.batch
            )?;
            return Ok(());
        }
        let settings = RaftSettings {
            rounds: self.rounds,
            seconds: self.seconds,
            groups: self.groups,
        };
        let report = run(&settings, &mut |what| {
            // Whether anybody reads it is all the same.
            let _unread = writeln!(std::io::stderr(), "{what}");
        })?;
        let json = serde_json::to_string(&report)?;
        if self.json {
            writeln!(out, "{json}")?;
        } else {
            write!(out, "{}", report.text())?;
        }
        if let Some(folder) = &self.out {
            fs::create_dir_all(folder)?;
            for (name, text) in [("raft.json", &json), ("raft.md", &report.text())] {
                let path = folder.join(name);
                fs::write(&path, text).with_context(|| format!("writing {}", path.display()))?;
            }
        }
        Ok(())
    }
}
