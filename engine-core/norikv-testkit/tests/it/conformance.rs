//! The simulated disk passes the suite that every store passes.

use std::sync::Arc;

use norikv_testkit::{DiskOptions, SimDisk};

#[test]
fn the_simulated_disk_behaves_like_every_other_store() {
    for psow in [true, false] {
        for recycle in [true, false] {
            nori_env::conformance::run(&|| {
                Arc::new(SimDisk::new(DiskOptions {
                    psow,
                    recycle,
                    ..DiskOptions::default()
                }))
            });
        }
    }
}
