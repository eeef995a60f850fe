//! Raft in and out, and what was applied.
//!
//! **Invariant: a proposal is answered by what was applied at its index: the same term there means
//! yes, another one means no.** Nothing else decides.

use alloc::string::ToString;
use alloc::sync::Arc;

use nori_raft::{self as raft, Body, Replica};
use norikv_types::{Applied, ErrorKind, GroupId, LogIndex, Mono, Mutant, NodeId, Version, breaks};

use super::Node;
use super::errand::{ErrandId, Stage};
use super::group::Group;
use super::replicas::{Belonging, Given};
use super::retention::Retention;
use crate::wire::{Item, Work};
use crate::{Answer, Decided, Error, Event, Failure, Lane, NodeConfig, Outcome, Output};

impl Group {
    pub(super) fn new(
        config: &NodeConfig,
        common: &Arc<raft::Common>,
        id: GroupId,
        founders: &[NodeId],
        restored: raft::Restored,
        now: Mono,
    ) -> Result<Self, Error> {
        // Groups and nodes draw their election timeouts independently of each other.
        let seed = config.seed ^ config.id.0.rotate_left(32) ^ u64::from(id.0).rotate_left(48);
        let settings = settings(config, founders, seed);
        let applied = Version {
            term: term_at(&restored, restored.applied),
            index: restored.applied,
        };
        let stored = restored.configuration.as_ref();
        let member = stored.is_some_and(|members| members.contains(config.id));
        let configuration_index = stored.map_or(LogIndex(0), |_| restored.applied);
        let configuration = |entry: &raft::Entry| match &entry.payload {
            raft::Payload::Configuration(members) => {
                Some((entry.index, members.contains(config.id)))
            }
            _ => None,
        };
        let mut configurations = restored.entries.iter().rev().filter_map(configuration);
        let newest = configurations.next();
        let in_force_index = newest.map(|(index, _)| index);
        let mut newest_first = newest.into_iter().chain(configurations);
        let member_since = newest_first.find_map(|(index, member)| member.then_some(index));
        let belonging = Belonging {
            persisting: 0,
            applying: 0,
            configuration_index,
            in_force_index: in_force_index.unwrap_or(configuration_index),
            member,
            configurations: alloc::vec::Vec::new(),
            member_since: member_since.unwrap_or_default(),
        };
        let retention =
            Retention::new(restored.snapshot.index, restored.applied, &restored.entries);
        let raft = Replica::new(common, settings, restored, now)
            .map_err(|error| Error::Raft { group: id, error })?;
        let mut group = Self {
            id,
            role: raft::Role::Follower,
            term: applied.term,
            leader: None,
            raft,
            applied,
            belonging: Some(belonging.into()),
            proposals: alloc::collections::BTreeMap::new(),
            reads: alloc::collections::BTreeSet::new(),
            retention,
            unflushed_bytes: 0,
            deadline: Mono::MAX,
            asleep: false,
            watches: NodeId(0),
        };
        group.refresh();
        Ok(group)
    }

    /// Asks Raft what it is now.
    pub(super) fn refresh(&mut self) {
        let status = self.raft.status();
        self.role = status.role;
        self.term = status.term;
        self.leader = status.leader;
    }
}

/// What all groups of a node have in common; most of them the configuration that `founders` make.
pub(super) fn common_of(config: &NodeConfig, founders: &[NodeId]) -> Arc<raft::Common> {
    let founders = founders.iter().copied().chain(
        // A plan without groups: nobody asks.
        founders.is_empty().then_some(config.id),
    );
    let configuration = match raft::Configuration::new(founders) {
        Ok(configuration) => configuration,
        Err(fault) => unreachable!("a plan names each node once: {fault}"),
    };
    raft::Common::new(settings(config, &[], 0), configuration)
}

fn settings(config: &NodeConfig, founders: &[NodeId], seed: u64) -> raft::Config {
    let options = &config.raft;
    let mut settings = raft::Config::new(config.id, founders.iter().copied(), seed);
    settings.election_timeout_min = options.election_timeout_min;
    settings.election_timeout_max = options.election_timeout_max;
    settings.heartbeat_interval = options.heartbeat_interval;
    settings.clock_drift_ppm = options.clock_drift_ppm;
    settings.inflight_messages_max = options.inflight_messages_max;
    settings.append_bytes_max = options.append_bytes_max;
    settings.uncommitted_bytes_max = options.uncommitted_bytes_max;
    settings.quiesce_after = options.quiesce_after;
    settings
}

impl Node {
    pub(super) fn raft_input(&mut self, group: GroupId, input: raft::Input) {
        let Some(replica) = self.groups.get_mut(&group) else {
            return;
        };
        let from = match &input {
            raft::Input::Receive { from, .. } => Some(*from),
            _ => None,
        };
        if let Err(error) = replica.raft.handle_input(self.now, input) {
            let from = from.unwrap_or(self.config.id);
            let detail = error.to_string();
            self.event(Event::Misuse {
                group,
                from,
                detail,
            });
        }
        self.dirty.insert(group);
    }

    pub(super) fn drain_raft(&mut self, group: GroupId) {
        while let Some(output) = self
            .groups
            .get_mut(&group)
            .and_then(|replica| replica.raft.poll_output())
        {
            self.raft_output(group, output);
        }
        self.drop_refused_snapshot(group);
    }

    fn raft_output(&mut self, id: GroupId, output: raft::Output) {
        match output {
            raft::Output::Persist(persist) => self.persist(id, persist),
            raft::Output::Send { to, message } => {
                let lane = lane_of(&message);
                self.frames
                    .push(to, lane, &Item::Raft { group: id, message });
            }
            raft::Output::Apply { entries } => {
                if let Some(group) = self.groups.get_mut(&id) {
                    group.belonging_mut().applying += 1;
                    group.note_configurations(&entries, self.config.id);
                }
                self.outbox.push_back(Output::Apply { group: id, entries });
            }
            raft::Output::FetchEntries {
                reader,
                from,
                up_to,
                bytes_max,
            } => self.outbox.push_back(Output::FetchEntries {
                group: id,
                reader,
                from,
                up_to,
                bytes_max,
            }),
            raft::Output::Appended { proposal, version } => self.appended(id, proposal, version),
            raft::Output::Dropped {
                proposal, reason, ..
            } => self.refused(ErrandId(proposal.0), reason),
            // Whoever leads now says whether it is the right one.
            raft::Output::Transferred { proposal } => self.retry(ErrandId(proposal.0)),
            raft::Output::ReadReady { read, index } => {
                if !self.leadership_confirmed(read) {
                    self.read_ready(read, index);
                }
            }
            raft::Output::ReadRefused { read, reason, .. } => {
                if !self.leadership_unconfirmed(read) {
                    self.read_refused(read, reason);
                }
            }
            raft::Output::ExportSnapshot { to } => self.offer_snapshot(id, to),
            raft::Output::InstallSnapshot { snapshot } => self.install_snapshot(id, snapshot),
            raft::Output::Event(event) => self.raft_event(id, event),
        }
    }

    fn persist(&mut self, id: GroupId, persist: raft::Persist) {
        if let Some(group) = self.groups.get_mut(&id) {
            group.belonging_mut().persisting += 1;
            if let Some(reset) = persist.reset {
                group.retention.reset(reset.version());
            }
            group.retention.append(&persist.entries);
        }
        self.count_unflushed(id);
        self.outbox
            .push_back(Output::Persist { group: id, persist });
        self.ask_for_flush();
    }

    fn appended(&mut self, id: GroupId, proposal: raft::ProposalId, version: Version) {
        let errand = ErrandId(proposal.0);
        let Some(errand_of) = self.errands.get(errand) else {
            return;
        };
        if errand_of.work.is_admin() {
            // It goes on once the configuration is applied.
            return;
        }
        if let Some(group) = self.groups.get_mut(&id) {
            self.errands.set_stage(errand, Stage::Appended(version));
            let before = group
                .proposals
                .insert((version.index, version.term), errand);
            assert!(before.is_none(), "one (term, index) holds one proposal");
        }
    }

    fn raft_event(&mut self, id: GroupId, event: raft::Event) {
        self.event(Event::Raft { group: id, event });
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        match event {
            raft::Event::RoleChanged { role, term } => {
                let led = group.leads();
                group.role = role;
                group.term = term;
                if led != group.leads() {
                    self.metrics.groups_led.add(if led { -1 } else { 1 });
                }
                if led && role != raft::Role::Leader {
                    self.abandon_offers(id);
                }
                self.wake(id);
            }
            raft::Event::TermChanged { term } => group.term = term,
            raft::Event::ConfigurationChanged { index } => {
                group.belonging_mut().in_force_index = index;
            }
            raft::Event::LeaderChanged { leader, term } => {
                group.leader = leader;
                group.term = term;
                if let Some(leader) = leader {
                    self.wake(id);
                    self.ask_new_leader(id, leader);
                } else if group.is_stray(self.config.id) {
                    self.ask_later();
                }
            }
            raft::Event::PeerStateChanged {
                peer,
                state: raft::PeerState::Replicate,
            } => self.caught_up(id, peer),
            _ => {}
        }
    }

    pub(super) fn applied(&mut self, id: GroupId, results: &[Decided]) {
        let (Some(first), Some(last)) = (results.first(), results.last()) else {
            unreachable!("an apply has entries and tells of each");
        };
        if self.drained(id, Given::Apply) {
            return;
        }
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        let belonging = group.belonging_mut();
        belonging.applying = belonging.applying.saturating_sub(1);
        assert!(
            group.applied.index.next() == first.version.index,
            "{id} applied {} after {}",
            first.version,
            group.applied
        );
        group.applied = last.version;
        let (reconfigured, removed) = group.configured();
        let settled = group.settled(last.version.index);
        let readable = group.readable();
        self.metrics.applied.add(results.len() as u64);
        self.event(Event::Applied {
            group: id,
            version: last.version,
        });
        self.raft_input(id, raft::Input::Applied(last.version.index));
        for ((index, term), errand) in settled {
            let offset = index.0.checked_sub(first.version.index.0);
            let decided = offset
                .and_then(|offset| results.get(usize::try_from(offset).unwrap_or(usize::MAX)));
            match decided {
                Some(decided)
                    if decided.version.term == term || breaks(Mutant::OutcomeByIndexAlone) =>
                {
                    self.finish(errand, outcome_of(&decided.outcome));
                }
                Some(_) => self.retry(errand),
                None => self.lost(
                    errand,
                    "a snapshot took the place of the write's log position",
                ),
            }
        }
        for errand in readable {
            self.start_read(errand);
        }
        self.wake_watches(id);
        if reconfigured {
            self.drive_changes(id);
        }
        if removed {
            return self.leave(id);
        }
        self.install_if_drained(id);
        self.announce_offers(id);
        self.release(id);
    }

    /// A snapshot took the place of everything up to `at`: what became of proposals there is not
    /// to be seen.
    pub(super) fn skipped_to(&mut self, id: GroupId, at: Version) {
        let Some(group) = self.groups.get_mut(&id) else {
            return;
        };
        assert!(
            group.applied.index <= at.index,
            "the applied index never goes back"
        );
        group.applied = at;
        let settled = group.settled(at.index);
        let readable = group.readable();
        for errand in settled.into_values() {
            self.lost(
                errand,
                "a snapshot took the place of the write's log position",
            );
        }
        for errand in readable {
            self.start_read(errand);
        }
        self.wake_watches(id);
    }

    /// What became of an attempt cannot be known any more.
    pub(super) fn lost(&mut self, id: ErrandId, why: &str) {
        let Some(errand) = self.errands.get_mut(id) else {
            return;
        };
        let again = match &errand.work {
            Work::Write { repeatable, .. } => {
                errand.uncertain = true;
                *repeatable || breaks(Mutant::LostWriteProposedAgain)
            }
            Work::Get { .. }
            | Work::Scan { .. }
            | Work::Watch { .. }
            | Work::Change { .. }
            | Work::Transfer { .. } => true,
        };
        if again {
            self.retry(id);
        } else {
            let failure = Failure::new(ErrorKind::TimedOut, Applied::Unknown, why);
            self.finish(id, Err(failure));
        }
    }
}

fn outcome_of(outcome: &Outcome) -> Result<Answer, Failure> {
    match outcome {
        Outcome::Written { version } => Ok(Answer::Written { version: *version }),
        Outcome::PreconditionFailed { actual } => {
            let message = match actual {
                Some(actual) => alloc::format!("the key has version {actual}"),
                None => "the key is absent".to_string(),
            };
            let mut failure = Failure::refused(ErrorKind::PreconditionFailed, message);
            failure.actual = *actual;
            Err(failure)
        }
        Outcome::Counted { version, value } => Ok(Answer::Counted {
            version: *version,
            value: *value,
        }),
        Outcome::Transacted {
            version,
            succeeded,
            answers,
        } => Ok(Answer::Transacted {
            version: *version,
            succeeded: *succeeded,
            answers: answers.clone(),
        }),
        Outcome::NotANumber { actual } => {
            let message = alloc::format!("the value of version {actual} is no decimal number");
            let mut failure = Failure::refused(ErrorKind::NotANumber, message);
            failure.actual = Some(*actual);
            Err(failure)
        }
        Outcome::Overflow { actual } => {
            let message = "the sum is beyond the numbers of 64 bits";
            let mut failure = Failure::refused(ErrorKind::Overflow, message);
            failure.actual = Some(*actual);
            Err(failure)
        }
        Outcome::AnswerTooLarge { bytes } => {
            let message = alloc::format!("the transaction reads {bytes} bytes, which is too much");
            Err(Failure::refused(ErrorKind::TooLarge, message))
        }
        Outcome::IdempotencyMismatch => Err(Failure::refused(
            ErrorKind::IdempotencyMismatch,
            "the idempotency key was used with another request",
        )),
        Outcome::Malformed => Err(Failure::refused(
            ErrorKind::Internal,
            "the replicas cannot read the command",
        )),
        Outcome::Noop | Outcome::Skipped => Err(Failure::new(
            ErrorKind::Internal,
            Applied::Unknown,
            "the entry held no command",
        )),
    }
}

/// Log entries are bulk; everything else keeps leaders alive and commits.
fn lane_of(message: &raft::Message) -> Lane {
    match &message.body {
        Body::Append(append) if !append.entries.is_empty() => Lane::Append,
        _ => Lane::Control,
    }
}

fn term_at(restored: &raft::Restored, index: LogIndex) -> norikv_types::Term {
    restored
        .entries
        .iter()
        .find(|entry| entry.index == index)
        .map_or(restored.snapshot.term, |entry| entry.term)
}
