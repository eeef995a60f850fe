//! Why a metric is refused.

use alloc::boxed::Box;

use crate::Kind;

/// A refused registration. The meter is as it was.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A metric name is `[a-zA-Z_:][a-zA-Z0-9_:]*`.
    #[error("`{0}` is not a metric name")]
    InvalidName(Box<str>),
    /// Encoders add the suffix `_total` to counters themselves.
    #[error("the counter `{0}` must not end in `_total`, which encoders add")]
    TotalSuffix(Box<str>),
    /// What a timer is called says its unit.
    #[error("the timer `{0}` must end in `_seconds`")]
    SecondsSuffix(Box<str>),
    /// A label name is `[a-zA-Z_][a-zA-Z0-9_]*`, does not begin with `__`, and is not `le`.
    #[error("`{0}` is not a label name")]
    InvalidLabel(Box<str>),
    /// One metric names a label twice.
    #[error("the label `{0}` is given twice")]
    DuplicateLabel(Box<str>),
    /// The same name with the same labels is registered already.
    #[error("`{0}` with these labels is registered already")]
    Duplicate(Box<str>),
    /// The name is registered as another kind of metric.
    #[error("`{name}` is registered as a {registered} already")]
    KindMismatch {
        /// The name asked for.
        name: Box<str>,
        /// What it is already.
        registered: Kind,
    },
    /// The name is registered with another help text or unit.
    #[error("`{0}` is registered with another help text or unit")]
    DescriptionMismatch(Box<str>),
    /// A sample that an encoder would write for this metric belongs to another one.
    #[error("`{0}` would write a sample that another metric writes already")]
    Clash(Box<str>),
}
