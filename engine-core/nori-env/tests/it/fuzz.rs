//! The fuzz bodies for a while, on stable.

use nori_env::fuzzing::BODIES;
use norikv_testkit::fuzz;

#[test]
fn device() {
    fuzz(env!("CARGO_MANIFEST_DIR"), BODIES, "device");
}
