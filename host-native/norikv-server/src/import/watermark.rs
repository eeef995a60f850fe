//! Which lines are dealt with, when they end in any order.
//!
//! **Invariant: the offset and the counts cover exactly the lines before the first open one.**

use std::collections::VecDeque;

use super::Counts;

/// A window of lines, the oldest first.
#[derive(Debug)]
pub(super) struct Watermark {
    /// Sequence number of the oldest line in the window.
    base: u64,
    window: VecDeque<Slot>,
    offset: u64,
    counts: Counts,
}

#[derive(Debug)]
struct Slot {
    /// The byte behind the line.
    end: u64,
    /// Whether it was written; `None` while it is open.
    written: Option<bool>,
}

impl Watermark {
    /// Everything below `offset` is dealt with and came to `counts`.
    pub(super) fn new(offset: u64, counts: Counts) -> Self {
        Self {
            base: 0,
            window: VecDeque::new(),
            offset,
            counts,
        }
    }

    /// Takes in the next line, which ends before byte `end`; returns its sequence number.
    pub(super) fn begin(&mut self, end: u64) -> u64 {
        self.window.push_back(Slot { end, written: None });
        self.base + self.window.len() as u64 - 1
    }

    /// Line `sequence` ended.
    ///
    /// # Panics
    /// When it is not open: a line that ends twice would be counted twice.
    pub(super) fn end(&mut self, sequence: u64, written: bool) {
        let at = usize::try_from(sequence - self.base).expect("the window fits in memory");
        let slot = self
            .window
            .get_mut(at)
            .expect("only a line that began ends");
        assert!(
            slot.written.replace(written).is_none(),
            "line {sequence} ended twice"
        );
        while let Some(Slot {
            end,
            written: Some(written),
        }) = self.window.front()
        {
            self.offset = *end;
            if *written {
                self.counts.written += 1;
            } else {
                self.counts.refused += 1;
            }
            self.window.pop_front();
            self.base += 1;
        }
    }

    /// Lines in the window, whose oldest is open.
    pub(super) fn open(&self) -> usize {
        self.window.len()
    }

    /// Everything below this byte is dealt with.
    pub(super) fn offset(&self) -> u64 {
        self.offset
    }

    /// What the lines below the offset came to.
    pub(super) fn counts(&self) -> Counts {
        self.counts
    }

    /// The number of a line in the file, the first being 1.
    pub(super) fn number_of(&self, sequence: u64) -> u64 {
        self.counts.lines() + (sequence - self.base) + 1
    }
}

#[cfg(test)]
mod tests;
