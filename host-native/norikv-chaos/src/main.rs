//! `norikv-chaos`: real processes under faults, and what came of it.
//!
//! **Invariant: the exit code tells.** 0 nothing happened that must not, 1 something did or the run
//! could not take place, 2 the command line was not understood.
#![forbid(unsafe_code)]

use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use norikv_chaos::{
    FailoverOptions, Kill, Options, Pace, Plan, Progress, Report, Settings, Sizes, Violation,
    failover, run,
};
use tempfile::TempDir;
use tokio::signal::unix::{SignalKind, signal};

/// Starts a cluster of norikv processes on this machine, does harm to it by a plan that a seed draws,
/// and judges what its clients heard.
#[derive(Debug, Parser)]
#[command(version, args_conflicts_with_subcommands = true)]
struct Args {
    #[command(subcommand)]
    what: Option<What>,
    /// The norikv binary.
    #[arg(long, env = "NORIKV_BIN", default_value = "norikv")]
    binary: PathBuf,
    /// How long faults go on.
    #[arg(long, default_value_t = 1.0)]
    minutes: f64,
    /// Draws the plan. The plan of a seed is always the same; what comes of it is not.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(3..=9))]
    nodes: u64,
    /// Clients, each with one call under way.
    #[arg(long, default_value_t = 16, value_parser = clap::value_parser!(u64).range(1..=256))]
    clients: u64,
    /// Shorter faults in quicker succession: each kind once in about twenty seconds.
    #[arg(long)]
    short: bool,
    /// Print the plan and do nothing.
    #[arg(long)]
    plan: bool,
    /// Whether disks are filled; takes a mount namespace of its own, and is reported where it cannot
    /// be had.
    #[arg(long, value_enum, default_value_t)]
    disks: Disks,
    /// Write the report there, as Markdown. Without it, it is printed.
    #[arg(long)]
    report: Option<PathBuf>,
    /// Print the report as one line of JSON.
    #[arg(long)]
    json: bool,
    /// Where the nodes' folders go, in a fresh folder that is removed at the end and kept when there
    /// was a violation [default: the folder for temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
enum Disks {
    /// Where it is possible.
    #[default]
    Auto,
    /// Not at all.
    Never,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Measures how long writes stand still when a node is killed that leads groups.
    Failover(FailoverArgs),
}

#[derive(Debug, clap::Args)]
struct FailoverArgs {
    /// The norikv binary; measure a release build.
    #[arg(long, env = "NORIKV_BIN")]
    binary: PathBuf,
    /// How often a node is killed.
    #[arg(long, default_value_t = 100)]
    kills: u32,
    /// Draws the victims and the pauses.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Print one line of JSON.
    #[arg(long)]
    json: bool,
    /// Where the nodes' folders go, in a fresh folder that is removed at the end [default: the folder
    /// for temporary files].
    #[arg(long)]
    dir: Option<PathBuf>,
}

/// Set in the process that has a mount namespace of its own.
const NAMESPACE: &str = "NORIKV_CHAOS_NAMESPACE";

fn main() -> ExitCode {
    let args = Args::parse();
    let outcome = match &args.what {
        Some(What::Failover(args)) => measure(args),
        None => start(&args),
    };
    match outcome {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // The terminal may be gone; there is nobody else to tell.
            let _gone = writeln!(std::io::stderr(), "norikv-chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn start(args: &Args) -> Result<bool> {
    let disks = if args.plan {
        Ok(())
    } else {
        own_namespace(args.disks)?
    };
    let binary = match args.plan {
        true => args.binary.clone(),
        false => existing(&args.binary)?,
    };
    let folder = fresh_folder(args.dir.as_deref())?;
    let options = Options {
        settings: Settings {
            binary,
            nodes: args.nodes,
            folder: folder.path().to_path_buf(),
            disks,
            seed: args.seed,
            sizes: Sizes::Small,
        },
        duration: Duration::try_from_secs_f64(args.minutes * 60.0).context("--minutes")?,
        seed: args.seed,
        pace: if args.short {
            Pace::SHORT
        } else {
            Pace::STEADY
        },
        clients: args.clients,
        epoch: Duration::from_secs(if args.short { 5 } else { 20 }),
    };
    if args.plan {
        let plan = Plan::draw(options.seed, &options.scope());
        write!(std::io::stdout(), "{plan}")?;
        return Ok(true);
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(until_told_to_stop(&options));
    // Whatever still runs is killed here, before its folder goes.
    runtime.shutdown_timeout(Duration::from_secs(10));
    let outcome = outcome.inspect_err(|_| keep_logs(folder.path()))?;
    if !outcome.passed() {
        let kept = folder.keep();
        keep_windows(&kept, &outcome.violations)?;
        writeln!(std::io::stderr(), "kept: {}", kept.display())?;
    }
    tell(args, &outcome)?;
    Ok(outcome.passed())
}

/// Measures what kills cost.
fn measure(args: &FailoverArgs) -> Result<bool> {
    let folder = fresh_folder(args.dir.as_deref())?;
    let options = FailoverOptions {
        settings: Settings {
            binary: existing(&args.binary)?,
            nodes: 3,
            folder: folder.path().to_path_buf(),
            disks: Err("not asked for".to_owned()),
            seed: args.seed,
            sizes: Sizes::Default,
        },
        kills: args.kills,
        seed: args.seed,
    };
    let bar = ProgressBar::new(args.kills.into());
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} kills  {msg}",
    )?);
    let show = |done: u32, kill: &Kill| {
        bar.set_position(done.into());
        bar.set_message(format!("node {}: {} ms", kill.node, kill.outage_ms()));
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(failover(&options, &show));
    // Whatever still runs is killed here, before its folder goes.
    runtime.shutdown_timeout(Duration::from_secs(10));
    bar.finish_and_clear();
    let outcome = outcome.inspect_err(|_| keep_logs(folder.path()))?;
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, &outcome)?;
        writeln!(out)?;
    } else {
        write!(out, "{}", outcome.text())?;
    }
    Ok(true)
}

fn existing(binary: &Path) -> Result<PathBuf> {
    let binary = std::path::absolute(binary)?;
    if !binary.is_file() {
        bail!("there is no binary {}", binary.display());
    }
    Ok(binary)
}

fn fresh_folder(parent: Option<&Path>) -> Result<TempDir> {
    let mut named = tempfile::Builder::new();
    named.prefix("norikv-chaos-");
    let folder = match parent {
        None => named.tempdir(),
        Some(parent) => std::fs::create_dir_all(parent).and_then(|()| named.tempdir_in(parent)),
    };
    folder.context("making a folder")
}

/// Runs, unless Ctrl-C or SIGTERM comes first.
async fn until_told_to_stop(options: &Options) -> Result<Report> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let bar = ProgressBar::new(options.duration.as_secs());
    bar.set_style(ProgressStyle::with_template(
        "{bar:30} {pos}/{len} s  {msg}",
    )?);
    let show = |progress: Progress| {
        bar.set_position(progress.elapsed.as_secs());
        bar.set_message(format!(
            "{} operations, {} faults, {} epochs judged",
            progress.operations, progress.faults, progress.judged
        ));
    };
    let outcome = tokio::select! {
        outcome = run(options, &show) => outcome,
        _ = interrupt.recv() => bail!("interrupted"),
        _ = terminate.recv() => bail!("told to stop"),
    };
    bar.finish_and_clear();
    outcome
}

/// Puts this process, by replacing it, into a mount namespace of its own: whatever it mounts goes
/// with it, however it ends. Says why not, where that is impossible.
fn own_namespace(disks: Disks) -> Result<Result<(), String>> {
    if disks == Disks::Never {
        return Ok(Err("not asked for".to_owned()));
    }
    if std::env::var_os(NAMESPACE).is_some() {
        return Ok(Ok(()));
    }
    for flags in [&["--mount"][..], &["--mount", "--map-root-user"]] {
        let tried = Command::new("unshare")
            .args(flags)
            .arg("true")
            .stderr(Stdio::null())
            .status();
        if tried.is_ok_and(|status| status.success()) {
            let own = std::env::current_exe()?;
            let failed = Command::new("unshare")
                .args(flags)
                .arg("--")
                .arg(own)
                .args(std::env::args_os().skip(1))
                .env(NAMESPACE, "1")
                .exec();
            return Err(failed).context("running unshare");
        }
    }
    Ok(Err("no mount namespace can be had".to_owned()))
}

/// What matters of a run that did not take place, on standard error.
fn keep_logs(folder: &Path) {
    for node in 1..=9 {
        let path = folder.join(format!("node-{node}/log/stderr.log"));
        if let Ok(text) = std::fs::read_to_string(&path)
            && !text.is_empty()
        {
            let _gone = writeln!(std::io::stderr(), "node {node}: {text}");
        }
    }
}

/// Writes the operations that matter, and their drawings, beside the data.
fn keep_windows(folder: &Path, violations: &[Violation]) -> Result<()> {
    for (nth, violation) in violations.iter().enumerate() {
        std::fs::write(
            folder.join(format!("violation-{nth}.txt")),
            violation.to_string(),
        )?;
        if let Violation::NotLinearizable { drawing, .. } = violation {
            std::fs::write(folder.join(format!("violation-{nth}.svg")), drawing)?;
        }
    }
    Ok(())
}

fn tell(args: &Args, report: &Report) -> Result<()> {
    let mut out = std::io::stdout().lock();
    if args.json {
        serde_json::to_writer(&mut out, report)?;
        writeln!(out)?;
    }
    match &args.report {
        Some(path) => std::fs::write(path, report.markdown())
            .with_context(|| format!("writing {}", path.display()))?,
        None if !args.json => write!(out, "{}", report.markdown())?,
        None => {}
    }
    Ok(())
}
