//! The real binary: clusters of processes on loopback, killed, corrupted, starved and asked for
//! nonsense.
//!
//! Every test has a folder and ports of its own, ends what it started by process id, and waits for
//! what it expects, never for time to pass.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on should stop")]

mod bad_input;
mod cluster;
mod damage;
mod failures;
mod full_disk;
mod groups;
mod http;
mod import_export;
mod inspect;
mod key_value;
mod moves;
mod operations;
mod sim;
mod snapshot;
mod status;

use std::process::{Command, Output};
use std::time::{Duration, Instant};

/// The binary under test.
fn norikv() -> Command {
    Command::new(env!("CARGO_BIN_EXE_norikv"))
}

/// Waits until `happened` gives something.
///
/// # Panics
/// When it does not within a minute.
fn wait_for<T>(what: &str, mut happened: impl FnMut() -> Option<T>) -> T {
    const PATIENCE: Duration = Duration::from_secs(60);
    const LOOK_EVERY: Duration = Duration::from_millis(20);
    let start = Instant::now();
    loop {
        if let Some(found) = happened() {
            return found;
        }
        assert!(
            start.elapsed() < PATIENCE,
            "{what} did not happen within {PATIENCE:?}"
        );
        std::thread::sleep(LOOK_EVERY);
    }
}

/// What a command said, both ways.
fn said(output: &Output) -> String {
    format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    )
}
