//! What takes too long, or needs a nightly compiler, for every change: Miri, loom, cargo-fuzz and
//! long seeds.
//!
//! **Invariant: a run either did all of it, and says how long each part took, or fails.**

use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

use crate::steps::Steps;
use crate::tools;

/// How much of everything.
#[derive(Debug, Clone, clap::Args)]
pub(crate) struct Options {
    /// Seconds for each fuzz body.
    #[arg(long, default_value_t = 300)]
    seconds: u64,
    /// Seeds of the cluster world; the storage and the gossip world get ten times as many.
    #[arg(long, default_value_t = 3_000)]
    seeds: u64,
    /// Cases of each property test of the storage crates.
    #[arg(long, default_value_t = 2_000)]
    cases: u64,
    /// The first seed; else one that nobody ran before.
    #[arg(long)]
    from: Option<u64>,
    /// Only the steps whose name contains this.
    #[arg(long)]
    only: Option<String>,
    /// Print the steps and stop.
    #[arg(long)]
    list: bool,
}

/// Runs the steps, or those whose name contains `only`.
pub(crate) fn run(shell: &Shell, options: &Options) -> Result<()> {
    let mut steps = Steps::default();
    ensure_miri(shell)?;
    steps.add("Miri: the skiplist", || miri(shell, &["nori-skiplist"], ""));
    steps.add("Miri: the skiplist, 32 bits", || {
        let other = ["nori-skiplist", "--lib", "--target", NARROW_TARGET];
        miri(shell, &other, "")
    });
    for (package, filter) in CODECS {
        let name = format!("Miri: {package} {filter}");
        steps.add(name, move || miri(shell, &[package, "--lib"], filter));
    }
    steps.add("loom: the skiplist", || loom(shell));
    ensure_cargo_fuzz(shell)?;
    for body in bodies(shell)? {
        let name = format!("fuzz: {body}");
        steps.add(name, move || fuzz(shell, &body, options.seconds));
    }
    let from = options.from.unwrap_or_else(seed_of_now);
    for (world, seeds) in [
        ("cluster", options.seeds),
        ("storage", options.seeds * 10),
        ("gossip", options.seeds * 10),
    ] {
        let range = (from, from + seeds);
        let name = format!("{world} world: seeds {} to {}", range.0, range.1 - 1);
        steps.add(name, move || simulate(shell, world, range));
    }
    let name = format!("storage models: {} cases", options.cases);
    steps.add(name, || models(shell, options.cases));
    if let Some(part) = &options.only {
        steps.keep(part);
    }
    if options.list {
        steps.list();
        return Ok(());
    }
    steps.run()
}

fn miri(shell: &Shell, package: &[&str], filter: &str) -> Result<()> {
    // Miri takes a thousand times as long: the models get few cases.
    let _cases = shell.push_env("PROPTEST_CASES", "4");
    // proptest asks for the current folder.
    let _flags = shell.push_env("MIRIFLAGS", "-Zmiri-disable-isolation");
    let _target = shell.push_env("CARGO_TARGET_DIR", tools::target_dir(shell).join("miri"));
    let filter: &[&str] = if filter.is_empty() { &[] } else { &[filter] };
    Ok(cmd!(
        shell,
        "cargo +nightly miri test -p {package...} {filter...}"
    )
    .run()?)
}

fn loom(shell: &Shell) -> Result<()> {
    let _cfg = shell.push_env("RUSTFLAGS", "--cfg loom");
    let _target = shell.push_env("CARGO_TARGET_DIR", tools::target_dir(shell).join("loom"));
    Ok(cmd!(shell, "cargo test --profile ci -p nori-skiplist --lib loom").run()?)
}

/// The bodies as `CRATE/NAME`.
fn bodies(shell: &Shell) -> Result<Vec<String>> {
    let _target = shell.push_env("CARGO_TARGET_DIR", tools::target_dir(shell).join("fuzz"));
    let listed = cmd!(
        shell,
        "cargo run --quiet --manifest-path {FUZZ}/Cargo.toml --example bodies"
    )
    .read()?;
    Ok(listed.lines().map(String::from).collect())
}

fn fuzz(shell: &Shell, body: &str, seconds: u64) -> Result<()> {
    let _body = shell.push_env("NORIKV_FUZZ_BODY", body);
    let target = tools::target_dir(shell).join("fuzz");
    let found = target.join("corpus").join(body);
    shell.create_dir(&found)?;
    let crashes = format!("{}/", target.join("artifacts").join(body).display());
    shell.create_dir(&crashes)?;
    let (owner, name) = body.split_once('/').context("a body has a crate")?;
    let committed = format!("engine-core/{owner}/corpus/{name}");
    let seeds: &[&str] = match shell.path_exists(&committed) {
        true => &[&committed],
        false => &[],
    };
    let seconds = seconds.to_string();
    cmd!(
        shell,
        "cargo +nightly fuzz run --fuzz-dir {FUZZ} --target-dir {target} body {found} {seeds...}
         -- -max_total_time={seconds} -timeout=20 -rss_limit_mb=2048 -artifact_prefix={crashes}
         -print_final_stats=1 -verbosity=0"
    )
    .run()
    .with_context(|| format!("what breaks {body} lies in {crashes}"))
}

fn simulate(shell: &Shell, world: &str, (from, to): (u64, u64)) -> Result<()> {
    if world == "cluster" {
        let seeds = format!("{from}..{}", to - 1);
        let run = cmd!(
            shell,
            "cargo run --quiet --profile ci -p norikv-sim --example run -- {seeds}"
        );
        return Ok(run.ignore_stdout().run()?);
    }
    let variable = format!("NORIKV_SIM_{}_SEEDS", world.to_uppercase());
    let _seeds = shell.push_env(variable, format!("{from}..{to}"));
    Ok(cmd!(
        shell,
        "cargo test --quiet --profile ci -p norikv-sim --test it {world}"
    )
    .run()?)
}

/// The models of the storage crates, with cases of their own each night.
fn models(shell: &Shell, cases: u64) -> Result<()> {
    let _cases = shell.push_env("PROPTEST_CASES", cases.to_string());
    Ok(cmd!(
        shell,
        "cargo test --quiet --profile ci -p nori-skiplist -p nori-lsm -p nori-sstable -p nori-wal"
    )
    .run()?)
}

fn ensure_miri(shell: &Shell) -> Result<()> {
    let found = cmd!(shell, "cargo +nightly miri --version");
    if found.quiet().ignore_stdout().ignore_stderr().run().is_err() {
        bail!(
            "a nightly compiler with Miri is missing: rustup toolchain install nightly \
             --component miri,rust-src"
        );
    }
    Ok(())
}

fn ensure_cargo_fuzz(shell: &Shell) -> Result<()> {
    let found = cmd!(shell, "cargo fuzz --version");
    if found.quiet().ignore_stdout().ignore_stderr().run().is_err() {
        cmd!(shell, "cargo install --locked cargo-fuzz").run()?;
    }
    Ok(())
}

/// A hundred for each minute since 1970: two nights have no seed in common.
fn seed_of_now() -> u64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0, |since| since.as_secs() / 60 * 100)
}

/// Where cargo-fuzz's targets are.
const FUZZ: &str = "xtask/fuzz";
/// Where a pointer has 32 bits, for Miri, which interprets it anywhere.
const NARROW_TARGET: &str = "i686-unknown-linux-gnu";
/// What Miri can get through of the codecs.
const CODECS: [(&str, &str); 3] = [
    ("nori-lsm", "varint::tests"),
    ("nori-sstable", "varint::tests"),
    ("nori-sstable", "key::tests"),
];
