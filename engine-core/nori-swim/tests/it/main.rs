//! Clusters in virtual time, over a network that loses, delays, doubles and divides.
#![expect(
    clippy::print_stdout,
    reason = "seeds and measured times belong to a failure's report"
)]
#![expect(clippy::unwrap_used, reason = "the harness fails where it is misused")]

mod cluster;
mod failures;
mod lifecycle;
