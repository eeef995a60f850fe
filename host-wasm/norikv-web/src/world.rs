//! One simulated cluster, under a page's control.

use core::time::Duration;

use norikv_sim::{Simulation, View};
use norikv_types::NodeId;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

use crate::run::{Run, RunView};

/// A cluster that a page watches and breaks. Everything it does follows from what it runs and from
/// the calls, each at the step at which it came.
#[wasm_bindgen]
#[derive(Debug)]
pub struct World {
    simulation: Simulation,
    run: Run,
    /// The world at the step that broke a promise.
    broken: Option<View>,
}

/// A frame: the world, and what runs in it.
#[derive(Debug, Serialize)]
struct Frame<'a> {
    #[serde(flatten)]
    view: &'a View,
    run: RunView<'a>,
}

#[wasm_bindgen]
impl World {
    /// A calm cluster of `nodes` nodes that have just been switched on; see [`SimConfig::demo`].
    ///
    /// # Panics
    /// When `nodes` is 0 or above 9.
    ///
    /// [`SimConfig::demo`]: norikv_sim::SimConfig::demo
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(seed: u64, nodes: u32) -> Self {
        assert!(
            (1..=NODES_MAX).contains(&nodes),
            "a page shows 1 to 9 nodes"
        );
        Self::with(Run::cluster(seed, nodes))
    }

    /// The standard swarm's run of a seed, from its beginning: what [`run_seed`](crate::run_seed)
    /// runs, to watch.
    #[must_use]
    pub fn of_seed(seed: u64) -> Self {
        Self::with(Run::seed(seed))
    }

    /// The run of a file, from its beginning: of a scenario (TOML) or of a recorded trace.
    ///
    /// # Errors
    /// Why the bytes are neither, or why a page cannot show the run.
    pub fn open(bytes: Vec<u8>) -> Result<Self, String> {
        Run::open(bytes).map(Self::with)
    }

    fn with(run: Run) -> Self {
        Self {
            simulation: Simulation::new(run.config.clone()),
            run,
            broken: None,
        }
    }

    /// Takes up to `count` steps. Says how many there were: fewer only when the run is over, and
    /// then it is judged.
    pub fn step(&mut self, count: u32) -> u32 {
        (0..count)
            .take_while(|_| self.step_once())
            .fold(0, |taken, _| taken + 1)
    }

    /// Lets virtual time pass, in microseconds, but takes at most `steps_max` steps: then less time
    /// has passed.
    pub fn advance(&mut self, micros: u32, steps_max: u32) {
        let until = self.simulation.now() + Duration::from_micros(micros.into());
        for _ in 0..steps_max {
            if !self.run.is_due(&mut self.simulation)
                && self.simulation.next_at().is_some_and(|at| at > until)
            {
                self.simulation.run_until(until);
                return;
            }
            if !self.step_once() {
                return;
            }
        }
    }

    /// Whether the run has come to its end, or broke a promise: nothing happens any more.
    #[must_use]
    pub fn is_over(&self) -> bool {
        self.run.is_over()
    }

    /// How much of the run is done, 0 to 1; 0 where it has no end.
    #[must_use]
    pub fn done(&self) -> f64 {
        f64::from(self.run.done_ppm(&self.simulation).unwrap_or(0)) / 1e6
    }

    fn step_once(&mut self) -> bool {
        if self.run.is_over() {
            return false;
        }
        let stepped = !self.run.is_due(&mut self.simulation) && self.simulation.step().is_some();
        let broken = self.simulation.violation().is_some();
        if broken {
            self.broken = Some(self.simulation.view());
        }
        if broken || !stepped {
            self.run.finish(&mut self.simulation);
        }
        stepped
    }

    /// Ends a node's process; its disks keep what they hold.
    pub fn kill(&mut self, node: u32) {
        self.simulation.kill(id(node));
    }

    /// Takes a node's power: what was not synced is lost or torn.
    pub fn cut_power(&mut self, node: u32) {
        self.simulation.cut_power(id(node));
    }

    /// Starts a node's process again.
    pub fn restart(&mut self, node: u32) {
        self.simulation.restart(id(node));
    }

    /// Cuts every link between the listed nodes and the others.
    pub fn partition(&mut self, side: &[u32]) {
        let all = 1..=self.run.config.nodes;
        let (here, there): (Vec<u32>, Vec<u32>) = all.partition(|node| side.contains(node));
        let here: Vec<NodeId> = here.into_iter().map(id).collect();
        let there: Vec<NodeId> = there.into_iter().map(id).collect();
        self.simulation.partition(&[&here, &there]);
    }

    /// Mends every link.
    pub fn heal(&mut self) {
        self.simulation.heal();
    }

    /// A visitor writes. What comes of it is among the events of a later frame.
    pub fn put(&mut self, key: &str, value: &str) {
        self.simulation.put(key.as_bytes(), value.as_bytes());
    }

    /// The world now and what happened since the last frame: a [`View`](norikv_sim::View) as JSON in
    /// UTF-8, with `run` beside its fields: what runs, how far it is, and what came of it. Once a
    /// promise was broken it is the world of that step.
    #[must_use]
    pub fn frame(&mut self) -> Vec<u8> {
        let run = self.run.view(&self.simulation);
        let bytes = |view: &View| json(&Frame { view, run }).into_bytes();
        let Some(broken) = &mut self.broken else {
            return bytes(&self.simulation.view());
        };
        let frame = bytes(broken);
        broken.events.clear();
        broken.events_dropped = 0;
        frame
    }

    /// Steps so far.
    #[must_use]
    pub fn steps(&self) -> u64 {
        self.simulation.steps()
    }

    /// The trace hash so far: sixteen hexadecimal digits.
    #[must_use]
    pub fn trace_hash(&self) -> String {
        format!("{:016x}", self.simulation.trace_hash())
    }
}

fn id(node: u32) -> NodeId {
    NodeId(node.into())
}

/// JSON of a value that is plain data.
pub(crate) fn json(value: &impl Serialize) -> String {
    match serde_json::to_string(value) {
        Ok(text) => text,
        Err(error) => unreachable!("plain data has a JSON form: {error}"),
    }
}

/// Nodes that a page has room for.
pub(crate) const NODES_MAX: u32 = 9;

#[cfg(test)]
mod tests;
