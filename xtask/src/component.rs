//! The WebAssembly components: a core module by cargo, made a component by wit-component.
//!
//! **Invariant: a component imports what its world declares and nothing else.** The encoder
//! validates it, and a module that asked for more would fail here.

use std::path::PathBuf;

use anyhow::{Context, Result};
use wit_component::ComponentEncoder;
use xshell::{Shell, cmd};

use crate::tools;

/// The worlds of `norikv-component`, each a feature of the crate.
pub(crate) const WORLDS: [&str; 2] = ["store", "sim"];

/// Builds every world; returns the paths of the components.
pub(crate) fn build(shell: &Shell) -> Result<Vec<PathBuf>> {
    tools::ensure_targets(shell)?;
    WORLDS
        .into_iter()
        .map(|world| build_world(shell, world))
        .collect()
}

fn build_world(shell: &Shell, world: &str) -> Result<PathBuf> {
    let wasm = tools::WASM_TARGET;
    cmd!(
        shell,
        "cargo build -p norikv-component --target {wasm} --profile wasm --features {world}"
    )
    .run()?;
    let target = tools::target_dir(shell);
    let module = shell.read_binary_file(target.join(wasm).join("wasm/norikv_component.wasm"))?;
    let component = ComponentEncoder::default()
        .validate(true)
        .module(&module)
        .with_context(|| format!("the core module of world {world}"))?
        .encode()
        .with_context(|| format!("the component of world {world}"))?;
    let path = target
        .join("components")
        .join(format!("norikv_{world}.wasm"));
    shell.write_file(&path, component)?;
    Ok(path)
}
