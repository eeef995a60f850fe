//! The page: the engine as a WebAssembly module, its bindings, and Vite around them.

use anyhow::{Context, Result};
use wasm_bindgen_cli_support::Bindgen;
use xshell::{Shell, cmd};

use crate::tools;

/// Builds the module, its JavaScript bindings and the page into `web-demo/dist`.
pub(crate) fn build(shell: &Shell) -> Result<()> {
    bindings(shell)?;
    tools::ensure_npm(shell)?;
    let _dir = shell.push_dir("web-demo");
    cmd!(shell, "npm run --silent build").run()?;
    Ok(())
}

/// Builds the page and serves it on `127.0.0.1:port` until interrupted.
pub(crate) fn serve(shell: &Shell, port: u16) -> Result<()> {
    build(shell)?;
    println!("NoriKV in the page: http://127.0.0.1:{port}/  (Ctrl-C ends it)");
    let _dir = shell.push_dir("web-demo");
    let port = port.to_string();
    cmd!(
        shell,
        "npm run --silent preview -- --host 127.0.0.1 --port {port} --strictPort"
    )
    .run()?;
    Ok(())
}

/// Builds `norikv-web` and writes its bindings to `web-demo/pkg`.
pub(crate) fn bindings(shell: &Shell) -> Result<()> {
    tools::ensure_targets(shell)?;
    let wasm = tools::WASM_TARGET;
    cmd!(
        shell,
        "cargo build -p norikv-web --target {wasm} --profile wasm"
    )
    .run()?;
    let module = tools::target_dir(shell)
        .join(wasm)
        .join("wasm/norikv_web.wasm");
    Bindgen::new()
        .input_path(module)
        .web(true)
        .context("wasm-bindgen's web target")?
        .typescript(true)
        .omit_default_module_path(false)
        .remove_name_section(true)
        .remove_producers_section(true)
        .generate(shell.current_dir().join("web-demo/pkg"))
        .context("the JavaScript bindings of norikv-web")?;
    Ok(())
}
