//! Rules that are broken on purpose, to show that the checks see it: tests of tests.
//!
//! **Invariant: without the feature `mutants` every rule holds**, [`breaks`] is a constant and the
//! wrong branch is compiled away; a build with the feature and without debug assertions, such as a
//! release, fails. At most one mutant is planted, per thread, and only while its guard lives.

#[cfg(all(feature = "mutants", not(debug_assertions)))]
compile_error!("the feature `mutants` breaks rules on purpose and is no part of a release");

/// Where whole runs by seed look for mutants; the modules of `norikv-sim`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum World {
    /// Whole nodes on simulated disks and a simulated network.
    Cluster,
    /// One LSM with a log of its own on a faulty disk.
    Storage,
    /// A thousand members of a membership.
    Gossip,
    /// None: whole runs meet it too rarely, or bear it. A test of its own crate shows it.
    Unit,
}

/// Whether the rule `mutant` is broken in this thread.
#[cfg(not(feature = "mutants"))]
#[must_use]
#[inline(always)]
pub const fn breaks(mutant: Mutant) -> bool {
    let _ = mutant;
    false
}

/// Whether the rule `mutant` is broken in this thread.
#[cfg(feature = "mutants")]
#[must_use]
#[inline]
pub fn breaks(mutant: Mutant) -> bool {
    planted::PLANTED.get() == Some(mutant)
}

#[cfg(feature = "mutants")]
pub use planted::Planted;

#[cfg(feature = "mutants")]
mod planted {
    extern crate std;

    use core::cell::Cell;
    use core::marker::PhantomData;

    use super::Mutant;

    std::thread_local! {
        pub(super) static PLANTED: Cell<Option<Mutant>> = const { Cell::new(None) };
    }

    /// A mutant lives in this thread until this is dropped.
    #[derive(Debug)]
    #[must_use = "the mutant lives as long as this"]
    pub struct Planted {
        before: Option<Mutant>,
        /// It is this thread's.
        _here: PhantomData<*const ()>,
    }

    impl Mutant {
        /// Breaks this rule in this thread, and this rule only, until the guard is dropped.
        pub fn plant(self) -> Planted {
            Planted {
                before: PLANTED.replace(Some(self)),
                _here: PhantomData,
            }
        }
    }

    impl Drop for Planted {
        fn drop(&mut self) {
            PLANTED.set(self.before);
        }
    }
}

/// One line a mutant: its name, the crate it lives in, the world that looks for it, what it does.
macro_rules! mutants {
    ($($(#[$doc:meta])* $name:ident: $krate:literal, $world:ident, $what:literal;)*) => {
        /// A rule that is broken on purpose. Each was a real bug somewhere, or could have been.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
        #[non_exhaustive]
        pub enum Mutant {
            $($(#[$doc])* $name,)*
        }

        impl Mutant {
            /// Every mutant, by crate.
            pub const ALL: &'static [Self] = &[$(Self::$name),*];

            /// Its name.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)* }
            }

            /// What it does wrong, in a line.
            #[must_use]
            pub const fn what(self) -> &'static str {
                match self { $(Self::$name => $what,)* }
            }

            /// The crate in which it sits.
            #[must_use]
            pub const fn home(self) -> &'static str {
                match self { $(Self::$name => $krate,)* }
            }

            /// The world whose runs must catch it.
            #[must_use]
            pub const fn world(self) -> World {
                match self { $(Self::$name => World::$world,)* }
            }
        }
    };
}

mutants! {
    /// Against Raft §5.2: "vote for at most one candidate in a given term". Real where the vote was
    /// not looked at, or not kept.
    VotesTwice: "nori-raft", Cluster, "grants a second vote in a term";
    /// Against Raft §5.1, figure 2: "updated on stable storage before responding to RPCs". The most
    /// common bug of young implementations.
    VoteNotDurable: "nori-raft", Cluster, "says a vote before it is durable";
    /// Against Raft §5.4.2, figure 8.
    CommitsOldTerm: "nori-raft", Cluster,
        "commits an entry of an earlier term by counting replicas";
    /// Against dissertation §6.4.1: a supporter may have waited long before it answered, or the
    /// answer may have been long under way.
    LeaseFromReceive: "nori-raft", Cluster,
        "counts the lease from the receipt of answers, not from the sending of the round";
    /// Against dissertation §6.4.1: a process that stood still, or was cut off, goes on with the
    /// lease that it had.
    LeaseNeverEnds: "nori-raft", Cluster, "serves reads by a lease that has run out";
    /// Against Raft §5.3, figure 2.
    AckBeforeDurable: "nori-raft", Cluster, "acknowledges entries before they are durable";
    /// A leader that is not sure of its peers must go on sending to them.
    SleepsWhileBehind: "nori-raft", Cluster,
        "puts a group to sleep while a follower lacks entries";
    /// Against dissertation §6.4.1: nobody guards the lease of a leader that sleeps.
    LeaseWhileAsleep: "nori-raft", Cluster, "a leader that wakes takes its lease for valid";
    /// Against Raft §5.4.1.
    NoLogCheck: "nori-raft", Cluster, "grants a vote to a candidate whose log is behind";
    /// The term is kept, the vote is not: after a restart the node votes again. Upstream's servers
    /// kept neither.
    VoteNotStored: "nori-raft", Cluster, "stores the term without the vote";
    /// A vote that was long under way elects a later candidacy of the same node.
    CountsOldVotes: "nori-raft", Unit, "counts votes of an earlier term";
    /// Against dissertation §4.2.3 and §6.4.1: only a voter that is deaf to candidates while it
    /// hears its leader makes a lease safe.
    VotesDuringALease: "nori-raft", Cluster, "grants votes while it hears its leader";
    /// A voter that restarted has forgotten that it just heard a leader.
    RestartForgetsTheLease: "nori-raft", Cluster,
        "votes right after a restart, though it may just have renewed a lease";
    /// Raft §5.3: upstream's servers took any answer as one to their own term.
    AckWithoutTermCheck: "nori-raft", Unit, "takes acknowledgements of earlier terms for its own";
    /// The ABA problem of asynchronous storage: a late report for entries that were cut and
    /// appended anew.
    CutWritesCount: "nori-raft", Unit,
        "counts a finished write for entries that a later write replaces";
    /// Dissertation §6.4: a new leader does not know yet what is committed.
    ReadBeforeFirstCommit: "nori-raft", Cluster,
        "answers reads before an entry of its term is committed";
    /// A round that was sent before the read came proves nothing about later moments: the trap of
    /// having one counter for all reads.
    ReadJoinsRoundUnderWay: "nori-raft", Unit,
        "confirms a read by a round that was sent before the read came";
    /// Raft §8.
    ReadWithoutARound: "nori-raft", Cluster, "answers reads without asking whether it still leads";
    /// Dissertation §6.4: a follower asks the leader, since its own commit index may be behind.
    FollowerDoesNotAsk: "nori-raft", Cluster,
        "serves reads at a follower by its own commit index, without asking the leader";
    /// What the leader answered before the read came proves nothing about what came between.
    FollowerJoinsQuestion: "nori-raft", Unit,
        "serves a read at a follower by a question that was asked before the read came";
    /// Raft §5.3: a majority of all, the leader once among them. A relative of the unsorted
    /// progress table.
    LeaderCountsTwice: "nori-raft", Cluster, "counts itself twice when it looks for a majority";
    /// Dissertation §4.1: a server uses the latest configuration in its log, committed or not.
    ConfigurationAtCommit: "nori-raft", Unit,
        "goes by a new configuration only once it is committed";
    /// Raft §6: agreement needs majorities of both configurations.
    JointByOneHalf: "nori-raft", Unit,
        "takes a majority of the new voters for one of both halves";
    /// Dissertation §4.2.1: new servers join as non-voting members.
    LearnerCounts: "nori-raft", Unit, "counts learners towards the commit index";
    /// The bug in single-server changes (raft-dev, 2015): two uncommitted configurations whose
    /// majorities miss each other.
    ChangesBeforeFirstCommit: "nori-raft", Unit,
        "changes the members before an entry of its term, or the change before, is committed";
    /// Raft figure 13: a snapshot includes the latest configuration.
    SnapshotForgetsMembers: "nori-raft", Unit, "keeps its old configuration over a snapshot";
    /// Raft §6: a leader that manages a cluster without itself does not count itself.
    RemovedLeaderCounts: "nori-raft", Unit,
        "counts itself, and leads on, in a configuration without it";
    /// A witness votes and acknowledges, and holds no data.
    WitnessGetsCommands: "nori-raft", Unit, "sends commands to witnesses";
    /// Dissertation §6.4.1 assumes a bounded drift: a clock that jumped had none.
    LeaseOutlivesPause: "nori-raft", Unit,
        "goes by its lease after a pause or a jump of its clock";
    /// Dissertation §3.10: a transfer that was given up is over, whenever its message arrives.
    StaleTransferHeeded: "nori-raft", Unit,
        "campaigns and votes for a transfer that the leader gave up";
    /// Raft §5.3 compares index and term.
    PrevTermNotCompared: "nori-raft", Cluster,
        "takes entries that follow on an index it has, whatever its term there";
    /// Raft figure 2, receiver step 3: only a conflict cuts. Repeated and delayed messages then
    /// take away what was acknowledged.
    DelayedAppendCuts: "nori-raft", Cluster, "cuts its log behind the last entry of a delayed append";
    /// Raft figure 2, receiver step 5: "index of last new entry".
    CommitsUnverified: "nori-raft", Cluster,
        "commits up to the end of its log, not of what the leader verified";
    /// An acknowledgement speaks of the leader's log, not of the follower's.
    AcksWholeLog: "nori-raft", Cluster, "acknowledges entries that are not the leader's";
    /// Raft figure 13, step 6: "retain log entries following it". Upstream's compaction dropped them.
    SnapshotDropsTail: "nori-raft", Unit, "drops the entries behind a snapshot with those below";
    /// Alagappan et al., FAST '18: what was acknowledged may be committed.
    VotesWhileDamaged: "nori-raft", Cluster, "votes though it lost entries that it acknowledged";
    /// The same: an acknowledgement speaks of everything before it.
    AcksWhatItLost: "nori-raft", Unit, "acknowledges entries behind one that it lost";
    /// What peers have there may be of another leader, and void.
    RepairTakesAnyTerm: "nori-raft", Unit, "repairs its log with entries of any term";
    /// What stands behind a lost entry was acknowledged, too.
    RepairCuts: "nori-raft", Cluster, "stores what it repaired as if it cut what follows";
    /// The log may have been replaced while it was read.
    FetchedOfAnyTerm: "nori-raft", Unit, "uses entries that it read back whatever their term";
    /// A log's writes may finish in any order.
    LaterWriteCompletesEarlier: "nori-raft", Unit,
        "takes a write that finished for all that were issued before it";
    /// The commit index outlives the entries that it speaks of.
    AppliesWhatItLost: "nori-raft", Unit, "hands out what is committed though it lost entries of it";
    /// Raft §5.3: "decrements nextIndex and retries".
    NeverStepsBack: "nori-raft", Cluster, "asks again at the place that the follower refused";

    /// Upstream decided compare-and-set where it was proposed: 16 of 16 concurrent ones succeeded.
    CasNotDecidedAtApply: "norikv-node", Cluster, "writes without looking at what was expected";
    /// A start that was too quick to be missed has forgotten that it led. No run shows it: the
    /// connection that was lost tells the same, and the replica that began anew campaigns itself.
    NewStartUnnoticed: "norikv-node", Unit,
        "leaves groups asleep under a leader that came back as another start";
    /// A repeated request is then a second write.
    SessionsIgnored: "norikv-node", Cluster, "executes a named write again when it is repeated";
    /// The repetition did not write, so its own version is nobody's.
    RepeatAnsweredAnew: "norikv-node", Cluster,
        "answers a repeated write with the version of the repetition";
    /// Upstream bound a name to no request.
    NameBoundToNoRequest: "norikv-node", Unit,
        "answers another request of the same name with the first one's answer";
    /// Each replica has its own; they then differ in what has ended.
    ExpiryByLocalClock: "norikv-node", Cluster, "judges what has ended by its own clock";
    /// A page that ends within what it says was seen.
    WatchSkipsAVersion: "norikv-node", Cluster, "leaves the last event of a page of a watch out";
    /// The replicated time is the highest stamp so far: a leader whose clock is behind would bring
    /// back what had ended.
    StampGoesBack: "norikv-node", Cluster, "takes the stamp of each command for the time";
    /// A cursor stands behind what was told.
    WatchRepeats: "norikv-node", Cluster, "tells the events at the cursor again";
    /// What a snapshot skips was seen by nobody here.
    WatchOverSnapshot: "norikv-node", Cluster,
        "goes on with a watch over a snapshot, without what lies under it";
    /// What lies between a scan and the watch behind it is then missed.
    ScanCursorAhead: "norikv-node", Cluster, "says that a scan read an entry more than it did";
    /// Steps of a transaction happen one after another.
    StepsMissEachOther: "norikv-node", Cluster,
        "has steps read what was there before the transaction";
    /// The session table is part of the state machine.
    SnapshotWithoutSessions: "norikv-node", Cluster, "leaves the sessions out of snapshots";
    /// Dissertation §6.4, step 4: wait until the read index is applied.
    ReadsBeforeApplied: "norikv-node", Cluster,
        "reads before everything up to the read index is applied";
    /// Upstream: concurrent proposals shared an index and all were acknowledged.
    OutcomeByIndexAlone: "norikv-node", Cluster,
        "takes the outcome of another term's entry at the same index for its own";
    /// A write that bears no name must not be tried twice.
    LostWriteProposedAgain: "norikv-node", Cluster,
        "proposes a write anew though the first one may yet be applied";
    /// Upstream's compaction dropped entries that were still needed.
    LogReleasedUnflushed: "norikv-node", Cluster,
        "releases log that is applied but not flushed";
    /// Off by one in what was applied.
    RestartAppliesLastAgain: "norikv-node", Cluster,
        "executes the last applied entry again after a restart";
    /// A table at the head of a segment takes the place of the segments before it.
    TableForgetsVote: "norikv-node", Cluster,
        "restates a group's term without its vote when the log rotates";
    /// A rewritten entry is not a new one.
    RewriteCuts: "norikv-node", Cluster,
        "takes a relocated entry for an append that cuts what follows";

    /// Written to the cache of the device is not written.
    CommitUnsynced: "nori-wal", Cluster, "calls a group durable without a sync";
    /// Failed syncs lose data; the next one that succeeds says nothing about it.
    SyncErrorSwallowed: "nori-wal", Cluster, "calls a group durable although its sync failed";
    /// The link that names the next segment.
    RotationUnsynced: "nori-wal", Storage, "does not sync the end of a segment at rotation";
    /// Creates and deletes reach the disk in any order.
    ReleaseWithoutBarrier: "nori-wal", Storage,
        "releases segments without a barrier between them";
    /// What was read back is not thereby durable.
    BridgeUnsynced: "nori-wal", Cluster, "does not sync what opening rewrites";
    /// Found in other logs: a silent hole.
    BadRecordSkipped: "nori-wal", Storage, "skips bad records and replays what follows";
    /// Found in other logs.
    OneSegmentReplayed: "nori-wal", Cluster, "replays only the first segment";
    /// Rot in acknowledged bytes then looks like a torn tail.
    WatermarkNotCarried: "nori-wal", Storage, "does not say in its frames how far it had synced";

    /// The runs of level 0 overlap: moving down a newer one uncovers an older one.
    NewestRunCompactedAlone: "nori-lsm", Storage,
        "compacts the newest run of level 0 below the older ones";
    /// The older of two versions wins.
    OldestRunFirst: "nori-lsm", Storage, "searches level 0 from its oldest run on";
    /// A deleted key is there again.
    TombstoneDroppedEarly: "nori-lsm", Storage,
        "drops tombstones though older versions lie further down";
    /// Found in other engines: during a flush an acknowledged key is not found.
    WaitingMemtablesNotSearched: "nori-lsm", Storage,
        "does not search memtables that wait for their flush";
    /// Found in other engines: the last level is not searched.
    LowerLevelsNotSearched: "nori-lsm", Storage, "searches no level below the first";
    /// A snapshot is a seqno.
    SnapshotSeesLater: "nori-lsm", Storage, "shows a snapshot what was written after it";
    /// Found in other engines.
    IterGivesDeleted: "nori-lsm", Storage, "gives deleted keys in scans";
    /// An edit counts once it is synced.
    EditUnsynced: "nori-lsm", Storage, "does not sync the manifest";
    /// Found in other engines.
    TablesDeletedBeforeEdit: "nori-lsm", Storage,
        "deletes the inputs of a compaction before the manifest names the outputs";
    /// The log of what is only in memory is all there is of it.
    UnflushedLogReleased: "nori-lsm", Storage,
        "releases the log of the active memtable with that of the flushed one";
    /// Found in other engines: after a crash a new file overwrites a live one.
    TableNumberReused: "nori-lsm", Storage, "gives a table the number of another after a restart";
    /// Found in other engines: a table that cannot be read holds nothing.
    DamagedReadAsAbsent: "nori-lsm", Storage, "takes a table that cannot be read for an empty one";
    /// Found in other engines.
    ObsoleteTablesKept: "nori-lsm", Storage, "never deletes the inputs of a compaction";
    /// A snapshot of a group replaces all of it.
    ReplacedRangeKeepsKeys: "nori-lsm", Cluster,
        "keeps keys of a range that is replaced by a snapshot without them";

    /// Found in other engines: one flipped byte is a wrong value.
    BlockNotVerified: "nori-sstable", Storage, "reads blocks without looking at their checksums";
    /// An index that is searched with "after" for "not before".
    BoundaryKeyMissed: "nori-sstable", Storage, "looks for the last key of a block in the next";
    /// A filter must be asked what it was told.
    FilterHashesPrefix: "nori-sstable", Storage,
        "hashes the first 8 bytes of a key into the filter";

    /// SWIM §4.2: a suspect that does not refute is faulty.
    SuspicionNeverExpires: "nori-swim", Gossip, "waits for ever for a suspect to refute";
    /// SWIM §4.2: only a higher incarnation overrides a suspicion.
    RefutationNotRaised: "nori-swim", Gossip, "refutes without raising its incarnation";
    /// Upstream's indirect probes never came back.
    IndirectAckDropped: "nori-swim", Unit, "does not pass on what an indirect probe found";
    /// Upstream sent every gossip message once.
    RumourSentOnce: "nori-swim", Unit, "sends each rumour once";
    /// SWIM §4.2: only a member itself knows how it is.
    BelievesOthersOfItself: "nori-swim", Gossip,
        "takes in what is said of itself like what is said of others";
    /// Two halves that took each other for faulty never meet again.
    FaultyNeverTriedAgain: "nori-swim", Gossip, "never asks a faulty member whether it is back";
    /// SWIM §4.2: what was said before a verdict does not undo it.
    OldAliveRevives: "nori-swim", Gossip, "believes old news that a faulty member is alive";
}

#[cfg(all(test, feature = "mutants"))]
mod tests;
