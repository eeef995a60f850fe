//! `norikv verify`: reads every byte of a store.
//!
//! **Invariant: exit code 0 says that every byte was read and is what was written.**

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use nori_env::{BlockStore, DirStore, Entropy, IoErrorKind, OsEntropy, Owner};
use nori_lsm::{Error, Progress, Verified, verify_store};
use serde::Serialize;

use crate::output::{self, Output};

#[derive(Serialize)]
struct Report {
    objects: u64,
    bytes: u64,
    orphans: u64,
    findings: Vec<Finding>,
}

#[derive(Serialize)]
struct Finding {
    file: String,
    start: u64,
    end: Option<u64>,
    what: String,
}

pub(super) fn run(dir: &Path, output: Output) -> Result<ExitCode> {
    ensure!(dir.is_dir(), "{}: no such directory", dir.display());
    let mut report = Report {
        objects: 0,
        bytes: 0,
        orphans: 0,
        findings: Vec::new(),
    };
    let bar = bar();
    for part in parts(dir) {
        let store = DirStore::open_read_only(&part)
            .with_context(|| format!("opening {}", part.display()))?;
        let _lock = lock(&part)?;
        let found = verify_store(&store, Some(&store), &mut |progress: Progress| {
            bar.set_length(progress.total);
            bar.set_position(progress.done);
            bar.set_message(progress.object.to_string());
        });
        let found = found.map_err(|error| match error {
            Error::NoStore => anyhow::anyhow!("{}: there is no store here", part.display()),
            error => anyhow::Error::from(error).context(format!("reading {}", part.display())),
        })?;
        report.add(&part, found);
    }
    bar.finish_and_clear();
    let sound = report.findings.is_empty();
    match output {
        Output::Json => output::json(&report)?,
        Output::Table => output::line(report.text())?,
    }
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// A store lies in its directory; a node keeps its log and its data in directories of their own.
fn parts(dir: &Path) -> Vec<PathBuf> {
    let (log, data) = (dir.join("log"), dir.join("data"));
    match log.is_dir() && data.is_dir() {
        true => vec![log, data],
        false => vec![dir.to_path_buf()],
    }
}

/// Keeps others from writing meanwhile, where the directory can be written at all. Whoever opens a
/// store leaves the file of its lock: where none is, there is nobody.
fn lock(dir: &Path) -> Result<Option<DirStore>> {
    if !dir.join("lock").exists() {
        return Ok(None);
    }
    let store = DirStore::open(dir)?;
    match store.acquire(Owner(OsEntropy.draw())) {
        Ok(()) => Ok(Some(store)),
        Err(error) if error.kind == IoErrorKind::Fenced => bail!(
            "{}: someone has it open; stop them first, or verify a checkpoint",
            dir.display()
        ),
        // Nobody can write there, then.
        Err(_read_only) => Ok(None),
    }
}

/// On a terminal only; indicatif sees to that.
fn bar() -> ProgressBar {
    let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
    let template = "{bar:30} {bytes}/{total_bytes}, {bytes_per_sec}, {eta} left, {msg}";
    bar.set_style(
        ProgressStyle::with_template(template).unwrap_or_else(|_bad| ProgressStyle::default_bar()),
    );
    bar
}

impl Report {
    fn add(&mut self, dir: &Path, found: Verified) {
        self.objects += found.objects;
        self.bytes += found.bytes;
        self.orphans += found.orphans;
        self.findings
            .extend(found.findings.iter().map(|finding| Finding {
                file: dir.join(finding.object.to_string()).display().to_string(),
                start: finding.start,
                end: finding.end,
                what: finding.reason(),
            }));
    }

    fn text(&self) -> String {
        let mut text = String::new();
        if !self.findings.is_empty() {
            let mut table = output::table(["FILE", "BYTES", "WHAT"]);
            for finding in &self.findings {
                let bytes = match finding.end {
                    Some(end) => format!("{}..{end}", finding.start),
                    None => format!("{}..", finding.start),
                };
                table.add_row([finding.file.clone(), bytes, finding.what.clone()]);
            }
            text = format!("{table}\n\n");
        }
        let verdict = match self.findings.len() {
            0 => "sound".to_owned(),
            1 => "1 finding".to_owned(),
            count => format!("{count} findings"),
        };
        text += &format!(
            "{verdict}: {} files, {} bytes read",
            self.objects, self.bytes
        );
        if self.orphans > 0 {
            text += &format!(
                "; {} files that nothing names, which opening deletes",
                self.orphans
            );
        }
        text
    }
}
