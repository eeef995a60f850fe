use core::time::Duration;

use super::*;

fn config() -> Config {
    Config::new(NodeId(1), (1..=3).map(NodeId), 4)
}

fn ms(millis: u64) -> Mono {
    Mono::ZERO + Duration::from_millis(millis)
}

#[test]
fn a_voter_counts_once_whatever_it_says_later() {
    let mut tally = Tally::default();
    tally.count(NodeId(1), true);
    tally.count(NodeId(1), true);
    tally.count(NodeId(1), false);
    assert!(!tally.won(2));
    assert!(!tally.lost(2, 3));
    tally.count(NodeId(2), true);
    assert!(tally.won(2));
}

#[test]
fn an_election_is_lost_when_no_majority_is_left() {
    let mut tally = Tally::default();
    tally.count(NodeId(2), false);
    assert!(!tally.lost(2, 3));
    tally.count(NodeId(3), false);
    assert!(tally.lost(2, 3));

    let mut even = Tally::default();
    even.count(NodeId(2), false);
    assert!(!even.lost(3, 4));
    even.count(NodeId(3), false);
    assert!(even.lost(3, 4), "two of four cannot make three");
}

#[test]
fn a_leaders_word_puts_the_campaign_off_and_silences_candidates() {
    let config = config();
    let mut election = Election::new(&config, true, Mono::ZERO);
    assert!(!election.must_ignore_candidates(&config, Mono::ZERO));
    election.heard(&config, ms(1_000));
    assert!(election.deadline() >= ms(1_150));
    assert!(election.must_ignore_candidates(&config, ms(1_149)));
    assert!(!election.must_ignore_candidates(&config, ms(1_150)));
}

#[test]
fn a_restart_silences_candidates_for_the_longest_timeout() {
    let config = config();
    let election = Election::new(&config, false, ms(500));
    assert!(election.must_ignore_candidates(&config, ms(799)));
    assert!(!election.must_ignore_candidates(&config, ms(800)));
}
