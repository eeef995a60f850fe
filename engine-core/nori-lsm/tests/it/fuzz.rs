//! The fuzz bodies for a while, on stable.

use nori_lsm::fuzz::BODIES;
use norikv_testkit::fuzz;

#[test]
fn store() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "store");
}

#[test]
fn batch() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "batch");
}

#[test]
fn manifest() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "manifest");
}
