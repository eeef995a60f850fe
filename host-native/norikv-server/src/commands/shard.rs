//! `shard locate`: where a key lives, by arithmetic alone.

use std::process::ExitCode;

use anyhow::Result;
use norikv_placement::{Placement, shard_of};
use norikv_types::NodeId;
use serde::Serialize;

use crate::output::{self, Output};

#[derive(Serialize)]
struct Located<'a> {
    key: &'a str,
    shard: u16,
    group: u32,
}

pub(super) fn locate(key: &str, output: Output) -> Result<ExitCode> {
    let shard = shard_of(key.as_bytes());
    // Which nodes hold a group is the cluster's business; which group holds a shard is not.
    let placement = Placement::new(&[NodeId(1)], Placement::GROUPS_DEFAULT, 1)?;
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
