//! `import`: a file into the cluster.

use std::process::ExitCode;

use anyhow::{Result, bail};
use indicatif::{ProgressBar, ProgressStyle};
use norikv_client::Client;
use serde::Serialize;

use crate::cli::{FileFormat, ImportArgs};
use crate::import::{Counts, Import, Observer};
use crate::output::{self, Output};
use crate::records::Format;

/// All but some lines were written.
const SOME_REFUSED: u8 = 3;

#[derive(Serialize)]
struct Done {
    lines: u64,
    written: u64,
    refused: u64,
}

pub(super) async fn run(client: &Client, args: ImportArgs, output: Output) -> Result<ExitCode> {
    let import = Import {
        file: args.file,
        format: format(args.format, args.key)?,
        in_flight: args.in_flight,
    };
    let mut bar = Bar(ProgressBar::new(0));
    let style = "{bar:40} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    bar.0.set_style(ProgressStyle::with_template(style)?);
    let counts = import.run(client, &mut bar).await;
    bar.0.finish_and_clear();
    let counts = counts?;
    let done = Done {
        lines: counts.lines(),
        written: counts.written,
        refused: counts.refused,
    };
    match output {
        Output::Json => output::json(&done)?,
        Output::Table => output::line(format!(
            "{} lines: {} written, {} refused",
            done.lines, done.written, done.refused
        ))?,
    }
    Ok(if counts.refused == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::from(SOME_REFUSED)
    })
}

/// The format that the flags mean.
pub(super) fn format(format: FileFormat, key: Option<String>) -> Result<Format> {
    match (format, key) {
        (FileFormat::Ndjson, None) => Ok(Format::Ndjson),
        (FileFormat::Ndjson, Some(field)) => Ok(Format::NdjsonField(field)),
        (FileFormat::Tsv, None) => Ok(Format::Tsv),
        (FileFormat::Tsv, Some(_)) => bail!("--key names a JSON field; tsv has none"),
    }
}

struct Bar(ProgressBar);

impl Observer for Bar {
    fn refused(&mut self, number: u64, why: &str) {
        // Above the bar where there is one, plainly on standard error where there is no terminal.
        let line = format!("line {number}: {why}");
        if self.0.is_hidden() {
            use std::io::Write;
            let _gone = writeln!(std::io::stderr(), "{line}");
        } else {
            self.0.println(line);
        }
    }

    fn progress(&mut self, offset: u64, size: u64, counts: Counts) {
        self.0.set_length(size);
        self.0.set_position(offset);
        if counts.refused > 0 {
            self.0.set_message(format!("{} refused", counts.refused));
        }
    }
}
