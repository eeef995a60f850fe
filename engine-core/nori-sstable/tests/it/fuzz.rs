//! The fuzz bodies for a while, on stable.

use nori_sstable::fuzz::BODIES;
use norikv_testkit::fuzz;

#[test]
fn table() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "table");
}

#[test]
fn block() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "block");
}

#[test]
fn parts() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "parts");
}

#[test]
fn values() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "values");
}
