//! What a run came to, in facts that do not depend on the machine's speed where that is possible.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::ser::{SerializeMap, SerializeSeq};
use serde::{Serialize, Serializer};

use crate::fault::Kind;
use crate::finale::Rest;
use crate::judge::Verdicts;
use crate::mesh::PacketCounters;
use crate::nemesis::Tally;
use crate::op::OpKind;
use crate::probe::Outage;
use crate::record::OpCounters;
use crate::violation::Violation;

/// A run.
#[derive(Debug, Clone, Serialize)]
pub struct Report {
    /// Draws the plan, and what the clients ask.
    pub seed: u64,
    /// Nodes.
    pub nodes: u64,
    /// Clients.
    pub clients: u64,
    /// Seconds under faults.
    pub seconds: u64,
    /// Seconds that an epoch's keys are in use.
    pub epoch_seconds: u64,
    /// Epochs.
    pub epochs: u64,
    /// How the operations of each kind ended.
    #[serde(serialize_with = "by_op")]
    pub operations: BTreeMap<OpKind, OpCounters>,
    /// How often each fault was carried out.
    pub faults: BTreeMap<Kind, Tally>,
    /// What the stores lay on; or why no disk could be filled.
    pub disks: Result<String, String>,
    /// What became of the packets between nodes.
    pub packets: PacketCounters,
    /// Times without writes.
    pub outages: Vec<Outage>,
    /// Epochs judged as they ended.
    pub judged: Verdicts,
    /// Epochs judged at the end, with a last read of every key.
    pub judged_at_last: Verdicts,
    /// What was seen at the end.
    pub rest: Rest,
    /// What must never happen.
    #[serde(serialize_with = "in_words")]
    pub violations: Vec<Violation>,
}

impl Report {
    /// Whether nothing happened that must not.
    #[must_use]
    pub const fn passed(&self) -> bool {
        self.violations.is_empty()
    }

    /// The times without writes of a kind, ascending, and how many did not end while watched.
    /// `undisturbed` leaves out those during which something else was wrong.
    #[must_use]
    pub fn outages_of(&self, kind: Kind, undisturbed: bool) -> (Vec<u64>, usize) {
        let of_kind =
            |outage: &&Outage| outage.kind == kind && (outage.undisturbed || !undisturbed);
        let mut times: Vec<u64> = self
            .outages
            .iter()
            .filter(of_kind)
            .filter_map(|outage| outage.took_ms)
            .collect();
        times.sort_unstable();
        let all = self.outages.iter().filter(of_kind).count();
        let unended = all - times.len();
        (times, unended)
    }

    /// As a page.
    #[must_use]
    pub fn markdown(&self) -> String {
        let mut page = String::new();
        // Writing to a string does not fail.
        let _whole = self.write(&mut page);
        page
    }

    fn write(&self, page: &mut String) -> std::fmt::Result {
        let Self { seed, nodes, .. } = self;
        writeln!(page, "# Real processes under faults\n")?;
        writeln!(
            page,
            "`norikv-chaos --seed {seed} --nodes {nodes}`, {} s of faults, {} clients: **{}**.\n",
            self.seconds,
            self.clients,
            if self.passed() {
                "no violation"
            } else {
                "violations"
            }
        )?;
        for violation in &self.violations {
            writeln!(page, "```text\n{violation}\n```\n")?;
        }
        self.write_operations(page)?;
        self.write_faults(page)?;
        self.write_outages(page)?;
        self.write_verdicts(page)
    }

    fn write_operations(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "## Operations\n")?;
        writeln!(
            page,
            "| operation | answered | condition did not hold | surely without effect | unknown |"
        )?;
        writeln!(page, "|---|--:|--:|--:|--:|")?;
        let mut sum = OpCounters::default();
        for (kind, own) in &self.operations {
            write_counters(page, kind.name(), own)?;
            sum.answered += own.answered;
            sum.conflicts += own.conflicts;
            sum.refused += own.refused;
            sum.unknown += own.unknown;
        }
        write_counters(page, "all", &sum)?;
        writeln!(page)
    }

    fn write_faults(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "## Faults\n")?;
        writeln!(page, "| fault | carried out | met nobody |\n|---|--:|--:|")?;
        for kind in Kind::ALL {
            let own = self.faults.get(&kind).copied().unwrap_or_default();
            match (&self.disks, kind) {
                (Err(_), Kind::FillDisk) => {
                    writeln!(page, "| {} | not available here | |", kind.name())?;
                }
                _ => writeln!(
                    page,
                    "| {} | {} | {} |",
                    kind.name(),
                    own.fired,
                    own.passed_over
                )?,
            }
        }
        writeln!(page)?;
        match &self.disks {
            Ok(what) => {
                let halted = self.faults.get(&Kind::FillDisk).map_or(0, |own| own.halted);
                writeln!(
                    page,
                    "Each store lay on {what}. While one was full, much was written: either its node had \
                     its flushes wait for room, or it halted, {halted} times in all (it is started \
                     again on the full disk, and again with room).\n"
                )?;
            }
            Err(why) => writeln!(page, "Full disks: not available here: {why}.\n")?,
        }
        let PacketCounters {
            passed,
            dropped,
            delayed,
            duplicated,
            held,
        } = self.packets;
        writeln!(
            page,
            "Packets between nodes: {passed} passed on ({delayed} of them late, {duplicated} twice), \
             {dropped} dropped, {held} held back for a while.\n"
        )
    }

    fn write_outages(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "## Without a leader\n")?;
        writeln!(
            page,
            "Milliseconds from the fault until the leader's group acknowledged a write that began \
             after it. *Alone*: no other fault at the same time. Such a time is watched for as long \
             as its fault lasts, and half a second more.\n"
        )?;
        writeln!(
            page,
            "| fault | | measured | p50 | p99 | longest | longer than watched |\n|---|---|--:|--:|--:|--:|--:|"
        )?;
        for kind in [Kind::KillLeader, Kind::PauseLeader, Kind::IsolateLeader] {
            for (label, undisturbed) in [("alone", true), ("among others", false)] {
                let (times, unended) = self.outages_of(kind, undisturbed);
                let show = |time: Option<u64>| {
                    time.map_or_else(|| "–".to_owned(), |time| time.to_string())
                };
                writeln!(
                    page,
                    "| {} | {label} | {} | {} | {} | {} | {unended} |",
                    kind.name(),
                    times.len(),
                    show(percentile(&times, 50)),
                    show(percentile(&times, 99)),
                    show(times.last().copied()),
                )?;
            }
        }
        writeln!(page)
    }

    fn write_verdicts(&self, page: &mut String) -> std::fmt::Result {
        writeln!(page, "## Verdicts\n")?;
        writeln!(
            page,
            "Linearizability, key by key, in {} epochs of {} s with fresh keys: as each epoch ended, \
             and again at the end with a last read of every key.\n",
            self.epochs, self.epoch_seconds
        )?;
        writeln!(
            page,
            "| judged | epochs yes | no | unknown | operations | in the longest epoch | seconds |\n|---|--:|--:|--:|--:|--:|--:|"
        )?;
        for (name, own) in [
            ("as they ended", &self.judged),
            ("at the end", &self.judged_at_last),
        ] {
            writeln!(
                page,
                "| {name} | {} | {} | {} | {} | {} | {:.2} |",
                own.yes,
                own.no,
                own.unknown,
                own.operations,
                own.longest,
                own.took.as_secs_f64()
            )?;
        }
        writeln!(page)?;
        if self.rest == Rest::default() {
            return writeln!(
                page,
                "The run ended before the cluster could be looked at at rest."
            );
        }
        writeln!(
            page,
            "At rest: every replica had applied its whole log {} ms after the last fault was undone; \
             {} keys were read; {} records were byte for byte the same on every node, no write \
             was seen with two versions, and no version with two writes. Then all nodes were killed at once and started again: the \
             same records after {} ms.",
            self.rest.converged_ms, self.rest.read, self.rest.records, self.rest.converged_again_ms
        )
    }
}

fn write_counters(page: &mut String, name: &str, own: &OpCounters) -> std::fmt::Result {
    let OpCounters {
        answered,
        conflicts,
        refused,
        unknown,
    } = own;
    writeln!(
        page,
        "| {name} | {answered} | {conflicts} | {refused} | {unknown} |"
    )
}

/// The smallest of `times` (ascending) that is not below so many in a hundred of them.
fn percentile(times: &[u64], percent: usize) -> Option<u64> {
    let rank = (times.len() * percent).div_ceil(100).max(1);
    times.get(rank - 1).copied()
}

fn by_op<S: Serializer>(all: &BTreeMap<OpKind, OpCounters>, out: S) -> Result<S::Ok, S::Error> {
    let mut map = out.serialize_map(Some(all.len()))?;
    for (kind, own) in all {
        map.serialize_entry(kind.name(), own)?;
    }
    map.end()
}

fn in_words<S: Serializer>(all: &[Violation], out: S) -> Result<S::Ok, S::Error> {
    let mut list = out.serialize_seq(Some(all.len()))?;
    for violation in all {
        list.serialize_element(&violation.to_string())?;
    }
    list.end()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_percentile_is_one_of_the_times() {
        let times: Vec<u64> = (1..=200).collect();
        assert_eq!(percentile(&times, 50), Some(100));
        assert_eq!(percentile(&times, 99), Some(198));
        assert_eq!(percentile(&[7], 99), Some(7));
        assert_eq!(percentile(&[], 50), None);
    }
}
