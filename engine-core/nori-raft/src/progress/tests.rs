use super::*;

const START: LogIndex = LogIndex(0);

fn probing(next: u64) -> Peer {
    Peer::new(NodeId(2), LogIndex(next), Mono::ZERO)
}

fn accept(peer: &mut Peer, round: u64, matched: u64, received: u64) {
    peer.accepted(round, LogIndex(matched), LogIndex(received), None, START);
    peer.answered(round, Mono::ZERO);
}

#[test]
fn a_probe_that_fits_starts_the_stream_after_what_was_received() {
    let mut peer = probing(5);
    accept(&mut peer, 1, 2, 3);
    assert_eq!(peer.state(), PeerState::Probe, "the guess is still open");
    accept(&mut peer, 1, 2, 6);
    assert_eq!(peer.state(), PeerState::Replicate);
    assert_eq!(
        (peer.match_index, peer.next_index()),
        (LogIndex(2), LogIndex(7))
    );
}

#[test]
fn a_probe_that_was_compacted_meanwhile_is_given_up() {
    let mut peer = probing(5);
    peer.accepted(1, LogIndex(2), LogIndex(2), None, LogIndex(9));
    assert_eq!(peer.next_index(), LogIndex(3));
}

#[test]
fn a_refused_probe_steps_back_but_never_below_what_matched() {
    let mut peer = probing(9);
    peer.rejected(LogIndex(8), LogIndex(8));
    assert_eq!(peer.next_index(), LogIndex(8), "below what was refused");
    peer.rejected(LogIndex(8), LogIndex(3));
    assert_eq!(peer.next_index(), LogIndex(8), "stale");
    peer.rejected(LogIndex(7), LogIndex(3));
    assert_eq!(peer.next_index(), LogIndex(4));
    accept(&mut peer, 1, 3, 3);
    peer.rejected(LogIndex(3), LogIndex(1));
    assert_eq!(peer.state(), PeerState::Replicate, "stale: it matched");
}

#[test]
fn match_indexes_never_fall() {
    let mut peer = probing(1);
    accept(&mut peer, 1, 7, 7);
    accept(&mut peer, 1, 4, 4);
    assert_eq!(peer.match_index, LogIndex(7));
    peer.unreachable();
    assert_eq!(peer.next_index(), LogIndex(8));
}

#[test]
fn the_window_counts_messages_and_bytes_and_lets_one_through() {
    let mut config = Config::new(NodeId(1), [NodeId(1), NodeId(2)], 0);
    config.inflight_messages_max = 2;
    config.inflight_bytes_max = 100;
    let mut inflight = Inflight::default();
    assert!(inflight.has_room(&config));
    inflight.add(LogIndex(3), 1_000);
    assert!(!inflight.has_room(&config), "bytes");
    inflight.free_to(LogIndex(2));
    assert!(!inflight.has_room(&config), "only in whole messages");
    inflight.free_to(LogIndex(3));
    inflight.add(LogIndex(4), 1);
    assert!(inflight.has_room(&config));
    inflight.add(LogIndex(5), 1);
    assert!(!inflight.has_room(&config), "messages");
}

#[test]
fn a_loss_is_seen_after_a_while_without_the_entries() {
    let config = Config::new(NodeId(1), [NodeId(1), NodeId(2)], 0);
    let mut peer = probing(1);
    accept(&mut peer, 1, 4, 4);
    if let Progress::Replicate { next_index, .. } = &mut peer.progress {
        *next_index = LogIndex(9);
    }
    peer.look_for_losses(&config, Mono::ZERO);
    assert_eq!(peer.state(), PeerState::Replicate, "give it time");
    peer.look_for_losses(&config, Mono::ZERO + config.election_timeout_min);
    assert_eq!(
        (peer.state(), peer.next_index()),
        (PeerState::Probe, LogIndex(5))
    );
}

#[test]
fn a_slow_disk_is_no_loss() {
    let config = Config::new(NodeId(1), [NodeId(1), NodeId(2)], 0);
    let mut peer = probing(1);
    accept(&mut peer, 1, 4, 8);
    peer.look_for_losses(&config, Mono::MAX);
    assert_eq!(peer.state(), PeerState::Replicate);
}

#[test]
fn a_peer_that_installs_a_snapshot_is_not_sent_another() {
    let mut peer = probing(1);
    peer.accepted(
        1,
        LogIndex(0),
        LogIndex(0),
        Some(LogIndex(50)),
        LogIndex(40),
    );
    assert!(!peer.needs_snapshot(LogIndex(40)));
    assert!(peer.needs_snapshot(LogIndex(60)), "that one is too old");
}
