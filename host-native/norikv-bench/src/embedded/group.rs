//! Which workloads share a store, and so a process.
//!
//! **Invariant: a group begins with an empty store, and nothing that another group did can be seen
//! in its figures.**

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Result;
use serde::{Deserialize, Serialize};

use super::engine::{EngineKind, Sizes};
use super::groups;
use super::workload::Load;
use crate::measure::{Figure, Times};

/// Workloads that are run one after the other on one store.
#[derive(Debug, Clone, Copy)]
pub struct Group {
    /// What `--workloads` calls it.
    pub name: &'static str,
    /// Its workloads.
    pub workloads: &'static [&'static str],
    /// Only log-structured merge trees have what it measures.
    pub is_lsm_only: bool,
    run: fn(&Cell) -> Result<Measured>,
}

/// How one group is run.
#[derive(Debug, Clone)]
pub(super) struct Cell {
    /// The name of the group.
    pub(super) group: &'static str,
    pub(super) engine: EngineKind,
    /// An empty folder.
    pub(super) folder: PathBuf,
    /// Keys of a store.
    pub(super) keys: u64,
    /// How long each timed workload takes.
    pub(super) times: Times,
    /// How long each counted workload takes at most.
    pub(super) limit: Duration,
    pub(super) sizes: Sizes,
    /// Workloads that are asked for; all where there is none.
    pub(super) workloads: Vec<String>,
}

/// What came of a group.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct Measured {
    /// Each workload.
    pub figures: Vec<Figure>,
    /// What the workloads of writes cost beyond them.
    pub loads: Vec<Load>,
}

impl Group {
    /// The group that is called `name`.
    #[must_use]
    pub fn by_name(name: &str) -> Option<Self> {
        GROUPS.iter().copied().find(|group| group.name == name)
    }

    pub(super) fn run(&self, cell: &Cell) -> Result<Measured> {
        (self.run)(cell)
    }
}

impl Cell {
    /// Whether `workload` is asked for: by its name, its group's, or how they begin.
    pub(super) fn wants(&self, workload: &str) -> bool {
        let mut asked = self.workloads.iter().map(String::as_str);
        let begins = |asked| workload.starts_with(asked) || self.group.starts_with(asked);
        self.workloads.is_empty() || asked.any(begins)
    }
}

/// All groups.
pub const GROUPS: &[Group] = &[
    Group {
        name: "seq",
        workloads: &["fillseq"],
        is_lsm_only: false,
        run: groups::seq,
    },
    Group {
        name: "random",
        workloads: &[
            "fillrandom",
            "readrandom",
            "readhot",
            "readmissing",
            "scan100",
            "seek10",
            "overwrite",
        ],
        is_lsm_only: false,
        run: groups::random,
    },
    Group {
        name: "delete",
        workloads: &["queue"],
        is_lsm_only: false,
        run: groups::delete,
    },
    Group {
        name: "ycsb",
        workloads: &["ycsb-a", "ycsb-b", "ycsb-c", "ycsb-f", "ycsb-d", "ycsb-e"],
        is_lsm_only: false,
        run: groups::ycsb,
    },
    Group {
        name: "values-1k",
        workloads: &[
            "fillrandom-1k",
            "readrandom-1k",
            "scan100-1k",
            "overwrite-1k",
        ],
        is_lsm_only: false,
        run: |cell| groups::values(cell, 1 << 10, "1k"),
    },
    Group {
        name: "values-4k",
        workloads: &[
            "fillrandom-4k",
            "readrandom-4k",
            "scan100-4k",
            "overwrite-4k",
        ],
        is_lsm_only: false,
        run: |cell| groups::values(cell, 4 << 10, "4k"),
    },
    Group {
        name: "sync-1",
        workloads: &["nothing", "rawsync", "fillsync"],
        is_lsm_only: false,
        run: |cell| groups::sync(cell, 1),
    },
    Group {
        name: "sync-4",
        workloads: &["fillsync"],
        is_lsm_only: false,
        run: |cell| groups::sync(cell, 4),
    },
    Group {
        name: "sync-16",
        workloads: &["fillsync"],
        is_lsm_only: false,
        run: |cell| groups::sync(cell, 16),
    },
    Group {
        name: "sync-64",
        workloads: &["fillsync"],
        is_lsm_only: false,
        run: |cell| groups::sync(cell, 64),
    },
    Group {
        name: "pressure",
        workloads: &["overwrite-10x"],
        is_lsm_only: true,
        run: groups::pressure,
    },
];
