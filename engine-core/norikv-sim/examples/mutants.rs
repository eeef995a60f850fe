//! Plants one mutant after the other and counts the seeds until a run breaks a promise.
//!
//! `mutants [NAME…] [--max SEEDS | --seed SEED] [--jobs N] [--write FILE] [--limits]`. A seed counts as a catch
//! only if the same seed passes without the mutant. Exits with 1 when one survives, and with
//! `--limits` also when the median or the worst is too high. One that only tests of its crate show is
//! hunted, in the cluster, if it is named.

#![expect(clippy::print_stdout, reason = "a program for a terminal")]
#![expect(
    clippy::disallowed_methods,
    reason = "measures runs from outside, several at a time"
)]

use std::fmt::{Debug, Display};
use std::ops::RangeInclusive;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use norikv_sim::gossip::{self, GossipConfig};
use norikv_sim::storage::{self, StorageConfig};
use norikv_sim::{SimConfig, run};
use norikv_types::{Mutant, World};

/// What came of hunting one mutant.
struct Hunt {
    mutant: Mutant,
    /// Seeds run, the one that caught it included.
    seeds: u64,
    /// The promise that was broken; `None`: it survived.
    caught: Option<Broken>,
    /// Seeds that broke a promise without the mutant too.
    unsound: Vec<u64>,
    took: Duration,
}

/// A broken promise.
struct Broken {
    /// Which.
    check: String,
    /// How it showed.
    text: String,
}

struct Arguments {
    names: Vec<String>,
    seeds: RangeInclusive<u64>,
    jobs: usize,
    write: Option<String>,
    limits: bool,
}

fn main() -> ExitCode {
    let Some(arguments) = Arguments::parse(std::env::args().skip(1)) else {
        println!(
            "mutants [NAME…] [--max SEEDS | --seed SEED] [--jobs N] [--write FILE] [--limits]"
        );
        return ExitCode::FAILURE;
    };
    let chosen: Vec<Mutant> = Mutant::ALL
        .iter()
        .copied()
        .filter(|mutant| match arguments.names.as_slice() {
            [] => mutant.world() != World::Unit,
            _ => arguments.wants(*mutant),
        })
        .collect();
    // A panic is a catch, and its message goes into the table.
    panic::set_hook(Box::new(|_| {}));
    let hunts = hunt_all(&chosen, &arguments);
    let _ = panic::take_hook();
    let table = table(&hunts);
    println!("\n{table}");
    if let Some(path) = &arguments.write
        && let Err(error) = write(path, &table)
    {
        println!("{path}: {error}");
        return ExitCode::FAILURE;
    }
    if chosen.is_empty() || hunts.iter().any(|hunt| hunt.caught.is_none()) {
        return ExitCode::FAILURE;
    }
    let (median, worst) = figures(&hunts);
    if arguments.limits && (median > MEDIAN_MAX || worst > WORST_MAX) {
        println!("more than {MEDIAN_MAX} seeds in the median, or than {WORST_MAX} at worst");
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

fn hunt_all(chosen: &[Mutant], arguments: &Arguments) -> Vec<Hunt> {
    let next = AtomicUsize::new(0);
    let hunts = Mutex::new(Vec::new());
    thread::scope(|scope| {
        for _ in 0..arguments.jobs.min(chosen.len()) {
            scope.spawn(|| {
                while let Some(mutant) = chosen.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let hunt = hunt(*mutant, arguments.seeds.clone());
                    println!("{}", hunt.line());
                    hunts.lock().expect("no hunter panics").push(hunt);
                }
            });
        }
    });
    let mut hunts = hunts.into_inner().expect("no hunter panics");
    hunts.sort_by_key(|hunt| hunt.mutant);
    hunts
}

fn hunt(mutant: Mutant, seeds: RangeInclusive<u64>) -> Hunt {
    let began = Instant::now();
    let mut hunt = Hunt {
        mutant,
        seeds: 0,
        caught: None,
        unsound: Vec::new(),
        took: Duration::ZERO,
    };
    for seed in seeds {
        hunt.seeds += 1;
        let planted = mutant.plant();
        let broken = broken_by(mutant.world(), seed);
        drop(planted);
        if broken.is_none() {
            continue;
        }
        let Some(sound) = broken_by(mutant.world(), seed) else {
            hunt.caught = broken;
            break;
        };
        println!(
            "seed {seed} without a mutant: {}: {}",
            sound.check, sound.text
        );
        hunt.unsound.push(seed);
    }
    hunt.took = began.elapsed();
    hunt
}

/// The promise that a standard run of `world` breaks.
fn broken_by(world: World, seed: u64) -> Option<Broken> {
    let run = AssertUnwindSafe(|| match world {
        World::Cluster | World::Unit => run(SimConfig::standard(seed))
            .violation
            .as_ref()
            .map(Broken::new),
        World::Storage => {
            let report = storage::run(&StorageConfig::standard(seed));
            report.violation.as_ref().map(Broken::new)
        }
        World::Gossip => {
            let report = gossip::run(&GossipConfig::standard(seed));
            report.violation.as_ref().map(Broken::new)
        }
        _ => None,
    });
    match panic::catch_unwind(run) {
        Ok(violation) => violation,
        Err(payload) => {
            let text = (payload.downcast_ref::<String>().map(String::as_str))
                .or_else(|| payload.downcast_ref::<&str>().copied());
            Some(Broken {
                check: String::from("an assertion"),
                text: String::from(text.unwrap_or("without words")),
            })
        }
    }
}

impl Broken {
    /// The check is called as the variant of the violation that it reports.
    fn new<V: Debug + Display>(violation: &V) -> Self {
        let variant = format!("{violation:?}");
        let end = variant.find(|letter: char| !letter.is_alphanumeric());
        Self {
            check: variant[..end.unwrap_or(variant.len())].into(),
            text: violation
                .to_string()
                .lines()
                .next()
                .unwrap_or_default()
                .into(),
        }
    }
}

impl Hunt {
    fn line(&self) -> String {
        let unsound = match self.unsound.as_slice() {
            [] => String::new(),
            seeds => format!("; without it seeds {seeds:?} fail too"),
        };
        let check = match &self.caught {
            Some(Broken { check, text }) => format!("{check}: {text}"),
            None => String::from("SURVIVES"),
        };
        let (name, millis) = (self.mutant.name(), self.took.as_millis());
        format!(
            "{name}: {} seeds, {millis} ms: {check}{unsound}",
            self.seeds
        )
    }
}

/// The table in Markdown, with the figures below it.
fn table(hunts: &[Hunt]) -> String {
    let mut text = String::from(
        "| mutant | what it does | crate | world | seeds | caught by | ms |\n\
         |---|---|---|---|--:|---|--:|\n",
    );
    for hunt in hunts {
        let mutant = hunt.mutant;
        let check = match &hunt.caught {
            Some(broken) => &broken.check,
            None => "**survives**",
        };
        text += &format!(
            "| {} | {} | {} | {} | {} | {} | {} |\n",
            mutant.name(),
            mutant.what(),
            mutant.home(),
            format!("{:?}", mutant.world()).to_lowercase(),
            hunt.seeds,
            check,
            hunt.took.as_millis()
        );
    }
    let survivors = hunts.iter().filter(|hunt| hunt.caught.is_none()).count();
    let (median, worst) = figures(hunts);
    text += &format!(
        "\n{} mutants, {survivors} survive; seeds: median {median}, worst {worst}.\n",
        hunts.len()
    );
    text += "\nNo run meets these within its seeds, or a run bears them; tests of their own crates show them:\n\n\
             | mutant | what it does | crate |\n|---|---|---|\n";
    for mutant in Mutant::ALL
        .iter()
        .filter(|mutant| mutant.world() == World::Unit)
    {
        let (name, what, home) = (mutant.name(), mutant.what(), mutant.home());
        text += &format!("| {name} | {what} | {home} |\n");
    }
    text
}

/// Median and worst of the seeds.
fn figures(hunts: &[Hunt]) -> (u64, u64) {
    let mut seeds: Vec<u64> = hunts.iter().map(|hunt| hunt.seeds).collect();
    seeds.sort_unstable();
    let at = |index: usize| seeds.get(index).copied().unwrap_or(0);
    (at(seeds.len() / 2), at(seeds.len().saturating_sub(1)))
}

/// Puts the table between the marks in the page.
fn write(path: &str, table: &str) -> std::io::Result<()> {
    let page = std::fs::read_to_string(path)?;
    let parts = page
        .split_once(BEGIN)
        .and_then(|(head, rest)| Some((head, rest.split_once(END)?.1)));
    let (head, tail) =
        parts.ok_or_else(|| std::io::Error::other("the marks around the table are missing"))?;
    std::fs::write(path, format!("{head}{BEGIN}\n{table}{END}{tail}"))
}

impl Arguments {
    fn parse(mut words: impl Iterator<Item = String>) -> Option<Self> {
        let mut arguments = Self {
            names: Vec::new(),
            seeds: 1..=WORST_MAX,
            jobs: thread::available_parallelism().map_or(1, usize::from),
            write: None,
            limits: false,
        };
        while let Some(word) = words.next() {
            match word.as_str() {
                "--max" => arguments.seeds = 1..=words.next()?.parse().ok()?,
                "--seed" => {
                    let seed = words.next()?.parse().ok()?;
                    arguments.seeds = seed..=seed;
                }
                "--jobs" => arguments.jobs = words.next()?.parse().ok()?,
                "--write" => arguments.write = Some(words.next()?),
                "--limits" => arguments.limits = true,
                option if option.starts_with('-') => return None,
                name => arguments.names.push(name.to_lowercase()),
            }
        }
        Some(arguments)
    }

    /// Whether a name is that of the mutant, or of its crate or world where runs are known to show
    /// it.
    fn wants(&self, mutant: Mutant) -> bool {
        let world = format!("{:?}", mutant.world());
        let known = [mutant.name(), mutant.home(), &world].map(str::to_lowercase);
        let known = match mutant.world() {
            World::Unit => known.get(..1),
            _ => known.get(..),
        };
        let mut names = self.names.iter();
        names.any(|name| known.is_some_and(|known| known.contains(name)))
    }
}

const MEDIAN_MAX: u64 = 50;
const WORST_MAX: u64 = 2_000;
const BEGIN: &str = "<!-- begin: cargo xtask mutants --write -->";
const END: &str = "<!-- end -->";
