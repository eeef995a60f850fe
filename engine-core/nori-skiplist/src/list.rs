//! The list itself: nodes in a chunked array, linked by their indexes.
//!
//! **Invariant: a link is stored only after the node it names is complete.** Links are written
//! bottom-up with release order and read with acquire order, so whoever can reach a node sees all
//! of it. Links only ever change to a node that was just inserted between the two; a reader that
//! passed before the change simply does not see it.

use core::fmt;

use bytes::Bytes;
use portable_atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use spin::Once;

use crate::chunked::Chunked;

/// An ordered multi-version map: key ascending, then tag descending. Append-only.
///
/// Any number of threads may read while one inserts. Two that insert at once are a bug of the
/// caller and panic.
pub struct SkipList {
    seed: u64,
    nodes: Chunked<Once<Node>>,
    /// Links of level 1 and up, each node's side by side.
    links: Chunked<AtomicU32>,
    head: [AtomicU32; HEIGHT_MAX],
    /// Nodes so far; also the index of the next one.
    len: AtomicU32,
    /// Links taken so far.
    links_len: AtomicU32,
    /// Levels in use, at least 1.
    height: AtomicU32,
    bytes: AtomicU64,
    inserting: AtomicBool,
}

/// Where an entry stands. Valid for the life of the list that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position(u32);

/// One version of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry<'a> {
    /// The key.
    pub key: &'a [u8],
    /// Orders the versions of a key, the highest first.
    pub tag: u64,
    /// What was inserted.
    pub value: &'a [u8],
}

/// All entries, in order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    list: &'a SkipList,
    next: Option<Position>,
}

struct Node {
    /// The key's first bytes as a big-endian number: decides most comparisons without a look at `key`.
    prefix: u64,
    tag: u64,
    key: Bytes,
    value: Bytes,
    next: AtomicU32,
    /// Index of the node's link of level 1.
    links: u32,
}

/// The last node before the target on each level, and the node behind it; 0 is the head and the end.
type Splice = ([u32; HEIGHT_MAX], [u32; HEIGHT_MAX]);

impl SkipList {
    /// An empty list. The seed decides the nodes' heights: the same inserts under the same seed
    /// make the same list.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self {
            seed,
            nodes: Chunked::new(),
            links: Chunked::new(),
            head: [const { AtomicU32::new(NIL) }; HEIGHT_MAX],
            len: AtomicU32::new(0),
            links_len: AtomicU32::new(0),
            height: AtomicU32::new(1),
            bytes: AtomicU64::new(0),
            inserting: AtomicBool::new(false),
        }
    }

    /// Adds a version of `key`. Costs O(log n).
    ///
    /// # Panics
    /// When another insert is under way, when (key, tag) is in the list already, or at 2³² − 1 entries.
    pub fn insert(&self, key: Bytes, tag: u64, value: Bytes) {
        assert!(
            !self.inserting.swap(true, Ordering::Acquire),
            "two inserts at once"
        );
        let prefix = prefix_of(&key);
        let (before, after) = self.splice(prefix, &key, tag);
        assert!(
            after[0] == NIL || !self.is_at(after[0], &key, tag),
            "a version is inserted once"
        );

        let index = self.len.load(Ordering::Relaxed);
        assert!(index < u32::MAX - 1, "the list is full");
        let height = self.height_of(index);
        let first_link = self.links_len.load(Ordering::Relaxed);
        for (level, &behind) in after.iter().enumerate().take(height).skip(1) {
            let link = self.links.at_or_default(first_link + narrow(level - 1));
            link.store(behind, Ordering::Relaxed);
        }
        self.links_len
            .store(first_link + narrow(height - 1), Ordering::Relaxed);
        let added = (key.len() + value.len()) as u64 + ENTRY_OVERHEAD_BYTES;
        self.nodes.at_or_default(index).call_once(|| Node {
            prefix,
            tag,
            key,
            value,
            next: AtomicU32::new(after[0]),
            links: first_link,
        });

        for (level, &previous) in before.iter().enumerate().take(height) {
            self.link(previous, level)
                .store(index + 1, Ordering::Release);
        }
        self.len.store(index + 1, Ordering::Release);
        self.height.fetch_max(narrow(height), Ordering::Release);
        self.bytes.fetch_add(added, Ordering::Relaxed);
        self.inserting.store(false, Ordering::Release);
    }

    /// The first entry at or after (`key`, `tag`): the newest version of `key` whose tag is at most
    /// `tag`, or else the newest version of the next key.
    #[must_use]
    pub fn lower_bound(&self, key: &[u8], tag: u64) -> Option<Position> {
        position(self.search(key, tag).1)
    }

    /// The last entry before (`key`, `tag`).
    #[must_use]
    pub fn before(&self, key: &[u8], tag: u64) -> Option<Position> {
        position(self.search(key, tag).0)
    }

    /// The first entry.
    #[must_use]
    pub fn first(&self) -> Option<Position> {
        position(self.head[0].load(Ordering::Acquire))
    }

    /// The last entry.
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        let mut at = NIL;
        for level in (0..self.height()).rev() {
            loop {
                let next = self.link(at, level).load(Ordering::Acquire);
                if next == NIL {
                    break;
                }
                at = next;
            }
        }
        position(at)
    }

    /// The entry after `at`.
    #[must_use]
    pub fn next(&self, at: Position) -> Option<Position> {
        position(self.node(at.0).next.load(Ordering::Acquire))
    }

    /// The entry before `at`. Costs a search.
    #[must_use]
    pub fn prev(&self, at: Position) -> Option<Position> {
        let node = self.node(at.0);
        self.before(&node.key, node.tag)
    }

    /// The entry at `at`.
    ///
    /// # Panics
    /// When `at` comes from another list and names nothing here.
    #[must_use]
    pub fn entry(&self, at: Position) -> Entry<'_> {
        let node = self.node(at.0);
        Entry {
            key: &node.key,
            tag: node.tag,
            value: &node.value,
        }
    }

    /// All entries, in order. Entries inserted meanwhile are seen when they lie ahead.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter {
            list: self,
            next: self.first(),
        }
    }

    /// Entries, counting each version.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.len.load(Ordering::Acquire)
    }

    /// Whether nothing was ever inserted.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Bytes held: keys, values and [`ENTRY_OVERHEAD_BYTES`] an entry. The same on every target.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The neighbours of (`key`, `tag`) on every level.
    fn splice(&self, prefix: u64, key: &[u8], tag: u64) -> Splice {
        let (mut before, mut after) = ([NIL; HEIGHT_MAX], [NIL; HEIGHT_MAX]);
        let (mut at, mut behind) = (NIL, NIL);
        for level in (0..self.height()).rev() {
            (at, behind) = self.walk(at, behind, level, prefix, key, tag);
            (before[level], after[level]) = (at, behind);
        }
        (before, after)
    }

    /// The neighbours of (`key`, `tag`) on level 0.
    fn search(&self, key: &[u8], tag: u64) -> (u32, u32) {
        let prefix = prefix_of(key);
        let (mut at, mut behind) = (NIL, NIL);
        for level in (0..self.height()).rev() {
            (at, behind) = self.walk(at, behind, level, prefix, key, tag);
        }
        (at, behind)
    }

    /// Goes right on `level` from `at` while the next node stands before (`key`, `tag`). `behind`
    /// is known not to: the level above ended there, and most levels do as well.
    fn walk(
        &self,
        mut at: u32,
        behind: u32,
        level: usize,
        prefix: u64,
        key: &[u8],
        tag: u64,
    ) -> (u32, u32) {
        let mut link = self.link(at, level);
        loop {
            let next = link.load(Ordering::Acquire);
            if next == behind || next == NIL {
                return (at, next);
            }
            let node = self.node(next);
            if !node.is_before(prefix, key, tag) {
                return (at, next);
            }
            link = self.link_of(node, level);
            at = next;
        }
    }

    fn is_at(&self, index: u32, key: &[u8], tag: u64) -> bool {
        let node = self.node(index);
        node.tag == tag && node.key == key
    }

    /// The link out of node `at` (or the head) on `level`.
    fn link(&self, at: u32, level: usize) -> &AtomicU32 {
        if at == NIL {
            return &self.head[level];
        }
        self.link_of(self.node(at), level)
    }

    /// The link out of `node` on `level`.
    fn link_of<'a>(&'a self, node: &'a Node, level: usize) -> &'a AtomicU32 {
        match level {
            0 => &node.next,
            _ => self.links.at(node.links + narrow(level - 1)),
        }
    }

    fn node(&self, at: u32) -> &Node {
        self.nodes
            .at(at - 1)
            .get()
            .expect("a link names a complete node")
    }

    fn height(&self) -> usize {
        self.height.load(Ordering::Acquire) as usize
    }

    /// 1 with probability 3/4, one more with 1/4 each, from the seed and the node's number alone.
    fn height_of(&self, index: u32) -> usize {
        // SplitMix64's output function.
        let mut mixed = self
            .seed
            .wrapping_add(u64::from(index + 1).wrapping_mul(0x9e37_79b9_7f4a_7c15));
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^= mixed >> 31;
        (1 + mixed.trailing_zeros() as usize / 2).min(HEIGHT_MAX)
    }
}

impl Node {
    /// Whether this node stands before (`key`, `tag`).
    fn is_before(&self, prefix: u64, key: &[u8], tag: u64) -> bool {
        if self.prefix != prefix {
            return self.prefix < prefix;
        }
        match self.key[..].cmp(key) {
            core::cmp::Ordering::Less => true,
            core::cmp::Ordering::Equal => self.tag > tag,
            core::cmp::Ordering::Greater => false,
        }
    }
}

impl fmt::Debug for SkipList {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SkipList")
            .field("len", &self.len())
            .field("bytes", &self.bytes())
            .finish_non_exhaustive()
    }
}

impl<'a> Iterator for Iter<'a> {
    type Item = Entry<'a>;

    fn next(&mut self) -> Option<Entry<'a>> {
        let at = self.next?;
        self.next = self.list.next(at);
        Some(self.list.entry(at))
    }
}

impl<'a> IntoIterator for &'a SkipList {
    type Item = Entry<'a>;
    type IntoIter = Iter<'a>;

    fn into_iter(self) -> Iter<'a> {
        self.iter()
    }
}

/// The first eight bytes as a number that orders as they do; missing ones count as zero.
fn prefix_of(key: &[u8]) -> u64 {
    match key.first_chunk::<8>() {
        Some(first) => u64::from_be_bytes(*first),
        None => {
            let mut first = [0; 8];
            first[..key.len()].copy_from_slice(key);
            u64::from_be_bytes(first)
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "at most HEIGHT_MAX")]
const fn narrow(level: usize) -> u32 {
    debug_assert!(level <= HEIGHT_MAX);
    level as u32
}

fn position(index: u32) -> Option<Position> {
    (index != NIL).then_some(Position(index))
}

/// What an entry costs beside its key and value, in [`SkipList::bytes`]: a fixed figure, so that
/// every target fills a memtable at the same write.
pub const ENTRY_OVERHEAD_BYTES: u64 = 32;

const HEIGHT_MAX: usize = 12;
/// No node: the head on the left, the end on the right. Node `i` is linked as `i + 1`.
const NIL: u32 = 0;

#[cfg(test)]
mod tests;
