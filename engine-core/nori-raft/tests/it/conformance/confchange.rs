//! etcd-io/raft `confchange/testdata`: which configuration each change leads to, or why to none.
//!
//! etcd begins with nobody and tracks progress in the same structure; here a configuration has a
//! voter from the start, so that the first change makes it, and the test follows the progress.

use std::collections::BTreeMap;
use std::fmt::Write;

use nori_raft::{Change, Configuration, ConfigurationFault, MembershipChange};
use norikv_types::NodeId;

use super::datadriven::{Case, Tally, Verdict, files};

#[test]
fn etcds_configuration_changes_give_the_same_output() {
    let Some(files) = files("etcd-raft/confchange") else {
        return;
    };
    let mut tally = Tally::default();
    let mut refused = 0;
    for (_, cases) in &files {
        let mut group = Group::default();
        for case in cases {
            let outcome = group.run(case);
            refused += usize::from(outcome.is_err());
            let output = match outcome {
                Ok(()) => group.to_string(),
                Err(error) => format!("{error}\n"),
            };
            tally.count(case, Verdict::Output(output));
        }
    }
    println!(
        "etcd-raft confchange: {} files, {refused} refused, {tally}",
        files.len()
    );
    let counts = (tally.passed, refused, &tally.differs[..]);
    assert_eq!(counts, (58, 17, &[][..]), "{tally}");
}

/// A group that goes through the changes of one file.
#[derive(Debug, Default)]
struct Group {
    configuration: Option<Configuration>,
    /// By member, the index from which it is sent to.
    next: BTreeMap<NodeId, u64>,
    last_index: u64,
}

impl Group {
    fn run(&mut self, case: &Case) -> Result<(), &'static str> {
        let last_index = self.last_index;
        self.last_index += 1;
        // etcd lets callers void a step by naming node 0; `u` tells only what is kept outside.
        let steps = case.input.split_whitespace().filter_map(|step| {
            let (kind, id) = step.split_at(1);
            let id = NodeId(id.parse().unwrap());
            match kind {
                _ if id.0 == 0 => None,
                "v" => Some(Change::AddVoter(id)),
                "l" => Some(Change::AddLearner(id)),
                "r" => Some(Change::Remove(id)),
                "u" => None,
                other => panic!("{}: {other}", case.at),
            }
        });
        let steps: Vec<Change> = steps.collect();
        let next = match (&self.configuration, case.command.as_str()) {
            (None, "simple") => first(&steps),
            (None, "enter-joint") => return Err("can't make a zero-voter config joint"),
            (None, _) => Err(ConfigurationFault::NotJoint),
            (Some(current), "simple") => current.change(&MembershipChange::Simple(steps)),
            (Some(current), "enter-joint") => current.change(&MembershipChange::Joint {
                changes: steps,
                auto_leave: case
                    .argument("autoleave")
                    .is_some_and(|value| value == ["true"]),
            }),
            (Some(current), _) => current.change(&MembershipChange::Leave),
        };
        let next = next.map_err(|fault| match (fault, case.command.as_str()) {
            (ConfigurationFault::NoVoters, _) => "removed all voters",
            (ConfigurationFault::ManyVoters, _) => {
                "more than one voter changed without entering joint config"
            }
            (ConfigurationFault::Joint, "simple") => {
                "can't apply simple config change in joint config"
            }
            (ConfigurationFault::Joint, _) => "config is already joint",
            (ConfigurationFault::NotJoint, _) => "can't leave a non-joint config",
            _ => "a fault that etcd does not have",
        })?;
        let members = next.members();
        self.next.retain(|id, _| members.contains(id));
        for id in members {
            self.next.entry(id).or_insert_with(|| last_index.max(1));
        }
        self.configuration = Some(next);
        Ok(())
    }
}

/// The change that makes a group.
fn first(steps: &[Change]) -> Result<Configuration, ConfigurationFault> {
    let voter = steps.iter().find_map(|step| match step {
        Change::AddVoter(id) => Some(*id),
        _ => None,
    });
    let first = Configuration::new(voter)?.change(&MembershipChange::Simple(steps.to_vec()))?;
    match first.voters() {
        [_] => Ok(first),
        _ => Err(ConfigurationFault::ManyVoters),
    }
}

impl std::fmt::Display for Group {
    /// As etcd prints a configuration and its progress.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let configuration = self.configuration.as_ref().ok_or(std::fmt::Error)?;
        let set = |ids: &[NodeId]| {
            let ids: Vec<String> = ids.iter().map(|id| id.0.to_string()).collect();
            format!("({})", ids.join(" "))
        };
        let mut line = format!("voters={}", set(configuration.voters()));
        if configuration.is_joint() {
            write!(line, "&&{}", set(configuration.outgoing()))?;
        }
        if !configuration.learners().is_empty() {
            write!(line, " learners={}", set(configuration.learners()))?;
        }
        if !configuration.learners_next().is_empty() {
            write!(
                line,
                " learners_next={}",
                set(configuration.learners_next())
            )?;
        }
        if configuration.leaves_by_itself() {
            line.push_str(" autoleave");
        }
        writeln!(f, "{line}")?;
        for (id, next) in &self.next {
            let learner = match configuration.is_learner(*id) {
                true => " learner",
                false => "",
            };
            writeln!(f, "{}: StateProbe match=0 next={next}{learner}", id.0)?;
        }
        Ok(())
    }
}
