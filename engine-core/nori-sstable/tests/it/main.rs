//! Tables as their users see them.

#![expect(
    clippy::unwrap_used,
    reason = "a failed unwrap fails the test, as it should"
)]

mod common;
mod damage;
mod faults;
mod format;
mod fuzz;
mod model;
mod ranges;
mod shared;
mod value_file;
