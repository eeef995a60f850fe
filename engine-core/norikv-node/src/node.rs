//! The composed node: every group it serves, SWIM and the router, as one machine.
//!
//! **Invariant: everything the node does follows from an input, and drains through
//! [`Node::poll_output`].** Each concern has a file of its own and keeps its own state; they meet
//! in the errand (what someone waits for) and the group (what replicas agree on).
//!
//! | file | concern |
//! |---|---|
//! | `limits` | what is refused at once |
//! | `calls` | routing, parking, deadlines, the one answer |
//! | `groups` | Raft in and out, what was applied |
//! | `reads` | from a confirmed index to the storage |
//! | `scans` | one page out of every group's |
//! | `watches` | calls that wait for what happens |
//! | `ticks` | reads that wait for the replicated time |
//! | `forwarding` | frames, work done for other nodes |
//! | `snapshots` | transfers out and in |
//! | `liveness` | deadlines of all Rafts, who watches sleeping groups |
//! | `replicas` | replicas that come and go |
//! | `admin` | changes that somebody asked for |
//! | `release` | when log and memory may go |
//! | `members` | SWIM and connections |

mod admin;
mod calls;
mod errand;
mod forwarding;
mod group;
mod groups;
mod limits;
mod liveness;
mod members;
mod metrics;
mod reads;
mod release;
mod replicas;
mod report;
mod retention;
mod scans;
mod scrub;
mod snapshots;
mod ticks;
mod watches;

use alloc::boxed::Box;
use alloc::collections::{BTreeMap, BTreeSet, VecDeque};
use alloc::sync::Arc;

use nori_observe::Meter;
use nori_raft as raft;
use norikv_types::{GroupId, LogIndex, Mono, NodeId, Term, WallMs};

use self::errand::{ErrandId, Errands, FanId};
use self::forwarding::Seen;
use self::group::Group;
use self::liveness::Liveness;
use self::metrics::NodeMetrics;
use self::replicas::{Given, Replicas};
use self::scans::Fan;
use self::scrub::Scrub;
use self::snapshots::Snapshots;
use self::watches::Watches;
use crate::adapters::{PlacementRouter, SwimMembership};
use crate::driver::Stored;
use crate::wire::FrameWriter;
use crate::{Error, Event, Input, Membership, NodeConfig, Output, PortError, Pressure, Router};

/// One server.
///
/// # The host's duties
/// 1. Build it from what [`driver::restore`](crate::driver::restore) read back.
/// 2. Tell it the time of day with [`Input::Wall`] at the start and every now and then: what a leader
///    proposes is stamped with it, and values end by these stamps.
/// 3. Feed [`handle_input`](Self::handle_input), with `now` read after the input was taken off its
///    queue, and [`Input::Timeout`] when [`poll_timeout`](Self::poll_timeout) says so.
/// 4. Then drain [`poll_output`](Self::poll_output) until `None`. Several inputs may be fed before
///    draining: what they cause is batched into fewer writes and frames.
/// 5. Carry out persists in order, applies in order, and every other output; tell what came of it.
/// 6. Frames may be lost, delayed, and reordered across lanes. A connection never delivers a frame
///    twice, nor to a later start of the receiver.
#[derive(Debug)]
pub struct Node {
    config: NodeConfig,
    /// The time of the newest input.
    now: Mono,
    router: Box<dyn Router>,
    membership: Box<dyn Membership>,
    groups: BTreeMap<GroupId, Box<Group>>,
    /// What all replicas have in common.
    common: Arc<raft::Common>,
    /// Groups whose Raft may have something to say.
    dirty: BTreeSet<GroupId>,
    errands: Errands,
    fans: BTreeMap<FanId, Fan>,
    fans_next: u64,
    watches: Watches,
    /// What the host said the time of day was, and when.
    wall: Option<(Mono, WallMs)>,
    /// Reads that wait for a group's replicated time to go on.
    ticks: BTreeMap<GroupId, alloc::vec::Vec<ErrandId>>,
    /// Who leads groups that have no replica here, as last heard.
    hints: BTreeMap<GroupId, NodeId>,
    /// Peers whose connection is lost.
    down: BTreeSet<NodeId>,
    seen: Seen,
    snapshots: Snapshots,
    liveness: Liveness,
    scrub: Scrub,
    /// Bytes of log not yet flushed, over all groups.
    unflushed_bytes: u64,
    replicas: Replicas,
    frames: FrameWriter,
    outbox: VecDeque<Output>,
    metrics: NodeMetrics,
    pressure: Pressure,
    /// A flush was asked for and nothing was flushed since.
    flush_asked: bool,
    halted: Option<PortError>,
}

impl Node {
    /// A node with the standard parts: the cluster's fixed plan and SWIM. `restored` has one entry
    /// for each of [`groups_of`](Self::groups_of).
    ///
    /// # Errors
    /// Those of [`compose`](Self::compose), [`Error::Placement`] and [`Error::Swim`].
    pub fn new(
        config: NodeConfig,
        restored: BTreeMap<GroupId, Stored>,
        meter: &Meter,
        now: Mono,
    ) -> Result<Self, Error> {
        let router = Box::new(router_of(&config)?);
        let membership = Box::new(SwimMembership::new(&config, now)?);
        Self::compose(config, router, membership, restored, meter, now)
    }

    /// A node composed of given parts; `restored` has one entry for each group that `router` puts
    /// on this node.
    ///
    /// # Errors
    /// [`Error::Raft`] when a group's settings or what was read back contradict themselves,
    /// [`Error::Groups`] when `restored` has other groups than the router, [`Error::Observe`] when
    /// the meter has these metrics already. Nothing was built.
    pub fn compose(
        config: NodeConfig,
        router: Box<dyn Router>,
        membership: Box<dyn Membership>,
        restored: BTreeMap<GroupId, Stored>,
        meter: &Meter,
        now: Mono,
    ) -> Result<Self, Error> {
        if !(0..router.groups())
            .map(GroupId)
            .eq(restored.keys().copied())
        {
            return Err(Error::Groups);
        }
        let metrics = NodeMetrics::register(meter)?;
        let mut groups = BTreeMap::new();
        let first = restored.keys().next().copied();
        let common = groups::common_of(&config, first.map_or(&[], |id| router.replicas(id)));
        for (id, restored) in restored {
            let founders = restored.founders(&config, router.replicas(id));
            // Who was never asked has no replica, whatever damage may have taken: an invitation is
            // stored before anything is promised.
            let raft = &restored.raft;
            let is_nothing = raft.last_index() == LogIndex(0) && raft.damaged.is_empty();
            let never_asked = !restored.invited && is_nothing && raft.hard_state.term == Term(0);
            if founders.is_empty() && (raft.fresh || never_asked) {
                continue;
            }
            let group = Group::new(&config, &common, id, founders, restored.raft, now)?;
            groups.insert(id, group.into());
        }
        let mut node = Self {
            now,
            router,
            membership,
            dirty: groups.keys().copied().collect(),
            groups,
            errands: Errands::default(),
            fans: BTreeMap::new(),
            fans_next: 0,
            watches: Watches::default(),
            wall: None,
            ticks: BTreeMap::new(),
            hints: BTreeMap::new(),
            down: BTreeSet::new(),
            seen: Seen::default(),
            snapshots: Snapshots::default(),
            liveness: Liveness::new(&config.raft, now),
            scrub: Scrub::new(&config.scrub, now),
            unflushed_bytes: 0,
            replicas: Replicas::default(),
            common,
            frames: FrameWriter::new(config.cluster, config.id),
            outbox: VecDeque::new(),
            metrics,
            pressure: Pressure::None,
            flush_asked: false,
            halted: None,
            config,
        };
        for group in node.groups.values() {
            node.metrics.starts_at(group.id, group.raft.commit_index());
        }
        let own = node.config.id;
        if node.groups.values().any(|group| group.is_stray(own)) {
            node.ask_later();
        }
        let ids: alloc::vec::Vec<GroupId> = node.groups.keys().copied().collect();
        ids.into_iter().for_each(|id| node.count_unflushed(id));
        node.metrics.members(&node.members());
        node.drain_membership();
        Ok(node)
    }

    /// The groups that a node may hold a replica of, ascending: what to restore. Which of them it
    /// does hold, the stores and the plan tell.
    ///
    /// # Errors
    /// [`Error::Placement`] when nodes, groups and replication do not go together.
    pub fn groups_of(config: &NodeConfig) -> Result<alloc::vec::Vec<GroupId>, Error> {
        let groups = router_of(config)?.groups();
        Ok((0..groups).map(GroupId).collect())
    }

    /// Takes one input. What it causes is in [`poll_output`](Self::poll_output).
    pub fn handle_input(&mut self, now: Mono, input: Input) {
        if now < self.now {
            // Groups that were quiet meanwhile would not see it by themselves.
            let groups: alloc::vec::Vec<GroupId> = self.groups.keys().copied().collect();
            for group in groups {
                self.raft_input(group, raft::Input::ClockJumped);
            }
        }
        self.now = self.now.max(now);
        if self.halted.is_some() {
            match input {
                Input::Call { request, .. } => self.refuse_halted(request),
                Input::Frame { from, bytes, .. } => self.refuse_requests(from, &bytes),
                _ => {}
            }
            return;
        }
        match input {
            Input::Call {
                request,
                call,
                deadline,
            } => self.call(request, call, deadline),
            Input::Frame { from, bytes, .. } => self.frame(from, &bytes),
            Input::Datagram { from, bytes } => {
                self.membership.handle_packet(self.now, from, bytes);
                self.drain_membership();
            }
            Input::PeerUp(peer) => self.peer_up(peer),
            Input::PeerDown(peer) => self.peer_down(peer),
            Input::Durable { group, write } => {
                if self.drained(group, Given::Persist) {
                    return;
                }
                if let Some(replica) = self.groups.get_mut(&group) {
                    let belonging = replica.belonging_mut();
                    belonging.persisting = belonging.persisting.saturating_sub(1);
                }
                self.raft_input(group, raft::Input::Durable(write));
            }
            Input::Cleared { group, result } => self.cleared(group, result),
            Input::Applied { group, results } => self.applied(group, &results),
            Input::EntriesFetched {
                group,
                reader,
                from,
                result,
            } => {
                let entries = result.ok().filter(|entries| !entries.is_empty());
                let input = raft::Input::EntriesFetched {
                    reader,
                    from,
                    entries,
                };
                self.raft_input(group, input);
            }
            Input::LogDamaged { group, stretch } => {
                self.raft_input(group, raft::Input::Damaged(stretch));
            }
            Input::Scrubbed {
                group,
                from,
                result,
            } => self.scrubbed(group, from, result),
            Input::ReadDone { read, result } => self.read_done(read, result),
            Input::Flushed { group, index } => self.flushed(group, index),
            Input::Exported { session, result } => self.exported(session, result),
            Input::ExportedChunk { session, result } => self.exported_chunk(session, result),
            Input::Staged { session, result } => self.staged(session, result),
            Input::Installed { session, result } => self.installed(session, result),
            Input::Pressure(pressure) => self.pressure = pressure,
            Input::LogFailed(error) | Input::StorageFailed(error) => self.halt(error),
            Input::Leave => {
                self.membership.leave(self.now);
                self.drain_membership();
            }
            Input::Timeout => self.timeout(),
            Input::Wall(wall) => self.wall = Some((self.now, wall)),
        }
    }

    /// The next output; drain until `None`.
    pub fn poll_output(&mut self) -> Option<Output> {
        if self.outbox.is_empty() {
            self.settle();
        }
        let output = self.outbox.pop_front();
        if output.is_none() && self.outbox.capacity() > OUTBOX_KEPT {
            self.outbox.shrink_to(OUTBOX_KEPT);
        }
        output
    }

    /// When to say [`Input::Timeout`], if nothing else happens before. Valid once drained.
    #[must_use]
    pub fn poll_timeout(&self) -> Option<Mono> {
        if self.halted.is_some() {
            return None;
        }
        [
            self.liveness.poll_timeout(&self.config.raft),
            self.membership.poll_timeout(),
            self.errands.poll_timeout(),
            self.watches.poll_timeout(),
            self.snapshots.poll_timeout(&self.config.snapshot),
            self.replicas.poll_timeout(),
            self.scrub.poll_timeout(),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    fn timeout(&mut self) {
        self.tick_groups();
        if self
            .membership
            .poll_timeout()
            .is_some_and(|at| at <= self.now)
        {
            self.membership.handle_timeout(self.now);
            self.drain_membership();
        }
        self.expire_errands();
        self.expire_watches();
        self.tick_snapshots();
        self.ask_whether_member();
        self.scrub();
    }

    /// Lets every Raft say what it has to say, then closes the frames.
    fn settle(&mut self) {
        if self.halted.is_none() {
            while let Some(group) = self.dirty.pop_first() {
                self.drain_raft(group);
                self.note_clock(group);
            }
            self.beat();
        }
        for (to, lane, frame) in self.frames.take() {
            self.outbox.push_back(Output::Send { to, lane, frame });
        }
        self.metrics
            .calls
            .set(i64::try_from(self.errands.len()).unwrap_or(i64::MAX));
    }

    /// Stops for good: what cannot be made durable must never be acknowledged.
    fn halt(&mut self, error: PortError) {
        self.event(Event::Halted(error.clone()));
        self.metrics.halted.set(1);
        self.dirty.clear();
        self.halted = Some(error);
        self.fail_all_halted();
    }

    fn event(&mut self, event: Event) {
        self.metrics.observe(&event);
        self.outbox.push_back(Output::Event(event));
    }
}

/// Outputs for which room is kept; a start or a failover of many groups takes more for once.
const OUTBOX_KEPT: usize = 128;

/// The plan of a cluster.
pub(crate) fn router_of(config: &NodeConfig) -> Result<PlacementRouter, Error> {
    PlacementRouter::new(&config.nodes, config.groups, config.replication).map_err(Error::Placement)
}
