//! What a world runs, how far it goes, and what came of it.
//!
//! **Invariant: a run that ends is judged once, at the step at which every other host judges it**,
//! whatever the portions in which a page let it pass.

mod broken;
mod open;
mod recorded;

use norikv_sim::{SimConfig, Simulation};
use norikv_types::Mono;
use serde::Serialize;

use broken::Broken;
use recorded::Recorded;

/// What a world runs.
#[derive(Debug)]
pub(crate) struct Run {
    pub(crate) config: SimConfig,
    kind: RunKind,
    note: String,
    goal: Goal,
    over: bool,
    broken: Option<Broken>,
    recorded: Option<Recorded>,
}

/// Where it came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum RunKind {
    /// A calm cluster for a visitor to break.
    Cluster,
    /// What the standard swarm draws from a seed.
    Seed,
    /// A scenario file.
    Scenario,
    /// A trace file.
    Trace,
}

/// How far it goes.
#[derive(Debug, Clone, Copy)]
enum Goal {
    /// Never done.
    None,
    /// Through the plan, which ends then; then to rest, and judged.
    Verdict(Mono),
    /// So many steps.
    Steps(u64),
}

/// What a page is told of it, beside the world's picture.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct RunView<'a> {
    kind: RunKind,
    /// A decimal string: JavaScript's numbers end at 2^53.
    seed: String,
    note: &'a str,
    /// How much of it is done, in millionths; null where there is no end.
    done_ppm: Option<u32>,
    over: bool,
    broken: Option<&'a Broken>,
    recorded: Option<&'a Recorded>,
}

impl Run {
    /// A calm cluster, without an end.
    pub(crate) fn cluster(seed: u64, nodes: u32) -> Self {
        Self {
            config: SimConfig::demo(seed, nodes),
            kind: RunKind::Cluster,
            note: String::new(),
            goal: Goal::None,
            over: false,
            broken: None,
            recorded: None,
        }
    }

    /// What the standard swarm draws from a seed, to its verdict.
    pub(crate) fn seed(seed: u64) -> Self {
        Self::judged(SimConfig::standard(seed), RunKind::Seed)
    }

    fn judged(config: SimConfig, kind: RunKind) -> Self {
        let end = core::time::Duration::from_millis(config.plan_end_ms());
        Self {
            config: SimConfig {
                watched: true,
                ..config
            },
            kind,
            note: String::new(),
            goal: Goal::Verdict(Mono::ZERO + end),
            over: false,
            broken: None,
            recorded: None,
        }
    }

    /// Whether nothing will happen any more.
    pub(crate) const fn is_over(&self) -> bool {
        self.over
    }

    /// Whether the next step is beyond the goal.
    pub(crate) fn is_due(&self, world: &mut Simulation) -> bool {
        let stands = world.violation().is_some();
        match self.goal {
            Goal::None => stands,
            Goal::Verdict(end) => stands || world.next_at().is_none_or(|at| at > end),
            Goal::Steps(steps) => stands || world.steps() >= steps,
        }
    }

    /// Ends the run: brings it to rest and judges it where that is its goal.
    ///
    /// A broken world stays as it is: what a judge does afterwards is for the hash alone.
    pub(crate) fn finish(&mut self, world: &mut Simulation) {
        if matches!(self.goal, Goal::Verdict(_)) {
            world.run_to_the_end();
        }
        self.broken = world
            .violation()
            .map(|violation| Broken::new(violation, world.now(), world.steps()));
        if let Some(recorded) = &mut self.recorded {
            recorded.compare(world.trace_hash());
        }
        self.over = true;
    }

    pub(crate) fn view(&self, world: &Simulation) -> RunView<'_> {
        RunView {
            kind: self.kind,
            seed: self.config.seed.to_string(),
            note: &self.note,
            done_ppm: self.done_ppm(world),
            over: self.over,
            broken: self.broken.as_ref(),
            recorded: self.recorded.as_ref(),
        }
    }

    /// How much of it is done, in millionths.
    pub(crate) fn done_ppm(&self, world: &Simulation) -> Option<u32> {
        let (done, all) = match self.goal {
            Goal::None => return None,
            Goal::Verdict(end) => (world.now().as_nanos(), end.as_nanos()),
            Goal::Steps(steps) => (world.steps(), steps),
        };
        let ppm = u128::from(done) * 1_000_000 / u128::from(all.max(1));
        u32::try_from(ppm.min(1_000_000)).ok()
    }
}
