//! `cluster status`: every node as its peers see it, and as it sees itself.

use std::process::ExitCode;

use anyhow::Result;
use norikv_api::ClusterBody;
use norikv_client::{Client, Error};
use serde::Serialize;

use crate::output::{self, Output};

#[derive(Serialize)]
struct Row {
    node: u64,
    /// Where clients reach it.
    address: Option<String>,
    /// What SWIM says of it, as the answering node sees it.
    state: String,
    /// The groups it leads, as the answering node sees it.
    groups_led: Vec<u32>,
    /// Its highest term, from itself; absent when it does not answer.
    term: Option<u64>,
    /// Entries applied over all its groups, from itself.
    applied: Option<u64>,
    /// Whether it can serve, from itself.
    ready: Option<bool>,
}

pub(super) async fn status(client: &Client, output: Output) -> Result<ExitCode> {
    let seen = first_answer(client).await?;
    let mut rows = Vec::new();
    for member in &seen.members {
        let own = match &member.http {
            Some(_) if member.node == seen.node => Some(seen.clone()),
            Some(address) => client.status_of(address).await.ok(),
            None => None,
        };
        let replicas = || {
            own.iter()
                .flat_map(|own| &own.groups)
                .filter_map(|group| group.replica.as_ref())
        };
        rows.push(Row {
            node: member.node,
            address: member.http.clone(),
            state: member.state.clone(),
            groups_led: seen
                .groups
                .iter()
                .filter(|group| group.leader == Some(member.node))
                .map(|group| group.group)
                .collect(),
            term: replicas().map(|replica| replica.term).max(),
            applied: own
                .as_ref()
                .map(|_| replicas().map(|replica| replica.applied_index).sum()),
            ready: own.as_ref().map(|own| own.ready),
        });
    }
    match output {
        Output::Json => {
            for row in &rows {
                output::json(row)?;
            }
        }
        Output::Table => output::line(table(&rows).to_string())?,
    }
    Ok(ExitCode::SUCCESS)
}

/// The view of the first node that answers.
pub(super) async fn first_answer(client: &Client) -> Result<ClusterBody, Error> {
    let mut last = None;
    for endpoint in client.endpoints() {
        match client.status_of(endpoint).await {
            Ok(seen) => return Ok(seen),
            Err(error) => last = Some(error),
        }
    }
    Err(last.expect("a client has an endpoint"))
}

fn table(rows: &[Row]) -> comfy_table::Table {
    let mut table = output::table([
        "NODE",
        "ADDRESS",
        "STATE",
        "READY",
        "GROUPS LED",
        "TERM",
        "APPLIED",
    ]);
    let or_dash = |value: Option<String>| value.unwrap_or_else(|| "-".to_owned());
    for row in rows {
        table.add_row([
            row.node.to_string(),
            or_dash(row.address.clone()),
            row.state.clone(),
            or_dash(
                row.ready
                    .map(|ready| if ready { "yes" } else { "no" }.to_owned()),
            ),
            led(&row.groups_led),
            or_dash(row.term.map(|term| term.to_string())),
            or_dash(row.applied.map(|applied| applied.to_string())),
        ]);
    }
    table
}

/// The groups in words that fit a table: runs of three and more as their ends, and of many runs
/// only how many groups they are.
fn led(groups: &[u32]) -> String {
    let mut runs: Vec<(u32, u32)> = Vec::new();
    for &group in groups {
        match runs.last_mut() {
            Some((_, last)) if *last + 1 == group => *last = group,
            _ => runs.push((group, group)),
        }
    }
    let words: Vec<String> = (runs.iter())
        .map(|(first, last)| match last - first {
            0 => first.to_string(),
            1 => format!("{first} {last}"),
            _ => format!("{first}-{last}"),
        })
        .collect();
    match words.len() {
        0 => "-".to_owned(),
        1..=RUNS_MAX => words.join(" "),
        _ => format!("{} groups", groups.len()),
    }
}

/// Runs of groups that a cell of the table names.
const RUNS_MAX: usize = 8;

#[cfg(test)]
mod tests;
