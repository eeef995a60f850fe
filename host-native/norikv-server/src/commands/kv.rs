//! `put get del scan cas`: one call each.

use std::io::Read;
use std::process::ExitCode;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, anyhow, bail};
use bytes::Bytes;
use norikv_api::{ItemBody, WatchLine, WrittenBody, etag};
use norikv_client::{Client, Consistency, Expect, Held, Item};
use norikv_types::{Version, WallMs};

use crate::cli::{Put, Scan};
use crate::output::{self, Output};

pub(super) async fn put(client: &Client, args: Put, output: Output) -> Result<ExitCode> {
    let value = match (args.value, args.file) {
        (Some(text), _) => Bytes::from(text),
        (None, Some(path)) if path.as_os_str() == "-" => {
            let mut value = Vec::new();
            std::io::stdin()
                .read_to_end(&mut value)
                .context("reading standard input")?;
            Bytes::from(value)
        }
        (None, Some(path)) => Bytes::from(
            std::fs::read(&path).with_context(|| format!("reading {}", path.display()))?,
        ),
        (None, None) => bail!("there is no value"),
    };
    let key = args.key.as_bytes();
    let version = match args.ttl {
        Some(ttl_ms) => {
            let ttl = Duration::from_millis(ttl_ms);
            client.put_for(key, value, Expect::Any, ttl).await?
        }
        None => client.put(key, value, Expect::Any).await?,
    };
    written(version, output)
}

pub(super) async fn get(
    client: &Client,
    key: &str,
    consistency: Consistency,
    output: Output,
) -> Result<ExitCode> {
    let Some(held) = client.read(key.as_bytes(), consistency).await? else {
        return Err(anyhow!("there is no key {key}"));
    };
    let Held {
        value,
        version,
        ttl,
    } = held;
    match output {
        Output::Table => {
            output::raw(&value)?;
            output::raw(b"\n")?;
        }
        Output::Json => {
            let key = Bytes::copy_from_slice(key.as_bytes());
            output::json(&ItemBody::of(&Item {
                key,
                value,
                version,
                expires_at: ttl.map(ends_at),
            }))?;
        }
    }
    Ok(ExitCode::SUCCESS)
}

pub(super) async fn del(client: &Client, key: &str, output: Output) -> Result<ExitCode> {
    written(client.delete(key.as_bytes(), Expect::Any).await?, output)
}

pub(super) async fn cas(
    client: &Client,
    key: &str,
    expect: &str,
    value: String,
    output: Output,
) -> Result<ExitCode> {
    let expect = if expect == "absent" {
        Expect::Absent
    } else {
        let tag = format!("\"{expect}\"");
        let version = etag::parse(&tag)
            .map_err(|_bad| anyhow!("{expect} is neither a version <term>-<index> nor `absent`"))?;
        Expect::Version(version)
    };
    written(client.put(key.as_bytes(), value, expect).await?, output)
}

pub(super) async fn scan(client: &Client, args: Scan, output: Output) -> Result<ExitCode> {
    let mut left = args.limit;
    let mut scan = client.scan_all(args.prefix.as_bytes(), args.consistency.into());
    let mut table = output::table(["KEY", "VALUE", "VERSION"]);
    while left > 0
        && let Some(items) = scan.next(left).await?
    {
        for item in &items {
            match output {
                Output::Json => output::json(&ItemBody::of(item))?,
                Output::Table => {
                    table.add_row([
                        String::from_utf8_lossy(&item.key).into_owned(),
                        shortened(&item.value),
                        item.version.to_string(),
                    ]);
                }
            }
        }
        left = left.saturating_sub(u32::try_from(items.len()).unwrap_or(u32::MAX));
    }
    if output == Output::Table {
        output::line(table.to_string())?;
    }
    if args.cursor {
        let cursor = scan.cursor();
        match output {
            Output::Json => output::json(&WatchLine::Cursor { cursor })?,
            Output::Table => output::line(format!("cursor\t{cursor}"))?,
        }
    }
    Ok(ExitCode::SUCCESS)
}

/// When something that lives for `ttl` ends, by this machine's clock.
fn ends_at(ttl: Duration) -> WallMs {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    let at = since.unwrap_or_default() + ttl;
    WallMs(u64::try_from(at.as_millis()).unwrap_or(u64::MAX))
}

fn written(version: Version, output: Output) -> Result<ExitCode> {
    match output {
        Output::Table => output::line(version.to_string())?,
        Output::Json => output::json(&WrittenBody {
            version: version.into(),
        })?,
    }
    Ok(ExitCode::SUCCESS)
}

/// A value as it fits in a table: its first line, at most 60 characters of it.
pub(super) fn shortened(value: &[u8]) -> String {
    const CHARACTERS_MAX: usize = 60;
    let text = String::from_utf8_lossy(value);
    let line = text.lines().next().unwrap_or_default();
    let mut short: String = line.chars().take(CHARACTERS_MAX).collect();
    if short.len() < text.len() {
        short.push('…');
    }
    short
}
