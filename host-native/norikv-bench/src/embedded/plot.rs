//! The comparison as a picture.
//!
//! One block a workload, one bar an engine that ours is compared with, on a logarithmic scale: left
//! how many times its throughput ours has, right how many times our processor time it takes. To the
//! right of the line in the middle ours is better.

use anyhow::{Result, anyhow};
use plotters::prelude::*;

use super::tables::{measures_an_engine, named};
use super::{Report, Row};

impl Report {
    /// The ratios of throughput and of processor time as a picture.
    ///
    /// # Errors
    /// When there is nothing to compare, or nothing to compare with.
    pub fn svg(&self) -> Result<String> {
        let others: Vec<&str> = self.others().collect();
        let workloads = self.workloads().into_iter();
        let workloads: Vec<_> = workloads.filter(measures_an_engine).collect();
        let bars = others.len() + 1;
        let rows = u32::try_from(workloads.len() * bars)?;
        let height = rows * BAR + 90;
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, (WIDTH, height)).into_drawing_area();
            let drawn = area.fill(&WHITE).and_then(|()| {
                let (left, right) = area.split_horizontally(WIDTH / 2);
                for (area, figure) in [(left, &THROUGHPUT), (right, &CPU)] {
                    draw(&area, self, figure, &others, &workloads)?;
                }
                area.present()
            });
            drawn.map_err(|error| anyhow!("{error}"))?;
        }
        Ok(svg)
    }
}

/// What is compared: above 1 ours is better.
struct Ratio {
    name: &'static str,
    of: fn(&Row, &Row) -> f64,
}

const THROUGHPUT: Ratio = Ratio {
    name: "times the throughput of others",
    of: |ours, theirs| ours.per_second.median / theirs.per_second.median,
};
const CPU: Ratio = Ratio {
    name: "others' processor time in times of its own",
    of: |ours, theirs| theirs.cpu_us.median / ours.cpu_us.median,
};

fn draw<'a>(
    area: &DrawingArea<SVGBackend<'a>, plotters::coord::Shift>,
    report: &Report,
    figure: &Ratio,
    others: &[&str],
    workloads: &[(&str, u32)],
) -> Result<(), DrawingAreaErrorKind<<SVGBackend<'a> as DrawingBackend>::ErrorType>> {
    // Bars from the top to the first of a block.
    let top_of = |block: usize| (block * (others.len() + 1)) as f64;
    let rows = top_of(workloads.len());
    let title = format!("{}: {}", report.ours(), figure.name);
    let mut chart = ChartBuilder::on(area)
        .caption(title, ("sans-serif", 18))
        .margin(12)
        .x_label_area_size(36)
        .y_label_area_size(120)
        .build_cartesian_2d(-SCALE..SCALE, rows..0.0)?;
    chart
        .configure_mesh()
        .disable_y_mesh()
        .x_max_light_lines(0)
        .y_labels(2)
        .y_label_formatter(&|_row| String::new())
        .x_labels(9)
        .x_label_formatter(&|power| format!("× {}", 2_f64.powf(*power)))
        .draw()?;
    for (at, other) in others.iter().enumerate() {
        let colour = COLOURS[at % COLOURS.len()];
        let mut boxes = Vec::new();
        for (block, workload) in workloads.iter().enumerate() {
            let pair = report.row(*workload, report.ours());
            let Some((ours, theirs)) = pair.zip(report.row(*workload, other)) else {
                continue;
            };
            let power = (figure.of)(ours, theirs).log2().clamp(-SCALE, SCALE);
            let top = top_of(block) + at as f64;
            boxes.push(Rectangle::new(
                [(0.0, top), (power, top + 1.0)],
                colour.filled(),
            ));
        }
        chart
            .draw_series(boxes)?
            .label(*other)
            .legend(move |(x, y)| Rectangle::new([(x, y - 4), (x + 12, y + 4)], colour.filled()));
    }
    let label = ("sans-serif", 12).into_font().color(&BLACK);
    for (block, workload) in workloads.iter().enumerate() {
        let (_, y) = chart.backend_coord(&(0.0, top_of(block)));
        area.draw_text(&named(*workload), &label, (14, y + 4))?;
    }
    chart
        .configure_series_labels()
        .background_style(WHITE)
        .border_style(BLACK)
        .position(SeriesLabelPosition::UpperLeft)
        .draw()?;
    Ok(())
}

/// Powers of two to each side.
const SCALE: f64 = 4.0;
const WIDTH: u32 = 1_360;
/// Height of a bar.
const BAR: u32 = 9;
const COLOURS: [RGBColor; 4] = [
    RGBColor(31, 119, 180),
    RGBColor(214, 120, 40),
    RGBColor(80, 150, 90),
    RGBColor(150, 90, 160),
];
