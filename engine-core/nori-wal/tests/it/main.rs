//! The log as its users see it.

mod support;

mod roundtrip;
