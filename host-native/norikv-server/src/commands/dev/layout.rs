//! The folders of a cluster on this machine: made once, kept.

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use norikv_placement::Placement;
use norikv_transport_quic::Authority;
use norikv_types::NodeId;

use crate::commands::dev::ports::Ports;
use crate::config::{self, FILE_NAME, NodeFile, PeerEntry, Tuning};

/// A cluster on this machine.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) data_dir: PathBuf,
    pub(super) nodes: Vec<NodeLayout>,
}

/// One node of it.
#[derive(Debug)]
pub(super) struct NodeLayout {
    pub(super) folder: PathBuf,
    pub(super) file: NodeFile,
}

impl Layout {
    /// The cluster in `data_dir`; made with `count` nodes and `groups` when there is none.
    ///
    /// # Errors
    /// When there is one of another size, or files cannot be read or written.
    pub(super) fn load_or_make(data_dir: &Path, count: u64, groups: Option<u32>) -> Result<Self> {
        let made = data_dir.join("cluster.made");
        if !made.exists() {
            make(data_dir, count, groups.unwrap_or(Placement::GROUPS_DEFAULT))?;
            fs::write(&made, "")?;
        }
        let mut nodes = Vec::new();
        for path in config::files_in(data_dir)? {
            let folder = path.parent().map(Path::to_path_buf).unwrap_or_default();
            nodes.push(NodeLayout {
                folder,
                file: NodeFile::load(&path)?,
            });
        }
        if nodes.len() as u64 != count {
            bail!(
                "{} holds a cluster of {} nodes, and its size is fixed; say --nodes {}, or choose another folder with --data-dir",
                data_dir.display(),
                nodes.len(),
                nodes.len()
            );
        }
        let made = nodes.first().map(|node| node.file.groups);
        if let (Some(made), Some(groups)) = (made, groups)
            && made != groups
        {
            bail!(
                "{} holds a cluster of {made} groups, and their number is fixed; say --groups {made} or nothing, or choose another folder with --data-dir",
                data_dir.display(),
            );
        }
        Ok(Self {
            data_dir: data_dir.to_path_buf(),
            nodes,
        })
    }

    /// Whether every node's ports are free.
    ///
    /// # Errors
    /// Names the node and the port that are not.
    pub(super) fn check_ports(&self) -> Result<()> {
        for NodeLayout { file, folder } in &self.nodes {
            let taken = |kind, address| {
                format!(
                    "node {}: its {kind} port {address} is taken; stop who has it, or change it in {} (and in the other nodes' files)",
                    file.node,
                    folder.join(FILE_NAME).display()
                )
            };
            TcpListener::bind(file.http).with_context(|| taken("http", file.http))?;
            UdpSocket::bind(file.quic).with_context(|| taken("quic", file.quic))?;
        }
        Ok(())
    }
}

/// Makes a cluster: authority, certificates, ports and configuration files. What an earlier try
/// left half made is made anew.
fn make(data_dir: &Path, count: u64, groups: u32) -> Result<()> {
    let cluster = config::draw()?;
    let authority = Authority::create(cluster).context("making the cluster's authority")?;
    let authority_folder = data_dir.join("authority");
    if authority_folder.exists() {
        fs::remove_dir_all(&authority_folder)?;
    }
    authority.save(&authority_folder)?;

    // Held until every port is drawn, so that none is drawn twice.
    let mut ports = Ports::default();
    let addresses = (0..count)
        .map(|_| ports.draw())
        .collect::<Result<Vec<_>>>()?;
    let mut files = Vec::new();
    for (node, (http, quic)) in (1..=count).zip(&addresses) {
        let folder = data_dir.join(format!("node-{node}"));
        let tls = folder.join("tls");
        if tls.exists() {
            fs::remove_dir_all(&tls)?;
        }
        authority
            .issue(NodeId(node), &["127.0.0.1".to_owned()])?
            .save(&tls)?;
        fs::create_dir_all(folder.join("log"))?;
        let peers = (1..=count)
            .zip(&addresses)
            .filter(|(peer, _)| *peer != node)
            .map(|(peer, (_, quic))| PeerEntry {
                node: peer,
                quic: *quic,
            })
            .collect();
        let file = NodeFile {
            cluster: format!("{cluster:016x}"),
            node,
            http: *http,
            quic: *quic,
            groups,
            tuning: Tuning::default(),
            peers,
        };
        files.push((folder.join(FILE_NAME), file));
    }
    for (path, file) in files {
        file.save(&path)?;
    }
    Ok(())
}
