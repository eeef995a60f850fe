use super::*;

fn ms(millis: u64) -> Mono {
    Mono::ZERO + Duration::from_millis(millis)
}

#[test]
fn no_lease_without_a_confirmed_round() {
    let mut lease = Lease::new(Duration::from_millis(100));
    lease.begin(1, ms(10));
    assert!(!lease.holds(ms(10)));
    assert_eq!(lease.until(), None);
}

#[test]
fn a_lease_counts_from_the_send_time_of_the_newest_confirmed_round() {
    let mut lease = Lease::new(Duration::from_millis(100));
    lease.begin(1, ms(10));
    lease.begin(2, ms(50));
    lease.begin(3, ms(90));
    lease.confirm(2);
    assert_eq!(lease.until(), Some(ms(150)));
    assert!(lease.holds(ms(149)));
    assert!(!lease.holds(ms(150)), "its end is outside");
}

#[test]
fn an_old_round_shortens_nothing() {
    let mut lease = Lease::new(Duration::from_millis(100));
    lease.begin(1, ms(10));
    lease.begin(2, ms(50));
    lease.confirm(2);
    lease.confirm(1);
    assert_eq!(lease.until(), Some(ms(150)));
}
