//! Everything that proves the project, in the order in which a failure is cheapest to find.
//!
//! **Invariant: on a machine with Rust, Node and Chromium this needs nothing installed by hand.**

use anyhow::{Result, ensure};
use xshell::{Shell, cmd};

use crate::steps::Steps;
use crate::{component, mutants, page, tools};

/// Runs the steps, or those whose name contains `only`.
pub(crate) fn run(shell: &Shell, only: Option<&str>, list: bool) -> Result<()> {
    let mut steps = Steps::default();
    steps.add("tools", || {
        tools::ensure_targets(shell)?;
        tools::ensure_npm(shell)?;
        tools::chromium(shell).map(drop)
    });
    steps.add("format", || {
        Ok(cmd!(shell, "cargo fmt --all --check").run()?)
    });
    steps.add("lint", || lint(shell));
    steps.add("no_std builds", || no_std(shell));
    steps.add("layers", || {
        Ok(cmd!(shell, "cargo test --quiet -p xtask").run()?)
    });
    steps.add("components", || component::build(shell).map(drop));
    steps.add("page builds", || page::build(shell));
    steps.add("unit, model, crash and simulation tests", || {
        let components = tools::target_dir(shell).join("components");
        let _env = shell.push_env("NORIKV_COMPONENTS", components);
        // Built before the tests run, as everything of the workspace is.
        let binary = tools::target_dir(shell).join("ci/norikv");
        let _binary = shell.push_env("NORIKV_BIN", binary);
        Ok(cmd!(
            shell,
            "cargo test --profile ci --no-fail-fast --workspace --exclude xtask"
        )
        .run()?)
    });
    steps.add("mutants", || mutants::check(shell));
    steps.add("page in Chromium", || in_chromium(shell));
    if let Some(part) = only {
        steps.keep(part);
    }
    if list {
        steps.list();
        return Ok(());
    }
    steps.run()
}

/// Everything of the workspace, and what stands behind the features that `--workspace` leaves off.
fn lint(shell: &Shell) -> Result<()> {
    cmd!(
        shell,
        "cargo clippy --workspace --all-targets -- -D warnings"
    )
    .run()?;
    cmd!(
        shell,
        "cargo clippy -p norikv-sim --features mutants --all-targets -- -D warnings"
    )
    .run()?;
    for world in component::WORLDS {
        let wasm = tools::WASM_TARGET;
        cmd!(
            shell,
            "cargo clippy -p norikv-component --target {wasm} --features {world} -- -D warnings"
        )
        .run()?;
    }
    Ok(())
}

/// Every engine crate on targets without an operating system, one of them without 64-bit atomics.
fn no_std(shell: &Shell) -> Result<()> {
    tools::ensure_targets(shell)?;
    let mut packages = Vec::new();
    for dir in shell.read_dir("engine-core")? {
        if dir.is_dir()
            && let Some(name) = dir.file_name().and_then(|name| name.to_str())
        {
            packages.push(format!("--package={name}"));
        }
    }
    ensure!(!packages.is_empty(), "engine-core holds no crate");
    let packages = &packages;
    for target in tools::BARE_TARGETS {
        cmd!(
            shell,
            "cargo build --quiet --lib {packages...} --target {target}"
        )
        .run()?;
    }
    Ok(())
}

/// The page's own tests: they start the built page, drive it and keep a screenshot.
fn in_chromium(shell: &Shell) -> Result<()> {
    let chromium = tools::chromium(shell)?;
    let components = tools::target_dir(shell).join("components");
    let binary = tools::target_dir(shell).join("ci/norikv");
    let edge = tools::target_dir(shell).join("ci/norikv-edge");
    let _dir = shell.push_dir("web-demo");
    let _chromium = shell.push_env("CHROMIUM", chromium);
    let _components = shell.push_env("NORIKV_COMPONENTS", components);
    let _binary = shell.push_env("NORIKV_BIN", binary);
    let _edge = shell.push_env("NORIKV_EDGE_BIN", edge);
    Ok(cmd!(shell, "npm run --silent test").run()?)
}
