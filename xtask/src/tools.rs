//! What the steps stand on: the repository's root, rustup's targets, Node, npm packages, Chromium.
//!
//! **Invariant: a missing tool is never skipped.** rustup targets and npm packages are fetched; a
//! missing Node or Chromium is an error that names the command to install it.

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use xshell::{Shell, cmd};

/// Targets without an operating system on which the engine must build.
pub(crate) const BARE_TARGETS: [&str; 2] = ["thumbv7em-none-eabi", "wasm32v1-none"];
/// The target of the page and of the components.
pub(crate) const WASM_TARGET: &str = "wasm32-unknown-unknown";

/// A shell that stands in the repository's root.
pub(crate) fn at_root() -> Result<Shell> {
    let shell = Shell::new()?;
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR"));
    shell.change_dir(manifest.parent().context("xtask lies in the root")?);
    Ok(shell)
}

/// Where cargo puts what it builds.
pub(crate) fn target_dir(shell: &Shell) -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(
        || shell.current_dir().join("target"),
        |dir| shell.current_dir().join(dir),
    )
}

/// Adds the rustup targets that are not there yet.
pub(crate) fn ensure_targets(shell: &Shell) -> Result<()> {
    let installed = cmd!(shell, "rustup target list --installed")
        .quiet()
        .read()
        .context("rustup is needed: https://rustup.rs")?;
    for target in BARE_TARGETS.into_iter().chain([WASM_TARGET]) {
        if !installed.lines().any(|line| line == target) {
            cmd!(shell, "rustup target add {target}").run()?;
        }
    }
    Ok(())
}

/// Checks Node and npm and installs the page's packages as locked.
pub(crate) fn ensure_npm(shell: &Shell) -> Result<()> {
    if cmd!(shell, "node --version")
        .quiet()
        .ignore_stderr()
        .read()
        .is_err()
    {
        bail!("Node 20 or newer is missing; on Debian: apt-get install nodejs npm");
    }
    let _dir = shell.push_dir("web-demo");
    let lock = shell.read_file("package-lock.json")?;
    let installed = "node_modules/.norikv-installed";
    if shell.read_file(installed).ok().as_deref() != Some(&lock) {
        cmd!(shell, "npm ci --no-audit --no-fund").run()?;
        shell.write_file(installed, &lock)?;
    }
    Ok(())
}

/// The path of a Chromium that can run headless.
pub(crate) fn chromium(shell: &Shell) -> Result<PathBuf> {
    if let Some(path) = env::var_os("CHROMIUM") {
        return Ok(path.into());
    }
    let path = env::var_os("PATH").unwrap_or_default();
    for name in ["chromium", "chromium-browser", "google-chrome"] {
        for dir in env::split_paths(&path) {
            let candidate = dir.join(name);
            if shell.path_exists(&candidate) {
                return Ok(candidate);
            }
        }
    }
    bail!(
        "Chromium is missing; on Debian: apt-get install --no-install-recommends chromium \
         (or set CHROMIUM to its path)"
    )
}
