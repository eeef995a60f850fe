//! What a command line runs.
//!
//! **Invariant: for a seed it is always the same run**, and there is one command that does it again.

use std::fs;

use anyhow::{Context, Result, bail};
use norikv_sim::gossip::{self, GossipConfig};
use norikv_sim::storage::{self, StorageConfig};
use norikv_sim::{Report, Scenario, SimConfig, Simulation, Violation, World};

use crate::cli::{Sim, SimWorld};

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
    /// What the standard swarm of another world draws.
    Other(SimWorld),
    /// A file.
    Scenario(Box<World>),
}

/// What came of a run, whatever it ran in.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) hash: u64,
    pub(super) steps: u64,
    /// What is counted for the speed: what went into nodes and came out of them, or steps.
    pub(super) events: u64,
    /// Virtual.
    pub(super) nanos: u64,
    pub(super) violation: Option<String>,
    /// Its name.
    pub(super) invariant: Option<&'static str>,
    /// Of a cluster.
    pub(super) report: Option<Report>,
}

impl Case {
    pub(super) fn new(args: &Sim) -> Result<Self> {
        let mut command = String::from("norikv sim");
        let base = if let Some(path) = &args.scenario {
            let shown = path.display();
            command += &format!(" --scenario {shown}");
            let text = fs::read_to_string(path).with_context(|| format!("{shown} was not read"))?;
            let scenario = Scenario::parse(&text).with_context(|| format!("{shown}"))?;
            Base::Scenario(Box::new(scenario.world))
        } else if args.world != SimWorld::Cluster {
            Base::Other(args.world)
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
        match args.world {
            SimWorld::Cluster => {}
            SimWorld::Storage => command += " --world storage",
            SimWorld::Gossip => command += " --world gossip",
        }
        let case = Self {
            base,
            steps: args.steps,
            command,
        };
        let of_clusters = [
            args.steps.is_some(),
            args.nodes.is_some(),
            args.minimise,
            args.trace.is_some(),
            args.svg.is_some(),
            args.summary.is_some(),
            args.until.is_some(),
        ];
        if of_clusters.contains(&true) && case.config(1).is_none() {
            bail!("only runs of clusters have nodes, steps, traces, drawings and summaries");
        }
        Ok(case)
    }

    /// The seed that a scenario names.
    pub(super) fn own_seed(&self) -> Option<u64> {
        match &self.base {
            Base::Scenario(world) => Some(match &**world {
                World::Storage(config) => config.seed,
                World::Gossip(config) => config.seed,
                World::Cluster(config) => config.seed,
                _ => return None,
            }),
            Base::Swarm(_) | Base::Page(_) | Base::Other(_) => None,
        }
    }

    /// The cluster of a seed; `None` in another world.
    pub(super) fn config(&self, seed: u64) -> Option<SimConfig> {
        Some(match &self.base {
            Base::Swarm(NODES) => SimConfig::standard(seed),
            Base::Swarm(nodes) => {
                SimConfig::drawn(seed, *nodes, SimConfig::standard(seed).until_ms)
            }
            Base::Page(nodes) => SimConfig::demo(seed, *nodes),
            Base::Scenario(world) => match &**world {
                World::Cluster(config) => SimConfig {
                    seed,
                    ..config.clone()
                },
                _ => return None,
            },
            Base::Other(_) => return None,
        })
    }

    /// Runs a seed as far as it goes.
    pub(super) fn outcome(&self, seed: u64) -> Outcome {
        if let Some(config) = self.config(seed) {
            let report = self.run(config).report();
            return Outcome {
                hash: report.hash,
                steps: report.steps,
                events: report.trace_events,
                nanos: report.at.as_nanos(),
                violation: report.violation.as_ref().map(ToString::to_string),
                invariant: report.violation.as_ref().map(Violation::name),
                report: Some(report),
            };
        }
        match &self.base {
            Base::Scenario(world) => match &**world {
                World::Gossip(config) => gossip_outcome(&GossipConfig {
                    seed,
                    ..config.clone()
                }),
                World::Storage(config) => storage_outcome(&StorageConfig {
                    seed,
                    ..config.clone()
                }),
                _ => unreachable!("clusters have a configuration"),
            },
            Base::Other(SimWorld::Gossip) => gossip_outcome(&GossipConfig::standard(seed)),
            _ => storage_outcome(&StorageConfig::standard(seed)),
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

fn storage_outcome(config: &StorageConfig) -> Outcome {
    let report = storage::run(config);
    Outcome {
        hash: report.hash,
        steps: report.steps,
        events: report.steps,
        nanos: report.at.as_nanos(),
        violation: report.violation.as_ref().map(ToString::to_string),
        invariant: None,
        report: None,
    }
}

fn gossip_outcome(config: &GossipConfig) -> Outcome {
    let report = gossip::run(config);
    Outcome {
        hash: report.hash,
        steps: report.steps,
        events: report.steps,
        nanos: report.at.as_nanos(),
        violation: report.violation.as_ref().map(ToString::to_string),
        invariant: None,
        report: None,
    }
}

const NODES: u32 = 3;
const NODES_OF_THE_PAGE: u32 = 5;
