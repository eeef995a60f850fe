//! The commands, a file each.

mod cert;
mod cluster;
mod dev;
mod export;
mod import;
mod inspect;
mod kv;
mod shard;
mod sim;
mod start;
mod txn;
mod verify;

use std::process::ExitCode;

use anyhow::Result;
use clap::CommandFactory;
use norikv_client::{Client, Config, Consistency};

use crate::cli::{Bench, Cli, Command, Freshness, Target};
use crate::config;

/// Carries out a command line.
pub(crate) async fn run(cli: Cli) -> Result<ExitCode> {
    let Cli {
        target,
        output,
        command,
    } = cli;
    match command {
        Command::Dev(args) => dev::run(&args, &target.data_dir, output).await,
        Command::Start(args) => start::run(&args).await,
        Command::Cert(args) => cert::run(args),
        Command::Put(args) => kv::put(&client(&target)?, args, output).await,
        Command::Get { key, consistency } => {
            kv::get(&client(&target)?, &key, consistency.into(), output).await
        }
        Command::Del { key } => kv::del(&client(&target)?, &key, output).await,
        Command::Scan(args) => kv::scan(&client(&target)?, args, output).await,
        Command::Cas { key, expect, value } => {
            kv::cas(&client(&target)?, &key, &expect, value, output).await
        }
        Command::Incr { key, by } => txn::incr(&client(&target)?, &key, by, output).await,
        Command::Txn(args) => txn::txn(&client(&target)?, args, output).await,
        Command::Watch(args) => txn::watch(&patient_client(&target)?, args, output).await,
        Command::Import(args) => import::run(&patient_client(&target)?, args, output).await,
        Command::Export(args) => export::run(&patient_client(&target)?, args).await,
        Command::Cluster(crate::cli::Cluster::Status) => {
            cluster::status(&client(&target)?, output).await
        }
        Command::Shard(crate::cli::Shard::Locate { key, groups }) => {
            shard::locate(&key, groups, &target.data_dir, output)
        }
        Command::Shard(crate::cli::Shard::List) => {
            shard::moves::list(&client(&target)?, output).await
        }
        Command::Shard(crate::cli::Shard::AddReplica(args)) => {
            let client = patient_client(&target)?;
            shard::moves::change(&client, args.group, &[args.node], &[], output).await
        }
        Command::Shard(crate::cli::Shard::RemoveReplica(args)) => {
            let client = patient_client(&target)?;
            shard::moves::change(&client, args.group, &[], &[args.node], output).await
        }
        Command::Shard(crate::cli::Shard::MoveReplica { group, from, to }) => {
            let client = patient_client(&target)?;
            shard::moves::change(&client, group, &[to], &[from], output).await
        }
        Command::Shard(crate::cli::Shard::Transfer(args)) => {
            shard::moves::transfer(&client(&target)?, args.group, args.node, output).await
        }
        Command::Inspect(what) => inspect::run(&what, output),
        Command::Verify { dir, json } => verify::run(&dir, output.or_json(json)),
        Command::Bench(bench) => {
            let mut out = std::io::stdout().lock();
            match bench {
                Bench::Embedded(args) => args.run(&["bench", "cell"], &mut out)?,
                Bench::Cell { spec } => norikv_bench::embedded::run_cell(&spec, &mut out)?,
            }
            Ok(ExitCode::SUCCESS)
        }
        Command::Sim(args) => sim::run(&args, output),
        Command::Completion { shell } => {
            clap_complete::generate(shell, &mut Cli::command(), "norikv", &mut std::io::stdout());
            Ok(ExitCode::SUCCESS)
        }
    }
}

/// A client of the cluster that the command line means.
fn client(target: &Target) -> Result<Client> {
    let mut config = Config::new(endpoints(target)?);
    config.timeout = target.patience();
    Ok(Client::new(config))
}

/// A client for long work, which rather waits for an election than stops.
fn patient_client(target: &Target) -> Result<Client> {
    let mut config = Config::new(endpoints(target)?);
    config.timeout = target.patience().max(std::time::Duration::from_secs(60));
    Ok(Client::new(config))
}

fn endpoints(target: &Target) -> Result<Vec<String>> {
    if target.endpoints.is_empty() {
        config::endpoints_in(&target.data_dir)
    } else {
        Ok(target.endpoints.clone())
    }
}

impl From<Freshness> for Consistency {
    fn from(freshness: Freshness) -> Self {
        match freshness {
            Freshness::Linearizable => Self::Linearizable,
            Freshness::Lease => Self::Lease,
            Freshness::Follower => Self::Follower,
            Freshness::StaleOk => Self::StaleOk,
        }
    }
}
