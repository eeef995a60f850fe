use core::time::Duration;

use norikv_types::Mono;

use super::Rate;

fn at(ms: u64) -> Mono {
    Mono::ZERO + Duration::from_millis(ms)
}

#[test]
fn what_was_read_is_paid_with_time() {
    let rate = Rate::new(1_000_000);
    assert_eq!(rate.due(at(0)), None);
    rate.charge(at(0), 100_000);
    assert_eq!(rate.due(at(0)), Some(at(100)));
    rate.charge(at(50), 100_000);
    assert_eq!(rate.due(at(199)), Some(at(200)));
    assert_eq!(rate.due(at(200)), None);
}

#[test]
fn time_in_which_nothing_was_read_is_not_saved_up() {
    let rate = Rate::new(1_000);
    rate.charge(at(60_000), 1_000);
    assert_eq!(rate.due(at(60_000)), Some(at(61_000)));
}

#[test]
fn without_a_rate_everything_is_due() {
    let rate = Rate::new(0);
    rate.charge(at(0), u64::MAX);
    assert_eq!(rate.due(at(0)), None);
}

#[test]
fn a_rate_of_a_byte_a_second_owes_an_hour_at_most_for_a_piece() {
    let rate = Rate::new(1);
    rate.charge(at(0), u64::MAX);
    assert_eq!(rate.due(at(0)), Some(at(3_600_000)));
}
