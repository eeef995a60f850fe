//! Where everything goes.
//!
//! **Invariant: no two bars of a row meet, and no label reaches the next bar of its row.** Events get
//! columns; a column is as far to the right as the labels before it need.

use alloc::collections::BTreeMap;
use alloc::string::String;
use alloc::vec;
use alloc::vec::Vec;

/// One operation to draw.
#[derive(Debug)]
pub(super) struct Bar {
    pub(super) process: u64,
    pub(super) start: u64,
    /// `None`: never, or nobody knows when.
    pub(super) end: Option<u64>,
    pub(super) label: String,
    /// The label at length.
    pub(super) full: String,
    pub(super) class: &'static str,
}

/// Places in pixels.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) width: u32,
    pub(super) height: u32,
    /// Where the first column is.
    pub(super) left: u32,
    pub(super) lanes: Vec<Lane>,
    /// One a bar.
    pub(super) places: Vec<Place>,
}

/// One process: the line above its rows.
#[derive(Debug)]
pub(super) struct Lane {
    pub(super) process: u64,
    pub(super) y: u32,
}

/// The upper edge of a bar and its ends.
#[derive(Debug)]
pub(super) struct Place {
    pub(super) x: u32,
    pub(super) end: Option<u32>,
    pub(super) y: u32,
}

impl Layout {
    /// Places bars, sorted by their start, under a heading.
    pub(super) fn new(bars: &[Bar], heading: &[String]) -> Self {
        let rows = rows(bars);
        let processes = bars.iter().map(|bar| text_width(count(bar.process)));
        let left = 16 + text_width(8) + processes.max().unwrap_or(0) + GAP;
        let (columns, right) = columns(bars, &rows, left);

        let mut lanes = Vec::new();
        let mut row_y = BTreeMap::new();
        let mut y = u32::try_from(heading.len()).unwrap_or(u32::MAX / LINE) * LINE + LINE;
        for (&process, bars) in &rows {
            lanes.push(Lane { process, y });
            for row in 0..bars.len() {
                row_y.insert((process, row), y + 6);
                y += ROW;
            }
        }
        let place = |(nth, bar): (usize, &Bar)| {
            let own = &rows[&bar.process];
            let row = own.iter().position(|row| row.contains(&nth)).unwrap_or(0);
            Place {
                x: columns[&bar.start],
                end: bar.end.map(|end| columns[&end]),
                y: row_y[&(bar.process, row)],
            }
        };
        let heading = heading.iter().map(|line| text_width(line.chars().count()));
        Self {
            width: right.max(16 + heading.max().unwrap_or(0)) + 56,
            height: y + LINE,
            left,
            places: bars.iter().enumerate().map(place).collect(),
            lanes,
        }
    }
}

/// The bars of each row of each process: more than one row where a process asks on after an
/// operation without end.
fn rows(bars: &[Bar]) -> BTreeMap<u64, Vec<Vec<usize>>> {
    let mut rows = BTreeMap::<u64, Vec<Vec<usize>>>::new();
    for (nth, bar) in bars.iter().enumerate() {
        let own = rows.entry(bar.process).or_default();
        let is_free = |row: &&mut Vec<usize>| {
            let last = row.last().map(|&last| bars[last].end);
            last.is_none_or(|end| end.is_some_and(|end| end < bar.start))
        };
        match own.iter_mut().find(is_free) {
            Some(row) => row.push(nth),
            None => own.push(vec![nth]),
        }
    }
    rows
}

/// The place of each event, and where the last label ends.
fn columns(
    bars: &[Bar],
    rows: &BTreeMap<u64, Vec<Vec<usize>>>,
    left: u32,
) -> (BTreeMap<u64, u32>, u32) {
    let starts = bars.iter().map(|bar| bar.start);
    let ends = bars.iter().filter_map(|bar| bar.end);
    let mut columns: BTreeMap<u64, u32> = starts.chain(ends).map(|event| (event, 0)).collect();
    // Event → the event before it in its row and how far apart the label in between keeps them.
    let mut apart = BTreeMap::new();
    for row in rows.values().flatten() {
        for pair in row.windows(2) {
            if let [first, second] = *pair {
                let width = label_width(&bars[first]) + GAP;
                apart.insert(bars[second].start, (bars[first].start, width));
            }
        }
    }
    let mut last = None;
    let events: Vec<u64> = columns.keys().copied().collect();
    for event in events {
        let mut x = last.map_or(left, |last: u32| last + COLUMN);
        if let Some((before, width)) = apart.get(&event) {
            x = x.max(columns[before] + width);
        }
        columns.insert(event, x);
        last = Some(x);
    }
    let label_ends = bars
        .iter()
        .map(|bar| columns[&bar.start] + label_width(bar));
    let right = label_ends.chain(last).max().unwrap_or(left);
    (columns, right)
}

fn label_width(bar: &Bar) -> u32 {
    CROSS + text_width(bar.label.chars().count())
}

/// Of a monospaced font of 13 pixels.
fn text_width(chars: usize) -> u32 {
    u32::try_from(chars).unwrap_or(u32::MAX / 8) * 8
}

/// Digits.
fn count(number: u64) -> usize {
    number.checked_ilog10().unwrap_or(0) as usize + 1
}

/// The height of a line of text.
pub(super) const LINE: u32 = 20;
/// The height of a bar.
pub(super) const BAR: u32 = 14;
/// The width that the mark of the unexplained operation takes.
pub(super) const CROSS: u32 = 16;
const ROW: u32 = 46;
const COLUMN: u32 = 40;
const GAP: u32 = 16;
