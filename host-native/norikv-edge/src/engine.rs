//! The one engine configuration: what could differ between two machines is switched off.

use wasmtime::{Config, Engine};

/// An engine on which the same component and calls give the same results everywhere.
///
/// # Errors
/// When this machine cannot compile WebAssembly.
pub fn deterministic_engine() -> wasmtime::Result<Engine> {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .cranelift_nan_canonicalization(true)
        .wasm_relaxed_simd(false);
    Engine::new(&config)
}
