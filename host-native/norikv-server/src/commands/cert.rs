//! `cert`: the authority of a cluster and the certificates of its nodes.

use std::process::ExitCode;

use anyhow::{Context, Result};
use norikv_transport_quic::Authority;
use norikv_types::NodeId;

use crate::cli::Cert;
use crate::config;
use crate::output;

pub(super) fn run(args: Cert) -> Result<ExitCode> {
    match args {
        Cert::Authority { folder, cluster } => {
            let cluster = match cluster {
                Some(text) => config::parse_cluster(&text)?,
                None => config::draw()?,
            };
            Authority::create(cluster)?.save(&folder)?;
            output::line(format!(
                "authority of cluster {cluster:016x} in {}",
                folder.display()
            ))?;
        }
        Cert::Node {
            authority,
            folder,
            node,
            addresses,
        } => {
            let authority = Authority::load(&authority)
                .with_context(|| format!("the authority in {}", authority.display()))?;
            authority.issue(NodeId(node), &addresses)?.save(&folder)?;
            output::line(format!(
                "certificate of node {node} in {}",
                folder.display()
            ))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
