//! Walking the chain: records out, damage told apart, the end found.

use alloc::sync::Arc;
use alloc::vec::Vec;

use norikv_types::{Mutant, breaks};

use crate::format::{FrameBuf, Kind, Name, link_target};
use crate::record::Records;
use crate::segment::Segment;
use crate::walker::Walker;
use crate::{CorruptRange, Damage, Error, Lsn, LsnRange, OpenMode};

use super::Replayed;
use super::inventory::{Inventory, Item, Piece};

/// What the walk over the chain found.
#[derive(Debug)]
pub(super) struct Replay<'a> {
    inventory: &'a Inventory,
    mode: OpenMode,
    /// Everything below was proven durable.
    pub watermark: u64,
    /// Every frame below was dealt with: handed out, or reported.
    pub at: u64,
    pub uncertain: Option<LsnRange>,
    pub corrupt: Vec<CorruptRange>,
    /// How many of those were handed out.
    told: usize,
    pub clean: bool,
    pub records: u64,
    /// Copies of the frames at and above the watermark.
    pub carried: Vec<FrameBuf>,
    /// The newest piece whose header verified.
    pub last: Option<Name>,
    /// Every segment walked, oldest first.
    pieces: Vec<Arc<Segment>>,
    /// The successor that the last frame named.
    link: Option<Name>,
    /// The end was found; nothing behind it counts.
    ended: bool,
}

impl<'a> Replay<'a> {
    pub(super) const fn new(inventory: &'a Inventory, mode: OpenMode, watermark: u64) -> Self {
        Self {
            inventory,
            mode,
            watermark,
            at: 0,
            uncertain: None,
            corrupt: Vec::new(),
            told: 0,
            clean: false,
            records: 0,
            carried: Vec::new(),
            last: None,
            pieces: Vec::new(),
            link: None,
            ended: false,
        }
    }

    /// Hands out everything in `chain`, and in what its last segment names.
    pub(super) fn run(
        &mut self,
        chain: Vec<Piece<'a>>,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<(), Error> {
        self.walk(chain, replay)?;
        self.tell(replay);
        Ok(())
    }

    /// Hands out what was found corrupt since the last time.
    fn tell(&mut self, replay: &mut dyn FnMut(Replayed<'_>)) {
        for range in self.corrupt.iter().skip(self.told) {
            replay(Replayed::Corrupt(*range));
        }
        self.told = self.corrupt.len();
    }

    fn walk(
        &mut self,
        chain: Vec<Piece<'a>>,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<(), Error> {
        let Some(oldest) = chain.first() else {
            self.clean = true;
            return self.account();
        };
        let base = oldest
            .item
            .and_then(|item| item.header)
            .map(|header| header.base);
        self.at = base.unwrap_or(0);
        // What came before was released, so it had been synced.
        self.watermark = self.watermark.max(self.at);
        let mut later = chain.iter().skip(1);
        for piece in &chain {
            if breaks(Mutant::OneSegmentReplayed) && !self.pieces.is_empty() {
                break;
            }
            let next = later
                .next()
                .map(|next| next.item.and_then(|item| item.header));
            // Frames at or above the next base are cut. Where the next header does not tell, this
            // piece ends where its frames do.
            let last = next.is_none();
            self.piece(
                piece,
                next.flatten().map(|header| header.base),
                last,
                replay,
            )?;
        }
        // The newest one that counts names another: that one does not verify, or it would be it.
        while let Some(name) = self.link.take().filter(|_| !self.ended) {
            let item = self.inventory.find(name.number);
            self.piece(&Piece { name, item }, None, true, replay)?;
        }
        self.account()
    }

    /// What was proven durable was handed out or reported, and all that was not is carried: anything
    /// else is damage that no single piece showed, as a disk leaves it that lied about a sync.
    fn account(&mut self) -> Result<(), Error> {
        let carried: u64 = self.carried.iter().map(FrameBuf::room).sum();
        let (end, damage) = if self.at < self.watermark {
            (self.watermark, Damage::Missing)
        } else if self.at != self.watermark + carried {
            (self.at, Damage::Frame)
        } else {
            return Ok(());
        };
        let known = (self.inventory.items().iter())
            .filter_map(|item| Some((item.header?.watermark, item.id)))
            .max_by_key(|(watermark, _)| *watermark);
        let object = known.map_or(nori_env::ObjectId::log(0), |(_, id)| id);
        self.at = self.at.min(self.watermark);
        self.report(object, 0, 0, end, damage)
    }

    /// The segments that stay, oldest first, cut at the watermark. What lies above it in them, and
    /// all of the others, is carried.
    pub(super) fn kept(&self) -> impl Iterator<Item = Arc<Segment>> {
        let kept = self
            .pieces
            .iter()
            .filter(|segment| segment.base < self.watermark);
        kept.map(|segment| {
            segment.cut(self.watermark);
            Arc::clone(segment)
        })
    }

    /// The oldest position that is held.
    pub(super) fn first(&self) -> u64 {
        (self.kept().next()).map_or(self.watermark, |oldest| oldest.base)
    }

    /// The newest segment that stays.
    pub(super) fn newest_kept(&self) -> Option<Name> {
        self.kept().last().map(|segment| Name {
            number: segment.number,
            uid: segment.uid,
        })
    }

    fn piece(
        &mut self,
        piece: &Piece<'a>,
        limit: Option<u64>,
        last: bool,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<(), Error> {
        let named = self.link.take();
        let Some(item) = piece.item else {
            let object = nori_env::ObjectId::log(piece.name.number);
            let end = limit.unwrap_or(self.at + UNKNOWN_EXTENT);
            return self.report(object, 0, 0, end, Damage::Missing);
        };
        let header = item.header.filter(|header| header.uid == piece.name.uid);
        let walker = match &header {
            Some(header) => {
                if header.base > self.at {
                    // What the one before should have held up to here is not there.
                    let missing = named.map_or(piece.name.number, |name| name.number);
                    let missing = nori_env::ObjectId::log(missing);
                    self.report(missing, 0, 0, header.base, Damage::Missing)?;
                }
                self.inventory.walk(item, header)?
            }
            None => {
                let (uid, unit) = (piece.name.uid, self.inventory.unit());
                Walker::new(&item.object, uid, None, 0, unit)?
            }
        };
        self.last = Some(piece.name);
        self.frames(item, piece.name, walker, limit, last, replay)
    }

    fn frames(
        &mut self,
        item: &'a Item,
        name: Name,
        mut walker: Walker,
        limit: Option<u64>,
        last: bool,
        replay: &mut dyn FnMut(Replayed<'_>),
    ) -> Result<(), Error> {
        let header = item.header.filter(|header| header.uid == name.uid);
        let mut segment = header.map(|header| {
            let object = Arc::clone(&item.object);
            let extent = walker.extent();
            Segment::new(
                name.number,
                name.uid,
                header.base,
                header.data_start,
                object,
                extent,
            )
        });
        // Where the next frame is expected.
        let mut offset = header.map_or(0, |header| u64::from(header.data_start));
        loop {
            let limit_reached = limit.is_some_and(|limit| self.at >= limit);
            if limit_reached || self.ended {
                break;
            }
            let Some(frame) = walker.next()? else {
                self.tail(item, &mut walker, header.is_none(), offset, limit, last)?;
                break;
            };
            let lsn = frame.header.lsn;
            if limit.is_some_and(|limit| lsn >= limit) {
                self.tail(item, &mut walker, header.is_none(), offset, limit, last)?;
                break;
            }
            if self.pieces.is_empty() && segment.is_none() {
                // Without any header nothing else tells where the log begins: frames that would
                // stand before this one are lost with the header.
                let first = self.inventory.data_start();
                self.at = lsn.saturating_sub(frame.offset.saturating_sub(first));
            }
            if lsn < self.at {
                // Older segments held this already; a later one never repeats it.
                offset = frame.offset + u64::from(frame.header.len);
                continue;
            }
            if frame.offset != offset || lsn > self.at {
                let damage = if header.is_none() && offset == 0 {
                    Damage::Header
                } else {
                    Damage::Frame
                };
                let (found, end) = (frame.offset, frame.header.end());
                if lsn > self.watermark && self.at >= self.watermark {
                    // Torn: a good frame behind the first bad one does not count.
                    self.end_torn(self.at, end);
                    break;
                }
                let known = lsn.min(self.watermark.max(self.at));
                self.report(item.id, offset, found, known.max(self.at), damage)?;
                if lsn > self.watermark {
                    self.end_torn(self.watermark, end);
                    break;
                }
            }
            if segment.is_none() {
                let start = u32::try_from(frame.offset).unwrap_or(u32::MAX);
                let (object, extent) = (Arc::clone(&item.object), 0);
                let new = Segment::new(name.number, name.uid, lsn, start, object, extent);
                segment = Some(new);
            }
            self.tell(replay);
            let kind = frame.header.kind;
            match kind {
                Kind::Group => {
                    for record in Records::new(lsn, frame.body) {
                        self.records += 1;
                        if let Some(segment) = &segment {
                            segment.note(record.log, record.lsn + record.len());
                        }
                        replay(Replayed::Record {
                            lsn: Lsn(record.lsn),
                            log: record.log,
                            payload: &record.payload().expect("the frame verified"),
                        });
                    }
                }
                Kind::Table => replay(Replayed::Table(frame.body)),
                Kind::Link => self.link = Some(link_target(frame.body)),
                Kind::Seal | Kind::Close => {}
            }
            self.clean = kind == Kind::Close;
            let end = frame.header.end();
            let holds = matches!(kind, Kind::Group | Kind::Table);
            if lsn >= self.watermark {
                let kind = if holds { kind } else { Kind::Seal };
                let body = if holds { frame.body } else { &[] };
                let mut copy = FrameBuf::with_body(kind, lsn, body, frame.header.count);
                copy.pad_to(u64::from(frame.header.len));
                self.carried.push(copy);
            }
            if let Some(segment) = &segment {
                segment.advance(lsn, end);
            }
            offset = frame.offset + u64::from(frame.header.len);
            self.at = end;
        }
        self.pieces.extend(segment.map(Arc::new));
        Ok(())
    }

    /// No further frame verifies in this piece: damage below the watermark, and the end above it.
    fn tail(
        &mut self,
        item: &Item,
        walker: &mut Walker,
        headless: bool,
        offset: u64,
        limit: Option<u64>,
        last: bool,
    ) -> Result<(), Error> {
        if self.link.is_some() || (limit.is_none() && !last) {
            return Ok(()); // It is whole, or the next piece tells where it begins.
        }
        let bad_to = limit.unwrap_or(self.watermark);
        if self.at < bad_to {
            let end = (offset + (bad_to - self.at)).min(walker.extent());
            self.report(item.id, offset, end.max(offset), bad_to, Damage::Frame)?;
            if limit.is_none() {
                self.ended = true;
            }
            return Ok(());
        }
        let reserve = item.header.map_or(0, |header| header.reserve);
        if walker.extent() < reserve {
            // Its length was durable before it was named: something else cut it.
            let end = self.at + reserve.saturating_sub(offset);
            self.report(item.id, walker.extent(), reserve, end, Damage::Frame)?;
        } else if headless && offset == 0 {
            // A segment that was named, and nothing of it verifies.
            let end = self.at + walker.extent().max(UNKNOWN_EXTENT);
            self.report(item.id, 0, walker.extent(), end, Damage::Header)?;
        } else if last && limit.is_none() && !self.clean {
            self.uncertain = self.torn(item, walker, offset)?;
        }
        Ok(())
    }

    /// What stands behind the last frame, if it is more than nothing.
    fn torn(
        &self,
        item: &Item,
        walker: &mut Walker,
        offset: u64,
    ) -> Result<Option<LsnRange>, Error> {
        if let Some((_, len)) = walker.half.iter().find(|(start, _)| *start == offset) {
            return Ok(Some(LsnRange::new(self.at, self.at + len)));
        }
        let recycled = item.header.is_none_or(|header| header.recycled);
        if !recycled {
            let end = walker.content_end(offset)?;
            return Ok((end > offset).then(|| LsnRange::new(self.at, self.at + (end - offset))));
        }
        // Bytes of an earlier life stand here; only a frame of this place tells of a write.
        let room = walker.extent().saturating_sub(offset);
        let ours = room >= 16 && {
            let bytes = walker.bytes(offset, 16)?;
            Kind::of(bytes).is_some() && crate::format::u64_at(bytes, 8) == self.at
        };
        Ok(ours.then(|| LsnRange::new(self.at, self.at + room)))
    }

    fn end_torn(&mut self, start: u64, end: u64) {
        self.at = start;
        self.uncertain = Some(LsnRange::new(start, end));
        self.clean = false;
        self.ended = true;
    }

    /// Bytes below the watermark that do not verify: refused, or noted and passed over.
    fn report(
        &mut self,
        object: nori_env::ObjectId,
        start: u64,
        end: u64,
        lsn_end: u64,
        damage: Damage,
    ) -> Result<(), Error> {
        let range = CorruptRange {
            object,
            start,
            end,
            lsns: LsnRange::new(self.at, lsn_end),
            damage,
        };
        if self.mode == OpenMode::Strict && !breaks(Mutant::BadRecordSkipped) {
            return Err(Error::Corrupt(range));
        }
        self.corrupt.push(range);
        self.at = lsn_end;
        if lsn_end > self.watermark {
            // What is rewritten has no gaps: what lies before this one stays where it is.
            self.carried.clear();
            self.watermark = lsn_end;
        }
        Ok(())
    }
}

/// What a segment of which nothing is known may have held at most. Positions are not reused.
const UNKNOWN_EXTENT: u64 = 1 << 40;
