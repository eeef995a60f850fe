//! The testkit from outside.

mod conformance;
mod public_histories;
