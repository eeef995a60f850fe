use proptest::collection::vec;
use proptest::prelude::*;

use super::*;

fn round_trip(format: &Format, record: &Record) -> Result<Record, String> {
    let mut line = Vec::new();
    format.write(record, &mut line)?;
    assert_eq!(line.pop(), Some(b'\n'));
    assert!(!line.contains(&b'\n'), "a record is one line");
    format.read(&line)
}

proptest! {
    #[test]
    fn any_record_comes_back_from_any_format_that_takes_it(
        key in vec(any::<u8>(), 1..40),
        value in vec(any::<u8>(), 0..80),
    ) {
        let record = Record { key: key.into(), value: value.into() };
        for format in [Format::Tsv, Format::Ndjson] {
            prop_assert_eq!(round_trip(&format, &record), Ok(record.clone()));
        }
        // Random bytes are hardly ever JSON: this dialect must refuse them, not bend them.
        let field = Format::NdjsonField("id".to_owned());
        if let Ok(back) = round_trip(&field, &record) {
            prop_assert_eq!(back, record);
        }
    }

    #[test]
    fn no_line_makes_a_reader_panic(line in vec(any::<u8>(), 0..80)) {
        for format in [Format::Tsv, Format::Ndjson, Format::NdjsonField("id".to_owned())] {
            let _outcome = format.read(&line);
        }
    }
}

#[test]
fn a_line_with_a_key_field_is_its_own_value() {
    let format = Format::NdjsonField("id".to_owned());
    let line = br#"{ "id" : "a\u00e9",  "n": 1.50 }"#;
    let record = format.read(line).unwrap();
    assert_eq!(&record.key[..], "aé".as_bytes());
    assert_eq!(&record.value[..], line);
    assert_eq!(round_trip(&format, &record), Ok(record));
}

#[test]
fn a_line_that_holds_no_record_says_why() {
    for (format, line, why) in [
        (Format::Tsv, &b"no tab"[..], "one tab"),
        (Format::Tsv, b"a\tb\tc", "one tab"),
        (Format::Tsv, b"a\\q\tb", "no escape"),
        (Format::Tsv, b"a\\x4\tb", "hexadecimal"),
        (Format::Tsv, b"a\tb\\", "backslash"),
        (Format::Ndjson, b"{\"key\":\"a\"}", "value"),
        (Format::Ndjson, b"nonsense", "JSON"),
        (Format::NdjsonField("id".into()), b"{\"no\":1}", "id"),
        (Format::NdjsonField("id".into()), b"{\"id\":[]}", "id"),
    ] {
        let refused = format.read(line).unwrap_err();
        assert!(refused.contains(why), "{refused} does not say {why}");
    }
}
