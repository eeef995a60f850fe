//! Drops from a run that breaks a promise whatever does not matter to it.
//!
//! **Invariant: the best so far breaks the same kind of promise as the run it came from**, and does so
//! when it is run like any other. A run is made smaller by cutting off its end and its beginning, by
//! taking out entries of its plan in ever smaller pieces (Zeller, Hildebrandt, "Simplifying and
//! Isolating Failure-Inducing Input", 2002), and by making nodes, groups, rates and times smaller.

use alloc::vec;
use alloc::vec::Vec;

use norikv_testkit::LinkFaults;

use crate::cluster::plan::Entry;
use crate::cluster::{SimConfig, Simulation};

/// What a smaller run has to do to count: break this promise.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Goal {
    violation: &'static str,
}

/// A run made small.
#[derive(Debug, Clone)]
pub struct Minimised {
    /// The smallest run found.
    pub config: SimConfig,
    /// Candidates that were tried.
    pub tried: u64,
}

impl Goal {
    /// What `config` breaks; `None` when it breaks nothing.
    #[must_use]
    pub fn of(config: &SimConfig) -> Option<Self> {
        broken_by(config).map(|violation| Self { violation })
    }

    /// Whether `config` breaks the same promise.
    #[must_use]
    pub fn is_met_by(&self, config: &SimConfig) -> bool {
        broken_by(config) == Some(self.violation)
    }
}

fn broken_by(config: &SimConfig) -> Option<&'static str> {
    let mut world = Simulation::new(config.clone());
    world.run_to_the_end();
    world.violation().map(crate::Violation::name)
}

/// Makes `config`, which breaks a promise, as small as it gets. `first_met` is given candidates and
/// says which is the first that still meets the goal; it may try them in parallel, and says none once
/// it is out of patience.
pub fn minimise(
    config: &SimConfig,
    first_met: &mut dyn FnMut(&[SimConfig]) -> Option<usize>,
) -> Minimised {
    let mut search = Search {
        best: config.clone(),
        tried: 0,
        first_met,
    };
    loop {
        let before = search.best.clone();
        search.cut_off();
        search.drop_whole_kinds();
        search.drop_entries();
        search.calm_down();
        search.shrink();
        search.hurry();
        if search.best == before {
            return Minimised {
                config: search.best,
                tried: search.tried,
            };
        }
    }
}

struct Search<'a> {
    best: SimConfig,
    tried: u64,
    first_met: &'a mut dyn FnMut(&[SimConfig]) -> Option<usize>,
}

impl Search<'_> {
    /// Takes the first of the candidates that still breaks the promise. Each is tried with the seed
    /// it has and with a few others, since taking something out shifts every later draw.
    fn take_first(&mut self, candidates: Vec<SimConfig>) -> Option<usize> {
        // The smaller a run is, the sooner it is over, and the more hangs on each draw.
        let seeds = match self.best.plan.len() {
            0..100 => 8,
            100..400 => 4,
            _ => 2,
        };
        let mut tries = Vec::new();
        for candidate in candidates {
            for other in 0..seeds {
                let mut config = candidate.clone();
                config.seed = config.seed.wrapping_add(other as u64 * SEED_STEP);
                tries.push(config);
            }
        }
        self.tried += tries.len() as u64;
        let nth = (self.first_met)(&tries)?;
        self.best = tries.swap_remove(nth);
        Some(nth / seeds)
    }

    fn take(&mut self, change: fn(&mut SimConfig)) {
        let mut candidate = self.best.clone();
        change(&mut candidate);
        if candidate != self.best {
            self.take_first(vec![candidate]);
        }
    }

    fn with_plan(&self, plan: Vec<Entry>) -> SimConfig {
        SimConfig {
            plan,
            ..self.best.clone()
        }
    }

    /// Without an end, and without a beginning: what is left happens as much earlier. Every later
    /// candidate is over as much sooner.
    fn cut_off(&mut self) {
        loop {
            let before = self.best.plan.len();
            let Some(last) = self.best.plan.iter().map(|entry| entry.at_ms).max() else {
                return;
            };
            let parts = |nth: u64| last * nth / PARTS;
            let ends = (1..PARTS).map(parts);
            self.take_first(ends.map(|end| self.between(0, end)).collect());
            let begins = (1..PARTS).rev().map(parts);
            self.take_first(begins.map(|begin| self.between(begin, last)).collect());
            if self.best.plan.len() == before {
                return;
            }
        }
    }

    /// What happens in a part of the plan, soon after the cluster has begun.
    fn between(&self, begin: u64, end: u64) -> SimConfig {
        let earlier = begin.saturating_sub(BEGIN_MS);
        let plan = self.best.plan.iter();
        let kept = plan.filter(|entry| (begin..=end).contains(&entry.at_ms));
        let moved = kept.map(|entry| Entry {
            at_ms: entry.at_ms - earlier,
            action: entry.action.clone(),
        });
        SimConfig {
            plan: moved.collect(),
            until_ms: 0,
            ..self.best.clone()
        }
    }

    /// Without one kind of fault, without one client, without one key, and without the end.
    fn drop_whole_kinds(&mut self) {
        type Same = fn(&Entry, &Entry) -> bool;
        let same: [Same; 3] = [
            |one, other| one.action.fault().is_some() && one.action.fault() == other.action.fault(),
            |one, other| {
                one.action.client().is_some() && one.action.client() == other.action.client()
            },
            |one, other| one.action.key().is_some() && one.action.key() == other.action.key(),
        ];
        for same in same {
            let mut representatives: Vec<Entry> = Vec::new();
            for entry in &self.best.plan {
                let known = representatives.iter().any(|own| same(own, entry));
                if !known && same(entry, entry) {
                    representatives.push(entry.clone());
                }
            }
            for own in representatives {
                let plan = self.best.plan.iter().filter(|entry| !same(&own, entry));
                let candidate = self.with_plan(plan.cloned().collect());
                self.take_first(vec![candidate]);
            }
        }
    }

    /// Takes pieces out of the plan, halves first, single entries last.
    fn drop_entries(&mut self) {
        let mut size = self.best.plan.len().div_ceil(2);
        while size > 0 {
            let mut at = 0;
            while at < self.best.plan.len() {
                // Several pieces at once: whoever tries them may do so in parallel.
                let starts = (at..self.best.plan.len()).step_by(size).take(AT_ONCE);
                let candidates: Vec<SimConfig> = starts
                    .map(|start| {
                        let end = (start + size).min(self.best.plan.len());
                        let mut plan = self.best.plan.clone();
                        plan.drain(start..end);
                        self.with_plan(plan)
                    })
                    .collect();
                let count = candidates.len();
                // What stood before the piece that could go has just been found needed.
                at += self.take_first(candidates).unwrap_or(count) * size;
            }
            size /= 2;
        }
    }

    /// Without losses, drift and other background trouble.
    fn calm_down(&mut self) {
        type Calm = fn(&mut SimConfig);
        let calm: [Calm; 11] = [
            |config| config.links = LinkFaults::none(config.links.delay),
            |config| config.links.loss_ppm = 0,
            |config| config.links.duplicate_ppm = 0,
            |config| config.links.reorder_ppm = 0,
            |config| config.links.replay_ppm = 0,
            |config| config.links.truncate_ppm = 0,
            |config| config.links.flip_ppm = 0,
            |config| config.links.delay.tail_ppm = 0,
            |config| config.drift_ppm_max = 0,
            |config| config.clients.answer_loss_ppm = 0,
            |config| config.heal_majority_first = false,
        ];
        for calm in calm {
            self.take(calm);
        }
    }

    /// Fewer nodes, groups, keys, clients, smaller values.
    fn shrink(&mut self) {
        type Shrink = fn(&mut SimConfig);
        let shrink: [Shrink; 8] = [
            |config| config.clients.free = false,
            |config| {
                if config.clients.free {
                    config.clients.count = config.clients.count.div_ceil(2);
                }
            },
            |config| config.nodes = config.replication.max(config.nodes.saturating_sub(2)),
            |config| config.groups = 1,
            |config| config.groups = config.groups.div_ceil(2),
            |config| config.clients.value_bytes_max = 8,
            |config| {
                let used = config.plan.iter().filter_map(|entry| entry.action.client());
                config.clients.count = used.max().map_or(0, |last| last + 1);
            },
            |config| {
                let used = config.plan.iter().filter_map(|entry| entry.action.key());
                config.clients.keys = used.max().map_or(1, |last| last + 1);
            },
        ];
        for shrink in shrink {
            self.take(shrink);
        }
    }

    /// Less waiting.
    fn hurry(&mut self) {
        self.take(|config| config.until_ms = 0);
        for (from, to) in [(2, 1), (4, 3), (8, 7)] {
            let mut candidate = self.best.clone();
            for entry in &mut candidate.plan {
                entry.at_ms = entry.at_ms * to / from;
            }
            self.take_first(vec![candidate]);
        }
    }
}

/// Parts into which a run is cut.
const PARTS: u64 = 16;
/// Time that a cluster has for its first elections.
const BEGIN_MS: u64 = 1_500;
/// From one seed that a candidate is tried with to the next.
const SEED_STEP: u64 = 1_000_003;
/// Candidates that are handed out at once.
const AT_ONCE: usize = 8;
