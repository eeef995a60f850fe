//! Files: a scenario, or a trace with the scenario that does it again.

use norikv_sim::{Recording, Scenario, SimConfig};

use crate::run::recorded::Recorded;
use crate::run::{Goal, Run, RunKind};
use crate::world::NODES_MAX;

impl Run {
    /// What a file says. A trace is told by its first bytes; everything else must be a scenario.
    ///
    /// # Errors
    /// Why it is neither, or why a page cannot show it.
    pub(crate) fn open(bytes: Vec<u8>) -> Result<Self, String> {
        let run = if bytes.starts_with(TRACE_MAGIC) {
            let recording = Recording::parse(bytes).map_err(|error| error.to_string())?;
            Self::again(recording)?
        } else {
            let text = core::str::from_utf8(&bytes)
                .map_err(|error| format!("neither a trace nor a scenario: {error}"))?;
            let (config, note) = scenario(text)?;
            Self {
                note,
                ..Self::judged(config, RunKind::Scenario)
            }
        };
        let nodes = run.config.nodes;
        if (1..=NODES_MAX).contains(&nodes) {
            Ok(run)
        } else {
            Err(format!(
                "a cluster of {nodes}; this page shows 1 to {NODES_MAX} nodes"
            ))
        }
    }

    fn again(recording: Recording) -> Result<Self, String> {
        let (config, note) = scenario(recording.scenario())?;
        let run = Self::judged(config, RunKind::Trace);
        let goal = if recording.is_to_the_end() {
            run.goal
        } else {
            Goal::Steps(recording.steps())
        };
        Ok(Self {
            note,
            goal,
            recorded: Some(Recorded::new(recording)),
            ..run
        })
    }
}

fn scenario(text: &str) -> Result<(SimConfig, String), String> {
    let scenario = Scenario::parse(text).map_err(|error| error.to_string())?;
    let note = scenario.note.clone();
    match scenario.into_cluster() {
        Some(config) => Ok((config, note)),
        None => Err(String::from(
            "it runs in another world; this page shows clusters",
        )),
    }
}

const TRACE_MAGIC: &[u8] = b"NTRC";
