//! What this transport knows about each of the node's lanes: one stream each, so that bulk never
//! stands before a heartbeat.

use norikv_node::Lane;

/// Every lane, in the order of their numbers.
pub(crate) const ALL: [Lane; 4] = [Lane::Control, Lane::Append, Lane::Snapshot, Lane::Forward];

/// The number that stands for the lane in a hello; kept for ever.
pub(crate) const fn number(lane: Lane) -> u8 {
    match lane {
        Lane::Control => 1,
        Lane::Append => 2,
        Lane::Snapshot => 3,
        Lane::Forward => 4,
    }
}

/// The lane of `number`.
pub(crate) const fn of_number(number: u8) -> Option<Lane> {
    match number {
        1 => Some(Lane::Control),
        2 => Some(Lane::Append),
        3 => Some(Lane::Snapshot),
        4 => Some(Lane::Forward),
        _ => None,
    }
}

/// Which stream goes first when there is not room for all: higher first.
pub(crate) const fn priority(lane: Lane) -> i32 {
    match lane {
        Lane::Control => 3,
        Lane::Append => 2,
        Lane::Forward => 1,
        Lane::Snapshot => 0,
    }
}

/// Position in an array over [`ALL`].
pub(crate) const fn index(lane: Lane) -> usize {
    number(lane) as usize - 1
}

/// Whether the oldest frame gives way when the queue is full. Raft sends again what is lost there;
/// a forwarded call or a piece of a snapshot has to be refused instead.
pub(crate) const fn drops_oldest(lane: Lane) -> bool {
    matches!(lane, Lane::Control | Lane::Append)
}
