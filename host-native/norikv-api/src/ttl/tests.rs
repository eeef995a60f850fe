use super::*;

#[test]
fn times_are_read_as_they_are_meant() {
    let read = ["1500ms", "30s", "5m", "2h", "7d", "60", "1ms"].map(|text| parse(text).unwrap());
    assert_eq!(
        read,
        [1_500, 30_000, 300_000, 7_200_000, 604_800_000, 60_000, 1]
    );
}

#[test]
fn what_is_no_time_is_refused() {
    for bad in [
        "",
        "s",
        "0",
        "0ms",
        "-1s",
        "1.5s",
        "5 m",
        "1w",
        "99999999999999999999",
        "9999999999999999999d",
    ] {
        assert!(parse(bad).is_err(), "{bad}");
    }
}
