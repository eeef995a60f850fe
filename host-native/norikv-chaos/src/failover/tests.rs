use super::*;

#[test]
fn a_percentile_is_the_time_that_so_many_did_not_exceed() {
    let spread = Spread::of((1..=100).rev().collect());
    let expected = Spread {
        p50: 50,
        p90: 90,
        p99: 99,
        max: 100,
    };
    assert_eq!(spread, expected);
    assert_eq!(
        Spread::of(vec![7]),
        Spread {
            p50: 7,
            p90: 7,
            p99: 7,
            max: 7
        }
    );
    assert_eq!(Spread::of(Vec::new()).max, 0);
}

#[test]
fn an_outage_lasts_until_the_last_group_is_back() {
    let kill = Kill {
        node: 1,
        groups: vec![(0, 310), (4, 520), (7, 420)],
    };
    assert_eq!(kill.outage_ms(), 520);
    let text = Failover { kills: vec![kill] }.text();
    assert!(text.contains("520"), "{text}");
}
