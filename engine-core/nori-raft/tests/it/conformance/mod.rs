//! Public test data of other implementations, run against this one.
//!
//! It lies in `$NORIKV_TESTDATA`; without it each runner says `external data: not run`.
#![expect(clippy::print_stdout, reason = "runners say what they ran")]

mod confchange;
pub(crate) mod datadriven;
mod group_commit;
mod interaction;
mod quorum;
