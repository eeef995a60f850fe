//! The components under wasmtime. `cargo xtask component` builds them; `NORIKV_COMPONENTS` names
//! their folder, `target/components` unless set.

mod sim;
mod store;

use std::path::PathBuf;
use std::{env, fs};

/// The bytes of a component.
///
/// # Panics
/// When it was not built.
fn component(name: &str) -> Vec<u8> {
    let folder = env::var_os("NORIKV_COMPONENTS").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../target/components"),
        PathBuf::from,
    );
    let path = folder.join(name);
    fs::read(&path).unwrap_or_else(|why| {
        panic!(
            "{}: {why}; build it with `cargo xtask component`",
            path.display()
        )
    })
}
