//! The list itself, as readers see it.
//!
//! **Invariant: whoever begins to read after an insert returned sees what was inserted.** Searches
//! go right on the highest level while what stands there is before the target, then go on below.
//! A hint beside each link, the first bytes of the key that it leads to, decides most steps
//! without a look at the node.
#![expect(unsafe_code, reason = "positions outlive the borrow of the list")]

use alloc::boxed::Box;
use core::fmt;

use spin::Mutex;

use crate::iter::Iter;
use crate::sync::{AtomicU32, AtomicU64, Ordering};
use crate::tower::{Kept, Memory, Node, Rung, Target};
use crate::writer::{Writer, Writing};

/// An ordered multi-version map: key ascending, then tag descending. Append-only.
///
/// Any number of threads may read while one inserts. Two that insert at once are a bug of the
/// caller and panic.
pub struct SkipList {
    pub(crate) seed: u64,
    /// What hints leave off.
    prefix: Box<[u8]>,
    /// Tells positions of this list from those of others.
    id: u64,
    /// A node of [`HEIGHT_MAX`] levels without an entry, before all others.
    pub(crate) head: Kept,
    /// Entries so far.
    pub(crate) len: AtomicU32,
    /// Levels in use, at least 1.
    pub(crate) height: AtomicU32,
    pub(crate) bytes: AtomicU64,
    /// Taken by the one who inserts; owns the memory.
    writing: Mutex<Writing>,
}

/// Where an entry stands. Valid for the life of the list that gave it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    node: Kept,
    list: u64,
}

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

impl SkipList {
    /// An empty list. The seed decides the nodes' heights: the same inserts under the same seed
    /// make the same list.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self::with_prefix(seed, b"")
    }

    /// An empty list that is fastest with keys that begin with `prefix`. Any key may be inserted;
    /// order and results do not depend on it.
    #[must_use]
    pub fn with_prefix(seed: u64, prefix: &[u8]) -> Self {
        let mut memory = Memory::default();
        // SAFETY: the list keeps the memory, and hands the head to nobody who does not borrow it.
        let head = unsafe { memory.node(b"", 0, b"", HEIGHT_MAX) };
        let head = head.into_head().keep();
        Self {
            seed,
            prefix: prefix.into(),
            id: LISTS.fetch_add(1, Ordering::Relaxed),
            head,
            len: AtomicU32::new(0),
            height: AtomicU32::new(1),
            bytes: AtomicU64::new(0),
            writing: Mutex::new(Writing::new(memory, head)),
        }
    }

    /// The right to insert, until it is dropped.
    ///
    /// # Panics
    /// When somebody has it.
    #[must_use]
    pub fn writer(&self) -> Writer<'_> {
        let writing = self.writing.try_lock().expect("two inserts at once");
        Writer::new(self, writing)
    }

    /// Adds a version of `key`. For several, [`writer`](Self::writer) is a little faster.
    ///
    /// # Panics
    /// When another insert is under way, and as [`Writer::insert`] does.
    pub fn insert(&self, key: &[u8], tag: u64, value: &[u8]) {
        self.writer().insert(key, tag, value);
    }

    /// The first entry at or after (`key`, `tag`): the newest version of `key` whose tag is at most
    /// `tag`, or else the newest version of the next key. Costs O(log n).
    #[must_use]
    pub fn lower_bound(&self, key: &[u8], tag: u64) -> Option<Position> {
        let (_, behind) = self.search(&self.target(key, tag));
        behind.map(|node| self.position(node))
    }

    /// The last entry before (`key`, `tag`). Costs O(log n).
    #[must_use]
    pub fn before(&self, key: &[u8], tag: u64) -> Option<Position> {
        self.not_head(self.search(&self.target(key, tag)).0)
    }

    /// The first entry.
    #[must_use]
    pub fn first(&self) -> Option<Position> {
        let first = self.head().ground().next();
        first.map(|node| self.position(node))
    }

    /// The last entry. Costs O(log n).
    #[must_use]
    pub fn last(&self) -> Option<Position> {
        let mut rung = self.top();
        loop {
            while let Some(right) = rung.right() {
                rung = right;
            }
            if rung.level() == 0 {
                return self.not_head(rung.node());
            }
            rung = rung.down();
        }
    }

    /// The entry after `at`.
    ///
    /// # Panics
    /// When `at` comes from another list.
    #[must_use]
    pub fn next(&self, at: Position) -> Option<Position> {
        let next = self.node(at).ground().next();
        next.map(|node| self.position(node))
    }

    /// The entry before `at`. Costs a search.
    ///
    /// # Panics
    /// When `at` comes from another list.
    #[must_use]
    pub fn prev(&self, at: Position) -> Option<Position> {
        let node = self.node(at);
        self.before(node.key(), node.tag())
    }

    /// The entry at `at`.
    ///
    /// # Panics
    /// When `at` comes from another list.
    #[must_use]
    pub fn entry(&self, at: Position) -> Entry<'_> {
        let node = self.node(at);
        Entry {
            key: node.key(),
            tag: node.tag(),
            value: node.value(),
        }
    }

    /// All entries, in order. Entries inserted meanwhile are seen when they lie ahead.
    #[must_use]
    pub fn iter(&self) -> Iter<'_> {
        Iter::new(self)
    }

    /// What all keys begin with. Costs O(log n).
    #[must_use]
    pub fn common_prefix(&self) -> &[u8] {
        let (Some(first), Some(last)) = (self.first(), self.last()) else {
            return b"";
        };
        let (first, last) = (self.node(first).key(), self.node(last).key());
        let common = first
            .iter()
            .zip(last)
            .take_while(|(one, other)| one == other);
        &first[..common.count()]
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

    /// Bytes held: those that keys, values, tags and links take on a 64-bit target, and the same
    /// on every other.
    #[must_use]
    pub fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// The nodes before and behind `target`; the first may be the head.
    fn search(&self, target: &Target<'_>) -> (Node<'_>, Option<Node<'_>>) {
        let mut rung = self.top();
        let mut known = None;
        loop {
            rung = rung.advance(target, known);
            known = rung.next();
            if rung.level() == 0 {
                break;
            }
            rung = rung.down();
        }
        // A hint may have been older than what it led to.
        while let Some(next) = known.filter(|next| next.is_before(target)) {
            rung = next.ground();
            known = rung.next();
        }
        (rung.node(), known)
    }

    pub(crate) fn target<'k>(&self, key: &'k [u8], tag: u64) -> Target<'k> {
        Target::new(key, tag, &self.prefix)
    }

    pub(crate) fn top(&self) -> Rung<'_> {
        let height = self.height.load(Ordering::Acquire) as usize;
        // SAFETY: the head has `HEIGHT_MAX` levels, and no node more.
        unsafe { Rung::top(self.head(), height) }
    }

    pub(crate) fn head(&self) -> Node<'_> {
        // SAFETY: the head is this list's.
        unsafe { Node::recall(self.head) }
    }

    fn node(&self, at: Position) -> Node<'_> {
        assert_eq!(at.list, self.id, "a position of another list");
        // SAFETY: only this list makes positions with its number, out of nodes of its own.
        unsafe { Node::recall(at.node) }
    }

    fn position(&self, node: Node<'_>) -> Position {
        let (node, list) = (node.keep(), self.id);
        Position { node, list }
    }

    fn not_head(&self, node: Node<'_>) -> Option<Position> {
        (node != self.head()).then(|| self.position(node))
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

/// Levels that a node can have: enough for a million entries at two nodes a level.
pub(crate) const HEIGHT_MAX: usize = 20;
/// Numbers lists; 64 bits do not run out.
static LISTS: AtomicU64 = AtomicU64::new(0);

#[cfg(all(loom, test))]
mod loom_tests;
#[cfg(all(not(loom), test))]
mod tests;
