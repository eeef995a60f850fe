//! The comparison as JSON and as tables.

use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::embedded::Spread;
use crate::machine::Machine;
use crate::report::short;

/// What came of it.
#[derive(Debug, Clone, Serialize)]
pub struct RaftReport {
    /// The version of NoriKV.
    pub version: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// Rounds.
    pub rounds: u32,
    /// Processor seconds for each batch size.
    pub seconds: f64,
    /// Groups that had nothing to do.
    pub groups: u32,
    /// Bytes of a payload.
    pub payload_bytes: usize,
    /// A row for each library, ours first.
    pub rows: Vec<RaftRow>,
}

/// One library.
#[derive(Debug, Clone, Serialize)]
pub struct RaftRow {
    /// Its name.
    pub library: &'static str,
    /// Its version.
    pub version: &'static str,
    /// For each batch size.
    pub batches: Vec<BatchRow>,
    /// Bytes of heap that a replica takes which has nothing to do.
    pub heap_bytes: f64,
    /// Processor time of such a replica in a heartbeat's time, in nanoseconds.
    pub idle_ns: Spread,
    /// Messages of such a group in a heartbeat's time.
    pub idle_messages: f64,
}

/// One library at one batch size; everything for one proposal, over all three replicas.
#[derive(Debug, Clone, Serialize)]
pub struct BatchRow {
    /// Proposals made at once.
    pub batch: usize,
    /// Proposals a second of processor time.
    pub per_second: Spread,
    /// Processor time, in microseconds.
    pub cpu_us: Spread,
    /// Messages.
    pub messages: f64,
    /// Allocations, those of the payload itself not counted.
    pub allocations: f64,
}

impl RaftReport {
    /// Head, figures and ratios to the other libraries.
    #[must_use]
    pub fn text(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "{} × {}, {} MiB, Linux {}; load by others {:.1}\n\
             one thread, three replicas in memory, payloads of {} B copied into and out of each log; \
             medians of {} rounds of {} s\n\n",
            machine.cpus,
            machine.cpu_model,
            machine.memory_mib,
            machine.kernel,
            machine.load,
            self.payload_bytes,
            self.rounds,
            self.seconds,
        );
        if machine.debug_build {
            text.push_str("A DEBUG BUILD: none of these figures means anything; use --release\n\n");
        }
        let _written = write!(text, "{}\n\n{}\n", self.speed(), self.idle());
        text
    }

    /// How often faster than the library in `other` at each batch size, by processor time.
    #[must_use]
    pub fn ratios(&self, other: usize) -> Vec<f64> {
        let (Some(ours), Some(theirs)) = (self.rows.first(), self.rows.get(other)) else {
            return Vec::new();
        };
        let both = ours.batches.iter().zip(&theirs.batches);
        both.map(|(ours, theirs)| theirs.cpu_us.median / ours.cpu_us.median)
            .collect()
    }

    fn speed(&self) -> Table {
        let header = [
            "library",
            "batch",
            "proposals/s",
            "apart",
            "CPU µs",
            "messages",
            "allocations",
            "ours is × faster",
        ];
        let mut lines = Vec::new();
        for (at, row) in self.rows.iter().enumerate() {
            let ratios = self.ratios(at);
            for (batch, ratio) in row.batches.iter().zip(ratios) {
                let rate = batch.per_second;
                let apart = (rate.max - rate.min) / rate.median / 2.0 * 100.0;
                lines.push(vec![
                    format!("{} {}", row.library, row.version),
                    batch.batch.to_string(),
                    short(rate.median),
                    format!("± {apart:.0} %"),
                    short(batch.cpu_us.median),
                    format!("{:.3}", batch.messages),
                    format!("{:.3}", batch.allocations),
                    if at == 0 {
                        String::new()
                    } else {
                        format!("{ratio:.2}")
                    },
                ]);
            }
        }
        table(&header, lines)
    }

    fn idle(&self) -> Table {
        let header = [
            "library, nothing to do",
            "heap B a replica",
            "CPU ns a replica and heartbeat",
            "messages a group and heartbeat",
        ];
        let lines = self.rows.iter().map(|row| {
            vec![
                format!("{} {}", row.library, row.version),
                short(row.heap_bytes),
                short(row.idle_ns.median),
                format!("{:.2}", row.idle_messages),
            ]
        });
        table(&header, lines.collect())
    }
}

fn table(header: &[&str], lines: Vec<Vec<String>>) -> Table {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(header.iter().copied());
    for line in lines {
        table.add_row(line);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table
}
