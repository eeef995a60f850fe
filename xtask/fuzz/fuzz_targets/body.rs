//! One target for all bodies: `NORIKV_FUZZ_BODY=nori-wal/log` says which.
#![no_main]

use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use norikv_fuzz::Body;

static BODY: LazyLock<Body> = LazyLock::new(|| {
    let path = std::env::var("NORIKV_FUZZ_BODY").expect("NORIKV_FUZZ_BODY names a body");
    norikv_fuzz::body(&path).expect("NORIKV_FUZZ_BODY names a body that exists")
});

fuzz_target!(|bytes: &[u8]| BODY(bytes));
