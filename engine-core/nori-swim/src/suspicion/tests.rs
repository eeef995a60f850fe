use super::*;

fn config() -> Config {
    Config::new(NodeId(1), 7, 1)
}

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// Lifeguard §III: with no confirmation the maximum, with k of them the minimum.
#[test]
fn confirmations_shrink_the_timeout_from_the_maximum_to_the_minimum() {
    let timing = Timing::new(&config(), 10);
    assert_eq!(
        timing,
        Timing {
            min: secs(4),
            max: secs(24),
            wanted: 3
        }
    );
    let timeouts = [0, 1, 2, 3, 9].map(|confirmations| timing.timeout(confirmations));
    assert_eq!(
        timeouts,
        [
            secs(24),
            secs(14),
            Duration::from_millis(8_160),
            secs(4),
            secs(4)
        ]
    );
}

#[test]
fn larger_clusters_wait_longer() {
    let min = |live| Timing::new(&config(), live).min;
    assert_eq!(
        [min(1), min(3), min(10), min(100), min(1_000)].map(|d| d.as_secs()),
        [4, 4, 4, 8, 12]
    );
}

#[test]
fn a_cluster_too_small_to_confirm_uses_the_minimum_at_once() {
    for live in 0..5 {
        let timing = Timing::new(&config(), live);
        assert_eq!(
            (timing.wanted, timing.timeout(0)),
            (0, secs(4)),
            "{live} live"
        );
    }
    assert_eq!(Timing::new(&config(), 5).wanted, 3);
}

#[test]
fn an_accuser_counts_once_and_no_more_than_wanted_count() {
    let mut suspicions = Suspicions::default();
    let suspect = NodeId(9);
    suspicions.start(suspect, NodeId(2), Mono::ZERO, Timing::new(&config(), 10));
    assert_eq!(suspicions.next_deadline(), Some(Mono::ZERO + secs(24)));
    assert!(
        !suspicions.confirm(suspect, NodeId(2), Mono::ZERO),
        "the first accuser confirms nothing"
    );
    assert!(suspicions.confirm(suspect, NodeId(3), Mono::ZERO));
    assert!(!suspicions.confirm(suspect, NodeId(3), Mono::ZERO));
    assert!(suspicions.confirm(suspect, NodeId(4), Mono::ZERO));
    assert!(suspicions.confirm(suspect, NodeId(5), Mono::ZERO));
    assert!(!suspicions.confirm(suspect, NodeId(6), Mono::ZERO));
    assert_eq!(suspicions.next_deadline(), Some(Mono::ZERO + secs(4)));
    assert_eq!(suspicions.accuser(suspect), Some(NodeId(2)));
}

#[test]
fn time_in_which_nobody_listened_does_not_count() {
    let mut suspicions = Suspicions::default();
    suspicions.start(NodeId(9), NodeId(2), Mono::ZERO, Timing::new(&config(), 3));
    suspicions.postpone(secs(100));
    assert_eq!(suspicions.expired(Mono::ZERO + secs(103)), None);
    assert_eq!(suspicions.expired(Mono::ZERO + secs(104)), Some(NodeId(9)));
}

#[test]
fn a_confirmation_ends_a_suspicion_at_once_but_not_in_the_past() {
    let mut suspicions = Suspicions::default();
    let timing = Timing {
        min: secs(4),
        max: secs(24),
        wanted: 1,
    };
    suspicions.start(NodeId(9), NodeId(2), Mono::ZERO, timing);
    let late = Mono::ZERO + secs(15);
    assert!(suspicions.confirm(NodeId(9), NodeId(3), late));
    assert_eq!(suspicions.next_deadline(), Some(late));
}
