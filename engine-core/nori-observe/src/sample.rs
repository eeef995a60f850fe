//! One series of a snapshot.

use alloc::string::String;
use alloc::sync::Arc;
use core::fmt;

use crate::Distribution;
use crate::name::Labels;

/// One metric with one set of labels, read at one moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sample {
    pub(crate) name: Arc<str>,
    pub(crate) help: Arc<str>,
    pub(crate) unit: Unit,
    pub(crate) labels: Labels,
    pub(crate) value: Value,
}

/// What a series held.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// Of a counter.
    Counter(u64),
    /// Of a gauge.
    Gauge(i64),
    /// Of a histogram or timer.
    Histogram(Distribution),
}

/// The three kinds of metric.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[expect(missing_docs, reason = "each is the handle of the same name")]
pub enum Kind {
    Counter,
    Gauge,
    Histogram,
}

/// What the recorded numbers mean.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unit {
    /// What the metric's name says; shown as they are.
    AsNamed,
    /// Recorded in nanoseconds, to be shown in seconds.
    NanosecondsAsSeconds,
}

impl Sample {
    /// The metric's name, without what an encoder appends.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What the metric tells.
    #[must_use]
    pub fn help(&self) -> &str {
        &self.help
    }

    /// How to show the numbers.
    #[must_use]
    pub const fn unit(&self) -> Unit {
        self.unit
    }

    /// Labels as (name, value), ascending by name.
    #[must_use]
    pub fn labels(&self) -> &[(String, String)] {
        &self.labels
    }

    /// What it held.
    #[must_use]
    pub const fn value(&self) -> &Value {
        &self.value
    }
}

impl Value {
    /// Which kind of metric holds such a value.
    #[must_use]
    pub const fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Counter => "counter",
            Self::Gauge => "gauge",
            Self::Histogram => "histogram",
        })
    }
}
