//! The fuzz bodies for a while, on stable.

use nori_wal::fuzz::BODIES;
use norikv_testkit::fuzz;

#[test]
fn log() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "log");
}

#[test]
fn forged() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "forged");
}

#[test]
fn records() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "records");
}
