//! What a replica keeps of its log in memory: what somebody lacks, and no more than it may.

use nori_raft::{Entries, Input, Output, Reader};
use norikv_types::{LogIndex, NodeId};

use crate::bench::{Bench, accepted, append, appends_to, entries, rejected};

/// The entries that `outputs` ask to be read back, and for whom.
fn asked(outputs: &[Output]) -> Option<(Reader, u64, u64)> {
    outputs.iter().find_map(|output| match output {
        Output::FetchEntries {
            reader,
            from,
            up_to,
            ..
        } => Some((*reader, from.0, up_to.0)),
        _ => None,
    })
}

/// A leader of three; peer 2 holds its log up to 3, which is committed, peer 3 holds `third` of it.
fn leader(third: u64) -> Bench {
    let mut bench = Bench::leader(3);
    for peer in [2, 3] {
        bench.receive(peer, 1, accepted(1, 1, 1));
    }
    bench.propose(1);
    bench.propose(2);
    bench.all_durable();
    bench.receive(2, 1, accepted(1, 3, 3));
    bench.receive(3, 1, accepted(1, third, third));
    assert_eq!(bench.commit_index(), 3);
    bench
}

#[test]
fn what_a_peer_lacks_is_sent_from_memory() {
    let mut bench = leader(1);
    bench.input(Input::Unreachable(NodeId(3)));
    let outputs = bench.receive(3, 1, accepted(1, 1, 1));
    assert_eq!(asked(&outputs), None);
    assert_eq!(appends_to(&outputs, 3), [(1, 2, 1)]);
}

#[test]
fn what_every_peer_holds_leaves_memory() {
    let mut bench = leader(3);
    bench.input(Input::PeerForgot(NodeId(3)));
    bench.time_out();
    bench.receive(3, 1, rejected(2, 3, (0, 0)));
    let outputs = bench.receive(3, 1, accepted(2, 0, 0));
    assert_eq!(asked(&outputs), Some((Reader::Peer(NodeId(3)), 1, 3)));
}

#[test]
fn a_follower_keeps_nothing_that_it_handed_out() {
    let mut bench = Bench::fresh(3);
    bench.receive(2, 1, append((0, 0), &[1, 1], 0, 1));
    bench.all_durable();
    bench.receive(2, 1, append((1, 2), &[1], 2, 1));
    bench.all_durable();
    // It leads, and finds that the others lack everything.
    bench.lead();
    bench.receive(3, 2, rejected(1, 3, (0, 0)));
    let outputs = bench.receive(3, 2, accepted(1, 0, 0));
    assert_eq!(asked(&outputs), Some((Reader::Peer(NodeId(3)), 1, 2)));
    let read: Entries = entries(1, &[1, 1]).into();
    let outputs = bench.input(Input::EntriesFetched {
        reader: Reader::Peer(NodeId(3)),
        from: LogIndex(1),
        entries: Some(read),
    });
    // The third was not committed then.
    assert_eq!(appends_to(&outputs, 3), [(0, 2, 1), (2, 2, 1)]);
}
