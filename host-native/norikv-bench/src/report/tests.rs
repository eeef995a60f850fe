use super::short;

#[test]
fn figures_are_written_short_and_with_thousands_apart() {
    let cases = [
        (0.0, "0.00"),
        (0.456, "0.46"),
        (12.34, "12.3"),
        (999.4, "999"),
        (1_000.0, "1,000"),
        (123_456.7, "123,457"),
        (12_345_678.0, "12,345,678"),
    ];
    for (figure, text) in cases {
        assert_eq!(short(figure), text);
    }
}
