//! Rounds of cells, each in a process of its own.
//!
//! **Invariant: for each group the engines take turns, and each round begins with another one**, so
//! that whatever else the machine does meets all of them.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

use super::Settings;
use super::cell::{CellReport, CellSpec, Work};
use super::engine::EngineKind;
use super::group::Group;
use super::summary::{Failure, Results, SyncCount};
use crate::scratch::Scratch;

/// Runs all cells of `settings` with data in `scratch`; `progress` hears what begins, and which
/// share of the whole is done.
pub(super) fn run(
    settings: &Settings,
    scratch: &Scratch,
    progress: &mut dyn FnMut(&str, f64),
) -> Result<Results> {
    let mut results = Results::default();
    let groups: Vec<Group> = settings.groups()?;
    let engines: Vec<EngineKind> = settings.engines()?;
    let can_count = settings.counts_syncs && can_count_syncs();
    let cells = f64::from(settings.rounds) * (groups.len() * engines.len()) as f64;
    let mut done = 0.0;
    for round in 0..settings.rounds {
        for group in &groups {
            for turn in 0..engines.len() {
                let engine = engines[(turn + usize::try_from(round)?) % engines.len()];
                let what = format!("round {}: {} {}", round + 1, engine.name, group.name);
                progress(&what, done / cells);
                done += 1.0;
                if group.is_lsm_only && !engine.is_lsm {
                    continue;
                }
                results.loads.push(load_of_machine());
                let work = Work::Group(group.name.to_owned());
                match cell(settings, scratch, engine, work, &[]) {
                    Ok(report) => results.add(engine.name, group.name, report),
                    Err(error) => results.failures.push(Failure {
                        engine: engine.name.to_owned(),
                        group: group.name.to_owned(),
                        error: format!("{error:#}"),
                    }),
                }
                if can_count && round == 0 {
                    let threads = group.name.strip_prefix("sync-");
                    if let Some(threads) = threads.and_then(|threads| threads.parse().ok()) {
                        let count = count_syncs(settings, scratch, engine, threads);
                        results.syncs.extend(count.ok());
                    }
                }
            }
        }
    }
    Ok(results)
}

/// Runs a cell in a process of its own, started through `wrapper` if there is one.
fn cell(
    settings: &Settings,
    scratch: &Scratch,
    engine: EngineKind,
    work: Work,
    wrapper: &[String],
) -> Result<CellReport> {
    let folder = scratch.join("cell");
    fs::create_dir(&folder)?;
    let spec = CellSpec {
        engine: engine.name.to_owned(),
        work,
        folder: folder.clone(),
        keys: settings.keys,
        seconds: settings.seconds,
        sizes: settings.sizes,
        workloads: settings.workloads.clone(),
    };
    let exe = std::env::current_exe().context("finding this program")?;
    let mut command = match wrapper.split_first() {
        Some((program, arguments)) => {
            let mut command = Command::new(program);
            command.args(arguments).arg(exe);
            command
        }
        None => Command::new(exe),
    };
    command.args(&settings.cell_command);
    command.arg(serde_json::to_string(&spec)?);
    let output = scratch.join("out");
    command.stdin(Stdio::null());
    command.stdout(fs::File::create(&output)?);
    let errors = scratch.join("err");
    command.stderr(fs::File::create(&errors)?);
    let ended = wait(
        command,
        Duration::from_secs_f64(60.0 + 120.0 * settings.seconds),
    );
    fs::remove_dir_all(&folder)?;
    if let Err(error) = ended {
        let said = fs::read_to_string(errors).unwrap_or_default();
        bail!("{error}: {}", said.trim());
    }
    let answer = fs::read_to_string(&output)?;
    serde_json::from_str(&answer).context("reading a cell's answer")
}

/// Waits for `command` and kills it after `limit`.
fn wait(mut command: Command, limit: Duration) -> Result<()> {
    let mut child = command.spawn().context("starting a cell")?;
    let start = Instant::now();
    loop {
        if let Some(status) = child.try_wait()? {
            ensure!(status.success(), "a cell failed ({status})");
            return Ok(());
        }
        if start.elapsed() > limit {
            child.kill()?;
            child.wait()?;
            bail!("a cell was killed after {:.0} s", limit.as_secs_f64());
        }
        std::thread::sleep(POLL);
    }
}

/// Whether `perf` is there and may count system calls.
fn can_count_syncs() -> bool {
    let mut command = Command::new("perf");
    command.args(["stat", "-e", SYNC_CALLS[0], "true"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// How often an engine syncs for puts: what a process syncs that puts, without what one syncs that
/// only opens a store.
fn count_syncs(
    settings: &Settings,
    scratch: &Scratch,
    engine: EngineKind,
    threads: u32,
) -> Result<SyncCount> {
    let commits = COUNTED_PUTS;
    let opening = syncs_of(settings, scratch, engine, 0, threads)?;
    let syncs = syncs_of(settings, scratch, engine, commits, threads)?.saturating_sub(opening);
    Ok(SyncCount {
        engine: engine.name.to_owned(),
        threads,
        commits,
        syncs,
        per_commit: syncs as f64 / commits as f64,
    })
}

/// Lets `perf` count the syncs of a process that opens a store, puts and ends.
fn syncs_of(
    settings: &Settings,
    scratch: &Scratch,
    engine: EngineKind,
    count: u64,
    threads: u32,
) -> Result<u64> {
    let counted = scratch.join("counted");
    let calls = SYNC_CALLS.join(",");
    let output = counted.display().to_string();
    let wrapper = ["perf", "stat", "-x", ",", "-e", &calls, "-o", &output, "--"];
    let wrapper = wrapper.map(str::to_owned);
    cell(
        settings,
        scratch,
        engine,
        Work::Puts { count, threads },
        &wrapper,
    )?;
    Ok(sum_of_counts(&fs::read_to_string(&counted)?))
}

/// The sum of the first fields of the lines of `perf stat -x ,`.
fn sum_of_counts(text: &str) -> u64 {
    let first = text.lines().filter_map(|line| line.split(',').next());
    first.filter_map(|count| count.parse::<u64>().ok()).sum()
}

/// Processes that wanted to run in the last minute.
fn load_of_machine() -> f64 {
    crate::machine::Machine::of(Path::new("/")).load
}

const POLL: Duration = Duration::from_millis(5);
/// Puts among which syncs are counted.
const COUNTED_PUTS: u64 = 640;
/// What an engine may sync with. A file opened for synchronous writes is not seen.
const SYNC_CALLS: [&str; 4] = [
    "syscalls:sys_enter_fdatasync",
    "syscalls:sys_enter_fsync",
    "syscalls:sys_enter_msync",
    "syscalls:sys_enter_sync_file_range",
];

#[cfg(test)]
mod tests {
    use super::sum_of_counts;

    #[test]
    fn the_counts_of_all_calls_are_summed() {
        let text = "# started on a day\n\n2001,,syscalls:sys_enter_fdatasync,1,100.00,,\n\
                    3,,syscalls:sys_enter_fsync,1,100.00,,\n<not counted>,,x\n";
        assert_eq!(sum_of_counts(text), 2_004);
    }
}
