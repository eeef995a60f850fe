//! `incr txn watch`: what happens at once, and what happens at all.

use std::io::Read as _;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use norikv_api::{CountedBody, ResultBody, TransactedBody, TransactionBody, WatchLine, etag, ttl};
use norikv_client::{Change, Check, Client, Compare, Step, StepAnswer, Transaction};

use crate::cli::{Txn, Watch};
use crate::output::{self, Output};

pub(super) async fn incr(client: &Client, key: &str, by: i64, output: Output) -> Result<ExitCode> {
    let (value, version) = client.increment(key.as_bytes(), by).await?;
    match output {
        Output::Table => output::line(value.to_string())?,
        Output::Json => output::json(&CountedBody {
            value,
            version: version.into(),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// Exit code 1 when a comparison did not hold and the other steps happened.
pub(super) async fn txn(client: &Client, args: Txn, output: Output) -> Result<ExitCode> {
    let transaction = match &args.file {
        Some(path) => {
            let mut text = String::new();
            if path.as_os_str() == "-" {
                std::io::stdin()
                    .read_to_string(&mut text)
                    .context("reading standard input")?;
            } else {
                text = std::fs::read_to_string(path)
                    .with_context(|| format!("reading {}", path.display()))?;
            }
            let body: TransactionBody =
                serde_json::from_str(&text).context("this is no transaction")?;
            body.into_transaction().map_err(|why| anyhow!(why))?
        }
        None => Transaction {
            compares: all(&args.compares, compare)?,
            then: all(&args.then, step)?,
            otherwise: all(&args.otherwise, step)?,
        },
    };
    let transacted = client.transact(&transaction).await?;
    match output {
        Output::Json => output::json(&TransactedBody {
            succeeded: transacted.succeeded,
            version: transacted.version.into(),
            results: transacted.answers.iter().map(ResultBody::of).collect(),
        })?,
        Output::Table => {
            let (branch, steps) = match transacted.succeeded {
                true => ("then", &transaction.then),
                false => ("else", &transaction.otherwise),
            };
            output::line(format!("{branch} {}", transacted.version))?;
            for (step, answer) in steps.iter().zip(&transacted.answers) {
                let key = String::from_utf8_lossy(step.key());
                match answer {
                    StepAnswer::Done => {}
                    StepAnswer::Absent => output::line(format!("{key}: absent"))?,
                    StepAnswer::Value { value, .. } => {
                        let value = String::from_utf8_lossy(value);
                        output::line(format!("{key}: {value}"))?;
                    }
                }
            }
        }
    }
    Ok(match transacted.succeeded {
        true => ExitCode::SUCCESS,
        false => ExitCode::FAILURE,
    })
}

pub(super) async fn watch(client: &Client, args: Watch, output: Output) -> Result<ExitCode> {
    let mut watch = client.watch(args.prefix.as_bytes(), args.cursor.as_deref().unwrap_or(""));
    let mut left = args.limit.unwrap_or(u64::MAX);
    while left > 0 {
        let watched = watch.next().await?;
        for event in &watched.events {
            if output == Output::Json {
                output::json(&WatchLine::of(event))?;
                continue;
            }
            let key = String::from_utf8_lossy(&event.key);
            let version = event.version;
            match &event.change {
                Change::Put { value, .. } => {
                    let value = super::kv::shortened(value);
                    output::line(format!("put\t{version}\t{key}\t{value}"))?;
                }
                Change::Delete => output::line(format!("del\t{version}\t{key}"))?,
            }
        }
        left = left.saturating_sub(watched.events.len() as u64);
        let cursor = watched.cursor;
        match output {
            Output::Json => output::json(&WatchLine::Cursor { cursor })?,
            Output::Table if args.cursors => output::line(format!("cursor\t{cursor}"))?,
            Output::Table => {}
        }
    }
    Ok(ExitCode::SUCCESS)
}

fn all<T>(texts: &[String], parse: impl Fn(&str) -> Result<T>) -> Result<Vec<T>> {
    let named = |text: &String| parse(text).with_context(|| format!("in `{text}`"));
    texts.iter().map(named).collect()
}

/// `KEY exists`, `KEY absent`, `KEY version 3-41`, `KEY is VALUE`.
fn compare(text: &str) -> Result<Compare> {
    let (key, rest) = text.split_once(' ').context("what must hold of the key?")?;
    let check = match rest.split_once(' ').unwrap_or((rest, "")) {
        ("exists", "") => Check::Exists,
        ("absent", "") => Check::Absent,
        ("version", version) => {
            let tag = format!("\"{version}\"");
            Check::Version(etag::parse(&tag).map_err(|_bad| anyhow!("{version} is no version"))?)
        }
        ("is", value) => Check::Value(Bytes::copy_from_slice(value.as_bytes())),
        _ => bail!("{rest} is none of `exists`, `absent`, `version TERM-INDEX`, `is VALUE`"),
    };
    let key = Bytes::copy_from_slice(key.as_bytes());
    Ok(Compare { key, check })
}

/// `put KEY VALUE`, `put KEY --ttl 30s VALUE`, `del KEY`, `get KEY`.
fn step(text: &str) -> Result<Step> {
    let (op, rest) = text.split_once(' ').context("which key?")?;
    let bytes = |text: &str| Bytes::copy_from_slice(text.as_bytes());
    Ok(match op {
        "put" => {
            let (key, rest) = rest.split_once(' ').context("which value?")?;
            let (ttl_ms, value) = match rest.strip_prefix("--ttl ") {
                Some(rest) => {
                    let (time, value) = rest.split_once(' ').context("which value?")?;
                    (Some(ttl::parse(time).map_err(|why| anyhow!(why))?), value)
                }
                None => (None, rest),
            };
            Step::Put {
                key: bytes(key),
                value: bytes(value),
                ttl_ms,
            }
        }
        "del" => Step::Delete { key: bytes(rest) },
        "get" => Step::Get { key: bytes(rest) },
        _ => bail!("{op} is none of put, del, get"),
    })
}
