//! The comparison as text: tables in Markdown.

use std::fmt::Write;

use comfy_table::presets::ASCII_MARKDOWN;
use comfy_table::{CellAlignment, Table};

use super::{Report, Row, SyncCount};
use crate::report::short;

impl Report {
    /// Head, figures, ratios to each other engine, syncs, amplification, memory and failures.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.head();
        let mut section = |title: &str, table: Option<Table>| {
            if let Some(table) = table {
                // Writing to a string does not fail.
                let _written = write!(text, "\n{title}\n\n{table}\n");
            }
        };
        section(
            "Operations a second (and how far the rounds lie apart)",
            self.by_engine(|row| {
                let spread = row.per_second;
                let apart = (spread.max - spread.min) / spread.median / 2.0 * 100.0;
                format!("{} ± {apart:.0} %", short(spread.median))
            }),
        );
        section(
            "CPU µs an operation, background work during it included",
            self.by_engine(|row| short(row.cpu_us.median)),
        );
        section(
            &format!(
                "{} against the others: × throughput / × CPU an operation (above 1 / below 1 is better)",
                self.ours()
            ),
            self.ratios(),
        );
        section(
            "Latency µs: p50 / p99 / p99.9 / longest",
            self.by_engine(|row| {
                let Row {
                    p50_us,
                    p99_us,
                    p999_us,
                    max_us,
                    ..
                } = row;
                [*p50_us, *p99_us, *p999_us, max_us.median]
                    .map(short)
                    .join(" / ")
            }),
        );
        section(
            "Bytes written for each byte put / bytes on disk for each byte stored / CPU µs a put, all until settled",
            self.by_engine(|row| {
                row.load.as_ref().map_or_else(String::new, |load| {
                    format!(
                        "{:.2} / {:.2} / {}",
                        load.write_amplification.median,
                        load.space_amplification.median,
                        short(load.cpu_us.median)
                    )
                })
            }),
        );
        section("Syncs a commit", self.sync_table());
        section(
            "A synced put of one thread / a bare overwrite of 4 KiB and fdatasync in the same process, p50 µs",
            self.against_disk(),
        );
        section("Peak memory of the process, MiB", self.memory_table());
        if !self.failures.is_empty() {
            text.push_str("\nFailures\n\n");
            for failure in &self.failures {
                let _written = writeln!(
                    text,
                    "- {} {}: {}",
                    failure.engine, failure.group, failure.error
                );
            }
        }
        text
    }

    fn head(&self) -> String {
        let machine = &self.machine;
        let load = self.load.map_or_else(String::new, |load| {
            format!(" (load {:.1} to {:.1})", load.min, load.max)
        });
        let engines = self.engines.iter();
        let engines: Vec<_> = engines
            .map(|(name, version)| format!("{name} {version}"))
            .collect();
        let mut text = format!(
            "{} × {}, {} MiB, Linux {}, data on {}{load}\n\
             {}\n\
             {} rounds, {} keys of {} B, half-compressible values of {} B, {} s a timed workload\n\
             memtable {} MiB, cache {} MiB, tables {} MiB, blocks 4 KiB, LZ4, filters of 10 bits\n",
            machine.cpus,
            machine.cpu_model,
            machine.memory_mib,
            machine.kernel,
            machine.file_system,
            engines.join(", "),
            self.rounds,
            self.keys,
            self.key_bytes,
            self.value_bytes,
            self.seconds,
            self.sizes.memtable_bytes >> 20,
            self.sizes.cache_bytes >> 20,
            self.sizes.table_bytes >> 20,
        );
        if machine.debug_build {
            text.push_str("A DEBUG BUILD: none of these figures means anything; use --release\n");
        }
        text
    }

    /// The engine that the others are compared with.
    pub(super) fn ours(&self) -> &str {
        self.engines.first().map_or("", |(name, _)| name)
    }

    pub(super) fn others(&self) -> impl Iterator<Item = &str> {
        self.engines.iter().skip(1).map(|(name, _)| name.as_str())
    }

    /// Workloads in their order, with the threads that did them.
    pub(super) fn workloads(&self) -> Vec<(&str, u32)> {
        let mut workloads = Vec::new();
        for row in &self.rows {
            let id = (row.workload.as_str(), row.threads);
            if !workloads.contains(&id) {
                workloads.push(id);
            }
        }
        workloads
    }

    pub(super) fn row(&self, workload: (&str, u32), engine: &str) -> Option<&Row> {
        self.rows
            .iter()
            .find(|row| (row.workload.as_str(), row.threads) == workload && row.engine == engine)
    }

    fn by_engine(&self, cell: impl Fn(&Row) -> String) -> Option<Table> {
        let mut header = vec!["workload"];
        header.extend(self.engines.iter().map(|(name, _)| name.as_str()));
        let lines = self.workloads().into_iter().map(|workload| {
            let mut line = vec![named(workload)];
            line.extend(self.engines.iter().map(|(engine, _)| {
                let row = self.row(workload, engine);
                row.map_or_else(String::new, &cell)
            }));
            line
        });
        table(header, lines)
    }

    fn ratios(&self) -> Option<Table> {
        let mut header = vec!["workload"];
        header.extend(self.others());
        if header.len() == 1 {
            return None;
        }
        let workloads = self.workloads().into_iter();
        let lines = workloads.filter(measures_an_engine).map(|workload| {
            let ours = self.row(workload, self.ours());
            let mut line = vec![named(workload)];
            line.extend(self.others().map(|other| {
                let Some((ours, other)) = ours.zip(self.row(workload, other)) else {
                    return String::new();
                };
                format!(
                    "{:.2} / {:.2}",
                    ours.per_second.median / other.per_second.median,
                    ours.cpu_us.median / other.cpu_us.median
                )
            }));
            line
        });
        table(header, lines)
    }

    fn sync_table(&self) -> Option<Table> {
        let threads = |count: &SyncCount| count.threads;
        let mut columns: Vec<u32> = self.syncs.iter().map(threads).collect();
        columns.sort_unstable();
        columns.dedup();
        let titles: Vec<String> = columns
            .iter()
            .map(|count| format!("{count} threads"))
            .collect();
        let mut header = vec!["engine"];
        header.extend(titles.iter().map(String::as_str));
        let lines = self.engines.iter().map(|(engine, _)| {
            let mut line = vec![engine.clone()];
            line.extend(columns.iter().map(|threads| {
                let mut counts = self.syncs.iter();
                let count = counts.find(|c| c.engine == *engine && c.threads == *threads);
                count.map_or_else(String::new, |count| format!("{:.3}", count.per_commit))
            }));
            line
        });
        table(header, lines)
    }

    fn against_disk(&self) -> Option<Table> {
        let lines = self.engines.iter().map(|(engine, _)| {
            let p50 = |workload| Some(self.row((workload, 1), engine)?.p50_us);
            let line = p50("fillsync")
                .zip(p50("rawsync"))
                .map(|(put, raw)| vec![short(put), short(raw), format!("{:.2}", put / raw)]);
            let mut cells = vec![engine.clone()];
            cells.extend(line.unwrap_or_default());
            cells
        });
        table(vec!["engine", "fillsync", "rawsync", "ratio"], lines)
    }

    fn memory_table(&self) -> Option<Table> {
        let mut groups: Vec<&str> = Vec::new();
        for memory in &self.memory {
            if !groups.contains(&memory.group.as_str()) {
                groups.push(&memory.group);
            }
        }
        let mut header = vec!["group"];
        header.extend(self.engines.iter().map(|(name, _)| name.as_str()));
        let lines = groups.into_iter().map(|group| {
            let mut line = vec![group.to_owned()];
            line.extend(self.engines.iter().map(|(engine, _)| {
                let mut memory = self.memory.iter();
                let memory = memory.find(|m| m.group == group && m.engine == *engine);
                memory.map_or_else(String::new, |memory| {
                    short(memory.peak_bytes.median / f64::from(1 << 20))
                })
            }));
            line
        });
        table(header, lines)
    }
}

/// `fillsync × 16`; the number only where there is more than one.
pub(super) fn named((workload, threads): (&str, u32)) -> String {
    match threads {
        1 => workload.to_owned(),
        threads => format!("{workload} × {threads}"),
    }
}

/// Whether it measures an engine, and not the machine.
pub(super) fn measures_an_engine((workload, _): &(&str, u32)) -> bool {
    !["nothing", "rawsync"].contains(workload)
}

/// `None` when every cell right of the first column is empty.
fn table(header: Vec<&str>, lines: impl Iterator<Item = Vec<String>>) -> Option<Table> {
    let mut table = Table::new();
    table.load_style(ASCII_MARKDOWN);
    table.set_header(header);
    let is_full = |line: &Vec<String>| line.iter().skip(1).any(|cell| !cell.is_empty());
    table.add_rows(lines.filter(is_full));
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    (!table.is_empty()).then_some(table)
}
