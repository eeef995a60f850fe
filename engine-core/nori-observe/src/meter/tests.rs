use std::format;

use super::*;

fn rendered(meter: &Meter) -> Vec<String> {
    let line = |sample: &Sample| format!("{} {:?}", sample.name(), sample.labels());
    meter.snapshot().iter().map(line).collect()
}

#[test]
fn a_snapshot_is_ordered_by_name_then_labels_whatever_the_order_of_registration() {
    let (forth, back) = (Meter::new(), Meter::new());
    let metrics = [("b", "2"), ("a", "9"), ("b", "1"), ("c", "0")];
    for (name, group) in metrics {
        forth
            .counter(name, "", &[("group", group), ("a", "x")])
            .unwrap();
    }
    for (name, group) in metrics.into_iter().rev() {
        back.counter(name, "", &[("a", "x"), ("group", group)])
            .unwrap();
    }
    assert_eq!(rendered(&forth), rendered(&back));
    assert_eq!(rendered(&forth)[1], r#"b [("a", "x"), ("group", "1")]"#);
}

#[test]
fn clones_of_a_handle_record_into_one_series() {
    let meter = Meter::new();
    let (counter, gauge) = (
        meter.counter("c", "", &[]).unwrap(),
        meter.gauge("g", "", &[]).unwrap(),
    );
    let (counter_clone, gauge_clone) = (counter.clone(), gauge.clone());
    counter_clone.add(2);
    counter.add(3);
    gauge.set(-7);
    gauge_clone.add(2);
    assert_eq!((counter.value(), gauge.value()), (5, -5));
    let values: Vec<Value> = meter
        .snapshot()
        .iter()
        .map(|sample| sample.value().clone())
        .collect();
    assert_eq!(values, [Value::Counter(5), Value::Gauge(-5)]);
}

#[test]
fn a_series_registered_twice_is_refused_and_the_first_lives_on() {
    let meter = Meter::new();
    let first = meter.counter("c", "", &[("x", "1"), ("y", "2")]).unwrap();
    let again = meter.counter("c", "", &[("y", "2"), ("x", "1")]);
    assert_eq!(again.unwrap_err(), Error::Duplicate("c".into()));
    first.add(1);
    assert_eq!(meter.snapshot()[0].value(), &Value::Counter(1));
}

#[test]
fn a_name_keeps_its_kind_help_and_unit() {
    let meter = Meter::new();
    meter.histogram("wait_seconds", "h", &[]).unwrap();
    assert_eq!(
        meter.gauge("wait_seconds", "h", &[("x", "1")]).unwrap_err(),
        Error::KindMismatch {
            name: "wait_seconds".into(),
            registered: Kind::Histogram
        }
    );
    let mismatch = Error::DescriptionMismatch("wait_seconds".into());
    assert_eq!(
        meter
            .histogram("wait_seconds", "i", &[("x", "1")])
            .unwrap_err(),
        mismatch
    );
    assert_eq!(
        meter.timer("wait_seconds", "h", &[("x", "1")]).unwrap_err(),
        mismatch
    );
}

#[test]
fn names_outside_of_the_grammar_are_refused() {
    let meter = Meter::new();
    for name in ["", "1a", "a-b", "a b", "ä", "a\n"] {
        assert_eq!(
            meter.gauge(name, "", &[]).unwrap_err(),
            Error::InvalidName(name.into())
        );
    }
    for label in ["", "1a", "a:b", "__a", "le", "ä"] {
        let refused = meter.gauge("g", "", &[(label, "v")]).unwrap_err();
        assert_eq!(refused, Error::InvalidLabel(label.into()));
    }
    let twice = meter.gauge("g", "", &[("a", "1"), ("a", "2")]).unwrap_err();
    assert_eq!(twice, Error::DuplicateLabel("a".into()));
    assert_eq!(
        meter.counter("c_total", "", &[]).unwrap_err(),
        Error::TotalSuffix("c_total".into())
    );
    assert_eq!(
        meter.timer("sync", "", &[]).unwrap_err(),
        Error::SecondsSuffix("sync".into())
    );
    assert!(meter.snapshot().is_empty());
}

#[test]
fn metrics_that_would_write_the_same_sample_clash() {
    let meter = Meter::new();
    meter.histogram("size", "", &[]).unwrap();
    meter.gauge("puts_total", "", &[]).unwrap();
    assert_eq!(
        meter.gauge("size_count", "", &[]).unwrap_err(),
        Error::Clash("size_count".into())
    );
    assert_eq!(
        meter.counter("puts", "", &[]).unwrap_err(),
        Error::Clash("puts".into())
    );
}
