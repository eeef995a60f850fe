//! `shard locate`: where a key lives, by arithmetic alone.

pub(super) mod moves;

use std::path::Path;
use std::process::ExitCode;

use anyhow::Result;
use norikv_placement::{Placement, shard_of};
use norikv_types::NodeId;
use serde::Serialize;

use crate::config::{self, NodeFile};
use crate::output::{self, Output};

#[derive(Serialize)]
struct Located<'a> {
    key: &'a str,
    shard: u16,
    group: u32,
}

/// `groups` as the cluster has them: as told, else as it stands in `data_dir`, else the default.
pub(super) fn locate(
    key: &str,
    groups: Option<u32>,
    data_dir: &Path,
    output: Output,
) -> Result<ExitCode> {
    let groups = match (groups, config::files_in(data_dir)?.first()) {
        (Some(groups), _) => groups,
        (None, Some(path)) => NodeFile::load(path)?.groups,
        (None, None) => Placement::GROUPS_DEFAULT,
    };
    let shard = shard_of(key.as_bytes());
    // Which nodes hold a group is the cluster's business; which group holds a shard is not.
    let placement = Placement::new(&[NodeId(1)], groups, 1)?;
    let located = Located {
        key,
        shard: shard.0,
        group: placement.group_of(shard).0,
    };
    match output {
        Output::Json => output::json(&located)?,
        Output::Table => {
            let mut table = output::table(["KEY", "SHARD", "GROUP"]);
            table.add_row([
                key.to_owned(),
                located.shard.to_string(),
                located.group.to_string(),
            ]);
            output::line(table.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}
