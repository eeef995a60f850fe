//! What can be done to a running cluster.

use std::fmt;
use std::time::Duration;

use norikv_types::Prng;
use serde::Serialize;

use crate::mesh::Link;

/// One thing that is done for a while and then undone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// SIGKILL; started again afterwards.
    Kill(Target),
    /// SIGTERM; must end by itself with success, and is started again afterwards.
    Stop(u64),
    /// SIGSTOP; SIGCONT afterwards.
    Pause(Target),
    /// The node's file system has no room; freed, and the node started again, afterwards.
    FillDisk(u64),
    /// The node's disk is lost, with everything on it; it starts with an empty one in its place.
    ReplaceDisk(u64),
    /// Something is wrong with some links between nodes.
    Network(Links, Trouble),
    /// The operator has another node lead.
    Transfer {
        /// This group.
        group: u32,
        /// The node that is to lead it.
        to: u64,
    },
    /// The operator takes a replica away, and has it back afterwards.
    Move {
        /// Of this group.
        group: u32,
        /// The node that holds it.
        node: u64,
    },
}

/// Whom a fault meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// A node by its number.
    Node(u64),
    /// Whoever leads this group then.
    Leader(u32),
    /// Every node at once.
    All,
}

/// Which links a fault meets. A link has a direction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Links {
    /// One direction.
    OneWay {
        /// From this node.
        from: u64,
        /// To this one.
        to: u64,
    },
    /// Both directions between two nodes, which still reach everybody else.
    Pair(u64, u64),
    /// Everything to and from the target.
    Around(Target),
}

/// What is wrong with a link.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// Nothing gets through.
    Cut,
    /// Packets take this long, one in twenty of them up to ten times as long, so that they overtake
    /// each other.
    Delay {
        /// At most, but for the tail.
        max: Duration,
    },
    /// So many packets in a million are lost.
    Lose {
        /// Parts per million.
        ppm: u32,
    },
    /// So many packets in a million arrive twice.
    Duplicate {
        /// Parts per million.
        ppm: u32,
    },
    /// Packets wait until the fault ends and arrive all at once then.
    Clog,
    /// Cut and whole by turns, this long each.
    Flap {
        /// Length of a turn.
        every: Duration,
    },
}

/// The kinds of faults, as they are drawn and counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// SIGKILL of one node.
    KillNode,
    /// SIGKILL of a group's leader.
    KillLeader,
    /// SIGKILL of all nodes at once.
    KillAll,
    /// SIGTERM of one node.
    StopNode,
    /// SIGSTOP of one node.
    PauseNode,
    /// SIGSTOP of a group's leader.
    PauseLeader,
    /// SIGSTOP of all nodes at once.
    PauseAll,
    /// No room on one node's file system.
    FillDisk,
    /// A node's disk replaced by an empty one.
    ReplaceDisk,
    /// One direction between two nodes is cut.
    CutOneWay,
    /// Two nodes do not reach each other; the others reach both.
    CutPair,
    /// One node is cut off.
    IsolateNode,
    /// A group's leader is cut off.
    IsolateLeader,
    /// Slow links with a heavy tail.
    Delay,
    /// Lossy links.
    Lose,
    /// Links that duplicate.
    Duplicate,
    /// Links that hold everything back for a while.
    Clog,
    /// Links that come and go.
    Flap,
    /// A leader moved by hand.
    TransferLeader,
    /// A replica taken away and given back.
    MoveReplica,
}

/// Who does what of a kind. What one does follows on one another; what several do overlaps.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Harm to processes and their disks.
    Processes,
    /// Trouble on links.
    Network,
    /// An operator's moves.
    Moves,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 20] = [
        Self::KillNode,
        Self::KillLeader,
        Self::KillAll,
        Self::StopNode,
        Self::PauseNode,
        Self::PauseLeader,
        Self::PauseAll,
        Self::FillDisk,
        Self::ReplaceDisk,
        Self::CutOneWay,
        Self::CutPair,
        Self::IsolateNode,
        Self::IsolateLeader,
        Self::Delay,
        Self::Lose,
        Self::Duplicate,
        Self::Clog,
        Self::Flap,
        Self::TransferLeader,
        Self::MoveReplica,
    ];

    /// Who does it.
    #[must_use]
    pub const fn lane(self) -> Lane {
        match self {
            Self::CutOneWay
            | Self::CutPair
            | Self::IsolateNode
            | Self::IsolateLeader
            | Self::Delay
            | Self::Lose
            | Self::Duplicate
            | Self::Clog
            | Self::Flap => Lane::Network,
            Self::TransferLeader | Self::MoveReplica => Lane::Moves,
            Self::KillNode
            | Self::KillLeader
            | Self::KillAll
            | Self::StopNode
            | Self::PauseNode
            | Self::PauseLeader
            | Self::PauseAll
            | Self::FillDisk
            | Self::ReplaceDisk => Lane::Processes,
        }
    }

    /// How often it is drawn, relative to the others of its lane.
    #[must_use]
    pub const fn rate(self) -> u32 {
        match self {
            Self::KillLeader | Self::PauseLeader => 4,
            Self::KillNode
            | Self::PauseNode
            | Self::CutOneWay
            | Self::CutPair
            | Self::IsolateLeader
            | Self::Flap => 3,
            Self::TransferLeader | Self::MoveReplica => 1,
            Self::StopNode
            | Self::FillDisk
            | Self::ReplaceDisk
            | Self::IsolateNode
            | Self::Delay
            | Self::Lose
            | Self::Clog => 2,
            Self::KillAll | Self::PauseAll | Self::Duplicate => 1,
        }
    }

    /// In words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::KillNode => "SIGKILL of a node",
            Self::KillLeader => "SIGKILL of a leader",
            Self::KillAll => "SIGKILL of all nodes at once",
            Self::StopNode => "SIGTERM of a node",
            Self::PauseNode => "SIGSTOP … SIGCONT of a node",
            Self::PauseLeader => "SIGSTOP … SIGCONT of a leader",
            Self::PauseAll => "SIGSTOP … SIGCONT of all nodes at once",
            Self::FillDisk => "full disk",
            Self::ReplaceDisk => "empty disk in place of a lost one",
            Self::CutOneWay => "link cut one way",
            Self::CutPair => "link cut both ways (bridge)",
            Self::IsolateNode => "node cut off",
            Self::IsolateLeader => "leader cut off",
            Self::Delay => "slow links, heavy tail, reordering",
            Self::Lose => "lossy links",
            Self::Duplicate => "duplicating links",
            Self::Clog => "clogged links",
            Self::Flap => "flapping links",
            Self::TransferLeader => "leader moved by hand",
            Self::MoveReplica => "replica moved away and back by hand",
        }
    }
}

impl Fault {
    /// A fault of this kind in a cluster of `nodes` (at least two) with `groups`.
    pub fn draw(kind: Kind, prng: &mut Prng, nodes: u64, groups: u32) -> Self {
        let one = 1 + prng.below(nodes);
        let other = 1 + (one - 1 + 1 + prng.below(nodes - 1)) % nodes;
        let group = u32::try_from(prng.below(u64::from(groups))).unwrap_or(0);
        let some = match prng.below(4) {
            0 => Links::OneWay {
                from: one,
                to: other,
            },
            1 => Links::Pair(one, other),
            2 => Links::Around(Target::Node(one)),
            _ => Links::Around(Target::All),
        };
        let millis = |from: u64, below: u64, prng: &mut Prng| {
            Duration::from_millis(from + prng.below(below - from))
        };
        let ppm = |from: u64, below: u64, prng: &mut Prng| {
            u32::try_from(from + prng.below(below - from)).unwrap_or(0)
        };
        match kind {
            Kind::KillNode => Self::Kill(Target::Node(one)),
            Kind::KillLeader => Self::Kill(Target::Leader(group)),
            Kind::KillAll => Self::Kill(Target::All),
            Kind::StopNode => Self::Stop(one),
            Kind::PauseNode => Self::Pause(Target::Node(one)),
            Kind::PauseLeader => Self::Pause(Target::Leader(group)),
            Kind::PauseAll => Self::Pause(Target::All),
            Kind::FillDisk => Self::FillDisk(one),
            Kind::ReplaceDisk => Self::ReplaceDisk(one),
            Kind::TransferLeader => Self::Transfer { group, to: one },
            Kind::MoveReplica => Self::Move { group, node: one },
            Kind::CutOneWay => Self::Network(
                Links::OneWay {
                    from: one,
                    to: other,
                },
                Trouble::Cut,
            ),
            Kind::CutPair => Self::Network(Links::Pair(one, other), Trouble::Cut),
            Kind::IsolateNode => Self::Network(Links::Around(Target::Node(one)), Trouble::Cut),
            Kind::IsolateLeader => {
                Self::Network(Links::Around(Target::Leader(group)), Trouble::Cut)
            }
            Kind::Delay => {
                let max = millis(5, 150, prng);
                Self::Network(some, Trouble::Delay { max })
            }
            Kind::Lose => {
                let ppm = ppm(20_000, 400_000, prng);
                Self::Network(some, Trouble::Lose { ppm })
            }
            Kind::Duplicate => {
                let ppm = ppm(100_000, 900_000, prng);
                Self::Network(some, Trouble::Duplicate { ppm })
            }
            Kind::Clog => Self::Network(some, Trouble::Clog),
            Kind::Flap => {
                let every = millis(50, 700, prng);
                Self::Network(some, Trouble::Flap { every })
            }
        }
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Kill(Target::Node(_)) => Kind::KillNode,
            Self::Kill(Target::Leader(_)) => Kind::KillLeader,
            Self::Kill(Target::All) => Kind::KillAll,
            Self::Stop(_) => Kind::StopNode,
            Self::Pause(Target::Node(_)) => Kind::PauseNode,
            Self::Pause(Target::Leader(_)) => Kind::PauseLeader,
            Self::Pause(Target::All) => Kind::PauseAll,
            Self::FillDisk(_) => Kind::FillDisk,
            Self::ReplaceDisk(_) => Kind::ReplaceDisk,
            Self::Transfer { .. } => Kind::TransferLeader,
            Self::Move { .. } => Kind::MoveReplica,
            Self::Network(links, Trouble::Cut) => match links {
                Links::OneWay { .. } => Kind::CutOneWay,
                Links::Pair(..) => Kind::CutPair,
                Links::Around(Target::Node(_) | Target::All) => Kind::IsolateNode,
                Links::Around(Target::Leader(_)) => Kind::IsolateLeader,
            },
            Self::Network(_, Trouble::Delay { .. }) => Kind::Delay,
            Self::Network(_, Trouble::Lose { .. }) => Kind::Lose,
            Self::Network(_, Trouble::Duplicate { .. }) => Kind::Duplicate,
            Self::Network(_, Trouble::Clog) => Kind::Clog,
            Self::Network(_, Trouble::Flap { .. }) => Kind::Flap,
        }
    }
}

impl Links {
    /// The links themselves, where `leader` leads whatever group they name.
    #[must_use]
    pub fn resolve(&self, nodes: u64, leader: Option<u64>) -> Vec<Link> {
        let around = |own: Option<u64>| {
            let all = (1..=nodes).flat_map(|from| (1..=nodes).map(move |to| Link { from, to }));
            all.filter(|link| link.from != link.to)
                .filter(|link| own.is_none_or(|own| link.from == own || link.to == own))
                .collect()
        };
        match *self {
            Self::OneWay { from, to } => vec![Link { from, to }],
            Self::Pair(a, b) => vec![Link { from: a, to: b }, Link { from: b, to: a }],
            Self::Around(Target::Node(node)) => around(Some(node)),
            Self::Around(Target::All) => around(None),
            Self::Around(Target::Leader(_)) => {
                leader.map_or_else(Vec::new, |own| around(Some(own)))
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Kill(target) => write!(f, "SIGKILL {target}"),
            Self::Stop(node) => write!(f, "SIGTERM node {node}"),
            Self::Pause(target) => write!(f, "SIGSTOP {target}"),
            Self::FillDisk(node) => write!(f, "full disk of node {node}"),
            Self::ReplaceDisk(node) => write!(f, "empty disk in place of node {node}'s"),
            Self::Transfer { group, to } => write!(f, "node {to} is to lead group {group}"),
            Self::Move { group, node } => {
                write!(f, "node {node}'s replica of group {group} away and back")
            }
            Self::Network(links, trouble) => write!(f, "{trouble}: {links}"),
        }
    }
}

impl fmt::Display for Target {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Node(node) => write!(f, "node {node}"),
            Self::Leader(group) => write!(f, "the leader of group {group}"),
            Self::All => f.write_str("all nodes"),
        }
    }
}

impl fmt::Display for Links {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::OneWay { from, to } => write!(f, "{from} → {to}"),
            Self::Pair(a, b) => write!(f, "{a} ↔ {b}"),
            Self::Around(target) => write!(f, "around {target}"),
        }
    }
}

impl fmt::Display for Trouble {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cut => f.write_str("cut"),
            Self::Delay { max } => write!(f, "delay up to {} ms", max.as_millis()),
            Self::Lose { ppm } => write!(f, "loss of {} %", ppm / 10_000),
            Self::Duplicate { ppm } => write!(f, "duplicates {} %", ppm / 10_000),
            Self::Clog => f.write_str("clogged"),
            Self::Flap { every } => write!(f, "flapping every {} ms", every.as_millis()),
        }
    }
}
