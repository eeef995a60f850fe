//! One node's process.

use std::fs::{self, File};
use std::net::SocketAddr;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

use super::layout::FILE_NAME;

/// A node: its folder for ever, its process while it has one.
#[derive(Debug)]
pub(crate) struct Node {
    /// Its number, 1 and up.
    pub number: u64,
    /// Where clients reach it.
    pub http: String,
    folder: PathBuf,
    binary: PathBuf,
    process: Mutex<Process>,
}

#[derive(Debug, Default)]
struct Process {
    /// Killed when it is dropped.
    child: Option<Child>,
    /// Whether it may end although nobody told it to.
    may_end: bool,
}

impl Node {
    pub(super) fn new(number: u64, http: SocketAddr, folder: PathBuf, binary: PathBuf) -> Self {
        Self {
            number,
            http: http.to_string(),
            folder,
            binary,
            process: Mutex::default(),
        }
    }

    /// Its folder.
    #[must_use]
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Starts its process.
    ///
    /// # Errors
    /// When the binary cannot be started.
    ///
    /// # Panics
    /// When it has a process.
    pub(crate) async fn start(&self) -> Result<()> {
        self.start_as(false).await
    }

    /// The same, and it may end by itself from the first.
    pub(crate) async fn start_as(&self, may_end: bool) -> Result<()> {
        self.start_with(&[], may_end).await
    }

    /// Starts its process on an empty disk, in place of one whose disk was lost.
    ///
    /// # Errors
    /// When the binary cannot be started.
    ///
    /// # Panics
    /// When it has a process.
    pub(crate) async fn start_with_empty_disk(&self) -> Result<()> {
        self.start_with(&["--replace"], false).await
    }

    async fn start_with(&self, flags: &[&str], may_end: bool) -> Result<()> {
        let mut process = self.process.lock().await;
        assert!(process.child.is_none(), "node {} runs", self.number);
        let stderr = File::options()
            .create(true)
            .append(true)
            .open(self.folder.join("log/stderr.log"))?;
        let child = Command::new(&self.binary)
            .args(["start", "--until-stdin-ends", "--config"])
            .arg(self.folder.join(FILE_NAME))
            .args(flags)
            .env("RUST_BACKTRACE", "1")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting {}", self.binary.display()))?;
        *process = Process {
            child: Some(child),
            may_end,
        };
        Ok(())
    }

    /// SIGKILL, and waits for the end.
    pub(crate) async fn kill(&self) {
        let mut process = self.process.lock().await;
        if let Some(mut child) = process.child.take() {
            signal(&child, Signal::KILL);
            let _status = child.wait().await;
        }
    }

    /// SIGTERM, and waits for the end. Unless it `serves`, the signal itself may end it.
    ///
    /// # Errors
    /// How it ended instead, when that was not with success within [`STOP_PATIENCE`]. It has ended
    /// then, too.
    pub(crate) async fn stop(&self, serves: bool) -> Result<(), String> {
        let mut process = self.process.lock().await;
        let Some(mut child) = process.child.take() else {
            return Ok(());
        };
        // Waiting would close it, which tells the node to stop, too.
        let _stays_open = child.stdin.take();
        signal(&child, Signal::TERM);
        let how = match tokio::time::timeout(STOP_PATIENCE, child.wait()).await {
            Ok(Ok(status)) if status.success() => return Ok(()),
            Ok(Ok(status)) if !serves && status.signal() == Some(Signal::TERM.as_raw()) => {
                return Ok(());
            }
            Ok(Ok(status)) => format!("was told to stop and ended with {status}"),
            Ok(Err(why)) => format!("was told to stop: {why}"),
            Err(_elapsed) => {
                signal(&child, Signal::KILL);
                let _status = child.wait().await;
                format!(
                    "was told to stop and did not within {} s",
                    STOP_PATIENCE.as_secs()
                )
            }
        };
        Err(format!("{how}\n{}", self.tail()))
    }

    /// SIGSTOP, or SIGCONT.
    pub(crate) async fn pause(&self, paused: bool) {
        let process = self.process.lock().await;
        if let Some(child) = &process.child {
            let what = if paused { Signal::STOP } else { Signal::CONT };
            signal(child, what);
        }
    }

    /// From now on it may end by itself, or not.
    pub(crate) async fn may_end(&self, may: bool) {
        self.process.lock().await.may_end = may;
    }

    /// Whether it has a process.
    pub(crate) async fn has_process(&self) -> bool {
        self.process.lock().await.child.is_some()
    }

    /// How its process ended, if it was to end by itself and has.
    pub(crate) async fn ended(&self) -> Option<ExitStatus> {
        let mut process = self.process.lock().await;
        let status = process.child.as_mut()?.try_wait().ok()??;
        process.child = None;
        Some(status)
    }

    /// How its process ended, if it has and nobody told it to.
    pub(crate) async fn ended_by_itself(&self) -> Option<ExitStatus> {
        let mut process = self.process.lock().await;
        if process.may_end {
            return None;
        }
        let status = process.child.as_mut()?.try_wait().ok()??;
        process.child = None;
        Some(status)
    }

    /// The last lines of its logs.
    #[must_use]
    pub(crate) fn tail(&self) -> String {
        let mut text = String::new();
        for name in ["norikv.log", "stderr.log"] {
            let log = fs::read(self.folder.join("log").join(name)).unwrap_or_default();
            let log = String::from_utf8_lossy(&log);
            let lines: Vec<&str> = log.lines().collect();
            let last = lines.get(lines.len().saturating_sub(LINES)..);
            text.push_str(&format!("--- node {} {name}\n", self.number));
            for line in last.unwrap_or_default() {
                text.push_str(line);
                text.push('\n');
            }
        }
        text
    }
}

fn signal(child: &Child, signal: Signal) {
    let pid = child.id().and_then(|id| i32::try_from(id).ok());
    if let Some(pid) = pid.and_then(Pid::from_raw) {
        // It may have ended; its id is not given to another before it is waited for.
        let _ended = kill_process(pid, signal);
    }
}

/// How long a node may take to stop by itself.
pub(super) const STOP_PATIENCE: Duration = Duration::from_secs(20);
const LINES: usize = 25;
