//! One simulated cluster, under a page's control.

use core::time::Duration;

use norikv_sim::{SimConfig, Simulation};
use norikv_types::NodeId;
use serde::Serialize;
use wasm_bindgen::prelude::wasm_bindgen;

/// A cluster that a page watches and breaks. Everything it does follows from the seed and from the
/// calls, each at the step at which it came.
#[wasm_bindgen]
#[derive(Debug)]
pub struct World {
    simulation: Simulation,
    nodes: u32,
}

#[wasm_bindgen]
impl World {
    /// A cluster of `nodes` nodes that have just been switched on; see [`SimConfig::demo`].
    ///
    /// # Panics
    /// When `nodes` is 0 or above 9.
    #[wasm_bindgen(constructor)]
    #[must_use]
    pub fn new(seed: u64, nodes: u32) -> Self {
        assert!((1..=9).contains(&nodes), "a page shows 1 to 9 nodes");
        Self {
            simulation: Simulation::new(SimConfig::demo(seed, nodes)),
            nodes,
        }
    }

    /// Takes up to `count` steps. Says how many there were: fewer only when the run is over.
    pub fn step(&mut self, count: u32) -> u32 {
        (0..count)
            .take_while(|_| self.simulation.step().is_some())
            .fold(0, |taken, _| taken + 1)
    }

    /// Lets virtual time pass, in microseconds, but takes at most `steps_max` steps: then less time
    /// has passed.
    pub fn advance(&mut self, micros: u32, steps_max: u32) {
        let until = self.simulation.now() + Duration::from_micros(micros.into());
        for _ in 0..steps_max {
            if self.simulation.next_at().is_none_or(|at| at > until) {
                self.simulation.run_until(until);
                return;
            }
            if self.simulation.step().is_none() {
                return;
            }
        }
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
        let all = 1..=self.nodes;
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
    /// UTF-8.
    #[must_use]
    pub fn frame(&mut self) -> Vec<u8> {
        json(&self.simulation.view()).into_bytes()
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

#[cfg(test)]
mod tests;
