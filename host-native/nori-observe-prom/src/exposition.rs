//! Walks a snapshot and hands each series to the encoder of `prometheus-client`.
//!
//! **Invariant: series of one name stand together under one descriptor**, as OpenMetrics asks; the
//! snapshot's order sees to that.

use std::fmt;

use nori_observe::{Distribution, Kind, Meter, Sample, Unit, Value};
use prometheus_client::collector::Collector;
use prometheus_client::encoding::{DescriptorEncoder, MetricEncoder, NoLabelSet, text};
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::{Registry, Unit as PromUnit};

/// The media type of what [`encode`] returns.
pub const CONTENT_TYPE: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

/// Everything `meter` holds now, as OpenMetrics text that ends in `# EOF`.
#[must_use]
pub fn encode(meter: &Meter) -> String {
    let mut registry = Registry::default();
    registry.register_collector(Box::new(Exposition(meter.clone())));
    let mut page = String::new();
    let written = text::encode(&mut page, &registry);
    assert!(
        written.is_ok(),
        "a string takes all text, and every value has a text"
    );
    page
}

/// A meter as `prometheus-client` wants to read it.
#[derive(Debug)]
struct Exposition(Meter);

impl Collector for Exposition {
    fn encode(&self, mut encoder: DescriptorEncoder<'_>) -> fmt::Result {
        let samples = self.0.snapshot();
        for family in samples.chunk_by(|one, next| one.name() == next.name()) {
            if let Some(first) = family.first() {
                let (name, unit) = named(first);
                let kind = metric_type(first.value().kind());
                let metric = encoder.encode_descriptor(name, &escaped(first.help()), unit, kind)?;
                encode_family(metric, family)?;
            }
        }
        Ok(())
    }
}

/// The encoder writes the unit's suffix itself.
fn named(sample: &Sample) -> (&str, Option<&'static PromUnit>) {
    match sample.unit() {
        Unit::AsNamed => (sample.name(), None),
        Unit::NanosecondsAsSeconds => {
            let stem = sample.name().strip_suffix("_seconds");
            (
                stem.unwrap_or_else(|| sample.name()),
                Some(&PromUnit::Seconds),
            )
        }
    }
}

const fn metric_type(kind: Kind) -> MetricType {
    match kind {
        Kind::Counter => MetricType::Counter,
        Kind::Gauge => MetricType::Gauge,
        Kind::Histogram => MetricType::Histogram,
    }
}

fn encode_family(mut metric: MetricEncoder<'_>, family: &[Sample]) -> fmt::Result {
    for sample in family {
        let labels = sample.labels();
        if labels.is_empty() {
            encode_value(&mut metric, sample)?;
        } else {
            encode_value(&mut metric.encode_family(&labels)?, sample)?;
        }
    }
    Ok(())
}

fn encode_value(metric: &mut MetricEncoder<'_>, sample: &Sample) -> fmt::Result {
    match sample.value() {
        Value::Counter(count) => metric.encode_counter::<NoLabelSet, _, u64>(count, None),
        Value::Gauge(value) => metric.encode_gauge(value),
        Value::Histogram(distribution) => {
            let scale = Scale::of(sample.unit());
            let buckets = scale.buckets(distribution);
            let sum = scale.shown(distribution.sum());
            let count = distribution.count();
            metric.encode_histogram::<NoLabelSet>(sum, count, &buckets, None)
        }
    }
}

/// How recorded integers become the numbers and bounds that are shown.
#[derive(Debug, Clone, Copy)]
struct Scale {
    /// Recorded units in one shown unit.
    divisor: f64,
    /// Bounds are 2ᵉ − 1 for these exponents e: there the buckets of a distribution end exactly.
    exponents: &'static [u32],
}

impl Scale {
    const fn of(unit: Unit) -> Self {
        match unit {
            Unit::AsNamed => Self {
                divisor: 1.0,
                exponents: &EXPONENTS_PLAIN,
            },
            Unit::NanosecondsAsSeconds => Self {
                divisor: 1e9,
                exponents: &EXPONENTS_NANOS,
            },
        }
    }

    fn shown(self, recorded: u64) -> f64 {
        recorded as f64 / self.divisor
    }

    /// (bound, values above the previous bound and up to it); the last bound is infinite.
    fn buckets(self, distribution: &Distribution) -> Vec<(f64, u64)> {
        let (mut buckets, mut below) = (Vec::with_capacity(self.exponents.len() + 1), 0);
        for exponent in self.exponents {
            let bound = (1_u64 << exponent) - 1;
            let up_to = distribution.count_up_to(bound);
            buckets.push((self.shown(bound), up_to - below));
            below = up_to;
        }
        buckets.push((f64::INFINITY, distribution.count() - below));
        buckets
    }
}

/// The encoder writes help texts as they are; OpenMetrics wants these three escaped.
fn escaped(help: &str) -> String {
    help.replace('\\', "\\\\")
        .replace('\n', "\\n")
        .replace('"', "\\\"")
}

/// 1 µs to 69 s.
const EXPONENTS_NANOS: [u32; 27] = successive(10, 1);
/// 0, 3, 15 … to 10¹².
const EXPONENTS_PLAIN: [u32; 21] = successive(0, 2);

const fn successive<const N: usize>(first: u32, step: u32) -> [u32; N] {
    let mut exponents = [first; N];
    let mut at = 1;
    while at < N {
        exponents[at] = exponents[at - 1] + step;
        at += 1;
    }
    exponents
}

#[cfg(test)]
mod tests;
