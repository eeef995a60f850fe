//! Reading what is durable, by position.
//!
//! **Invariant: nothing is returned that is not durable or does not verify.** What was released
//! while it was read is said to be gone, never mistaken for something else.

use alloc::sync::Arc;
use alloc::vec;
use alloc::vec::Vec;
use core::time::Duration;

use nori_env::sync::Waited;
use nori_env::{IoError, IoErrorKind, ObjectId};

use crate::format::{FRAME_HEADER_LEN, Kind, RECORD_HEADER_LEN};
use crate::record::{LogId, Record, Records, stated_len};
use crate::segment::Segment;
use crate::walker::Walker;
use crate::{CorruptRange, Damage, Error, Lsn, LsnRange, Wal};

/// The records from a position on, in order; ends where the log is not durable yet. Asked again
/// later it goes on: that is how to follow the log.
#[derive(Debug)]
pub struct Iter<'a> {
    wal: &'a Wal,
    /// No record below is wanted.
    next: u64,
    /// The log whose records are wanted; `None`: all.
    only: Option<LogId>,
    walk: Option<(Arc<Segment>, Walker)>,
    /// The rest of the last group.
    group: vec::IntoIter<(Lsn, Vec<u8>)>,
}

impl Wal {
    /// The record that starts at `lsn`.
    ///
    /// # Errors
    /// `NoRecord` when none starts there, or it is not durable yet or released; `Corrupt`; `Io`.
    pub fn read(&self, lsn: Lsn) -> Result<Vec<u8>, Error> {
        let (held, segments) = self.readable();
        let none = Error::NoRecord { lsn, held };
        let inside = held.start <= lsn && lsn < held.end;
        let Some(segment) = segments
            .iter()
            .rev()
            .find(|segment| inside && segment.base <= lsn.0 && lsn.0 < segment.end())
        else {
            return Err(none);
        };
        let offset = segment.offset(lsn.0);
        let room = segment.end() - lsn.0;
        let mut head = [0; RECORD_HEADER_LEN];
        if room < RECORD_HEADER_LEN as u64 || lsn.0 - segment.base < FRAME_HEADER_LEN as u64 {
            return Err(none);
        }
        self.read_bytes(segment, offset, &mut head)?;
        let len = stated_len(&head);
        if len > room {
            return Err(none);
        }
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX)];
        self.read_bytes(segment, offset, &mut bytes)?;
        let record = Record::parse(lsn.0, &bytes).filter(|record| record.verifies(segment.uid));
        if let Some(payload) = record.and_then(|record| record.payload()) {
            return Ok(payload.into_owned());
        }
        self.why(segment, lsn.0, none)
    }

    /// The records at and above `lsn`, of every log.
    ///
    /// # Errors
    /// `NoRecord` when what stands there was released or lies above the durable end.
    pub fn iter_from(&self, lsn: Lsn) -> Result<Iter<'_>, Error> {
        self.iter(None, lsn)
    }

    /// The records of `log` at and above `lsn`.
    ///
    /// # Errors
    /// As [`iter_from`](Self::iter_from).
    pub fn iter_log(&self, log: LogId, lsn: Lsn) -> Result<Iter<'_>, Error> {
        self.iter(Some(log), lsn)
    }

    fn iter(&self, only: Option<LogId>, lsn: Lsn) -> Result<Iter<'_>, Error> {
        let (held, _) = self.readable();
        if lsn < held.start || lsn > held.end {
            return Err(Error::NoRecord { lsn, held });
        }
        Ok(Iter {
            wal: self,
            next: lsn.0,
            only,
            walk: None,
            group: Vec::new().into_iter(),
        })
    }

    fn read_bytes(&self, segment: &Segment, offset: u64, dst: &mut [u8]) -> Result<(), Error> {
        (segment.object.read_at(offset, dst)).map_err(|error| media(segment, offset, error))
    }

    /// Why the bytes at `lsn` did not verify: the segment was released meanwhile, no record starts
    /// there, or the frame around it is damaged.
    fn why(&self, segment: &Segment, lsn: u64, none: Error) -> Result<Vec<u8>, Error> {
        let mut walker = segment.walk_near(lsn, self.store.geometry().unit)?;
        while let Some(frame) = walker.next()? {
            if frame.header.end() > lsn {
                let starts = frame.header.lsn <= lsn && frame.header.kind == Kind::Group;
                let mut records = Records::new(frame.header.lsn, frame.body);
                let record = records.find(|record| starts && record.lsn == lsn);
                let covered = frame.header.lsn <= lsn;
                match record.and_then(|record| record.payload()) {
                    Some(payload) => return Ok(payload.into_owned()),
                    None if covered => return Err(none),
                    None => break,
                }
            }
        }
        Err(self.damaged(segment, lsn))
    }

    /// The frame around `lsn` does not verify.
    fn damaged(&self, segment: &Segment, lsn: u64) -> Error {
        let (held, segments) = self.readable();
        if !segments.iter().any(|live| live.number == segment.number) {
            return Error::NoRecord {
                lsn: Lsn(lsn),
                held,
            };
        }
        let offset = segment.offset(lsn);
        Error::Corrupt(CorruptRange {
            object: ObjectId::log(segment.number),
            start: offset,
            end: offset + (segment.end() - lsn),
            lsns: LsnRange::new(lsn, segment.end()),
            damage: Damage::Frame,
        })
    }
}

impl Iter<'_> {
    /// Waits until something happened to the log, unless more than what was read is durable already; at
    /// most for `timeout`. That is how to follow the log: ask, and when there is nothing, wait. `Idle` when nothing
    /// will come any more, or no other thread could bring it.
    pub fn wait(&self, timeout: Option<Duration>) -> Waited {
        let ticket = self.wal.park.ticket();
        let state = self.wal.state.lock();
        if self.group.len() > 0 || state.durable > self.next {
            return Waited::Woken;
        }
        if state.check().is_err() {
            return Waited::Idle;
        }
        drop(state);
        self.wal.park.wait(ticket, timeout, &mut || false)
    }

    /// Reads the next group that holds a wanted record; `false` at the durable end.
    fn fill(&mut self) -> Result<bool, Error> {
        loop {
            let Some((segment, walker)) = &mut self.walk else {
                if !self.enter()? {
                    return Ok(false);
                }
                continue;
            };
            let segment = Arc::clone(segment);
            let seen = segment.offset(self.next) >= walker.extent();
            if seen {
                // All that was durable when the walk began; there may be more by now.
                self.walk = None;
                if self.next >= self.wal.durable_lsn().0 {
                    return Ok(false);
                }
                continue;
            }
            let frame = walker.next().map_err(|error| media(&segment, 0, error))?;
            let Some(frame) = frame else {
                return Err(self.wal.damaged(&segment, self.next));
            };
            let (lsn, frame_end) = (frame.header.lsn, frame.header.end());
            if frame_end <= self.next {
                continue;
            }
            if lsn > self.next {
                return Err(self.wal.damaged(&segment, self.next));
            }
            let mut wanted = Vec::new();
            if frame.header.kind == Kind::Group {
                let records = Records::new(lsn, frame.body);
                for record in records.filter(|record| record.lsn >= self.next) {
                    if self.only.is_none_or(|only| only == record.log) {
                        let payload = record.payload().expect("the frame verified");
                        wanted.push((Lsn(record.lsn), payload.into_owned()));
                    }
                }
            }
            self.next = frame_end;
            self.group = wanted.into_iter();
            if self.group.len() > 0 {
                return Ok(true);
            }
        }
    }

    /// Finds the segment that holds the next position.
    fn enter(&mut self) -> Result<bool, Error> {
        let (held, segments) = self.wal.readable();
        if self.next >= held.end.0 {
            return Ok(false);
        }
        let unit = self.wal.store.geometry().unit;
        let segment = segments.iter().find(|segment| self.next < segment.end());
        match segment {
            Some(segment) if segment.base <= self.next => {
                let walker = segment.walk_near(self.next, unit)?;
                self.walk = Some((Arc::clone(segment), walker));
                Ok(true)
            }
            // What stood here was lost to damage before the log was opened.
            Some(behind) if self.next >= held.start.0 => Err(Error::Corrupt(CorruptRange {
                object: ObjectId::log(behind.number),
                start: 0,
                end: 0,
                lsns: LsnRange::new(self.next, behind.base),
                damage: Damage::Missing,
            })),
            _ => Err(Error::NoRecord {
                lsn: Lsn(self.next),
                held,
            }),
        }
    }
}

impl Iterator for Iter<'_> {
    type Item = Result<(Lsn, Vec<u8>), Error>;

    fn next(&mut self) -> Option<Self::Item> {
        if let Some(record) = self.group.next() {
            return Some(Ok(record));
        }
        match self.fill() {
            Ok(true) => self.group.next().map(Ok),
            Ok(false) => None,
            Err(error) => Some(Err(error)),
        }
    }
}

/// What the device cannot give back is damage with a place.
fn media(segment: &Segment, offset: u64, error: IoError) -> Error {
    if error.kind != IoErrorKind::Media {
        return error.into();
    }
    let lsn = segment.base + offset.saturating_sub(u64::from(segment.data_start));
    Error::Corrupt(CorruptRange {
        object: ObjectId::log(segment.number),
        start: offset,
        end: offset,
        lsns: LsnRange::new(lsn, segment.end()),
        damage: Damage::Frame,
    })
}
