//! The `norikv` binary.
fn main() {}
