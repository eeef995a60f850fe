//! Where the bytes of an object lie.

use alloc::vec::Vec;

use super::allocator::Extent;

/// The extents of an object, in the order of its bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Map {
    /// With the number of blocks before each.
    extents: Vec<(u64, Extent)>,
    /// Bytes that can be read.
    pub(super) len: u64,
    /// Bytes that a crash leaves.
    pub(super) synced: u64,
    /// Set aside whole, or recycled: appends within `len` change nothing here.
    pub(super) fixed: bool,
}

impl Map {
    /// An object of `len` bytes, all of them synced, that has no blocks yet.
    pub(super) const fn new(len: u64, fixed: bool) -> Self {
        Self {
            extents: Vec::new(),
            len,
            synced: len,
            fixed,
        }
    }

    /// Blocks that belong to the object.
    pub(super) fn blocks(&self) -> u64 {
        self.extents
            .last()
            .map_or(0, |(before, extent)| before + extent.blocks)
    }

    pub(super) fn last(&self) -> Option<Extent> {
        self.extents.last().map(|(_, extent)| *extent)
    }

    pub(super) fn extents(&self) -> impl ExactSizeIterator<Item = Extent> + '_ {
        self.extents.iter().map(|(_, extent)| *extent)
    }

    /// Adds blocks at the end.
    pub(super) fn push(&mut self, extent: Extent) {
        let blocks = self.blocks();
        if let Some((_, last)) = self.extents.last_mut()
            && last.end() == extent.start
        {
            last.blocks += extent.blocks;
            return;
        }
        self.extents.push((blocks, extent));
    }

    /// Gives up everything behind the first `blocks`.
    pub(super) fn cut(&mut self, blocks: u64, mut give: impl FnMut(Extent)) {
        while let Some((before, extent)) = self.extents.pop() {
            let keep = blocks.saturating_sub(before).min(extent.blocks);
            if keep > 0 {
                let kept = Extent {
                    blocks: keep,
                    ..extent
                };
                self.extents.push((before, kept));
            }
            if keep < extent.blocks {
                give(Extent {
                    start: extent.start + keep,
                    blocks: extent.blocks - keep,
                });
            }
            if keep > 0 {
                return;
            }
        }
    }

    /// The runs of device blocks under `count` blocks from `first`, in order.
    ///
    /// # Panics
    /// When the object has fewer.
    pub(super) fn runs(&self, first: u64, count: u64) -> Vec<Extent> {
        let (mut block, end) = (first, first + count);
        let behind = |(before, extent): &(u64, Extent)| before + extent.blocks <= first;
        let mut at = self.extents.partition_point(behind);
        let mut runs = Vec::with_capacity(1);
        while block < end {
            let (before, extent) = self.extents[at];
            let skip = block - before;
            let blocks = (extent.blocks - skip).min(end - block);
            runs.push(Extent {
                start: extent.start + skip,
                blocks,
            });
            block += blocks;
            at += 1;
        }
        runs
    }
}
