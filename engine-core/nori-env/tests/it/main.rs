//! Stores as the engine uses them.
#![expect(clippy::unwrap_used, reason = "a test that meets an error has failed")]

mod extents;
mod fuzz;
