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
    tally.count(NodeId(1), false);
    tally.count(NodeId(2), false);
    tally.count(NodeId(2), true);
    let votes = (1..=3).map(|id| tally.vote(NodeId(id)));
    assert!(votes.eq([Some(true), Some(false), None]));
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
fn a_restart_silences_candidates_for_the_minimum_timeout() {
    let config = config();
    let election = Election::new(&config, false, ms(500));
    assert!(election.must_ignore_candidates(&config, ms(649)));
    assert!(!election.must_ignore_candidates(&config, ms(650)));
}

#[test]
fn a_campaign_that_leads_nowhere_is_repeated_soon_and_then_less_and_less() {
    let config = config();
    let mut election = Election::new(&config, true, Mono::ZERO);
    let mut now = ms(1_000);
    let mut waits = Vec::new();
    for _ in 0..6 {
        election.begin_campaign(&config, now);
        waits.push(election.deadline().since(now).as_millis());
        now = election.deadline();
    }
    assert!((18..=37).contains(&waits[0]), "{waits:?}");
    assert!((37..=75).contains(&waits[1]), "{waits:?}");
    assert!(waits[4] >= 150 && waits[5] >= 150, "{waits:?}");
    assert!(waits.iter().all(|wait| *wait <= 300), "{waits:?}");
    election.heard(&config, now);
    election.begin_campaign(&config, now);
    assert!(election.deadline() <= now + Duration::from_millis(38));
}

#[test]
fn whoever_grants_a_pre_vote_lets_the_other_one_campaign_first() {
    let config = config();
    let mut election = Election::new(&config, true, Mono::ZERO);
    let due = election.deadline();
    election.give_way(&config, due);
    assert!(election.deadline() >= due + config.election_timeout_min / 4);
    // One that waits for longer anyway goes on waiting.
    election.restart(&config, due);
    let later = election.deadline();
    election.give_way(&config, due);
    assert_eq!(election.deadline(), later);
}

#[test]
fn a_broken_connection_to_the_leader_brings_the_campaign_forward_but_not_into_its_lease() {
    for seed in 0..50 {
        let config = Config::new(NodeId(1), (1..=3).map(NodeId), seed);
        let mut election = Election::new(&config, true, Mono::ZERO);
        election.heard(&config, ms(1_000));
        let before = election.deadline();
        election.leader_lost(&config, ms(1_010));
        assert!(election.deadline() <= before);
        assert!(election.deadline() >= ms(1_150));
        assert!(election.deadline() <= ms(1_188));
        assert!(!election.must_ignore_candidates(&config, election.deadline()));
    }
}
