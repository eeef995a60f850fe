//! `export`: every record of the cluster, in byte order of the keys.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use bytes::Bytes;
use indicatif::{ProgressBar, ProgressStyle};
use norikv_client::{Client, Consistency};

use crate::cli::ExportArgs;
use crate::records::Record;

/// Keys asked for at once.
const PAGE: u32 = 2_000;

pub(super) async fn run(client: &Client, args: ExportArgs) -> Result<ExitCode> {
    let format = super::import::format(args.format, args.key)?;
    let mut out: Box<dyn Write + Send> = match &args.file {
        Some(path) => {
            Box::new(File::create(path).with_context(|| format!("creating {}", path.display()))?)
        }
        None => Box::new(io::stdout()),
    };
    let bar = ProgressBar::new_spinner();
    bar.set_style(ProgressStyle::with_template(
        "{spinner} {pos} records {per_sec}",
    )?);
    let mut after: Option<Bytes> = None;
    let mut lines = Vec::new();
    loop {
        let page = client
            .scan(
                args.prefix.as_bytes(),
                after.as_deref(),
                PAGE,
                Consistency::Linearizable,
            )
            .await?;
        lines.clear();
        let count = page.items.len() as u64;
        for item in page.items {
            let record = Record {
                key: item.key,
                value: item.value,
            };
            format
                .write(&record, &mut lines)
                .map_err(|why| anyhow!(why))?;
            after = Some(record.key);
        }
        let mut whole = BufWriter::new(&mut out);
        whole
            .write_all(&lines)
            .and_then(|()| whole.flush())
            .context("writing the export")?;
        bar.inc(count);
        if !page.more {
            break;
        }
    }
    bar.finish_and_clear();
    Ok(ExitCode::SUCCESS)
}
