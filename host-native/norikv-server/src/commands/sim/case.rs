//! What a command line runs.
//!
//! **Invariant: for a seed it is always the same run**, and there is one command that does it again.

use std::fs;

use anyhow::{Context, Result, bail};
use norikv_sim::{Scenario, SimConfig, Simulation};

use crate::cli::Sim;

/// A configuration for each seed.
#[derive(Debug)]
pub(super) struct Case {
    base: Base,
    /// Where a run is stopped without a verdict.
    steps: Option<u64>,
    /// What the seed of a command that does it again is added to.
    command: String,
}

#[derive(Debug)]
enum Base {
    /// What the standard swarm draws, with so many nodes.
    Swarm(u32),
    /// The page's world, with so many nodes.
    Page(u32),
    /// A file.
    Scenario(Box<SimConfig>),
}

impl Case {
    pub(super) fn new(args: &Sim) -> Result<Self> {
        let mut command = String::from("norikv sim");
        let base = if let Some(path) = &args.scenario {
            let shown = path.display();
            command += &format!(" --scenario {shown}");
            let text = fs::read_to_string(path).with_context(|| format!("{shown} was not read"))?;
            let scenario = Scenario::parse(&text).with_context(|| format!("{shown}"))?;
            match scenario.into_cluster() {
                Some(config) => Base::Scenario(Box::new(config)),
                None => bail!("{shown} is no scenario of a cluster"),
            }
        } else if args.steps.is_some() {
            Base::Page(args.nodes.unwrap_or(NODES_OF_THE_PAGE))
        } else {
            Base::Swarm(args.nodes.unwrap_or(NODES))
        };
        if let Some(nodes) = args.nodes {
            command += &format!(" --nodes {nodes}");
        }
        if let Some(steps) = args.steps {
            command += &format!(" --steps {steps}");
        }
        Ok(Self {
            base,
            steps: args.steps,
            command,
        })
    }

    /// The seed that a scenario names.
    pub(super) fn own_seed(&self) -> Option<u64> {
        match &self.base {
            Base::Scenario(config) => Some(config.seed),
            Base::Swarm(_) | Base::Page(_) => None,
        }
    }

    pub(super) fn config(&self, seed: u64) -> SimConfig {
        match &self.base {
            Base::Swarm(NODES) => SimConfig::standard(seed),
            Base::Swarm(nodes) => {
                SimConfig::drawn(seed, *nodes, SimConfig::standard(seed).until_ms)
            }
            Base::Page(nodes) => SimConfig::demo(seed, *nodes),
            Base::Scenario(config) => SimConfig {
                seed,
                ..SimConfig::clone(config)
            },
        }
    }

    /// Runs a configuration as far as it goes.
    pub(super) fn run(&self, config: SimConfig) -> Simulation {
        let mut world = Simulation::new(config);
        match self.steps {
            None => world.run_to_the_end(),
            Some(steps) => while world.steps() < steps && world.step().is_some() {},
        }
        world
    }

    /// The command that does it again.
    pub(super) fn command(&self, seed: u64) -> String {
        if self.own_seed() == Some(seed) {
            self.command.clone()
        } else {
            format!("{} --seed {seed}", self.command)
        }
    }
}

const NODES: u32 = 3;
const NODES_OF_THE_PAGE: u32 = 5;
