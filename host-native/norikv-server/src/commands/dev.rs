//! `dev`: a cluster on this machine, each node a process of its own.
//!
//! **Invariant: no node outlives `dev`.** Each node's standard input is a pipe from here; when it
//! closes, however `dev` ended, the node stops.

mod layout;
mod nodes;
mod ports;

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use fs4::TryLockError;
use norikv_client::{Client, Config};
use serde::Serialize;
use tokio::signal::unix::{SignalKind, signal};

use crate::cli::Dev;
use crate::output::{self, Output};
use layout::Layout;
use nodes::Nodes;

/// Starts the cluster of `data_dir`, made now if there is none, and watches over it until told to
/// stop.
pub(super) async fn run(args: &Dev, data_dir: &Path, output: Output) -> Result<ExitCode> {
    let mut stop = Stop::new()?;
    std::fs::create_dir_all(data_dir)
        .with_context(|| format!("creating {}", data_dir.display()))?;
    let _lock = lock(data_dir)?;
    let layout = Layout::load_or_make(data_dir, args.nodes, args.groups)?;
    layout.check_ports()?;
    let mut nodes = Nodes::start(&layout, args.restart)?;
    report_nodes(&nodes, &layout, output)?;
    let ready = tokio::select! {
        ready = wait_until_ready(&layout) => ready,
        died = nodes.next_death() => Err(died.into_error()),
        () = stop.asked() => {
            nodes.stop().await;
            return Ok(ExitCode::SUCCESS);
        }
    };
    if let Err(why) = ready {
        nodes.stop().await;
        return Err(why);
    }
    match output {
        Output::Json => output::json(&serde_json::json!({ "ready": true }))?,
        Output::Table => output::line(
            "ready; in another terminal: norikv put hello world (Ctrl-C here stops the cluster)",
        )?,
    }
    loop {
        tokio::select! {
            () = stop.asked() => break,
            death = nodes.next_death() => {
                match output {
                    Output::Json => output::json(&death)?,
                    Output::Table => output::line(death.to_string())?,
                }
                if args.restart {
                    nodes.start_again(&layout, death.node).await?;
                }
            }
        }
    }
    nodes.stop().await;
    Ok(ExitCode::SUCCESS)
}

#[derive(Serialize)]
struct NodeLine {
    node: u64,
    pid: u32,
    http: String,
    quic: String,
    data_dir: String,
}

fn report_nodes(nodes: &Nodes, layout: &Layout, output: Output) -> Result<()> {
    let mut table = output::table(["NODE", "PID", "HTTP", "QUIC", "DATA"]);
    for (node, pid) in nodes.running(layout) {
        let line = NodeLine {
            node: node.file.node,
            pid,
            http: node.file.http.to_string(),
            quic: node.file.quic.to_string(),
            data_dir: node.folder.display().to_string(),
        };
        match output {
            Output::Json => output::json(&line)?,
            Output::Table => {
                table.add_row([
                    line.node.to_string(),
                    line.pid.to_string(),
                    line.http,
                    line.quic,
                    line.data_dir,
                ]);
            }
        }
    }
    if output == Output::Table {
        output::line(table.to_string())?;
    }
    Ok(())
}

/// Waits until every node says that it can serve.
async fn wait_until_ready(layout: &Layout) -> Result<()> {
    const LOOK_EVERY: Duration = Duration::from_millis(10);
    const PATIENCE: Duration = Duration::from_secs(60);
    let everyone = async {
        for node in &layout.nodes {
            let endpoint = node.file.http.to_string();
            let mut config = Config::new([endpoint.clone()]);
            config.attempt_timeout = Duration::from_secs(1);
            let client = Client::new(config);
            loop {
                // The view of `/meta/cluster` carries the same verdict as `/readyz`.
                match client.status_of(&endpoint).await {
                    Ok(seen) if seen.ready => break,
                    Ok(_) | Err(_) => tokio::time::sleep(LOOK_EVERY).await,
                }
            }
        }
    };
    if tokio::time::timeout(PATIENCE, everyone).await.is_err() {
        bail!(
            "the cluster is not ready after {} s; the nodes' logs are in {}",
            PATIENCE.as_secs(),
            layout.data_dir.join("node-*/log").display()
        );
    }
    Ok(())
}

/// Takes the folder's lock; it is released when the file is dropped or the process ends.
fn lock(data_dir: &Path) -> Result<File> {
    let path = data_dir.join("dev.lock");
    let file = File::create(&path).with_context(|| format!("creating {}", path.display()))?;
    match fs4::FileExt::try_lock(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => bail!(
            "another `norikv dev` runs on {}; stop it, or choose another folder with --data-dir",
            data_dir.display()
        ),
        Err(TryLockError::Error(why)) => {
            Err(why).with_context(|| format!("locking {}", path.display()))
        }
    }
}

/// Ctrl-C or SIGTERM.
struct Stop {
    interrupt: tokio::signal::unix::Signal,
    terminate: tokio::signal::unix::Signal,
}

impl Stop {
    fn new() -> Result<Self> {
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    async fn asked(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}
