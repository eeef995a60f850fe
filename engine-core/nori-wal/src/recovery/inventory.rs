//! Which objects are segments, and which of them count.
//!
//! **Invariant: a segment counts only if its predecessor names it, or if it holds a frame that was
//! written after it was named.** A bridge counts only whole. The rest was never part of the log.

use alloc::sync::Arc;
use alloc::vec::Vec;
use core::cell::Cell;

use nori_env::{BlockObject, BlockStore, IoErrorKind, ObjectId};

use crate::format::{HEADER_LEN, Kind, Name, NotAHeader, SegmentHeader, link_target};
use crate::walker::Walker;
use crate::{CorruptRange, Damage, Error, LsnRange};

/// Every object of the log's kind, by number.
#[derive(Debug)]
pub(super) struct Inventory {
    items: Vec<Item>,
    unit: u32,
}

/// One object.
#[derive(Debug)]
pub(super) struct Item {
    pub id: ObjectId,
    pub object: Arc<dyn BlockObject>,
    /// `None`: it does not verify.
    pub header: Option<SegmentHeader>,
    /// Behind this everything is zero, as the walks so far have found: a segment is set aside whole,
    /// and its end is read once.
    content: Cell<u64>,
}

/// One link of the chain, oldest first.
#[derive(Debug, Clone, Copy)]
pub(super) struct Piece<'a> {
    pub name: Name,
    /// `None`: the object is not there.
    pub item: Option<&'a Item>,
}

impl Inventory {
    /// Reads every header.
    pub(super) fn take(store: &dyn BlockStore) -> Result<Self, Error> {
        let mut items = Vec::new();
        for id in super::logs(store)? {
            if id.number > ObjectId::NUMBER_MAX {
                // Not one of ours, and there would be no number behind it.
                return Err(Error::Corrupt(CorruptRange {
                    object: id,
                    start: 0,
                    end: 0,
                    lsns: LsnRange::new(0, 0),
                    damage: Damage::Header,
                }));
            }
            let object = store.open(id)?;
            let header = read_header(object.as_ref(), id)?;
            items.push(Item {
                id,
                object,
                header,
                content: Cell::new(u64::MAX),
            });
        }
        let unit = store.geometry().unit;
        Ok(Self { items, unit })
    }

    pub(super) fn items(&self) -> &[Item] {
        &self.items
    }

    /// A number above every number in use.
    pub(super) fn next_number(&self) -> u64 {
        self.items.last().map_or(1, |last| last.id.number + 1)
    }

    pub(super) const fn unit(&self) -> u32 {
        self.unit
    }

    /// Where frames start in the segments whose headers verify.
    pub(super) fn data_start(&self) -> u64 {
        let mut headers = self.items.iter().filter_map(|item| item.header);
        headers
            .next()
            .map_or(HEADER_LEN as u64, |header| u64::from(header.data_start))
    }

    pub(super) fn find(&self, number: u64) -> Option<&Item> {
        let at = self
            .items
            .binary_search_by_key(&number, |item| item.id.number);
        at.ok().and_then(|at| self.items.get(at))
    }

    /// The newest segment that counts; `None`: the log is new.
    pub(super) fn newest(&self) -> Result<Option<&Item>, Error> {
        for item in self.items.iter().rev() {
            if let Some(header) = &item.header
                && self.counts(item, header)?
            {
                return Ok(Some(item));
            }
        }
        // Nothing counts. That is a first opening that did not get far; but if not even a header
        // verifies where frames may stand, more than one thing is damaged.
        if self.items.iter().all(|item| item.header.is_none()) {
            for item in &self.items {
                let mut walker = Walker::new(&item.object, 0, None, 0, self.unit)?;
                let head = u64::from(crate::rotate::data_start(self.unit.max(8)));
                let end = walker.content_end(head)?;
                // What a first opening writes lies in the first unit, but it writes no group.
                if end > head || walker.names_group(HEADER_LEN as u64, head)? {
                    return Err(Error::Corrupt(CorruptRange {
                        object: item.id,
                        start: 0,
                        end,
                        lsns: LsnRange::new(0, end),
                        damage: Damage::Header,
                    }));
                }
            }
        }
        Ok(None)
    }

    /// The pieces from the oldest to `newest`, along the predecessors.
    pub(super) fn chain<'a>(&'a self, newest: Option<&'a Item>) -> Result<Vec<Piece<'a>>, Error> {
        let mut pieces = Vec::new();
        let mut next = newest.map(|item| Piece {
            name: Name {
                number: item.id.number,
                uid: item.header.map_or(0, |header| header.uid),
            },
            item: Some(item),
        });
        while let Some(piece) = next {
            pieces.push(piece);
            let header = piece.item.and_then(|item| item.header);
            next = match header {
                Some(header) => header.predecessor.and_then(|name| self.piece(name)),
                // What comes before it is not known: the next lower one that verifies, and what that
                // leads to.
                None => {
                    let below = self.below(piece.name.number);
                    let between = self.between(below, piece.name.number)?;
                    pieces.extend(between.into_iter().rev());
                    below
                }
            };
        }
        pieces.reverse();
        Ok(pieces)
    }

    /// The segments that follow `from` by their names and come before `to`: none of their headers
    /// verifies. They count only where they lead to `to`.
    fn between(&self, from: Option<Piece<'_>>, to: u64) -> Result<Vec<Piece<'_>>, Error> {
        let mut between = Vec::new();
        let mut last = from.map(|from| from.name);
        while let Some(name) = last {
            let item = self.find(name.number);
            let Some(item) = item.filter(|item| item.id.number < to) else {
                break;
            };
            let header = item.header.filter(|header| header.uid == name.uid);
            let mut walker = match &header {
                Some(header) => self.walk(item, header)?,
                None => Walker::new(&item.object, name.uid, None, 0, self.unit)?,
            };
            let (_, link) = scan(&mut walker)?;
            last = link.filter(|link| link.number > name.number);
            if last.is_some_and(|link| link.number == to) {
                return Ok(between);
            }
            between.extend(last.map(|name| Piece {
                name,
                item: self.find(name.number),
            }));
        }
        Ok(Vec::new())
    }

    /// The segment of that name, unless it was released: then it is gone with all before it.
    pub(super) fn piece(&self, name: Name) -> Option<Piece<'_>> {
        let item = self.find(name.number);
        let oldest = self.items.first().map_or(0, |item| item.id.number);
        (item.is_some() || oldest < name.number).then_some(Piece { name, item })
    }

    fn below(&self, number: u64) -> Option<Piece<'_>> {
        let mut older = self
            .items
            .iter()
            .rev()
            .filter(|item| item.id.number < number);
        older.find_map(|item| {
            let uid = item.header?.uid;
            let name = Name {
                number: item.id.number,
                uid,
            };
            Some(Piece {
                name,
                item: Some(item),
            })
        })
    }

    /// The highest watermark that anything verified carries: headers, and the frames of the newest
    /// segment and of the one before. Frames further back carry lower ones than those headers.
    pub(super) fn watermark(&self, newest: Option<&Item>) -> Result<u64, Error> {
        let headers = self.items.iter().filter_map(|item| item.header);
        let mut watermark = headers.map(|header| header.watermark).max().unwrap_or(0);
        let before = newest.and_then(|item| item.header?.predecessor);
        let before = before.and_then(|name| self.named(name));
        let mut named = None;
        for item in before.into_iter().chain(newest) {
            if let Some(header) = &item.header {
                let mut walker = self.walk(item, header)?;
                let (highest, link) = scan(&mut walker)?;
                item.content.set(walker.content());
                watermark = watermark.max(highest);
                named = link;
            }
        }
        // What the newest one names does not verify, or it would be the newest: look into it.
        while let Some((name, item)) = named.and_then(|name| Some((name, self.find(name.number)?)))
        {
            let mut walker = Walker::new(&item.object, name.uid, None, 0, self.unit)?;
            let (highest, link) = scan(&mut walker)?;
            watermark = watermark.max(highest);
            named = link.filter(|link| link.number > name.number);
        }
        Ok(watermark)
    }

    /// A walk over all frames of a segment whose header verified.
    pub(super) fn walk(&self, item: &Item, header: &SegmentHeader) -> Result<Walker, Error> {
        let base = Some((header.base, header.data_start));
        let at = u64::from(header.data_start);
        let mut walker = Walker::new(&item.object, header.uid, base, at, self.unit)?;
        walker.zero_behind(item.content.get());
        Ok(walker)
    }

    fn counts(&self, item: &Item, header: &SegmentHeader) -> Result<bool, Error> {
        if header.bridge {
            return Ok(self.link_of(item, header, true)?.is_some());
        }
        let mut walker = self.walk(item, header)?;
        while let Some(frame) = walker.next()? {
            // The table is written before the segment is named; its watermark is lower.
            if frame.header.watermark >= header.base {
                return Ok(true);
            }
        }
        item.content.set(walker.content());
        if self.is_oldest_left(item, header) {
            return Ok(true);
        }
        let Some(before) = header.predecessor.and_then(|name| self.named(name)) else {
            return Ok(false);
        };
        let Some(before_header) = &before.header else {
            return Ok(false);
        };
        let link = self.link_of(before, before_header, before_header.bridge)?;
        Ok(link.is_some_and(|to| to.number == header.number && to.uid == header.uid))
    }

    /// Whether everything before the segment was released, which is done only once a frame in it
    /// proves that it was named; should the frame be damaged, this proves it too. A first opening
    /// that was cut off leaves a segment without a predecessor as well, but before that nothing was
    /// ever synced.
    fn is_oldest_left(&self, item: &Item, header: &SegmentHeader) -> bool {
        let oldest = self.items.first().map(|oldest| oldest.id);
        oldest == Some(item.id) && header.predecessor.is_some() && header.watermark > 0
    }

    /// The segment of this very name, if its header verified.
    fn named(&self, name: Name) -> Option<&Item> {
        let item = self.find(name.number)?;
        let header = item.header.as_ref()?;
        (header.uid == name.uid).then_some(item)
    }

    /// The successor that the segment names; with `whole` only if no frame before that is bad.
    fn link_of(
        &self,
        item: &Item,
        header: &SegmentHeader,
        whole: bool,
    ) -> Result<Option<Name>, Error> {
        let mut walker = self.walk(item, header)?;
        let mut at = u64::from(header.data_start);
        while let Some(frame) = walker.next()? {
            if whole && frame.offset != at {
                return Ok(None);
            }
            at = frame.offset + u64::from(frame.header.len);
            if frame.header.kind == Kind::Link {
                return Ok(Some(link_target(frame.body)));
            }
        }
        Ok(None)
    }
}

/// The highest watermark of the frames that verify, and the successor they name.
fn scan(walker: &mut Walker) -> Result<(u64, Option<Name>), Error> {
    let (mut watermark, mut link) = (0, None);
    while let Some(frame) = walker.next()? {
        watermark = watermark.max(frame.header.watermark);
        if frame.header.kind == Kind::Link {
            link = Some(link_target(frame.body));
        }
    }
    Ok((watermark, link))
}

pub(crate) fn read_header(
    object: &dyn BlockObject,
    id: ObjectId,
) -> Result<Option<SegmentHeader>, Error> {
    let mut bytes = [0; HEADER_LEN];
    match object.read_at(0, &mut bytes) {
        Ok(()) => {}
        Err(error) if matches!(error.kind, IoErrorKind::ShortRead | IoErrorKind::Media) => {
            return Ok(None);
        }
        Err(error) => return Err(error.into()),
    }
    match SegmentHeader::decode(&bytes, id.number) {
        Ok(header) => Ok(Some(header)),
        Err(NotAHeader::Bad) => Ok(None),
        Err(NotAHeader::Version(version)) => Err(Error::Version {
            object: id,
            version,
        }),
    }
}
