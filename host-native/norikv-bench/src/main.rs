//! `norikv-bench`: prints what was measured where.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Parser, Subcommand};
use norikv_bench::embedded::{self, Nori};
use norikv_bench::{Machine, Run, Scratch, Times, cluster};

/// Measures NoriKV on this machine.
///
/// Without a command: a cluster of three nodes, and the embedded store. Build it with --release.
#[derive(Debug, Parser)]
#[command(version)]
struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// Seconds for which each figure is measured; before that it warms up for a fifth as long.
    #[arg(long, global = true, default_value_t = 5.0)]
    seconds: f64,
    /// Keys in the embedded store.
    #[arg(long, global = true, default_value_t = 1_000_000,
        value_parser = clap::value_parser!(u64).range(embedded::KEYS_MIN..))]
    keys: u64,
    /// Print one line of JSON instead of tables.
    #[arg(long, global = true)]
    json: bool,
    /// Where the data goes, in a fresh folder that is removed at the end [default: the folder for
    /// temporary files].
    #[arg(long, global = true)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Subcommand)]
enum What {
    /// Only the cluster.
    Cluster,
    /// Only the embedded store.
    Embedded,
}

fn main() -> Result<()> {
    let args = Args::parse();
    ensure!(
        args.seconds >= 0.01 && args.seconds <= 3_600.0,
        "--seconds is between 0.01 and 3600"
    );
    let times = Times {
        measured: Duration::from_secs_f64(args.seconds),
        warm_up: Duration::from_secs_f64(args.seconds / 5.0),
    };
    let scratch = Scratch::make(args.dir.as_deref())?;
    let machine = Machine::of(scratch.path());
    let mut progress = |what: &str| {
        // Whether anybody reads it is all the same.
        let _unread = writeln!(std::io::stderr(), "measuring {what} …");
    };
    let wanted = |what: What| args.what.is_none_or(|only| only == what);
    let cluster = if wanted(What::Cluster) {
        let settings = cluster::Settings::new(times);
        Some(cluster::run(&settings, &scratch, &mut progress)?)
    } else {
        None
    };
    let embedded = if wanted(What::Embedded) {
        let settings = embedded::Settings {
            keys: args.keys,
            times,
            sizes: embedded::Sizes::default(),
        };
        Some(embedded::run::<Nori>(&settings, &scratch, &mut progress)?)
    } else {
        None
    };
    let run = Run {
        version: env!("CARGO_PKG_VERSION"),
        machine,
        seconds: times.measured.as_secs_f64(),
        warm_up_seconds: times.warm_up.as_secs_f64(),
        cluster,
        embedded,
    };
    scratch.remove()?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &run)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", run.text())?;
    }
    Ok(())
}
