//! The node processes: started, watched, stopped.

use std::collections::BTreeMap;
use std::fmt;
use std::fs::OpenOptions;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use serde::Serialize;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

use super::layout::{Layout, NodeLayout};
use crate::config::FILE_NAME;

/// The processes of a cluster.
#[derive(Debug)]
pub(super) struct Nodes {
    running: BTreeMap<u64, Running>,
    deaths_in: mpsc::UnboundedSender<Death>,
    deaths: mpsc::UnboundedReceiver<Death>,
    restart: bool,
}

#[derive(Debug)]
struct Running {
    pid: u32,
    /// The node stops when this closes.
    stdin: Option<ChildStdin>,
    /// Ends when the process has.
    watch: tokio::task::JoinHandle<()>,
    starts: u32,
}

/// A node that ended although nobody asked it to.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Death {
    pub(super) node: u64,
    pid: u32,
    /// How it ended, in words.
    exited: String,
    /// What brings it back.
    next: String,
}

/// How long a node may take to stop by itself.
const STOP_PATIENCE: Duration = Duration::from_secs(15);
/// The pause before a node is started again; doubles up to 32 times itself.
const RESTART_PAUSE: Duration = Duration::from_millis(100);

impl Nodes {
    /// Starts every node of `layout`.
    ///
    /// # Errors
    /// When a process cannot be started; those that were are stopped by the drop.
    pub(super) fn start(layout: &Layout, restart: bool) -> Result<Self> {
        let (deaths_in, deaths) = mpsc::unbounded_channel();
        let mut nodes = Self {
            running: BTreeMap::new(),
            deaths_in,
            deaths,
            restart,
        };
        for node in &layout.nodes {
            nodes.spawn(node, 1)?;
        }
        Ok(nodes)
    }

    /// The nodes and their process ids.
    pub(super) fn running<'a>(
        &'a self,
        layout: &'a Layout,
    ) -> impl Iterator<Item = (&'a NodeLayout, u32)> {
        layout
            .nodes
            .iter()
            .filter_map(|node| Some((node, self.running.get(&node.file.node)?.pid)))
    }

    /// Waits for a node to end by itself.
    pub(super) async fn next_death(&mut self) -> Death {
        match self.deaths.recv().await {
            Some(death) => death,
            // The sender lives as long as `self`.
            None => std::future::pending().await,
        }
    }

    /// Starts a node that died, after a pause that grows with every start.
    ///
    /// # Errors
    /// When the process cannot be started.
    pub(super) async fn start_again(&mut self, layout: &Layout, number: u64) -> Result<()> {
        let starts = self
            .running
            .get(&number)
            .map_or(1, |running| running.starts);
        tokio::time::sleep(RESTART_PAUSE * (1 << starts.min(6).saturating_sub(1))).await;
        let node = layout.nodes.iter().find(|node| node.file.node == number);
        let node = node.ok_or_else(|| anyhow!("there is no node {number}"))?;
        self.spawn(node, starts + 1)
    }

    /// Asks every node to stop and waits until they have; those that do not are killed.
    pub(super) async fn stop(&mut self) {
        for running in self.running.values_mut() {
            running.stdin = None;
        }
        for running in std::mem::take(&mut self.running).into_values() {
            let mut watch = running.watch;
            if tokio::time::timeout(STOP_PATIENCE, &mut watch)
                .await
                .is_err()
            {
                // Dropping the child, which the watch owns, kills it.
                watch.abort();
            }
        }
    }

    fn spawn(&mut self, node: &NodeLayout, starts: u32) -> Result<()> {
        let number = node.file.node;
        let config = node.folder.join(FILE_NAME);
        let log = node.folder.join("log").join("stderr.log");
        let stderr = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&log)
            .with_context(|| format!("opening {}", log.display()))?;
        let mut child = Command::new(std::env::current_exe()?)
            .arg("start")
            .arg("--config")
            .arg(&config)
            .arg("--until-stdin-ends")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(stderr)
            // Ctrl-C is for `dev`, which then stops its nodes in its own way.
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("starting node {number}"))?;
        let pid = child
            .id()
            .ok_or_else(|| anyhow!("node {number} ended at once"))?;
        let stdin = child.stdin.take();
        let next = if self.restart {
            "it is started again".to_owned()
        } else {
            format!(
                "bring it back with: norikv start --config {}",
                config.display()
            )
        };
        let deaths = self.deaths_in.clone();
        let watch = tokio::spawn(async move {
            let exited = ended(child).await;
            let _nobody_asks = deaths.send(Death {
                node: number,
                pid,
                exited,
                next,
            });
        });
        self.running.insert(
            number,
            Running {
                pid,
                stdin,
                watch,
                starts,
            },
        );
        Ok(())
    }
}

impl Death {
    /// The death as the reason why the cluster did not come up.
    pub(super) fn into_error(self) -> anyhow::Error {
        anyhow!("{self}; its log folder says why")
    }
}

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "node {} (pid {}) ended: {}; {}",
            self.node, self.pid, self.exited, self.next
        )
    }
}

/// Waits for a process; how it ended, in words.
async fn ended(mut child: Child) -> String {
    match child.wait().await {
        Ok(status) => status.to_string(),
        Err(why) => format!("cannot be waited for: {why}"),
    }
}
