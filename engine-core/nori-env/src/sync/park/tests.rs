use super::*;

#[test]
fn a_wake_between_ticket_and_wait_is_not_missed() {
    let park = Park::new();
    let ticket = park.ticket();
    park.wake();
    assert_eq!(park.wait(ticket, None, &mut || false), Waited::Woken);
}

#[cfg(feature = "std")]
#[test]
fn a_wait_without_a_wake_times_out() {
    let park = Park::new();
    let waited = park.wait(park.ticket(), Some(Duration::from_millis(1)), &mut || true);
    assert_eq!(waited, Waited::TimedOut);
}

#[cfg(feature = "std")]
#[test]
fn a_sleeping_thread_is_woken() {
    let park = Park::new();
    let ticket = park.ticket();
    std::thread::scope(|scope| {
        let waiter = scope.spawn(|| park.wait(ticket, None, &mut || false));
        park.wake();
        assert_eq!(waiter.join().unwrap(), Waited::Woken);
    });
}

#[cfg(not(feature = "std"))]
#[test]
fn without_threads_the_waiter_steps_until_nothing_is_left() {
    let park = Park::new();
    let mut steps = 3;
    let waited = park.wait(park.ticket(), None, &mut || {
        steps -= 1;
        steps > 0
    });
    assert_eq!((waited, steps), (Waited::Idle, 0));
}

#[cfg(not(feature = "std"))]
#[test]
fn without_threads_a_step_that_wakes_ends_the_wait() {
    let park = Park::new();
    let waited = park.wait(park.ticket(), None, &mut || {
        park.wake();
        true
    });
    assert_eq!(waited, Waited::Woken);
}
