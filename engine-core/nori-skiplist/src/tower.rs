//! A node: its links, one above the other, and where its entry lies.
//!
//! **Invariants.**
//! 1. A pointer to a node is only ever loaded from a link, and stored there once the node is
//!    complete: release there, acquire here, so whoever loads it sees all of the node.
//! 2. A link of level `n` names nodes that are higher than `n`.
//! 3. A node, its links and its entry lie in the list's arenas: they stay until the list goes.
//! 4. A link's pointer is stored before its hint. Links change only to nodes that stand nearer.
//!    So whoever loads the hint first finds a node at, or before, the one that the hint belongs to.
#![expect(
    unsafe_code,
    reason = "nodes of many heights, shared while they are linked"
)]

use core::alloc::Layout;
use core::cmp;
use core::marker::PhantomData;
use core::ptr::{self, NonNull};

use crate::arena::Arena;
use crate::sync::{AtomicPtr, AtomicUsize, Ordering, Written};

/// What stands before the links of a node, in one piece of memory with them.
#[derive(Debug)]
#[repr(transparent)]
struct Header(Written<Place>);

/// Where a node's entry lies.
#[derive(Debug)]
#[repr(C)]
struct Place {
    /// The tag (u64), the key, the value.
    entry: NonNull<u8>,
    key_len: u32,
    value_len: u32,
}

/// A link to the right.
#[derive(Debug)]
#[repr(C)]
#[cfg_attr(target_pointer_width = "64", repr(align(16)))]
struct Link {
    /// The hint of the node that `next` names, or of one behind it.
    hint: AtomicUsize,
    next: AtomicPtr<Header>,
}

/// A complete node, or the head, of a list that lives as long as `'a`.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Node<'a> {
    header: NonNull<Header>,
    list: PhantomData<&'a Header>,
}

/// A node on one of its levels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rung<'a> {
    node: Node<'a>,
    /// Below the node's height.
    level: usize,
}

/// A node that nobody can reach yet.
#[derive(Debug)]
pub(crate) struct NewNode<'a> {
    node: Node<'a>,
    height: usize,
}

/// The two arenas of a list. Links lie apart from entries: they are all that a search looks at.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    towers: Arena,
    entries: Arena,
}

/// What is searched for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Target<'k> {
    hint: usize,
    pub(crate) key: &'k [u8],
    pub(crate) tag: u64,
}

/// A node that anybody may keep; worth nothing without the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Kept(NonNull<Header>);

// SAFETY: a number until `Node::recall` makes something of it.
unsafe impl Send for Kept {}
// SAFETY: as above.
unsafe impl Sync for Kept {}

impl Memory {
    /// Makes a node of `height` levels that nobody can reach yet.
    ///
    /// # Safety
    /// What is returned, and every copy of it, is used only while this memory lives.
    ///
    /// # Panics
    /// When the key or the value has 4 GiB or more.
    pub(crate) unsafe fn node<'a>(
        &mut self,
        key: &[u8],
        tag: u64,
        value: &[u8],
        height: usize,
    ) -> NewNode<'a> {
        let layout = Layout::array::<u8>(TAG_BYTES + key.len() + value.len());
        let layout = layout.and_then(|bytes| bytes.align_to(align_of::<u64>()));
        let entry = self.entries.piece(layout.expect("an entry fits in memory"));
        // SAFETY: the piece has room for the three, one after the other, belongs to nobody else,
        // and is aligned for the tag. It does not overlap `key` or `value`, which are borrowed.
        unsafe {
            entry.cast::<u64>().write(tag);
            let at = entry.add(TAG_BYTES);
            ptr::copy_nonoverlapping(key.as_ptr(), at.as_ptr(), key.len());
            let at = at.add(key.len());
            ptr::copy_nonoverlapping(value.as_ptr(), at.as_ptr(), value.len());
        }
        let links = Layout::array::<Link>(height).expect("a tower fits in memory");
        let layout = Layout::new::<Header>().extend(links);
        let (layout, first_link) = layout.expect("a tower fits in memory");
        assert_eq!(first_link, LINKS_AT);
        let header = self.towers.piece(layout).cast::<Header>();
        let len = |bytes: &[u8]| u32::try_from(bytes.len()).expect("less than 4 GiB");
        let (key_len, value_len) = (len(key), len(value));
        // SAFETY: the piece has room for a header and `height` links, where `link_at` says; nobody
        // else has it.
        unsafe {
            header.write(Header(Written::new(Place {
                entry,
                key_len,
                value_len,
            })));
            for level in 0..height {
                link_at(header, level).write(Link {
                    hint: AtomicUsize::new(HINT_OF_END),
                    next: AtomicPtr::new(ptr::null_mut()),
                });
            }
        }
        let list = PhantomData;
        NewNode {
            node: Node { header, list },
            height,
        }
    }
}

impl<'a> NewNode<'a> {
    /// Lets readers reach the node, behind `before[level]` on each of its levels, and takes those
    /// places itself.
    ///
    /// # Safety
    /// `before` are nodes of the same list as this one, each higher than its level, and this one
    /// belongs between them and what they link to. Nobody else links nodes of this list.
    pub(crate) unsafe fn publish(self, hint: usize, before: &mut [Kept]) {
        let before = &mut before[..self.height];
        for (level, left) in before.iter().enumerate() {
            // SAFETY: both have `level`, and live.
            let (from, own) = unsafe {
                let own = link_at(self.node.header, level).as_ref();
                (link_at(left.0, level).as_ref(), own)
            };
            // Nobody else stores, so what is loaded is the newest.
            let next = from.next.load(Ordering::Relaxed);
            own.next.store(next, Ordering::Relaxed);
            let hint = from.hint.load(Ordering::Relaxed);
            own.hint.store(hint, Ordering::Relaxed);
        }
        for (level, left) in before.iter_mut().enumerate() {
            // SAFETY: as above.
            let from = unsafe { link_at(left.0, level).as_ref() };
            from.next
                .store(self.node.header.as_ptr(), Ordering::Release);
            from.hint.store(hint, Ordering::Release);
            *left = self.node.keep();
        }
    }

    /// The node as the head: it names no entry, and is reached by no link.
    pub(crate) const fn into_head(self) -> Node<'a> {
        self.node
    }
}

impl<'a> Node<'a> {
    /// The node to keep, for [`recall`](Self::recall).
    pub(crate) const fn keep(self) -> Kept {
        Kept(self.header)
    }

    /// The node that was kept.
    ///
    /// # Safety
    /// It was kept from a list that lives as long as `'a`.
    pub(crate) const unsafe fn recall(kept: Kept) -> Self {
        let list = PhantomData;
        Self {
            header: kept.0,
            list,
        }
    }

    /// Its rung on level 0: every node has one.
    pub(crate) const fn ground(self) -> Rung<'a> {
        Rung {
            node: self,
            level: 0,
        }
    }

    pub(crate) fn tag(self) -> u64 {
        // SAFETY: a complete node's entry begins with its tag, aligned.
        unsafe { self.place().entry.cast::<u64>().read() }
    }

    pub(crate) fn key(self) -> &'a [u8] {
        let place = self.place();
        // SAFETY: behind the tag stand `key_len` bytes, which never change.
        unsafe {
            let key = place.entry.add(TAG_BYTES);
            core::slice::from_raw_parts(key.as_ptr(), place.key_len as usize)
        }
    }

    pub(crate) fn value(self) -> &'a [u8] {
        let place = self.place();
        // SAFETY: behind the key stand `value_len` bytes, which never change.
        unsafe {
            let value = place.entry.add(TAG_BYTES + place.key_len as usize);
            core::slice::from_raw_parts(value.as_ptr(), place.value_len as usize)
        }
    }

    /// Where it stands, seen from `target`.
    pub(crate) fn cmp(self, target: &Target<'_>) -> cmp::Ordering {
        let by_key = self.key().cmp(target.key);
        by_key.then_with(|| target.tag.cmp(&self.tag()))
    }

    pub(crate) fn is_before(self, target: &Target<'_>) -> bool {
        self.cmp(target).is_lt()
    }

    fn place(self) -> &'a Place {
        // SAFETY: a `Node` is a complete node; its header never changes and lives as long as `'a`.
        let header: &'a Header = unsafe { self.header.as_ref() };
        header.0.get()
    }
}

impl PartialEq for Node<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.header == other.header
    }
}

impl<'a> Rung<'a> {
    /// The top rung of the head, whose height is `height`.
    ///
    /// # Safety
    /// `head` has `height` levels at least.
    pub(crate) unsafe fn top(head: Node<'a>, height: usize) -> Self {
        assert!(height > 0);
        let level = height - 1;
        Self { node: head, level }
    }

    /// The node it belongs to.
    pub(crate) const fn node(self) -> Node<'a> {
        self.node
    }

    pub(crate) const fn level(self) -> usize {
        self.level
    }

    /// The node on the right.
    #[inline]
    pub(crate) fn next(self) -> Option<Node<'a>> {
        self.right().map(|right| right.node)
    }

    /// The rung on the right.
    #[inline]
    pub(crate) fn right(self) -> Option<Self> {
        let header = NonNull::new(self.link().next.load(Ordering::Acquire))?;
        let list = PhantomData;
        let node = Node { header, list };
        Some(Self { node, ..self })
    }

    /// The rung below.
    ///
    /// # Panics
    /// On level 0.
    #[inline]
    pub(crate) const fn down(self) -> Self {
        let level = self.level.checked_sub(1).expect("there is a level below");
        Self { level, ..self }
    }

    /// The last rung of this level, from here on, that stands before `target` as far as the hints
    /// tell: on level 0 one more may have been linked meanwhile. `known` does not stand before it.
    #[inline]
    pub(crate) fn advance(mut self, target: &Target<'_>, known: Option<Node<'a>>) -> Self {
        loop {
            // The hint before the pointer: what the pointer names is then no farther.
            let hint = self.link().hint.load(Ordering::Acquire);
            if hint > target.hint {
                return self;
            }
            let Some(right) = self.right() else {
                return self;
            };
            if hint == target.hint && (Some(right.node) == known || !right.node.is_before(target)) {
                return self;
            }
            self = right;
        }
    }

    /// Whether the node on the right, if there is one, does not stand before `target`.
    pub(crate) fn ends_at(self, target: &Target<'_>) -> bool {
        let hint = self.link().hint.load(Ordering::Acquire);
        hint > target.hint
            || hint == target.hint && self.next().is_none_or(|right| !right.is_before(target))
    }

    /// Whether `target` itself may be the node on the right.
    pub(crate) fn may_name(self, target: &Target<'_>) -> bool {
        self.link().hint.load(Ordering::Acquire) == target.hint
    }

    #[inline]
    fn link(self) -> &'a Link {
        // SAFETY: the node is higher than `level`, and was initialised with its links; they hold
        // atomics only, so that a shared reference is right while the writer stores.
        unsafe { link_at(self.node.header, self.level).as_ref() }
    }
}

impl<'k> Target<'k> {
    pub(crate) fn new(key: &'k [u8], tag: u64, prefix: &[u8]) -> Self {
        let hint = hint_of(key, prefix);
        Self { hint, key, tag }
    }

    pub(crate) const fn hint(&self) -> usize {
        self.hint
    }
}

/// A number that orders as keys do, or leaves it open: of those that begin with `prefix` the bytes
/// behind it, as many as a word has.
fn hint_of(key: &[u8], prefix: &[u8]) -> usize {
    match key.strip_prefix(prefix) {
        Some(rest) => first_word(rest),
        None if key < prefix => 0,
        None => usize::MAX,
    }
}

/// The first bytes as a number that orders as they do; missing ones count as zero.
#[expect(clippy::disallowed_methods, reason = "as wide as a word, in no format")]
fn first_word(bytes: &[u8]) -> usize {
    match bytes.first_chunk() {
        Some(first) => usize::from_be_bytes(*first),
        None => {
            let mut first = [0; size_of::<usize>()];
            first[..bytes.len()].copy_from_slice(bytes);
            usize::from_be_bytes(first)
        }
    }
}

/// Where the link of `level` lies.
///
/// # Safety
/// The node has that level.
#[inline]
const unsafe fn link_at(header: NonNull<Header>, level: usize) -> NonNull<Link> {
    // SAFETY: the links stand in the node's piece, `LINKS_AT` bytes behind its start.
    unsafe { header.byte_add(LINKS_AT).cast::<Link>().add(level) }
}

const TAG_BYTES: usize = size_of::<u64>();
const LINKS_AT: usize = size_of::<Header>().next_multiple_of(align_of::<Link>());
/// No key's hint is greater.
const HINT_OF_END: usize = usize::MAX;
