//! The figures as text.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;

use crate::cluster;
use crate::machine::Machine;
use crate::measure::Figure;

/// Everything a run of the cluster gives out: where, what and the figures.
#[derive(Debug, Clone, Serialize)]
pub struct Run {
    /// The version of NoriKV.
    pub version: &'static str,
    /// Where it ran.
    pub machine: Machine,
    /// How long each timed workload was measured, in seconds.
    pub seconds: f64,
    /// How long it ran before that, in seconds.
    pub warm_up_seconds: f64,
    /// The cluster.
    pub cluster: cluster::Report,
}

impl Run {
    /// Tables for people.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = self.head();
        text.push_str(&cluster_text(&self.cluster));
        text
    }

    fn head(&self) -> String {
        let machine = &self.machine;
        let mut text = format!(
            "NoriKV {}, {} × {}, {} MiB, Linux {}\n\
             data on {}; load by others {:.1}; {} s a figure after {} s of warm-up\n",
            self.version,
            machine.cpus,
            machine.cpu_model,
            machine.memory_mib,
            machine.kernel,
            machine.file_system,
            machine.load,
            self.seconds,
            self.warm_up_seconds,
        );
        if machine.debug_build {
            text.push_str("A DEBUG BUILD: none of these figures means anything; use --release\n");
        }
        text
    }
}

fn cluster_text(report: &cluster::Report) -> String {
    let sizes = &report.sizes;
    let mut text = format!(
        "\nCluster: {} nodes in this process over QUIC, {} groups on every node (led: {}), \
         keys of {} B, half-compressible values of {} B, log segment {} MiB, memtable {} MiB, \
         cache {} MiB; clients over HTTP, spread over the nodes\n\n{}\n\n\
         Gets of any of {} keys:\n\n{}\n\n",
        report.nodes,
        report.groups,
        (report.groups_led.iter())
            .map(u32::to_string)
            .collect::<Vec<_>>()
            .join(", "),
        report.key_bytes,
        report.value_bytes,
        sizes.segment_bytes >> 20,
        sizes.memtable_bytes >> 20,
        sizes.cache_bytes >> 20,
        table("clients", &report.puts),
        report.keys,
        table("clients", &report.gets),
    );
    for figure in report.puts.iter().chain(&report.gets) {
        text.push_str(&format!(
            "CPU µs a {} with {} clients, by thread: {}\n",
            figure.name,
            figure.clients,
            roles(figure)
        ));
    }
    text
}

/// Who used the processors, the busiest first.
fn roles(figure: &Figure) -> String {
    let mut roles: Vec<_> = figure.cpu_us_by_thread.iter().collect();
    roles.sort_by(|a, b| b.1.total_cmp(a.1));
    let roles = roles.iter().filter(|(_, micros)| **micros >= 0.05);
    let roles = roles.map(|(role, micros)| format!("{role} {}", short(**micros)));
    roles.collect::<Vec<_>>().join(", ")
}

/// A line for each figure; `clients` is what they were done by.
fn table(clients: &str, figures: &[Figure]) -> String {
    let has_written = figures.iter().any(|figure| figure.written_bytes.is_some());
    let mut table = Table::new();
    table.load_style(NOTHING);
    let mut header = vec![
        "workload",
        clients,
        "ops/s",
        "p50 µs",
        "p99 µs",
        "p99.9 µs",
        "max µs",
        "CPU µs/op",
        "failed",
    ];
    if has_written {
        header.push("written B/op");
    }
    table.set_header(header);
    for figure in figures {
        let percentiles = &figure.percentiles;
        let mut row = vec![
            figure.name.clone(),
            figure.clients.to_string(),
            short(figure.per_second),
            short(percentiles.p50_us),
            short(percentiles.p99_us),
            short(percentiles.p999_us),
            short(percentiles.max_us),
            short(figure.cpu_us),
            figure.failed.to_string(),
        ];
        if has_written {
            row.push(figure.written_bytes.map_or_else(String::new, short));
        }
        table.add_row(row);
    }
    for column in table.column_iter_mut().skip(1) {
        column.set_cell_alignment(CellAlignment::Right);
    }
    table.to_string()
}

/// Three digits or so, thousands set apart: more would say more than was measured.
pub(crate) fn short(figure: f64) -> String {
    match figure {
        figure if figure >= 1_000.0 => {
            let whole = format!("{figure:.0}");
            let mut text = String::new();
            for (at, digit) in whole.chars().enumerate() {
                if at > 0 && (whole.len() - at) % 3 == 0 {
                    text.push(',');
                }
                text.push(digit);
            }
            text
        }
        figure if figure >= 100.0 => format!("{figure:.0}"),
        figure if figure >= 10.0 => format!("{figure:.1}"),
        figure => format!("{figure:.2}"),
    }
}

#[cfg(test)]
mod tests;
