//! `norikv-edge`: runs NoriKV's components under wasmtime.
#![expect(
    clippy::print_stdout,
    reason = "a command-line tool talks to its terminal"
)]

use std::fs;
use std::ops::Range;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand};
use norikv_edge::{Simulator, Store, deterministic_engine};

/// Runs NoriKV's components under wasmtime.
#[derive(Debug, Parser)]
#[command(
    version,
    after_help = "Examples:\n  norikv-edge sim norikv_sim.wasm 1..200\n  norikv-edge store norikv_store.wasm"
)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run seeds of the simulator; prints a line `seed trace_hash` each.
    Sim {
        /// The component of world `sim`.
        component: PathBuf,
        /// Seeds from A up to and including B, as A..B.
        #[arg(value_parser = seeds)]
        seeds: Range<u64>,
    },
    /// Write, read and list a few keys through `wasi:keyvalue/store`.
    Store {
        /// The component of world `store`.
        component: PathBuf,
    },
}

fn main() -> Result<()> {
    let engine = deterministic_engine()?;
    match Cli::parse().command {
        Command::Sim { component, seeds } => {
            let bytes = read(&component)?;
            let mut simulator = Simulator::new(&engine, &bytes)?;
            for seed in seeds {
                let report = simulator.run(seed)?;
                if let Some(violation) = report.violation {
                    bail!("seed {seed}: {violation}");
                }
                println!("{seed} {:016x}", report.trace_hash);
            }
        }
        Command::Store { component } => {
            let mut store = Store::open(&engine, &read(&component)?, "tour")?;
            store.set("hello", b"world")?;
            println!(
                "hello = {:?}",
                store
                    .get("hello")?
                    .map(|v| String::from_utf8_lossy(&v).into_owned())
            );
            println!("keys  = {:?}", store.list_keys(None)?.keys);
            store.delete("hello")?;
            println!("hello exists after delete: {}", store.exists("hello")?);
        }
    }
    Ok(())
}

fn read(path: &PathBuf) -> Result<Vec<u8>> {
    fs::read(path).with_context(|| format!("{}; `cargo xtask component` builds it", path.display()))
}

/// `A..B`, both included.
fn seeds(text: &str) -> Result<Range<u64>, String> {
    let (first, last) = text.split_once("..").ok_or("seeds are written A..B")?;
    let number = |part: &str| {
        part.parse::<u64>()
            .map_err(|_bad| format!("{part:?} is no seed"))
    };
    Ok(number(first)?..number(last)?.saturating_add(1))
}
