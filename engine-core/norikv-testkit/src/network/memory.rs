//! Messages that were delivered, kept to be delivered again.
//!
//! **Invariant: bounded, whatever passes.** Which of them stays is drawn, so that some grow old.

use alloc::collections::BTreeMap;
use alloc::vec::Vec;

use norikv_types::{NodeId, Prng};

use super::Message;

#[derive(Debug, Clone)]
pub(super) struct Memory<T> {
    links: BTreeMap<(NodeId, NodeId), Vec<Message<T>>>,
}

impl<T: Clone> Memory<T> {
    /// Keeps `message`, or lets it pass.
    pub(super) fn keep(&mut self, message: &Message<T>, prng: &mut Prng) {
        let link = (message.from, message.to);
        if self.links.len() >= LINKS_MAX && !self.links.contains_key(&link) {
            return;
        }
        let kept = self.links.entry(link).or_default();
        if kept.len() < MESSAGES_MAX {
            kept.push(message.clone());
        } else {
            // Each place keeps its message about four times as long as the one before it.
            let place = draw_index(kept, prng);
            if prng.below(1 << (2 * place).min(16)) == 0 {
                kept[place] = message.clone();
            }
        }
    }

    /// One of those kept on the link.
    pub(super) fn draw(&self, link: (NodeId, NodeId), prng: &mut Prng) -> Option<Message<T>> {
        let kept = self.links.get(&link).filter(|kept| !kept.is_empty())?;
        Some(kept[draw_index(kept, prng)].clone())
    }
}

impl<T> Memory<T> {
    pub(super) const fn new() -> Self {
        Self {
            links: BTreeMap::new(),
        }
    }

    pub(super) fn clear(&mut self) {
        self.links.clear();
    }
}

fn draw_index<T>(items: &[T], prng: &mut Prng) -> usize {
    usize::try_from(prng.below(items.len() as u64)).unwrap_or(0)
}

/// Kept on each link.
const MESSAGES_MAX: usize = 8;
/// Links of which anything is kept.
const LINKS_MAX: usize = 1_024;
