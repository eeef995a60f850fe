//! The command line, as clap sees it.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::output::Output;

/// A sharded, Raft-replicated key-value store.
#[derive(Debug, Parser)]
#[command(
    name = "norikv",
    version,
    after_help = "Examples:
  norikv dev                                  three nodes on this machine
  norikv put hello world && norikv get hello
  norikv scan user: --limit 10
  norikv cluster status
  norikv import packages.ndjson --format ndjson --key id"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) target: Target,
    /// How results are printed.
    #[arg(long, global = true, value_enum, default_value_t)]
    pub(crate) output: Output,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Which cluster to talk to.
#[derive(Debug, Args)]
pub(crate) struct Target {
    /// HOST:PORT of a node's HTTP socket; give it once for each node. Without it, the nodes of
    /// `--data-dir` are asked.
    #[arg(
        long = "endpoint",
        global = true,
        env = "NORIKV_ENDPOINTS",
        value_delimiter = ','
    )]
    pub(crate) endpoints: Vec<String>,
    /// Where `norikv dev` keeps its nodes.
    #[arg(
        long,
        global = true,
        default_value = "./norikv-data",
        env = "NORIKV_DATA_DIR"
    )]
    pub(crate) data_dir: PathBuf,
    /// Seconds a call may take, repetitions included.
    #[arg(long, global = true, default_value_t = 10.0)]
    timeout: f64,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Start a cluster on this machine, each node a process of its own.
    Dev(Dev),
    /// Run one node.
    Start(Start),
    /// Make an authority or a node's certificate.
    #[command(subcommand)]
    Cert(Cert),
    /// Store a value.
    #[command(
        after_help = "Examples:\n  norikv put hello world\n  norikv put photo --file photo.jpg"
    )]
    Put(Put),
    /// Print the value of a key.
    Get {
        key: String,
        #[arg(long, value_enum, default_value_t)]
        consistency: Freshness,
    },
    /// Remove a key.
    Del { key: String },
    /// List the keys that begin with a prefix, in byte order.
    Scan(Scan),
    /// Store a value if the key has a version, or none.
    #[command(
        after_help = "Examples:\n  norikv cas hello 3-41 moon     if its version is 3-41\n  norikv cas hello absent moon   if there is no such key"
    )]
    Cas {
        key: String,
        /// `<term>-<index>`, or `absent`.
        expect: String,
        value: String,
    },
    /// Add to a decimal number and print what it is then.
    #[command(after_help = "Examples:\n  norikv incr visits\n  norikv incr stock --by=-3")]
    Incr {
        key: String,
        /// How much.
        #[arg(long, default_value_t = 1, allow_hyphen_values = true)]
        by: i64,
    },
    /// Compare, and carry out one of two lists of steps, at once.
    #[command(after_help = TXN_HELP)]
    Txn(Txn),
    /// Print what happens to the keys that begin with a prefix, as it happens.
    Watch(Watch),
    /// Write the records of a file; goes on where it stopped when it is run again.
    #[command(after_help = "Exit code 3: everything but some lines, which are named, was written.")]
    Import(ImportArgs),
    /// Write all records to a file or the terminal.
    Export(ExportArgs),
    /// About the cluster.
    #[command(subcommand)]
    Cluster(Cluster),
    /// About shards.
    #[command(subcommand)]
    Shard(Shard),
    /// Show what stands in a file of a store, whole or damaged.
    #[command(subcommand)]
    Inspect(Inspect),
    /// Read every byte of a store, a node's data or backups that nobody has open.
    #[command(after_help = "Examples:
  norikv verify ./norikv-data/node-1
  norikv verify /var/backups/norikv --output json

Exit code 1: something is not what was written; each finding names the file and the bytes.")]
    Verify {
        /// The directory.
        dir: PathBuf,
        /// The same as --output json.
        #[arg(long)]
        json: bool,
    },
    /// Measure this machine.
    #[command(subcommand)]
    Bench(Bench),
    /// Run the simulator by seed.
    #[command(after_help = "Examples:
  norikv sim --seed 42                          the standard swarm of a seed
  norikv sim --seeds 1..1000 --summary swarm.md of a thousand, and what happened in them
  norikv sim --scenario slow-disk.toml          a scenario of your own
  norikv sim --world storage --seeds 1..100     one store on a faulty disk
  norikv sim --seed 42 --trace run.trace        write the run down, whole
  norikv sim --replay run.trace                 is it still the same?
  norikv sim --until not-linearizable --minimise --out small.toml --svg why.svg
  norikv sim --seed 42 --steps 2000 --nodes 5   what the page shows after as many steps

Exit code 1: a promise was broken, or a trace is not what its scenario does.")]
    Sim(Sim),
    /// Print a completion script for a shell.
    Completion { shell: clap_complete::Shell },
}

#[derive(Debug, Args)]
pub(crate) struct Dev {
    /// How many nodes.
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u64).range(1..=64))]
    pub(crate) nodes: u64,
    /// How many Raft groups share the 1,024 shards: a power of two up to 1,024, fixed when the
    /// cluster is made [default: 8].
    #[arg(long, value_parser = groups)]
    pub(crate) groups: Option<u32>,
    /// Start a node again when it dies.
    #[arg(long)]
    pub(crate) restart: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Start {
    /// The node's norikv.toml.
    #[arg(long)]
    pub(crate) config: PathBuf,
    /// The disk was lost and this directory is empty: the node holds nothing and votes for nobody
    /// until the leaders have brought its replicas back.
    #[arg(long)]
    pub(crate) replace: bool,
    /// Stop when standard input ends: the node never outlives who started it.
    #[arg(long, hide = true)]
    pub(crate) until_stdin_ends: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cert {
    /// Make a cluster's authority.
    Authority {
        /// Where to put it.
        folder: PathBuf,
        /// The cluster, 16 hexadecimal digits; drawn when absent.
        #[arg(long)]
        cluster: Option<String>,
    },
    /// Issue a node's certificate.
    Node {
        /// The authority's folder.
        authority: PathBuf,
        /// Where to put the certificate.
        folder: PathBuf,
        /// The node's number.
        #[arg(long)]
        node: u64,
        /// A name or address under which peers reach it; may be repeated.
        #[arg(long = "address", default_values_t = ["127.0.0.1".to_owned()])]
        addresses: Vec<String>,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Put {
    pub(crate) key: String,
    /// The value, as text.
    #[arg(required_unless_present = "file", conflicts_with = "file")]
    pub(crate) value: Option<String>,
    /// Take the value from a file; `-` is standard input.
    #[arg(long)]
    pub(crate) file: Option<PathBuf>,
    /// How long the value lives: `1500ms`, `30s`, `5m`, `2h`, `7d`.
    #[arg(long, value_parser = norikv_api::ttl::parse)]
    pub(crate) ttl: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Txn {
    /// A file with the transaction as JSON; `-` is standard input.
    #[arg(conflicts_with_all = ["compares", "then", "otherwise"])]
    pub(crate) file: Option<PathBuf>,
    /// What must hold: `KEY exists`, `KEY absent`, `KEY version 3-41` or `KEY is VALUE`.
    #[arg(long = "if", value_name = "COMPARISON")]
    pub(crate) compares: Vec<String>,
    /// What to do then: `put KEY VALUE`, `put KEY --ttl 30s VALUE`, `del KEY` or `get KEY`.
    #[arg(long, value_name = "STEP")]
    pub(crate) then: Vec<String>,
    /// What to do else.
    #[arg(long = "else", value_name = "STEP")]
    pub(crate) otherwise: Vec<String>,
}

const TXN_HELP: &str = "Keys that share a tag in braces are in one group.\n\nExample:\n  norikv txn --if '{shop}.stock is 5' --then 'put {shop}.stock 4' --then 'put {shop}.order-7 ann' --else 'get {shop}.stock'\n\nExit code 1: a comparison did not hold, so the steps of --else happened.";

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// What the keys begin with; nothing for all.
    #[arg(default_value = "")]
    pub(crate) prefix: String,
    /// Where an earlier watch or scan was; from now on when absent.
    #[arg(long)]
    pub(crate) cursor: Option<String>,
    /// Print where the watch is, to go on from there.
    #[arg(long)]
    pub(crate) cursors: bool,
    /// End after about so many events.
    #[arg(long)]
    pub(crate) limit: Option<u64>,
}

#[derive(Debug, Args)]
pub(crate) struct Scan {
    /// What the keys begin with; nothing for all.
    #[arg(default_value = "")]
    pub(crate) prefix: String,
    /// Most keys printed.
    #[arg(long, default_value_t = 100)]
    pub(crate) limit: u32,
    #[arg(long, value_enum, default_value_t)]
    pub(crate) consistency: Freshness,
    /// Print where `norikv watch --cursor` goes on with what happens from here on.
    #[arg(long)]
    pub(crate) cursor: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    pub(crate) file: PathBuf,
    #[arg(long, value_enum)]
    pub(crate) format: FileFormat,
    /// The field of each JSON object that is its key; the whole line is its value.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Writes in flight.
    #[arg(long, default_value_t = 64)]
    pub(crate) in_flight: u16,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// The file; standard output when absent.
    pub(crate) file: Option<PathBuf>,
    #[arg(long, value_enum, default_value_t = FileFormat::Tsv)]
    pub(crate) format: FileFormat,
    /// Print each value as its line; it must be a JSON object with its key in this field.
    #[arg(long)]
    pub(crate) key: Option<String>,
    /// Only keys that begin with this.
    #[arg(long, default_value = "")]
    pub(crate) prefix: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Cluster {
    /// A table of the nodes.
    Status,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Shard {
    /// The shard and group of a key; asks no node.
    Locate {
        key: String,
        /// How many groups the cluster has [default: as in the data directory, else 8].
        #[arg(long, value_parser = groups)]
        groups: Option<u32>,
    },
    /// Every group: who leads it, votes in it, learns, and is behind.
    List,
    /// Have a node hold a replica of a group: it learns until it has caught up, then it votes.
    #[command(after_help = MOVES_HELP)]
    AddReplica(Replica),
    /// Have a node hold nothing of a group any more.
    #[command(after_help = MOVES_HELP)]
    RemoveReplica(Replica),
    /// Have a node take another one's place in a group, in one change.
    #[command(after_help = MOVES_HELP)]
    MoveReplica {
        /// The group.
        group: u32,
        /// The node that holds a replica.
        from: u64,
        /// The node that is to hold it.
        to: u64,
    },
    /// Have a voter of a group lead it.
    #[command(after_help = MOVES_HELP)]
    Transfer(Replica),
}

#[derive(Debug, Args)]
pub(crate) struct Replica {
    /// The group.
    pub(crate) group: u32,
    /// The node.
    pub(crate) node: u64,
}

const MOVES_HELP: &str = "Examples:
  norikv shard list
  norikv shard add-replica 2 4         node 4 gets a replica of group 2
  norikv shard remove-replica 2 1      node 1 gives its own up
  norikv shard move-replica 2 1 4      both in one change
  norikv shard transfer 2 4            node 4 leads group 2

Asking again for what is done, or was begun and interrupted, is fine.";

#[derive(Debug, Subcommand)]
pub(crate) enum Inspect {
    /// A segment of a log: header, groups, records.
    #[command(after_help = INSPECT_HELP)]
    Wal(InspectFile),
    /// A sorted table: what is known of it, its blocks, its entries.
    #[command(after_help = INSPECT_HELP)]
    Sst(InspectFile),
    /// A value file: what is known of it, its values.
    #[command(after_help = INSPECT_HELP)]
    Values(InspectFile),
    /// A manifest: its edits, and the tables that are live behind them.
    #[command(after_help = INSPECT_HELP)]
    Manifest(InspectFile),
}

#[derive(Debug, Args)]
pub(crate) struct InspectFile {
    pub(crate) file: PathBuf,
    /// Also show each record or entry.
    #[arg(long)]
    pub(crate) all: bool,
    /// The same as --output json.
    #[arg(long)]
    pub(crate) json: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Bench {
    /// The embedded store.
    Embedded(norikv_bench::embedded::EmbeddedArgs),
    /// A part of `embedded`, in a process of its own.
    #[command(hide = true)]
    Cell {
        /// What to do, as JSON.
        spec: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Sim {
    /// One seed.
    #[arg(long, conflicts_with = "seeds", value_parser = clap::value_parser!(u64).range(..=SEED_MAX))]
    pub(crate) seed: Option<u64>,
    /// Seeds from A up to and including B, as A..B. Without any, and without a scenario, 1..20.
    #[arg(long, value_parser = seeds)]
    pub(crate) seeds: Option<(u64, u64)>,
    /// Run this scenario; with its own seed when none is given.
    #[arg(long, value_name = "FILE")]
    pub(crate) scenario: Option<PathBuf>,
    /// What the swarm runs in, where no scenario says so.
    #[arg(long, value_enum, default_value_t, conflicts_with_all = ["scenario", "steps"])]
    pub(crate) world: SimWorld,
    /// Nodes of the cluster; 3, or 5 with `--steps`.
    #[arg(long, conflicts_with = "scenario", value_parser = clap::value_parser!(u32).range(1..=9))]
    pub(crate) nodes: Option<u32>,
    /// Stop after so many steps, without a verdict at the end; without a scenario the page's world
    /// runs instead of the swarm.
    #[arg(long)]
    pub(crate) steps: Option<u64>,
    /// Runs at the same time; as many as there are processors.
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..=1024))]
    pub(crate) jobs: Option<u32>,
    /// Run seeds, without end if none are given, until one breaks this promise.
    #[arg(long, value_name = "INVARIANT", value_parser = invariant, conflicts_with = "seed")]
    pub(crate) until: Option<&'static str>,
    /// Make the first run that breaks a promise small.
    #[arg(long, conflicts_with = "steps")]
    pub(crate) minimise: bool,
    /// How long to look for a smaller run.
    #[arg(long, default_value_t = 2.0, requires = "minimise")]
    pub(crate) minutes: f64,
    /// Where the small scenario goes; standard output when absent.
    #[arg(long, value_name = "FILE", requires = "minimise")]
    pub(crate) out: Option<PathBuf>,
    /// Write the trace of the first run that breaks a promise, or of the only one, to a file.
    #[arg(long, value_name = "FILE")]
    pub(crate) trace: Option<PathBuf>,
    /// Draw the operations that no order explains, where a run is not linearizable.
    #[arg(long, value_name = "FILE", conflicts_with = "steps")]
    pub(crate) svg: Option<PathBuf>,
    /// Write what struck, in which states, and what never did, as Markdown.
    #[arg(long, value_name = "FILE", conflicts_with = "steps")]
    pub(crate) summary: Option<PathBuf>,
    /// Run what a trace says again, and compare.
    #[arg(
        long,
        value_name = "TRACE",
        conflicts_with_all = ["seed", "seeds", "scenario", "nodes", "steps", "until", "minimise", "trace", "svg", "summary"]
    )]
    pub(crate) replay: Option<PathBuf>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum SimWorld {
    /// Whole nodes.
    #[default]
    Cluster,
    /// One store with its log on a faulty disk.
    Storage,
    /// The membership alone.
    Gossip,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum FileFormat {
    /// A JSON object a line.
    Ndjson,
    /// Key, tab, value, with \t \n \\ \xHH.
    Tsv,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Freshness {
    /// Sees every write acknowledged before it.
    #[default]
    Linearizable,
    /// The same while clocks drift less than the bound.
    Lease,
    /// Linearizable, looked up by the node that is asked: the leader only confirms the position.
    Follower,
    /// Whatever the nearest replica has.
    #[value(name = "stale_ok")]
    StaleOk,
}

impl Target {
    /// How long a call may take.
    pub(crate) fn patience(&self) -> Duration {
        Duration::try_from_secs_f64(self.timeout).unwrap_or(Duration::from_secs(10))
    }
}

/// A number of groups that the shards can be spread over.
fn groups(text: &str) -> Result<u32, String> {
    let groups = text
        .parse()
        .map_err(|_bad| format!("{text:?} is no number"))?;
    crate::config::check_groups(groups).map_err(|why| why.to_string())?;
    Ok(groups)
}

/// `A..B`, both included.
fn seeds(text: &str) -> Result<(u64, u64), String> {
    let number = |part: &str| {
        part.parse::<u64>()
            .map_err(|_bad| format!("{part:?} is no seed"))
    };
    let (first, last) = text.split_once("..").ok_or("seeds are written A..B")?;
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        Err(format!("{first} is behind {last}"))
    } else if last > SEED_MAX {
        Err(format!("{last} is above {SEED_MAX}"))
    } else {
        Ok((first, last))
    }
}

/// The name of a promise.
fn invariant(text: &str) -> Result<&'static str, String> {
    let known = norikv_sim::Violation::NAMES;
    let found = known.iter().find(|name| **name == text);
    found.copied().ok_or_else(|| {
        let known = known.join(", ");
        format!("no promise is broken under that name; there are {known}")
    })
}

const INSPECT_HELP: &str =
    "Exit code 1: something in the file fails its checks; it is shown where.";

/// The largest seed that a scenario file can name.
const SEED_MAX: u64 = u64::MAX >> 1;
