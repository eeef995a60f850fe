//! `shard list`, `add-replica`, `remove-replica`, `move-replica`, `transfer`: who holds and leads
//! the groups that the shards share.

use std::process::ExitCode;

use anyhow::{Context, Result};
use norikv_api::{ClusterBody, GroupBody, ReplicaBody, ReplicasBody};
use norikv_client::Client;
use serde::Serialize;

use crate::output::{self, Output};

#[derive(Serialize)]
struct Row {
    group: u32,
    /// Who leads it, where known.
    leader: Option<u64>,
    voters: Vec<u64>,
    /// Voters before a change that is under way.
    outgoing: Vec<u64>,
    learners: Vec<u64>,
    /// The leader's term, where it answers.
    term: Option<u64>,
    /// The last entry of its log.
    last_index: Option<u64>,
    /// Members that are not beside the leader.
    behind: Vec<Behind>,
}

#[derive(Serialize)]
struct Behind {
    node: u64,
    /// Up to here its log is the leader's.
    match_index: u64,
    /// `probe`, `replicate` or `snapshot`.
    state: String,
}

/// Every group by what its leader says, else by what any node says.
pub(crate) async fn list(client: &Client, output: Output) -> Result<ExitCode> {
    let seen = super::super::cluster::first_answer(client).await?;
    let mut views = vec![seen.clone()];
    for member in &seen.members {
        if member.node != seen.node
            && let Some(address) = &member.http
        {
            views.extend(client.status_of(address).await.ok());
        }
    }
    let rows: Vec<Row> = seen.groups.iter().map(|group| row(group, &views)).collect();
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

fn row(group: &GroupBody, views: &[ClusterBody]) -> Row {
    let replicas = views
        .iter()
        .flat_map(|view| view.groups.iter().map(move |group| (view.node, group)))
        .filter(|(_, other)| other.group == group.group)
        .filter_map(|(node, other)| Some((node, other.replica.as_ref()?)));
    let leads = |(_, replica): &(u64, &ReplicaBody)| replica.role == "leader";
    let leader = replicas
        .filter(leads)
        .max_by_key(|(_, replica)| replica.term);
    let known = leader
        .map(|(_, replica)| replica)
        .or(group.replica.as_ref());
    let configuration = known.and_then(|replica| replica.configuration.clone());
    let configuration = configuration.unwrap_or_else(|| ReplicasBody {
        voters: group.replicas.clone(),
        ..ReplicasBody::default()
    });
    let last_index = leader.map(|(_, replica)| replica.last_index);
    let peers = leader.map(|(_, replica)| replica.peers.as_slice());
    let behind = peers
        .unwrap_or_default()
        .iter()
        .filter(|peer| peer.state != "replicate" || Some(peer.match_index) < last_index);
    Row {
        group: group.group,
        leader: leader.map(|(node, _)| node).or(group.leader),
        voters: configuration.voters,
        outgoing: configuration.outgoing,
        learners: configuration.learners,
        term: leader.map(|(_, replica)| replica.term),
        last_index,
        behind: behind
            .map(|peer| Behind {
                node: peer.node,
                match_index: peer.match_index,
                state: peer.state.clone(),
            })
            .collect(),
    }
}

fn table(rows: &[Row]) -> comfy_table::Table {
    let mut table = output::table([
        "GROUP", "LEADER", "VOTERS", "LEARNERS", "TERM", "LAST", "BEHIND",
    ]);
    for row in rows {
        let voters = match row.outgoing.as_slice() {
            [] => nodes(&row.voters),
            outgoing => format!("{} (with {})", nodes(&row.voters), nodes(outgoing)),
        };
        let behind: Vec<String> = row
            .behind
            .iter()
            .map(|peer| format!("{}: {} {}", peer.node, peer.match_index, peer.state))
            .collect();
        table.add_row([
            row.group.to_string(),
            or_dash(row.leader),
            voters,
            nodes(&row.learners),
            or_dash(row.term),
            or_dash(row.last_index),
            match behind.is_empty() {
                true => "-".to_owned(),
                false => behind.join(", "),
            },
        ]);
    }
    table
}

/// Changes who votes, and shows who does.
pub(crate) async fn change(
    client: &Client,
    group: u32,
    add: &[u64],
    remove: &[u64],
    output: Output,
) -> Result<ExitCode> {
    let changed = client.change_replicas(group, add, remove).await;
    show(
        group,
        changed.context("the change may go on; ask again to see it through")?,
        output,
    )
}

/// Changes who leads, and shows who does.
pub(crate) async fn transfer(
    client: &Client,
    group: u32,
    node: u64,
    output: Output,
) -> Result<ExitCode> {
    show(group, client.transfer(group, node).await?, output)
}

fn show(group: u32, replicas: ReplicasBody, output: Output) -> Result<ExitCode> {
    #[derive(Serialize)]
    struct Changed {
        group: u32,
        #[serde(flatten)]
        replicas: ReplicasBody,
    }
    match output {
        Output::Json => output::json(&Changed { group, replicas })?,
        Output::Table => {
            let mut table = output::table(["GROUP", "LEADER", "VOTERS", "LEARNERS"]);
            table.add_row([
                group.to_string(),
                or_dash(replicas.leader),
                nodes(&replicas.voters),
                nodes(&replicas.learners),
            ]);
            output::line(table.to_string())?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn or_dash(value: Option<u64>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

fn nodes(nodes: &[u64]) -> String {
    match nodes {
        [] => "-".to_owned(),
        nodes => nodes
            .iter()
            .map(u64::to_string)
            .collect::<Vec<_>>()
            .join(" "),
    }
}
