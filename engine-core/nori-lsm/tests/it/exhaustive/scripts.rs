//! What is done to a store while its power is cut.

use super::{Op, Script, Step};

pub(super) fn put(pairs: &[(&'static str, &str)]) -> Step {
    Step::Write(
        (pairs.iter())
            .map(|(key, value)| (*key, Some((*value).to_owned())))
            .collect(),
    )
}

pub(super) fn delete(key: &'static str) -> Step {
    Step::Write(vec![(key, None)])
}

/// A few batches, a flush, a reopening, a clean close.
pub(super) fn short() -> Script {
    Script::new(vec![
        put(&[("a", "1")]),
        put(&[("b", "1"), ("c", "1")]),
        delete("a"),
        Step::Flush,
        put(&[("a", "2"), ("d", "1")]),
        Step::Reopen,
        put(&[("b", "2")]),
        Step::Close,
        Step::Reopen,
        delete("c"),
        Step::Work,
    ])
}

/// Flushes and compactions over several levels, with manifests that roll over and segments that go.
pub(super) fn long() -> Script {
    let keys = ["k0", "k1", "k2", "k3", "k4", "k5"];
    let mut steps = Vec::new();
    for round in 0..7_usize {
        for number in 0..3 {
            let key = keys[(round * 3 + number * 5) % keys.len()];
            steps.push(match (round + number) % 4 {
                0 => delete(key),
                _ => Step::Write(vec![
                    (key, Some(format!("{round}.{number} {}", "x".repeat(30)))),
                    ("count", Some(format!("{round}.{number}"))),
                ]),
            });
        }
        steps.push(Step::Rotate);
        steps.push(Step::Work);
        if round == 4 {
            steps.push(Step::Reopen);
        }
    }
    Script::new(steps)
}

/// Sorted entries that go past the log, between writes of the same keys.
pub(super) fn ingesting() -> Script {
    let pairs = |word: &str| {
        let keys = ["a", "b", "c", "d"];
        keys.map(|key| (key, format!("{word} of {key}"))).to_vec()
    };
    Script::new(vec![
        put(&[("b", "1"), ("x", "1")]),
        Step::Ingest(pairs("first")),
        put(&[("c", "2")]),
        Step::Flush,
        Step::Ingest(pairs("second")),
        delete("d"),
        Step::Work,
    ])
}

/// Deleted ranges, operands, values that end and batches across keyspaces, through flushes,
/// compactions and openings.
pub(super) fn everything() -> Script {
    use Op::{Delete, Expiring, Merge, Put, Range};
    Script::new(vec![
        Step::Batch(vec![
            Put(false, "a", "1"),
            Put(true, "a", "s1"),
            Put(true, "b", "s2"),
        ]),
        Step::Batch(vec![
            Merge(false, "a", "+2"),
            Put(false, "b", "old"),
            Put(false, "c", "x"),
        ]),
        Step::Flush,
        Step::Batch(vec![
            Expiring(false, "b", "new", true),
            Expiring(true, "c", "s3", false),
        ]),
        Step::Batch(vec![
            Range(false, "b", "d"),
            Merge(true, "b", "+s"),
            Put(false, "d", "4"),
        ]),
        Step::Rotate,
        Step::Work,
        Step::Batch(vec![
            Merge(false, "c", "m1"),
            Merge(false, "c", "m2"),
            Delete(true, "a"),
        ]),
        Step::Reopen,
        Step::Batch(vec![
            Merge(false, "a", "+3"),
            Range(true, "a", "c"),
            Put(true, "b", "s4"),
        ]),
        Step::Flush,
        Step::Compact,
        Step::DropSide,
        Step::Batch(vec![Put(true, "a", "again"), Merge(false, "e", "only")]),
        Step::Flush,
        Step::Work,
        Step::Reopen,
        Step::Batch(vec![Range(false, "a", "z"), Put(false, "a", "last")]),
    ])
}
