//! etcd-io/raft `testdata`: whole groups, driven command by command.
//!
//! The commands are carried out by this crate's machines; what they print on the way is etcd's own
//! and not compared. Where a transcript asks for a log, the states or a leader's view of its peers,
//! the answer is compared with etcd's. Differences have a reason each, in `REASONS` below and in
//! docs/raft-conformance.md.

mod group;

use std::collections::BTreeMap;

use super::datadriven::{Case, files};
use group::Group;

/// What became of the commands of all files.
#[derive(Debug, Default, PartialEq, Eq)]
struct Counts {
    /// Commands that were carried out and have nothing to compare.
    carried_out: usize,
    /// By reason.
    skipped: BTreeMap<&'static str, usize>,
    /// Logs, states and statuses that are etcd's.
    same: usize,
    /// Where, what etcd says and what this crate says.
    differs: Vec<(String, String, String)>,
}

#[test]
fn etcds_transcripts_lead_to_the_same_logs_states_and_statuses_but_for_known_reasons() {
    let Some(files) = files("etcd-raft/interaction") else {
        return;
    };
    let mut counts = Counts::default();
    for (_, cases) in &files {
        let mut group = Group::default();
        for case in cases {
            run(&mut group, case, &mut counts);
        }
    }
    let skipped: usize = counts.skipped.values().sum();
    println!(
        "etcd-raft interaction: {} files, {} commands carried out, pass {}, skip {skipped}, differs {}",
        files.len(),
        counts.carried_out,
        counts.same,
        counts.differs.len()
    );
    for (reason, count) in &counts.skipped {
        println!("  skip {count}: {reason}");
    }
    for (at, expected, got) in &counts.differs {
        println!("  {at}\nexpected:\n{expected}got:\n{got}");
    }
    for (at, ..) in &counts.differs {
        let known = REASONS.iter().any(|(file, _)| at.starts_with(file));
        assert!(known, "{at} differs for no known reason");
    }
    let total = counts.carried_out + counts.same + skipped + counts.differs.len();
    assert_eq!((files.len(), total), (28, 558));
    assert_eq!((counts.same, skipped, counts.differs.len()), (40, 12, 23));
}

fn run(group: &mut Group, case: &Case, counts: &mut Counts) {
    let compared = match case.command.as_str() {
        "raft-log" => Some((group.log(case), logs(&case.expected))),
        "raft-state" => Some((group.states(), case.expected.clone())),
        "status" => Some((group.statuses(case), statuses(&case.expected))),
        _ => None,
    };
    let Some((got, expected)) = compared else {
        match group.carry_out(case) {
            Ok(()) => counts.carried_out += 1,
            Err(reason) => *counts.skipped.entry(reason).or_default() += 1,
        }
        return;
    };
    if got == expected {
        counts.same += 1;
    } else {
        counts.differs.push((case.at.clone(), expected, got));
    }
}

/// What of a printed log is compared: positions and kinds, and the data of commands. How a change
/// of the configuration is written differs.
fn logs(printed: &str) -> String {
    let lines = printed.lines().filter(|line| line.contains('/'));
    let lines = lines.map(|line| match line.split_once(" EntryConfChange") {
        Some((at, _)) => format!("{at} configuration\n"),
        None => format!("{line}\n"),
    });
    lines.collect()
}

/// What of a printed view is compared: state, match and next. When a window is full is a limit of
/// each implementation.
fn statuses(printed: &str) -> String {
    let words = |line: &str| line.split(' ').take(4).collect::<Vec<_>>().join(" ") + "\n";
    printed.lines().map(words).collect()
}

/// Where this crate says something else, and why.
const REASONS: &[(&str, &str)] = &[
    (
        "async_storage_writes_append_aba_race",
        "writes are divided differently: what one turn of the append thread stores is not the same",
    ),
    (
        "confchange_",
        "a configuration is in force when it is appended, and a leader that it removes does not \
         count itself from then on; etcd's is in force when it is applied",
    ),
    (
        "forget_leader",
        "a leader is forgotten by time only, and one that nobody answers steps down",
    ),
    (
        "replicate_pause",
        "entries travel together, so that a window in messages is not full; what is lost is noticed \
         after an election timeout, not by the answer to a heartbeat",
    ),
    (
        "slow_follower_after_compaction",
        "entries travel together, so that a window in messages is not full; what is lost is noticed \
         after an election timeout, not by the answer to a heartbeat",
    ),
    (
        "snapshot_succeed_via_app_resp",
        "a leader that hears no quorum for an election timeout steps down; etcd's does not unless \
         told to",
    ),
];
