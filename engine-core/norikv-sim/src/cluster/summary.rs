//! Many runs told in one page.
//!
//! **Invariant: it only adds up**, so that the order of the runs does not matter.

use alloc::string::String;
use alloc::vec::Vec;
use core::fmt;

use norikv_testkit::{DiskCounters, NetworkCounters};

use crate::Tally;
use crate::cluster::{
    ClientCounters, Coverage, FaultKind, OperatorCounters, Phase, Report, Salvaged,
};

/// What came of a swarm.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Summary {
    /// Runs.
    pub runs: u64,
    /// Runs that broke a promise.
    pub broken: u64,
    /// Runs with a key at which the checker met its limit.
    pub undecided: u64,
    /// Steps.
    pub steps: u64,
    /// What went into nodes and what came out of them.
    pub trace_events: u64,
    /// Virtual time in milliseconds.
    pub virtual_ms: u64,
    /// How operations ended.
    pub clients: ClientCounters,
    /// Faults that struck, and in which states.
    pub coverage: Coverage,
    /// Strikes that were held back.
    pub held_back: u64,
    /// Nodes that found lasting harm.
    pub detected: u64,
    /// What came of damage in logs.
    pub salvaged: Salvaged,
    /// How many milliseconds after the healing the last group of a run had a leader.
    pub leader_after_ms: Tally<u64>,
    /// How often replicas fell asleep.
    pub slept: u64,
    /// How often they woke.
    pub woke: u64,
    /// How often snapshots were installed.
    pub snapshots_installed: u64,
    /// How often one went on where it had stood still on its way.
    pub snapshots_resumed: u64,
    /// What operators got done.
    pub operator: OperatorCounters,
    /// What networks did.
    pub network: NetworkCounters,
    /// What disks did and suffered.
    pub disks: DiskCounters,
}

impl Summary {
    /// Adds a run.
    pub fn add(&mut self, report: &Report) {
        self.runs += 1;
        self.broken += u64::from(report.violation.is_some());
        self.undecided += u64::from(report.undecided_key.is_some());
        self.steps += report.steps;
        self.trace_events += report.trace_events;
        self.virtual_ms += report.at.as_nanos() / 1_000_000;
        self.clients.add(&report.clients);
        self.coverage.add(&report.coverage);
        self.held_back += report.held_back;
        self.detected += report.detected;
        self.salvaged.add(&report.salvaged);
        if let Some(after_ms) = report.leader_after_ms {
            self.leader_after_ms.count(after_ms);
        }
        self.slept += report.slept;
        self.woke += report.woke;
        self.snapshots_installed += report.snapshots_installed;
        self.snapshots_resumed += report.snapshots_resumed;
        self.operator.add(&report.operator);
        self.network += report.network;
        self.disks += report.disks;
    }

    /// In how many milliseconds after the healing `percent` of the runs had all their leaders.
    #[must_use]
    pub fn leaders_within_ms(&self, percent: u64) -> u64 {
        let enough = (self.leader_after_ms.total() * percent).div_ceil(100);
        let mut runs = 0;
        let mut times = self.leader_after_ms.iter().skip_while(|(_, count)| {
            runs += count;
            runs < enough
        });
        times.next().map_or(0, |(after_ms, _)| after_ms)
    }

    /// Every count that shows that something happened at all, with its name.
    #[must_use]
    pub fn counts(&self) -> Vec<(&'static str, u64)> {
        let mut counts = alloc::vec![
            ("operations begun", self.clients.invoked),
            ("operations answered", self.clients.answered),
            ("operations refused", self.clients.refused),
            ("operations of unknown outcome", self.clients.unknown),
            ("operations that busy clients let be", self.clients.let_be),
            ("values that had ended", self.clients.ended),
            ("numbers added to", self.clients.added),
            ("transactions", self.clients.transacted),
            ("changes that watchers were told", self.clients.watched),
            ("pages of scans", self.clients.scanned),
            ("watches whose past was gone", self.clients.compacted),
            ("replicas that fell asleep", self.slept),
            ("replicas that woke", self.woke),
            ("snapshots installed", self.snapshots_installed),
            (
                "snapshots that went on where they stood",
                self.snapshots_resumed,
            ),
            ("leaders transferred", self.operator.transferred),
            ("replica sets changed", self.operator.changed),
            ("replicas removed", self.operator.removed),
            ("replicas begun empty", self.operator.begun),
            ("lost disks whose node votes again", self.operator.rejoined),
            ("strikes held back", self.held_back),
            ("lasting harm found by its node", self.detected),
            ("starts over a damaged log", self.salvaged.starts),
            ("damaged entries found", self.salvaged.found),
            ("replicas that were repaired", self.salvaged.repaired),
            ("replicas whose vote was in doubt", self.salvaged.doubted),
        ];
        counts.extend(self.network.faults());
        let told = self.disks.faults();
        counts.extend(told.filter(|(what, _)| !IN_STORAGE_RUNS_ONLY.contains(what)));
        counts
    }
}

impl fmt::Display for Summary {
    /// Markdown: what happened, the faults, the pairs of faults and states, and the pairs that never
    /// came about.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{} runs, {} broken, {} undecided; {} steps, {} trace events, {} s of virtual time.\n",
            self.runs,
            self.broken,
            self.undecided,
            self.steps,
            self.trace_events,
            self.virtual_ms / 1_000
        )?;
        writeln!(f, "| what | count |\n|---|--:|")?;
        for (what, count) in self.counts() {
            writeln!(f, "| {what} | {count} |")?;
        }
        write!(f, "\n| fault |")?;
        for phase in Phase::ALL {
            write!(f, " {} |", words(phase))?;
        }
        write!(
            f,
            " struck |\n|---|{}\n",
            "--:|".repeat(Phase::ALL.len() + 1)
        )?;
        for kind in FaultKind::ALL {
            write!(f, "| {} |", words(kind))?;
            for phase in Phase::ALL {
                let count = self.coverage.pairs.of((kind, phase));
                write!(f, " {count} |")?;
            }
            let struck = self.coverage.faults.of(kind);
            writeln!(f, " {struck} |")?;
        }
        writeln!(
            f,
            "\nAfter the healing each group had a leader that commits:\n"
        )?;
        writeln!(f, "| of the runs | within ms |\n|--:|--:|")?;
        for percent in [50, 90, 99, 100] {
            let within = self.leaders_within_ms(percent);
            writeln!(f, "| {percent} % | {within} |")?;
        }
        let missing = self.coverage.missing();
        if missing.is_empty() {
            return writeln!(f, "\nEvery pair of fault and state came about.");
        }
        write!(f, "\nNever hit:")?;
        for (kind, phase) in missing {
            write!(f, " ({}, {})", words(kind), words(phase))?;
        }
        writeln!(f)
    }
}

/// A loss that nobody can notice would break the promise; storage runs have these faults.
const IN_STORAGE_RUNS_ONLY: [&str; 2] = ["syncs_lied", "writes_lost"];

/// `CrashAtWrite` as `crash at write`.
fn words(name: impl fmt::Debug) -> String {
    let mut words = String::new();
    for letter in alloc::format!("{name:?}").chars() {
        if letter.is_ascii_uppercase() && !words.is_empty() {
            words.push(' ');
        }
        words.push(letter.to_ascii_lowercase());
    }
    words
}
