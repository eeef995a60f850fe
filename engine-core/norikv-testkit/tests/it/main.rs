//! The testkit from outside.

mod conformance;
