//! `norikv`: one binary that runs a node, runs a cluster on this machine, and talks to either.
//!
//! **Invariant: the exit code tells.** 0 did it, 1 did not, 2 was not understood, 3 did all but some
//! lines of an import.
#![forbid(unsafe_code)]

mod cli;
mod commands;
mod config;
mod import;
mod log;
mod output;
mod records;

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use cli::Cli;

fn main() -> ExitCode {
    let outcome = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(anyhow::Error::from)
        .and_then(|runtime| {
            let outcome = runtime.block_on(commands::run(Cli::parse()));
            // Whatever was to be waited for has been. A read of standard input that nothing will
            // answer (`start --until-stdin-ends`) must not keep the process.
            runtime.shutdown_background();
            outcome
        });
    match outcome {
        Ok(code) => code,
        // Whoever read the output has seen enough.
        Err(error) if is_broken_pipe(&error) => ExitCode::FAILURE,
        Err(error) => {
            // The terminal may be gone; there is nobody else to tell.
            let _gone = writeln!(std::io::stderr(), "norikv: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn is_broken_pipe(error: &anyhow::Error) -> bool {
    let io = error.downcast_ref::<std::io::Error>();
    io.is_some_and(|io| io.kind() == std::io::ErrorKind::BrokenPipe)
}
