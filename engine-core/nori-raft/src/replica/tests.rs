use super::*;

fn settings(id: u64) -> Config {
    let mut config = Config::new(NodeId(id), (1..=3).map(NodeId), id);
    config.quiesce_after = Some(core::time::Duration::from_millis(100));
    config
}

fn configuration() -> Configuration {
    Configuration::new((1..=3).map(NodeId)).unwrap()
}

#[test]
fn a_replica_that_sleeps_takes_little_room() {
    use core::mem::size_of;
    assert!(size_of::<Replica>() <= 24, "{}", size_of::<Replica>());
    assert!(size_of::<Dormant>() <= 128, "{}", size_of::<Dormant>());
}

/// Three replicas on one clock, without loss; what they say arrives at once and all disks are quick.
struct Group {
    now: Mono,
    replicas: Vec<Replica>,
    applied: [LogIndex; 3],
    sent: u64,
}

impl Group {
    fn new() -> Self {
        let make = |id| {
            let common = Common::new(settings(id), configuration());
            Replica::new(&common, settings(id), Restored::fresh(), Mono::ZERO).unwrap()
        };
        Self {
            now: Mono::ZERO,
            replicas: (1..=3).map(make).collect(),
            applied: [LogIndex(0); 3],
            sent: 0,
        }
    }

    fn input(&mut self, at: usize, input: Input) {
        self.replicas[at].handle_input(self.now, input).unwrap();
    }

    fn settle(&mut self) {
        loop {
            let mut quiet = true;
            for at in 0..3 {
                while let Some(output) = self.replicas[at].poll_output() {
                    quiet = false;
                    self.output(at, output);
                }
            }
            if quiet {
                return;
            }
        }
    }

    fn output(&mut self, at: usize, output: Output) {
        match output {
            Output::Persist(persist) => self.input(at, Input::Durable(persist.write)),
            Output::Send { to, message } => {
                self.sent += 1;
                let from = NodeId(at as u64 + 1);
                let to = usize::try_from(to.0 - 1).unwrap();
                self.input(to, Input::Receive { from, message });
            }
            Output::Apply { entries } => {
                let last = entries.last().unwrap().index;
                self.applied[at] = last;
                self.input(at, Input::Applied(last));
            }
            _ => {}
        }
    }

    fn run(&mut self, beats: u32) {
        for _ in 0..beats {
            let next = self.replicas.iter().filter_map(Replica::poll_timeout).min();
            let Some(next) = next else { return };
            self.now = self.now.max(next);
            for at in 0..3 {
                if self.replicas[at]
                    .poll_timeout()
                    .is_some_and(|at| at <= self.now)
                {
                    self.input(at, Input::Timeout);
                }
            }
            self.settle();
        }
    }

    fn leader(&self) -> usize {
        let leads = |replica: &Replica| replica.role() == Role::Leader;
        self.replicas.iter().position(leads).unwrap()
    }
}

fn asleep() -> Group {
    let mut group = Group::new();
    group.run(40);
    assert!(group.replicas.iter().all(Replica::is_away));
    group
}

#[test]
fn a_group_that_was_put_away_goes_on_where_it_was() {
    let mut group = asleep();
    let leader = group.leader();
    let before: Vec<Status> = group.replicas.iter().map(Replica::status).collect();
    for number in 0..20 {
        group.now += core::time::Duration::from_secs(60);
        let proposal = crate::ProposalId(number);
        let command = bytes::Bytes::from_static(b"command");
        group.input(leader, Input::Propose { proposal, command });
        group.settle();
        assert!(!group.replicas[leader].is_away());
        group.run(40);
        let log = &group.replicas[leader].take_out().log;
        assert_eq!(
            log.start(),
            Version::default(),
            "it can still tell what it has"
        );
        assert_eq!(log.term(LogIndex(1)), Some(Term(1)));
        group.settle();
        assert!(group.replicas.iter().all(Replica::is_away));
        assert_eq!(group.leader(), leader);
    }
    for (at, before) in before.iter().enumerate() {
        let after = group.replicas[at].status();
        assert_eq!(after.term, before.term, "nobody campaigned");
        assert_eq!(after.commit_index.0, before.commit_index.0 + 20);
        assert_eq!(after.applied_index, after.commit_index);
        assert_eq!(after.configuration, before.configuration);
    }
}

#[test]
fn a_replica_that_was_put_away_is_as_it_was() {
    let mut group = asleep();
    let leader = group.leader();
    for replica in &mut group.replicas {
        let before = replica.status();
        assert_eq!(before.leader, Some(NodeId(leader as u64 + 1)));
        assert_eq!(before.lease_until, None);
        let raft = replica.take_out();
        assert!(raft.is_quiescent());
        assert_eq!(raft.poll_timeout(), None);
        assert_eq!(raft.status(), before);
        assert_eq!(replica.poll_output(), None, "it has nothing to say");
        assert!(replica.is_away());
        assert_eq!(replica.status(), before);
    }
}

#[test]
fn a_write_that_is_reported_again_after_sleep_counts_for_nothing_new() {
    let mut group = asleep();
    let leader = group.leader();
    let proposal = crate::ProposalId(1);
    let command = bytes::Bytes::from_static(b"command");
    group.input(leader, Input::Propose { proposal, command });
    let mut writes = Vec::new();
    while let Some(output) = group.replicas[leader].poll_output() {
        if let Output::Persist(persist) = output {
            writes.push(persist.write);
        }
    }
    let [write] = writes[..] else {
        panic!("{writes:?}")
    };
    assert!(write.number > 1, "numbers go on");
    for number in 1..write.number {
        let old = crate::WriteId { number, ..write };
        group.input(leader, Input::Durable(old));
    }
    let status = group.replicas[leader].status();
    assert!(status.durable_index < status.last.index);
}

#[test]
fn a_follower_that_was_put_away_still_guards_the_lease_it_gave() {
    let mut group = asleep();
    let (leader, follower) = (group.leader(), (group.leader() + 1) % 3);
    let last = group.replicas[leader].status().last;
    let term = group.replicas[leader].term();
    let campaign = term.next();
    let from = NodeId((0..3).find(|at| ![leader, follower].contains(at)).unwrap() as u64 + 1);
    let body = crate::Body::PreVote { campaign, last };
    let message = crate::Message { term, body };
    group.input(follower, Input::Receive { from, message });
    let said = core::iter::from_fn(|| group.replicas[follower].poll_output());
    let votes = said.filter(|output| matches!(output, Output::Send { .. }));
    assert_eq!(votes.count(), 0, "it heard its leader just now");
}

#[test]
fn a_snapshot_of_a_later_term_wakes_whoever_was_put_away() {
    let mut group = asleep();
    let (leader, follower) = (group.leader(), (group.leader() + 1) % 3);
    let last = group.replicas[leader].status().last;
    let snapshot = SnapshotMeta {
        index: LogIndex(last.index.0 + 5),
        term: last.term,
    };
    let (from, term) = (
        NodeId(leader as u64 + 1),
        group.replicas[leader].term().next(),
    );
    group.input(
        follower,
        Input::SnapshotReceived {
            from,
            term,
            snapshot,
        },
    );
    assert!(!group.replicas[follower].is_quiescent());
    let deadline = group.replicas[follower].poll_timeout().unwrap();
    let longest = settings(1).election_timeout_max;
    assert!(deadline <= group.now + longest, "its clock runs");
}
