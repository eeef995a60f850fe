//! What goes to the terminal, for people or for programs.

use std::io::{self, Write};

use clap::ValueEnum;
use comfy_table::{ContentArrangement, Table, presets};
use serde::Serialize;

/// How results are printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, ValueEnum)]
pub(crate) enum Output {
    /// For people.
    #[default]
    Table,
    /// One JSON value a line.
    Json,
}

impl Output {
    /// JSON if `json`, else as it is.
    pub(crate) const fn or_json(self, json: bool) -> Self {
        if json { Self::Json } else { self }
    }
}

/// Prints `value` as one line of JSON.
pub(crate) fn json(value: &impl Serialize) -> anyhow::Result<()> {
    let mut line = serde_json::to_vec(value)?;
    line.push(b'\n');
    raw(&line)
}

/// Prints `line` and a line feed.
pub(crate) fn line(line: impl AsRef<str>) -> anyhow::Result<()> {
    raw(format!("{}\n", line.as_ref()).as_bytes())
}

/// Prints `line` where it is no result.
pub(crate) fn note(line: impl AsRef<str>) -> anyhow::Result<()> {
    writeln!(io::stderr().lock(), "{}", line.as_ref())?;
    Ok(())
}

/// Prints `bytes` as they are.
pub(crate) fn raw(bytes: &[u8]) -> anyhow::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(bytes)?;
    out.flush()?;
    Ok(())
}

/// A table with these headings.
pub(crate) fn table<const N: usize>(headings: [&str; N]) -> Table {
    let mut table = Table::new();
    table.load_style(presets::NOTHING);
    table.set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(headings);
    table
}
