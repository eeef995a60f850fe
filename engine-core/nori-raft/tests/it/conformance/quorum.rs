//! etcd-io/raft `quorum/testdata`: votes and commit indexes of majorities and of joint ones.

use std::collections::BTreeMap;
use std::fmt::Write;

use nori_raft::{JointQuorum, MajorityQuorum, VoteResult};
use norikv_types::{LogIndex, NodeId};

use super::datadriven::{Case, Tally, Verdict, files};

#[test]
fn etcds_quorum_cases_give_the_same_output() {
    let Some(files) = files("etcd-raft/quorum") else {
        return;
    };
    let mut tally = Tally::default();
    for (_, cases) in &files {
        for case in cases {
            tally.count(case, Verdict::Output(run(case)));
        }
    }
    println!("etcd-raft quorum: {} files, {tally}", files.len());
    assert_eq!(
        (tally.passed, &tally.differs[..]),
        (127, &[][..]),
        "{tally}"
    );
}

fn run(case: &Case) -> String {
    let voters = |name| -> Vec<NodeId> {
        let ids = case.argument(name).unwrap_or_default();
        let mut ids: Vec<NodeId> = ids
            .iter()
            .filter(|id| *id != "zero")
            .map(|id| NodeId(id.parse().unwrap()))
            .collect();
        ids.sort();
        ids
    };
    let (incoming, outgoing) = (voters("cfg"), voters("cfgj"));
    let joint = case.argument("cfgj").is_some();
    // Values belong to the voters of the first half, then to those of the second only.
    let in_order = |name| -> Vec<NodeId> {
        let ids = case.argument(name).unwrap_or_default();
        let ids = ids.iter().filter_map(|id| id.parse().ok());
        ids.map(NodeId).collect()
    };
    let mut ids = in_order("cfg");
    for id in in_order("cfgj") {
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    let values = |name| -> BTreeMap<NodeId, String> {
        let values = case.argument(name).unwrap_or_default();
        assert_eq!(values.len(), ids.len(), "{}", case.at);
        let known = ids.iter().copied().zip(values.iter().cloned());
        known.filter(|(_, value)| value != "_").collect()
    };
    let quorum = JointQuorum {
        incoming: MajorityQuorum(&incoming),
        outgoing: MajorityQuorum(&outgoing),
    };
    let swapped = JointQuorum {
        incoming: quorum.outgoing,
        outgoing: quorum.incoming,
    };
    let with_itself = JointQuorum {
        outgoing: quorum.incoming,
        ..quorum
    };
    match case.command.as_str() {
        "committed" => {
            let acked: BTreeMap<NodeId, u64> = values("idx")
                .into_iter()
                .map(|(id, value)| (id, value.parse().unwrap()))
                .collect();
            let of = |id: NodeId| acked.get(&id).copied().map(LogIndex);
            let index = if joint {
                quorum.committed_index(of)
            } else {
                assert_eq!(with_itself.committed_index(of), quorum.committed_index(of));
                quorum.incoming.committed_index(of)
            };
            assert_eq!(swapped.committed_index(of), index, "halves are alike");
            let mut all: Vec<NodeId> = ids.clone();
            all.sort();
            let mut out = describe(&all, &acked);
            match index {
                LogIndex(u64::MAX) => out.push_str("∞\n"),
                LogIndex(index) => writeln!(out, "{index}").unwrap(),
            }
            out
        }
        "vote" => {
            let votes: BTreeMap<NodeId, bool> = values("votes")
                .into_iter()
                .map(|(id, value)| (id, value == "y"))
                .collect();
            let of = |id: NodeId| votes.get(&id).copied();
            let result = if joint {
                quorum.vote_result(of)
            } else {
                quorum.incoming.vote_result(of)
            };
            assert_eq!(swapped.vote_result(of), result, "halves are alike");
            let word = match result {
                VoteResult::Pending => "VotePending",
                VoteResult::Lost => "VoteLost",
                VoteResult::Won => "VoteWon",
            };
            format!("{word}\n")
        }
        other => format!("unknown command {other}\n"),
    }
}

/// etcd's picture of who has acknowledged how much.
fn describe(voters: &[NodeId], acked: &BTreeMap<NodeId, u64>) -> String {
    if voters.is_empty() {
        return "<empty majority quorum>".into();
    }
    let index = |id: &NodeId| acked.get(id).copied().unwrap_or_default();
    let width = voters.len();
    let mut out = format!("{}    idx\n", " ".repeat(width));
    for id in voters {
        let bar = voters
            .iter()
            .filter(|other| index(other) < index(id))
            .count();
        let drawn = match acked.contains_key(id) {
            true => format!("{}>{}", "x".repeat(bar), " ".repeat(width - bar)),
            false => format!("?{}", " ".repeat(width)),
        };
        writeln!(out, "{drawn} {:5}    (id={})", index(id), id.0).unwrap();
    }
    out
}
