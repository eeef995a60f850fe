use norikv_client::{Consistency, Item};
use norikv_types::{LogIndex, Term};

use super::*;

fn version(term: u64, index: u64) -> Version {
    Version {
        term: Term(term),
        index: LogIndex(index),
    }
}

fn record() -> (Record, Arc<Findings>) {
    let findings = Arc::new(Findings::new());
    let nodes = [1, 2, 3].map(norikv_types::NodeId);
    let placement = Placement::new(&nodes, 8, 3).unwrap();
    (Record::new(placement, Arc::clone(&findings)), findings)
}

fn begin(record: &Record, op: Op) -> Begun {
    record.begin_op(&mut record.state.lock(), 1, 0, op)
}

fn put(record: &Record, key: u32) -> Begun {
    let expect = Expect::Any;
    begin(record, Op::Put { key, expect })
}

#[test]
fn an_epoch_is_given_once_when_it_is_over_and_nothing_of_it_is_under_way() {
    let (record, _) = record();
    let begun = put(&record, 1);
    assert!(record.next_settled().is_none());
    record.turn();
    assert!(record.next_settled().is_none());
    record.end(begun, Heard::Unknown);
    let (number, history) = record.next_settled().unwrap();
    assert_eq!((number, history.operations().len()), (0, 1));
    assert!(record.next_settled().is_none());
}

#[test]
fn one_write_with_two_versions_is_found() {
    let (record, findings) = record();
    let begun = put(&record, 3);
    let value = begun.write;
    record.end(begun, Heard::Written(version(1, 5)));
    let stale = Op::Get {
        key: 3,
        consistency: Consistency::StaleOk,
    };
    for seen in [version(1, 5), version(1, 9)] {
        let begun = begin(&record, stale);
        record.end(
            begun,
            Heard::Value(Some((value.bytes(VALUE_BYTES_MAX), seen))),
        );
    }
    assert_eq!(
        findings.all(),
        [Violation::Twice {
            write: value.0,
            versions: [version(1, 5), version(1, 9)]
        }]
    );
}

#[test]
fn two_writes_with_one_version_of_a_group_are_found() {
    let (record, findings) = record();
    let (first, second) = (put(&record, 4), put(&record, 4));
    record.end(first, Heard::Written(version(2, 7)));
    record.end(second, Heard::Written(version(2, 7)));
    assert!(matches!(
        findings.all()[..],
        [Violation::SharedVersion { .. }]
    ));
}

#[test]
fn bytes_that_nobody_wrote_are_found() {
    let (record, findings) = record();
    let begun = record.begin_get(1, 0, 6);
    let held = (Bytes::from_static(b"12345678rubbish"), version(1, 1));
    record.end(begun, Heard::Value(Some(held)));
    let key = key_text(0, 6);
    assert_eq!(findings.all(), [Violation::UnknownValue { key }]);
}

#[test]
fn a_scan_says_of_every_key_that_its_page_covers_what_it_holds() {
    let (record, _) = record();
    let write = put(&record, 1);
    let (value, at) = (write.write, version(1, 1));
    record.end(write, Heard::Written(at));
    let consistency = Consistency::Linearizable;
    let begun = begin(&record, Op::Scan { consistency });
    let item = Item {
        key: key_text(0, 1).into(),
        value: value.bytes(VALUE_BYTES_MAX),
        version: at,
        expires_at: None,
    };
    let page = Page {
        items: vec![item],
        more: true,
        cursor: Vec::new(),
    };
    record.end(begun, Heard::Page(page));
    let history = record.history(0);
    let outcomes: Vec<_> = history.operations()[1..]
        .iter()
        .map(|operation| &operation.outcome)
        .collect();
    use norikv_testkit::Outcome::{Refused, Returned};
    assert!(matches!(
        outcomes[0],
        Returned {
            output: Output::Absent,
            ..
        }
    ));
    assert!(matches!(
        outcomes[1],
        Returned {
            output: Output::Value(..),
            ..
        }
    ));
    assert!(
        outcomes[2..]
            .iter()
            .all(|outcome| matches!(outcome, Refused))
    );
}
