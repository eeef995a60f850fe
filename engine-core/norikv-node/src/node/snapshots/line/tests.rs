use super::*;

#[test]
fn those_who_wait_go_on_in_order_as_places_become_free() {
    let mut line = Line::default();
    for key in [5, 3, 9, 1] {
        line.enter(key);
    }
    assert_eq!(
        (line.admit(2), line.admit(2), line.admit(2)),
        (Some(5), Some(3), None)
    );
    assert!(line.is_streaming(5) && line.has_waiting());
    line.enter(3);
    line.leave(9);
    line.leave(5);
    assert_eq!((line.admit(2), line.admit(2)), (Some(1), None));
    assert!(!line.has_waiting());
}

#[test]
fn one_that_gives_its_place_away_goes_to_the_end() {
    let mut line = Line::default();
    for key in [1, 2, 3] {
        line.enter(key);
    }
    assert_eq!(line.admit(1), Some(1));
    line.leave(1);
    line.enter(1);
    assert_eq!(line.admit(1), Some(2));
    line.leave(2);
    assert_eq!(line.admit(1), Some(3));
    line.leave(3);
    assert_eq!(line.admit(1), Some(1));
}

#[test]
fn there_is_always_one_place() {
    let mut line = Line::default();
    line.enter(7);
    assert_eq!(line.admit(0), Some(7));
}
