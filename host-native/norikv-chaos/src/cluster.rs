//! The processes of a cluster, their disks and the links between them.
//!
//! **Invariant: no process, mount or socket outlives its [`Cluster`].** Processes are ended by their
//! ids; a node's standard input is a pipe from here, so that it ends even if this process is killed.

mod disk;
mod layout;
mod node;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use norikv_api::ClusterBody;
use norikv_client::{Client, Config};

pub(crate) use self::disk::Disks;
pub(crate) use self::node::Node;
use crate::mesh::{Link, Mesh, Relays};

/// A cluster of real processes.
#[derive(Debug)]
pub(crate) struct Cluster {
    /// The nodes, by number from 1.
    pub nodes: Vec<Node>,
    /// The links between them.
    pub mesh: Arc<Mesh>,
    /// Small file systems that can be filled, where they could be made; why not, otherwise.
    pub disks: Result<Disks, String>,
    _relays: Relays,
    asker: Client,
}

/// What a cluster is made with.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The `norikv` binary.
    pub binary: PathBuf,
    /// Nodes.
    pub nodes: u64,
    /// An empty folder.
    pub folder: PathBuf,
    /// Whether to mount small file systems for the nodes' stores; why not, otherwise. Whoever says
    /// yes runs in a mount namespace of its own.
    pub disks: Result<(), String>,
    /// Draws what the links do.
    pub seed: u64,
    /// How much the nodes' stores hold before they do something.
    pub sizes: Sizes,
}

/// How much the nodes' stores hold before they do something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sizes {
    /// So little that rotation, flush, compaction and snapshots happen all the time.
    Small,
    /// As a server has it by default.
    Default,
}

/// Raft groups of a cluster.
pub(crate) const GROUPS: u32 = 8;

impl Cluster {
    /// Makes the folders, relays and file systems of a cluster and starts its nodes.
    ///
    /// # Errors
    /// When one of them cannot be made; what was made before is undone.
    pub(crate) async fn start(settings: &Settings) -> Result<Self> {
        let mesh = Arc::new(Mesh::new(settings.nodes, settings.seed));
        let ports = layout::Ports::draw(settings.nodes)?;
        let relays = Relays::start(&mesh, &ports.quic()).await?;
        layout::certificates(settings)?;
        let mut nodes = Vec::new();
        for number in 1..=settings.nodes {
            let peers: BTreeMap<_, _> = (1..=settings.nodes)
                .filter(|peer| *peer != number)
                .map(|peer| {
                    (
                        peer,
                        relays.address(Link {
                            from: number,
                            to: peer,
                        }),
                    )
                })
                .collect();
            let folder = settings.folder.join(format!("node-{number}"));
            layout::configure(&folder, number, &ports, &peers, settings.sizes)?;
            nodes.push(Node::new(
                number,
                ports.http(number),
                folder,
                settings.binary.clone(),
            ));
        }
        let disks = settings.disks.clone().and_then(|()| {
            let folders: Vec<&Path> = nodes.iter().map(Node::folder).collect();
            Disks::mount(&folders).map_err(|why| format!("{why:#}"))
        });
        drop(ports);
        let endpoints: Vec<String> = nodes.iter().map(|node| node.http.clone()).collect();
        let mut config = Config::new(endpoints);
        config.attempt_timeout = Duration::from_secs(1);
        let cluster = Self {
            nodes,
            mesh,
            disks,
            _relays: relays,
            asker: Client::new(config),
        };
        for node in &cluster.nodes {
            node.start().await?;
        }
        Ok(cluster)
    }

    /// A node by its number.
    ///
    /// # Panics
    /// When there is none.
    #[must_use]
    pub(crate) fn node(&self, number: u64) -> &Node {
        let nth = usize::try_from(number - 1).unwrap_or(usize::MAX);
        &self.nodes[nth]
    }

    /// `host:port` of every node, that of `first` first.
    #[must_use]
    pub(crate) fn endpoints(&self, first: u64) -> Vec<String> {
        let mut all: Vec<String> = self.nodes.iter().map(|node| node.http.clone()).collect();
        let by = usize::try_from(first - 1).unwrap_or(0) % all.len();
        all.rotate_left(by);
        all
    }

    /// What every node says of itself; nothing where it does not answer.
    pub(crate) async fn statuses(&self) -> Vec<Option<ClusterBody>> {
        let mut statuses = Vec::new();
        for node in &self.nodes {
            statuses.push(self.asker.status_of(&node.http).await.ok());
        }
        statuses
    }

    /// Whether a node says anything of itself.
    pub(crate) async fn answers(&self, node: u64) -> bool {
        self.asker.status_of(&self.node(node).http).await.is_ok()
    }

    /// Who says of itself that it leads a group, in the highest term.
    pub(crate) async fn leader(&self, group: u32) -> Option<u64> {
        let statuses = self.statuses().await;
        let leads = |status: &ClusterBody| {
            let own = status.groups.iter().find(|own| own.group == group)?;
            let replica = own.replica.as_ref()?;
            (replica.role == "leader").then_some((replica.term, status.node))
        };
        statuses
            .iter()
            .flatten()
            .filter_map(leads)
            .max()
            .map(|(_, node)| node)
    }

    /// Waits until every node says that it can serve.
    ///
    /// # Errors
    /// When one does not within a minute.
    pub(crate) async fn ready(&self) -> Result<()> {
        let ready = async {
            loop {
                let statuses = self.statuses().await;
                let well = |status: &Option<ClusterBody>| {
                    status.as_ref().is_some_and(|status| status.ready)
                };
                if statuses.iter().all(well) {
                    return;
                }
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        };
        match tokio::time::timeout(PATIENCE, ready).await {
            Ok(()) => Ok(()),
            Err(_elapsed) => {
                let tails: Vec<String> = self.nodes.iter().map(Node::tail).collect();
                bail!(
                    "the nodes are not ready within {} s\n{}",
                    PATIENCE.as_secs(),
                    tails.join("\n")
                )
            }
        }
    }

    /// Has every node end, by itself; then unmounts the disks.
    ///
    /// # Errors
    /// When a node does not end, or not with success.
    pub(crate) async fn stop(&self) -> Result<()> {
        let mut wrong = Vec::new();
        for node in &self.nodes {
            if let Err(how) = node.stop(true).await {
                wrong.push(format!("node {} {how}", node.number));
            }
        }
        if wrong.is_empty() {
            Ok(())
        } else {
            bail!(wrong.join("\n"))
        }
    }
}

/// Runs a command to its end.
fn run(command: &mut std::process::Command) -> Result<()> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(std::process::Stdio::null())
        .output()
        .with_context(|| format!("running {name}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let said = String::from_utf8_lossy(&output.stderr);
        bail!("{name}: {}: {}", output.status, said.trim())
    }
}

const PATIENCE: Duration = Duration::from_secs(60);
