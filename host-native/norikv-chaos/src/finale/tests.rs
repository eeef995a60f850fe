use bytes::Bytes;
use norikv_types::{LogIndex, Term, Version};

use super::{Contents, difference, pass_over_late};

fn contents(of: &[(&'static str, u64)]) -> Contents {
    let record = |(key, index): &(&'static str, u64)| {
        let (term, index) = (Term(1), LogIndex(*index));
        let value = Bytes::copy_from_slice(&index.0.to_le_bytes());
        (
            Bytes::from_static(key.as_bytes()),
            (value, Version { term, index }),
        )
    };
    of.iter().map(record).collect()
}

/// What differs when the log ended at 10 before.
fn seen(before: &[(&'static str, u64)], after: &[(&'static str, u64)]) -> Option<String> {
    let (mut before, mut after) = (contents(before), contents(after));
    pass_over_late(&mut before, &mut after, |_, version| version.index.0 > 10);
    difference(&before, &after)
}

#[test]
fn a_write_that_came_late_is_no_difference() {
    assert_eq!(seen(&[("a", 1)], &[("a", 1), ("b", 11)]), None);
    assert_eq!(seen(&[("a", 1)], &[("a", 12)]), None);
}

#[test]
fn what_was_there_before_is_missed_and_an_older_value_is_seen() {
    assert!(seen(&[("a", 1), ("b", 2)], &[("a", 1)]).is_some());
    assert!(seen(&[("a", 9)], &[("a", 3)]).is_some());
    assert!(seen(&[("a", 1)], &[("a", 1), ("b", 5)]).is_some());
}
