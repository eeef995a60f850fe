//! The grammar of names, and the sample names that a metric occupies.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec::Vec;

use crate::{Error, Kind, Unit};

/// Labels of a series, ascending by name.
pub(crate) type Labels = Vec<(String, String)>;

pub(crate) fn check_name(name: &str, kind: Kind, unit: Unit) -> Result<(), Error> {
    let good = |c: char| c.is_ascii_alphabetic() || c == '_' || c == ':';
    let mut chars = name.chars();
    if !chars.next().is_some_and(good) || !chars.all(|c| good(c) || c.is_ascii_digit()) {
        return Err(Error::InvalidName(name.into()));
    }
    if kind == Kind::Counter && name.ends_with("_total") {
        return Err(Error::TotalSuffix(name.into()));
    }
    if unit == Unit::NanosecondsAsSeconds && !name.ends_with("_seconds") {
        return Err(Error::SecondsSuffix(name.into()));
    }
    Ok(())
}

pub(crate) fn check_labels(labels: &[(&str, &str)]) -> Result<Labels, Error> {
    let good = |c: char| c.is_ascii_alphabetic() || c == '_';
    let mut checked = BTreeMap::new();
    for (name, value) in labels {
        let mut chars = name.chars();
        let formed = chars.next().is_some_and(good) && chars.all(|c| good(c) || c.is_ascii_digit());
        if !formed || name.starts_with("__") || *name == "le" {
            return Err(Error::InvalidLabel((*name).into()));
        }
        if checked
            .insert(String::from(*name), String::from(*value))
            .is_some()
        {
            return Err(Error::DuplicateLabel((*name).into()));
        }
    }
    Ok(checked.into_iter().collect())
}

/// The sample names that a metric occupies in an exposition; no two metrics may share one.
pub(crate) fn sample_names(name: &str, kind: Kind) -> impl Iterator<Item = String> {
    let suffixes: &[&str] = match kind {
        Kind::Counter => &["", "_total", "_created"],
        Kind::Gauge => &[""],
        Kind::Histogram => &["", "_bucket", "_count", "_sum", "_created"],
    };
    suffixes.iter().map(move |suffix| {
        let mut full = String::from(name);
        full.push_str(suffix);
        full
    })
}
