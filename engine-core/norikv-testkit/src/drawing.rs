//! A picture of why a history is not linearizable.
//!
//! **Invariant: the picture is well-formed whatever the values say, and needs nothing beside it.**
//! Time runs to the right, in the order of events and not to scale; each process has a lane, and each
//! operation a bar from where it was asked to where it returned.

mod layout;
mod text;

use alloc::collections::BTreeSet;
use alloc::string::String;
use alloc::vec::Vec;
use core::fmt::{Debug, Write};

use self::layout::{Bar, Layout};
use self::text::{clipped, escaped};
use crate::history::{History, OperationId, Outcome};
use crate::linearizability::Violation;

/// Draws a violation of `history` as an SVG document, readable on light and on dark ground.
///
/// The unexplained operation is red, pointed and marked with a cross; the others of the window are
/// filled; bystanders are dashed outlines (the latest sixteen of them). A bar that ends in dots has
/// no known end. Labels are `#operation input → output`, long ones cut; the whole text is in the
/// bar's tooltip.
///
/// # Panics
/// When the violation is not of this history.
#[must_use]
pub fn draw<K: Debug, I: Debug, O: Debug, S: Debug>(
    history: &History<K, I, O>,
    violation: &Violation<K, S>,
) -> String {
    let shown = shown(violation);
    let bars = bars(history, violation, &shown);
    let mut heading = Vec::from([alloc::format!(
        "not linearizable: nothing explains #{} of key {:?}",
        violation.unexplained.0,
        violation.key
    )]);
    heading.extend(states("before all this", &violation.states_before));
    heading.extend(states("when it was asked", &violation.states));
    let hidden = violation.window.len() + violation.bystanders.len() - shown.len();
    if hidden > 0 {
        heading.push(alloc::format!("{hidden} more bystanders are not drawn"));
    }
    let heading: Vec<String> = heading.iter().map(|line| clipped(line, LINE_MAX)).collect();
    let layout = Layout::new(&bars, &heading);
    let mut svg = String::new();
    // Writing to a string cannot fail.
    let _ = write(&mut svg, &layout, &bars, &heading);
    svg
}

/// The operations to draw, in the order of invocation.
fn shown<K, S>(violation: &Violation<K, S>) -> BTreeSet<OperationId> {
    let bystanders = violation.bystanders.iter().rev().take(BYSTANDERS_MAX);
    bystanders.chain(&violation.window).copied().collect()
}

fn bars<K, I: Debug, O: Debug, S>(
    history: &History<K, I, O>,
    violation: &Violation<K, S>,
    shown: &BTreeSet<OperationId>,
) -> Vec<Bar> {
    let bar = |&id: &OperationId| {
        let operation = history.operation(id);
        let (end, answer) = match &operation.outcome {
            Outcome::Returned { output, at } => (Some(at.event), alloc::format!("{output:?}")),
            Outcome::Unknown => (None, String::from("?")),
            Outcome::Refused => (None, String::from("refused")),
        };
        let full = alloc::format!("#{} {:?} → {answer}", id.0, operation.input);
        Bar {
            process: operation.process,
            start: operation.invoked.event,
            end,
            label: clipped(&full, LABEL_MAX),
            full: clipped(&full, FULL_MAX),
            class: if id == violation.unexplained {
                "unexplained"
            } else if violation.window.contains(&id) {
                "window"
            } else {
                "bystander"
            },
        }
    };
    shown.iter().map(bar).collect()
}

/// The line that lists possible states.
fn states<S: Debug>(when: &str, states: &[S]) -> Vec<String> {
    if states.is_empty() {
        return Vec::from([alloc::format!("possible states {when}: too many to list")]);
    }
    let mut lines = Vec::from([alloc::format!("possible states {when}:")]);
    let listed = states.iter().take(STATES_MAX);
    lines.extend(listed.map(|state| alloc::format!("    {state:?}")));
    if states.len() > STATES_MAX {
        lines.push(alloc::format!("    and {} more", states.len() - STATES_MAX));
    }
    lines
}

fn write(svg: &mut String, layout: &Layout, bars: &[Bar], heading: &[String]) -> core::fmt::Result {
    let (width, height) = (layout.width, layout.height);
    write!(
        svg,
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{width}\" height=\"{height}\" \
         viewBox=\"0 0 {width} {height}\" role=\"img\" aria-label=\"{}\">\n<style>{STYLE}</style>\n\
         <rect class=\"ground\" width=\"{width}\" height=\"{height}\"/>\n",
        heading
            .first()
            .map(|line| escaped(line))
            .unwrap_or_default(),
    )?;
    for (nth, line) in (1..).zip(heading) {
        let class = if nth == 1 { "title" } else { "text" };
        let y = nth * layout::LINE;
        let line = escaped(line);
        writeln!(
            svg,
            "<text class=\"{class}\" x=\"16\" y=\"{y}\" xml:space=\"preserve\">{line}</text>"
        )?;
    }
    for lane in &layout.lanes {
        let (y, x) = (lane.y, layout.left);
        writeln!(
            svg,
            "<line class=\"lane\" x1=\"16\" x2=\"{width}\" y1=\"{y}\" y2=\"{y}\"/>\
             <text class=\"text\" x=\"16\" y=\"{}\">process {}</text>",
            y + 18,
            lane.process,
        )?;
        debug_assert!(x < width, "lanes leave room for bars");
    }
    for (bar, place) in bars.iter().zip(&layout.places) {
        let (x, y) = (place.x, place.y);
        let end = place.end.unwrap_or(width - 40);
        let class = bar.class;
        let title = escaped(&alloc::format!("process {}: {}", bar.process, bar.full));
        writeln!(svg, "<g class=\"{class}\"><title>{title}</title>")?;
        let (top, middle, bottom) = (y, y + layout::BAR / 2, y + layout::BAR);
        match (place.end, class) {
            (Some(_), "unexplained") => writeln!(
                svg,
                "<path d=\"M{x} {middle} l8 -7 H{} l8 7 l-8 7 H{} z\"/>",
                end - 8,
                x + 8,
            )?,
            (Some(_), _) => writeln!(
                svg,
                "<rect x=\"{x}\" y=\"{top}\" width=\"{}\" height=\"{}\" rx=\"3\"/>",
                end - x,
                layout::BAR,
            )?,
            (None, _) => writeln!(
                svg,
                "<path d=\"M{end} {top} H{x} V{bottom} H{end}\"/>\
                 <text class=\"text\" x=\"{}\" y=\"{bottom}\">…</text>",
                end + 6,
            )?,
        }
        let mut label_x = x;
        if class == "unexplained" {
            let y = bottom + 6;
            writeln!(
                svg,
                "<path class=\"cross\" d=\"M{x} {y} l10 10 m0 -10 l-10 10\"/>"
            )?;
            label_x += layout::CROSS;
        }
        let label = escaped(&bar.label);
        let y = bottom + 15;
        writeln!(svg, "<text x=\"{label_x}\" y=\"{y}\">{label}</text></g>")?;
    }
    svg.push_str("</svg>\n");
    Ok(())
}

const STYLE: &str = "\
text{font:13px ui-monospace,'DejaVu Sans Mono',Menlo,Consolas,monospace;fill:#1f2328}\
.title{font-weight:bold}.ground{fill:#fff}.lane{stroke:#d1d9e0}\
.window rect,.window path{fill:#9cc5f5;stroke:#0b5cad}\
.bystander rect,.bystander path{fill:none;stroke:#59636e;stroke-dasharray:4 3}\
.bystander text{fill:#59636e}\
.unexplained path{fill:#ffb3ad;stroke:#b3121d;stroke-width:2}\
.unexplained text{fill:#b3121d;font-weight:bold}\
.unexplained .cross{fill:none;stroke-width:3}\
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.ground{fill:#0d1117}.lane{stroke:#30363d}\
.window rect,.window path{fill:#1b4b82;stroke:#6cb2ff}\
.bystander rect,.bystander path{stroke:#9198a1}.bystander text{fill:#9198a1}\
.unexplained path{fill:#7d1a20;stroke:#ff8f88}.unexplained text{fill:#ff8f88}\
.unexplained .cross{fill:none}}";

const BYSTANDERS_MAX: usize = 16;
const STATES_MAX: usize = 8;
const LABEL_MAX: usize = 48;
const LINE_MAX: usize = 120;
const FULL_MAX: usize = 2_000;

#[cfg(test)]
mod tests;
