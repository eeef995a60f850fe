//! From the figures of all rounds to one row for each workload and engine.
//!
//! **Invariant: a row's numbers are medians over the rounds, each of one quantity**: no row mixes
//! the throughput of one round with the percentile of a better one by choice.

use std::collections::BTreeMap;

use serde::Serialize;

use super::cell::CellReport;
use super::group::GROUPS;

/// Everything that the cells answered.
#[derive(Debug, Clone, Default)]
pub(super) struct Results {
    cells: Vec<(String, String, CellReport)>,
    pub(super) syncs: Vec<SyncCount>,
    pub(super) failures: Vec<Failure>,
    /// The machine's load before each cell.
    pub(super) loads: Vec<f64>,
}

/// A cell that gave no figures.
#[derive(Debug, Clone, Serialize)]
pub struct Failure {
    /// The engine.
    pub engine: String,
    /// The group of workloads.
    pub group: String,
    /// What went wrong.
    pub error: String,
}

/// How often an engine synced.
#[derive(Debug, Clone, Serialize)]
pub struct SyncCount {
    /// The engine.
    pub engine: String,
    /// Threads that put at once.
    pub threads: u32,
    /// Puts, each synced before it returned.
    pub commits: u64,
    /// Calls that sync a file, without those of opening and closing a store.
    pub syncs: u64,
    /// One divided by the other.
    pub per_commit: f64,
}

/// A median and the extremes around it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one; of an even number the mean of the two.
    pub median: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

/// One workload on one engine.
#[derive(Debug, Clone, Serialize)]
pub struct Row {
    /// The workload.
    pub workload: String,
    /// Threads that did it.
    pub threads: u32,
    /// The engine.
    pub engine: String,
    /// Rounds that gave a figure.
    pub rounds: u32,
    /// Operations a second.
    pub per_second: Spread,
    /// Processor time of the whole process for an operation, in microseconds.
    pub cpu_us: Spread,
    /// Latencies in microseconds.
    pub p50_us: f64,
    /// 99 of 100 took at most this long.
    pub p99_us: f64,
    /// 999 of 1,000 did.
    pub p999_us: f64,
    /// The longest, the median over the rounds and the extremes.
    pub max_us: Spread,
    /// What the workload cost beyond its operations, where it is one of writes.
    pub load: Option<LoadRow>,
}

/// What a workload of writes cost until the store was settled.
#[derive(Debug, Clone, Serialize)]
pub struct LoadRow {
    /// Processor time for an operation, that of flush and compaction until the end included.
    pub cpu_us: Spread,
    /// Bytes written for each byte put.
    pub write_amplification: Spread,
    /// Bytes on disk for each byte stored.
    pub space_amplification: Spread,
}

/// Most memory that an engine's process held in a group of workloads.
#[derive(Debug, Clone, Serialize)]
pub struct Memory {
    /// The engine.
    pub engine: String,
    /// The group.
    pub group: String,
    /// Bytes, the checks' included.
    pub peak_bytes: Spread,
}

impl Results {
    pub(super) fn add(&mut self, engine: &str, group: &str, report: CellReport) {
        self.cells
            .push((engine.to_owned(), group.to_owned(), report));
    }

    /// One row for each workload and engine, workloads in their order.
    pub(super) fn rows(&self) -> Vec<Row> {
        let mut order: Vec<(String, u32, String)> = Vec::new();
        for group in GROUPS {
            for (engine, name, report) in &self.cells {
                if name == group.name {
                    for figure in &report.measured.figures {
                        let id = (figure.name.clone(), figure.clients, engine.clone());
                        if !order.contains(&id) {
                            order.push(id);
                        }
                    }
                }
            }
        }
        let rows = order.into_iter();
        rows.filter_map(|(workload, threads, engine)| self.row(workload, threads, engine))
            .collect()
    }

    fn row(&self, workload: String, threads: u32, engine: String) -> Option<Row> {
        let reports = self.cells.iter().filter(|(name, _, _)| *name == engine);
        let reports: Vec<_> = reports.map(|(_, _, report)| &report.measured).collect();
        let figures = reports.iter().flat_map(|measured| &measured.figures);
        let figures = figures.filter(|figure| figure.name == workload && figure.clients == threads);
        let figures: Vec<_> = figures.collect();
        let loads = reports.iter().flat_map(|measured| &measured.loads);
        let loads: Vec<_> = loads.filter(|load| load.name == workload).collect();
        let spread = |of: &dyn Fn(usize) -> f64| Spread::of((0..figures.len()).map(of));
        let of_loads = |of: &dyn Fn(usize) -> f64| Spread::of((0..loads.len()).map(of));
        let load = of_loads(&|at| loads[at].cpu_us).and_then(|cpu_us| {
            Some(LoadRow {
                cpu_us,
                write_amplification: of_loads(&|at| loads[at].write_amplification)?,
                space_amplification: of_loads(&|at| loads[at].space_amplification)?,
            })
        });
        Some(Row {
            rounds: u32::try_from(figures.len()).unwrap_or(u32::MAX),
            per_second: spread(&|at| figures[at].per_second)?,
            cpu_us: spread(&|at| figures[at].cpu_us)?,
            p50_us: spread(&|at| figures[at].percentiles.p50_us)?.median,
            p99_us: spread(&|at| figures[at].percentiles.p99_us)?.median,
            p999_us: spread(&|at| figures[at].percentiles.p999_us)?.median,
            max_us: spread(&|at| figures[at].percentiles.max_us)?,
            load,
            workload,
            threads,
            engine,
        })
    }

    /// The memory of each engine in each group.
    pub(super) fn memory(&self) -> Vec<Memory> {
        let mut peaks: BTreeMap<(&str, &str), Vec<f64>> = BTreeMap::new();
        for (engine, group, report) in &self.cells {
            let peak = report.peak_memory_bytes as f64;
            peaks.entry((group, engine)).or_default().push(peak);
        }
        let memory = peaks.into_iter().filter_map(|((group, engine), peaks)| {
            Some(Memory {
                engine: engine.to_owned(),
                group: group.to_owned(),
                peak_bytes: Spread::of(peaks)?,
            })
        });
        memory.collect()
    }
}

impl Spread {
    /// Of some numbers; `None` when there are none.
    #[must_use]
    pub fn of(numbers: impl IntoIterator<Item = f64>) -> Option<Self> {
        let mut numbers: Vec<f64> = numbers.into_iter().collect();
        numbers.sort_by(f64::total_cmp);
        let (min, max) = (*numbers.first()?, *numbers.last()?);
        let (low, high) = ((numbers.len() - 1) / 2, numbers.len() / 2);
        let median = f64::midpoint(numbers[low], numbers[high]);
        Some(Self { median, min, max })
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn a_median_is_the_middle_one_or_the_mean_of_two() {
        let spread = Spread::of([3.0, 1.0, 9.0]).expect("numbers");
        assert_eq!((spread.min, spread.median, spread.max), (1.0, 3.0, 9.0));
        let spread = Spread::of([4.0, 2.0]).expect("numbers");
        assert_eq!((spread.min, spread.median, spread.max), (2.0, 3.0, 4.0));
        assert_eq!(Spread::of([]), None);
    }
}
