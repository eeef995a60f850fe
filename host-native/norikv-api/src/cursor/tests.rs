use super::*;

fn positions() -> Vec<(GroupId, LogIndex)> {
    let indexes = [0, 1, 127, 128, 300, u64::MAX];
    let positions = indexes.iter().zip([0, 1, 2, 7, 1_000, u32::MAX]);
    positions
        .map(|(index, group)| (GroupId(group), LogIndex(*index)))
        .collect()
}

#[test]
fn positions_survive_their_text() {
    for count in 0..=positions().len() {
        let own = &positions()[..count];
        assert_eq!(parse(&format(own)).as_deref(), Ok(own));
    }
    assert_eq!(parse(""), Ok(Vec::new()));
}

#[test]
fn the_layout_is_as_written() {
    let text = format(&[(GroupId(0), LogIndex(5)), (GroupId(1), LogIndex(300))]);
    assert_eq!(
        URL_SAFE_NO_PAD.decode(&text).unwrap(),
        [1, 2, 0, 5, 1, 0xac, 2]
    );
    assert_eq!(text, "AQIABQGsAg");
}

#[test]
fn what_is_no_cursor_is_refused() {
    let text = format(&positions());
    for len in 1..text.len() {
        assert!(parse(&text[..len]).is_err(), "{len} characters");
    }
    let twice = [(GroupId(1), LogIndex(1)), (GroupId(1), LogIndex(2))];
    for bad in ["!", "AgA", &format!("{text}AA"), &format(&twice)] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
