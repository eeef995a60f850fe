//! Tests of the tests: every rule broken on purpose, and the seeds until a run shows it.
//!
//! **Invariant: a mutant that survives makes this fail.** The hunt itself is the example `mutants`
//! of `norikv-sim`; this only calls it.

use anyhow::Result;
use xshell::{Shell, cmd};

/// Hunts the mutants called `names`, all where there is none; prints the table.
pub(crate) fn run(shell: &Shell, names: &[String], max: u64, write: bool) -> Result<()> {
    let max = max.to_string();
    let write: &[&str] = if write { &["--write", PAGE] } else { &[] };
    Ok(cmd!(
        shell,
        "cargo run --profile ci -p norikv-sim --features mutants --example mutants -- {names...} --max {max} {write...}"
    )
    .run()?)
}

/// Hunts all of them and holds the seeds against their limits; then makes a run that one of them
/// breaks small.
pub(crate) fn check(shell: &Shell) -> Result<()> {
    cmd!(
        shell,
        "cargo run --quiet --profile ci -p norikv-sim --features mutants --example mutants -- --limits"
    )
    .run()?;
    Ok(cmd!(
        shell,
        "cargo test --quiet --profile ci -p norikv-sim --features mutants --test it minimise"
    )
    .run()?)
}

const PAGE: &str = "docs/mutants.md";
