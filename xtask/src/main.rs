//! The project's own automation.
//!
//! `cargo xtask test` proves everything, `cargo xtask web` builds and serves the page. Whatever a
//! step needs and can install by itself, it installs; the rest it names with the command that does.
#![forbid(unsafe_code)]
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its terminal"
)]

mod component;
#[cfg(test)]
mod layers;
mod mutants;
mod nightly;
mod page;
mod prove;
mod steps;
mod tools;

use clap::{Parser, Subcommand};

/// The project's own automation.
#[derive(Debug, Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run everything that proves the project.
    Test {
        /// Only the steps whose name contains this.
        #[arg(long)]
        only: Option<String>,
        /// Print the steps and stop.
        #[arg(long)]
        list: bool,
    },
    /// Build the page and serve it; prints the address.
    Web {
        /// Build into web-demo/dist and stop.
        #[arg(long)]
        build_only: bool,
        /// Port on 127.0.0.1.
        #[arg(long, default_value_t = 4173)]
        port: u16,
    },
    /// Build the WebAssembly components into target/components.
    Component,
    /// Miri, loom, cargo-fuzz and long seeds: what takes too long for every change.
    Nightly(nightly::Options),
    /// Break one rule after the other on purpose and count the seeds until a simulated run shows it.
    Mutants {
        /// Only these mutants, or those of these crates or worlds.
        names: Vec<String>,
        /// Seeds after which a mutant has survived.
        #[arg(long, default_value_t = 2_000)]
        max: u64,
        /// Put the table into docs/mutants.md.
        #[arg(long)]
        write: bool,
    },
}

fn main() -> anyhow::Result<()> {
    let shell = tools::at_root()?;
    match Cli::parse().command {
        Command::Test { only, list } => prove::run(&shell, only.as_deref(), list),
        Command::Web {
            build_only: true, ..
        } => page::build(&shell),
        Command::Web {
            build_only: false,
            port,
        } => page::serve(&shell, port),
        Command::Mutants { names, max, write } => mutants::run(&shell, &names, max, write),
        Command::Nightly(options) => nightly::run(&shell, &options),
        Command::Component => component::build(&shell).map(|built| {
            for path in built {
                println!("{}", path.display());
            }
        }),
    }
}
