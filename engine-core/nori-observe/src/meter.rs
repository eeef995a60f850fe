//! The registry: makes handles, reads them all.
//!
//! **Invariant: a snapshot is ordered by name, then labels, and no two of its series are the same.**
//! The lock is taken to register and to read, never to record.

use alloc::collections::{BTreeMap, BTreeSet};
use alloc::string::String;
use alloc::sync::Arc;
use alloc::vec::Vec;

use spin::Mutex;

use crate::name::{Labels, check_labels, check_name, sample_names};
use crate::{Counter, Error, Gauge, Histogram, Kind, Sample, Unit, Value};

/// A registry of metrics. Clones share it.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Registry>>);

#[derive(Debug, Default)]
struct Registry {
    families: BTreeMap<Arc<str>, Family>,
    /// Every sample name that some family writes.
    occupied: BTreeSet<String>,
}

/// All series of one name.
#[derive(Debug)]
struct Family {
    help: Arc<str>,
    kind: Kind,
    unit: Unit,
    series: BTreeMap<Labels, Handle>,
}

#[derive(Debug, Clone)]
enum Handle {
    Counter(Counter),
    Gauge(Gauge),
    Histogram(Histogram),
}

impl Meter {
    /// A meter without metrics.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A new counter. Its name has no `_total` suffix; encoders add it.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::SecondsSuffix`]; the meter is as it was.
    pub fn counter(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
    ) -> Result<Counter, Error> {
        let counter = Counter::default();
        let handle = Handle::Counter(counter.clone());
        self.register(name, help, Unit::AsNamed, labels, handle)?;
        Ok(counter)
    }

    /// A new gauge, at 0.
    ///
    /// # Errors
    /// Any [`Error`] but those of suffixes; the meter is as it was.
    pub fn gauge(&self, name: &str, help: &str, labels: &[(&str, &str)]) -> Result<Gauge, Error> {
        let gauge = Gauge::default();
        let handle = Handle::Gauge(gauge.clone());
        self.register(name, help, Unit::AsNamed, labels, handle)?;
        Ok(gauge)
    }

    /// A new histogram of plain numbers, such as bytes; 2 KiB each.
    ///
    /// # Errors
    /// Any [`Error`] but those of suffixes; the meter is as it was.
    pub fn histogram(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
    ) -> Result<Histogram, Error> {
        let histogram = Histogram::new();
        let handle = Handle::Histogram(histogram.clone());
        self.register(name, help, Unit::AsNamed, labels, handle)?;
        Ok(histogram)
    }

    /// A new histogram of durations: recorded in nanoseconds, shown in seconds, named `…_seconds`.
    ///
    /// # Errors
    /// Any [`Error`] but [`Error::TotalSuffix`]; the meter is as it was.
    pub fn timer(
        &self,
        name: &str,
        help: &str,
        labels: &[(&str, &str)],
    ) -> Result<Histogram, Error> {
        let histogram = Histogram::new();
        let handle = Handle::Histogram(histogram.clone());
        self.register(name, help, Unit::NanosecondsAsSeconds, labels, handle)?;
        Ok(histogram)
    }

    /// Reads every series, ordered by name, then labels.
    #[must_use]
    pub fn snapshot(&self) -> Vec<Sample> {
        let registry = self.0.lock();
        let mut samples = Vec::new();
        for (name, family) in &registry.families {
            for (labels, handle) in &family.series {
                samples.push(Sample {
                    name: Arc::clone(name),
                    help: Arc::clone(&family.help),
                    unit: family.unit,
                    labels: labels.clone(),
                    value: handle.value(),
                });
            }
        }
        samples
    }

    fn register(
        &self,
        name: &str,
        help: &str,
        unit: Unit,
        labels: &[(&str, &str)],
        handle: Handle,
    ) -> Result<(), Error> {
        let kind = handle.kind();
        check_name(name, kind, unit)?;
        let labels = check_labels(labels)?;
        self.0.lock().insert(name, help, unit, labels, handle)
    }
}

impl Registry {
    fn insert(
        &mut self,
        name: &str,
        help: &str,
        unit: Unit,
        labels: Labels,
        handle: Handle,
    ) -> Result<(), Error> {
        let kind = handle.kind();
        if let Some(family) = self.families.get_mut(name) {
            if family.kind != kind {
                let registered = family.kind;
                return Err(Error::KindMismatch {
                    name: name.into(),
                    registered,
                });
            }
            if *family.help != *help || family.unit != unit {
                return Err(Error::DescriptionMismatch(name.into()));
            }
            if family.series.contains_key(&labels) {
                return Err(Error::Duplicate(name.into()));
            }
            family.series.insert(labels, handle);
            return Ok(());
        }
        if sample_names(name, kind).any(|sample| self.occupied.contains(&sample)) {
            return Err(Error::Clash(name.into()));
        }
        self.occupied.extend(sample_names(name, kind));
        let series = BTreeMap::from([(labels, handle)]);
        let family = Family {
            help: help.into(),
            kind,
            unit,
            series,
        };
        self.families.insert(name.into(), family);
        Ok(())
    }
}

impl Handle {
    const fn kind(&self) -> Kind {
        match self {
            Self::Counter(_) => Kind::Counter,
            Self::Gauge(_) => Kind::Gauge,
            Self::Histogram(_) => Kind::Histogram,
        }
    }

    fn value(&self) -> Value {
        match self {
            Self::Counter(counter) => Value::Counter(counter.value()),
            Self::Gauge(gauge) => Value::Gauge(gauge.value()),
            Self::Histogram(histogram) => Value::Histogram(histogram.distribution()),
        }
    }
}

#[cfg(test)]
mod tests;
