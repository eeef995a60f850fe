//! tikv/raft-rs `joint_group_commit.txt`: commits that must reach two groups of replicas.

use super::datadriven::{Tally, Verdict, files};

#[test]
fn raft_rs_group_commits_are_counted_and_skipped() {
    let Some(files) = files("raft-rs") else {
        return;
    };
    let mut tally = Tally::default();
    for (_, cases) in &files {
        for case in cases {
            let reason = "a majority is a majority: there are no groups of replicas to commit on";
            tally.count(case, Verdict::Skip(reason));
        }
    }
    println!("raft-rs group commit: {} file, {tally}", files.len());
    assert_eq!(tally.skipped.values().sum::<usize>(), 14, "{tally}");
}
