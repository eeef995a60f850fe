//! The simulator as a component.

use wasmtime::component::{Component, Linker};
use wasmtime::{Engine, Store};

mod bindings {
    wasmtime::component::bindgen!({
        path: "../../host-wasm/norikv-component/wit",
        world: "sim",
    });
}

/// An instance of the world `sim`.
pub struct Simulator {
    store: Store<()>,
    world: bindings::Sim,
}

/// What one run came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The seed that was run.
    pub seed: u64,
    /// xxh3-64 over the run's trace; equal on every host.
    pub trace_hash: u64,
    /// Steps simulated.
    pub steps: u64,
    /// The first violation found, in words.
    pub violation: Option<String>,
}

impl Simulator {
    /// Compiles and instantiates the component `bytes`.
    ///
    /// # Errors
    /// When it is not a component of that world, or imports anything.
    pub fn new(engine: &Engine, bytes: &[u8]) -> wasmtime::Result<Self> {
        let component = Component::new(engine, bytes)?;
        let mut store = Store::new(engine, ());
        let world = bindings::Sim::instantiate(&mut store, &component, &Linker::new(engine))?;
        Ok(Self { store, world })
    }

    /// Runs the standard swarm of `seed`.
    ///
    /// # Errors
    /// When the component trapped; the instance is of no more use then.
    pub fn run(&mut self, seed: u64) -> wasmtime::Result<Report> {
        let report = self
            .world
            .norikv_component_simulation()
            .call_run(&mut self.store, seed)?;
        Ok(Report {
            seed: report.seed,
            trace_hash: report.trace_hash,
            steps: report.steps,
            violation: report.violation,
        })
    }
}

impl std::fmt::Debug for Simulator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Simulator").finish_non_exhaustive()
    }
}
