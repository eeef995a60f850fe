//! All entries of a list, one after the other.

use crate::list::{Entry, Position, SkipList};

/// All entries, in order.
#[derive(Debug, Clone)]
pub struct Iter<'a> {
    list: &'a SkipList,
    next: Option<Position>,
}

impl<'a> Iter<'a> {
    pub(crate) fn new(list: &'a SkipList) -> Self {
        let next = list.first();
        Self { list, next }
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
