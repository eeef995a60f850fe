//! `norikv-bench`: prints what was measured where.

use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Result, ensure};
use clap::{Args, Parser, Subcommand};
use norikv_bench::embedded::{EmbeddedArgs, run_cell};
use norikv_bench::raft::RaftArgs;
use norikv_bench::{CountingAllocator, Machine, Run, Scratch, Times, cluster};

#[global_allocator]
static ALLOCATOR: CountingAllocator = CountingAllocator;

/// Measures NoriKV on this machine. Build it with --release.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// A cluster of three nodes in this process.
    Cluster(ClusterArgs),
    /// The embedded store beside other embedded engines.
    Embedded(EmbeddedArgs),
    /// The consensus core, three replicas in memory.
    Raft(RaftArgs),
    /// A part of `embedded`, in a process of its own.
    #[command(hide = true)]
    Cell {
        /// What to do, as JSON.
        spec: String,
    },
}

#[derive(Debug, Args)]
struct ClusterArgs {
    /// Seconds for which each figure is measured; before that it warms up for a fifth as long.
    #[arg(long, default_value_t = 5.0)]
    seconds: f64,
    /// Print one line of JSON instead of tables.
    #[arg(long)]
    json: bool,
    /// Where the data goes, in a fresh folder that is removed at the end [default: the folder for
    /// temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
}

fn main() -> Result<()> {
    let mut out = std::io::stdout().lock();
    match Arguments::parse().what {
        What::Cluster(args) => run_cluster(&args, &mut out),
        What::Embedded(args) => args.run(&["cell"], &mut out),
        What::Raft(args) => args.run(&mut out),
        What::Cell { spec } => run_cell(&spec, &mut out),
    }
}

fn run_cluster(args: &ClusterArgs, out: &mut dyn Write) -> Result<()> {
    ensure!(
        (0.01..=3_600.0).contains(&args.seconds),
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
    let settings = cluster::Settings::new(times);
    let run = Run {
        version: env!("CARGO_PKG_VERSION"),
        machine,
        seconds: times.measured.as_secs_f64(),
        warm_up_seconds: times.warm_up.as_secs_f64(),
        cluster: cluster::run(&settings, &scratch, &mut progress)?,
    };
    scratch.remove()?;
    if args.json {
        serde_json::to_writer(&mut *out, &run)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", run.text())?;
    }
    Ok(())
}
