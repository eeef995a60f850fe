//! Records, as they stand in the body of a group.
//!
//! **Invariant: a record verifies by itself**, so that one can be read without its group, and no
//! length that it states is believed beyond what stands there.
//!
//! ```text
//! 0  4  CRC-32 of what follows, salted (uid, lsn of the record)
//! 4  4  length of what follows this (bits 0..30); bit 30: LZ4; bit 31: of a log other than 0
//! 8  4  the log, if bit 31 is set
//! …  4  length of the payload, if bit 30 is set
//! …     the payload, or an LZ4 block that holds it
//! ```

use alloc::borrow::Cow;
use alloc::vec;
use alloc::vec::Vec;
use core::fmt;

use crate::format::{FRAME_HEADER_LEN, RECORD_HEADER_LEN, checksum, u32_at};

/// One of the logs that share a stream. Each user of a shared [`Wal`](crate::Wal) takes one.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId(pub u32);

impl LogId {
    /// The log of those who name none.
    pub const MAIN: Self = Self(0);
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A record in the body of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Record<'a> {
    /// Where it starts.
    pub lsn: u64,
    /// The log it belongs to.
    pub log: LogId,
    /// Length of the payload, where `data` is an LZ4 block.
    raw_len: Option<u32>,
    data: &'a [u8],
    /// All of it.
    bytes: &'a [u8],
}

/// A payload on its way into a group.
#[derive(Debug)]
pub(crate) struct Outgoing<'a> {
    log: LogId,
    raw_len: Option<u32>,
    data: Cow<'a, [u8]>,
}

impl<'a> Record<'a> {
    /// The record at the beginning of `bytes`, whose position is `lsn`.
    pub(crate) fn parse(lsn: u64, bytes: &'a [u8]) -> Option<Self> {
        let (head, rest) = bytes.split_at_checked(RECORD_HEADER_LEN)?;
        let word = u32_at(head, 4);
        let (mut data, _) = rest.split_at_checked((word & LEN_MASK) as usize)?;
        let bytes = bytes.get(..RECORD_HEADER_LEN + data.len())?;
        let mut log = LogId::MAIN;
        if word & OTHER_LOG != 0 {
            let (id, rest) = data.split_at_checked(4)?;
            (log, data) = (LogId(u32_at(id, 0)), rest);
        }
        let mut raw_len = None;
        if word & LZ4 != 0 {
            let (len, rest) = data.split_at_checked(4)?;
            (raw_len, data) = (Some(u32_at(len, 0)), rest);
        }
        Some(Self {
            lsn,
            log,
            raw_len,
            data,
            bytes,
        })
    }

    /// Bytes that it takes.
    pub(crate) const fn len(&self) -> u64 {
        self.bytes.len() as u64
    }

    /// Whether its own checksum fits, in the segment `uid`.
    pub(crate) fn verifies(&self, uid: u64) -> bool {
        checksum(uid, self.lsn, &self.bytes[4..]) == u32_at(self.bytes, 0)
    }

    /// The payload; `None` when the LZ4 block is not what it says.
    pub(crate) fn payload(&self) -> Option<Cow<'a, [u8]>> {
        let Some(raw_len) = self.raw_len else {
            return Some(Cow::Borrowed(self.data));
        };
        let raw_len = raw_len as usize;
        // No LZ4 block holds more and no batch is longer, so a forged length asks for no memory.
        let most = self.data.len().saturating_mul(LZ4_RATIO_MAX);
        if raw_len > most.min(LEN_MASK as usize) {
            return None;
        }
        let mut payload = vec![0; raw_len];
        let len = lz4_flex::block::decompress_into(self.data, &mut payload).ok()?;
        (len == raw_len).then_some(Cow::Owned(payload))
    }

    /// Whether the payload can be had, without keeping it.
    pub(crate) fn is_whole(&self) -> bool {
        self.raw_len.is_none() || self.payload().is_some()
    }
}

impl<'a> Outgoing<'a> {
    /// `payload` for `log`; as LZ4 if it has at least `compress_min` bytes and gets shorter by an
    /// eighth.
    pub(crate) fn new(log: LogId, payload: &'a [u8], compress_min: Option<u32>) -> Self {
        let plain = Self {
            log,
            raw_len: None,
            data: Cow::Borrowed(payload),
        };
        if compress_min.is_none_or(|min| payload.len() < min as usize) {
            return plain;
        }
        let Ok(raw_len) = u32::try_from(payload.len()) else {
            return plain;
        };
        let block = lz4_flex::block::compress(payload);
        if block.len() + 4 > payload.len() - payload.len() / 8 {
            return plain;
        }
        Self {
            log,
            raw_len: Some(raw_len),
            data: Cow::Owned(block),
        }
    }

    /// Bytes that it takes in a group.
    pub(crate) fn len(&self) -> u64 {
        let extra = u64::from(self.log != LogId::MAIN) + u64::from(self.raw_len.is_some());
        (RECORD_HEADER_LEN + self.data.len()) as u64 + 4 * extra
    }

    /// Puts it behind `out`; [`finish`] fills in the checksum.
    pub(crate) fn put(&self, out: &mut Vec<u8>) {
        let len = u32::try_from(self.len() - RECORD_HEADER_LEN as u64)
            .ok()
            .filter(|len| *len <= LEN_MASK)
            .expect("the batch limit is below 1 GiB");
        let mut word = len;
        if self.log != LogId::MAIN {
            word |= OTHER_LOG;
        }
        if self.raw_len.is_some() {
            word |= LZ4;
        }
        out.extend_from_slice(&[0; 4]);
        out.extend_from_slice(&word.to_le_bytes());
        if self.log != LogId::MAIN {
            out.extend_from_slice(&self.log.0.to_le_bytes());
        }
        if let Some(raw_len) = self.raw_len {
            out.extend_from_slice(&raw_len.to_le_bytes());
        }
        out.extend_from_slice(&self.data);
    }
}

/// Fills in the checksums of the records in the `body` of the group at `lsn`.
pub(crate) fn finish(body: &mut [u8], uid: u64, lsn: u64) {
    let mut at = 0;
    let mut lsn = lsn + FRAME_HEADER_LEN as u64;
    while at < body.len() {
        let end = at + RECORD_HEADER_LEN + (u32_at(&body[at..], 4) & LEN_MASK) as usize;
        let crc = checksum(uid, lsn, &body[at + 4..end]);
        body[at..at + 4].copy_from_slice(&crc.to_le_bytes());
        lsn += (end - at) as u64;
        at = end;
    }
}

/// How long the record is whose head this is, head included.
pub(crate) fn stated_len(head: &[u8; RECORD_HEADER_LEN]) -> u64 {
    RECORD_HEADER_LEN as u64 + u64::from(u32_at(head, 4) & LEN_MASK)
}

/// The records of a group's body; ends early where the body is malformed.
#[derive(Debug, Clone)]
pub(crate) struct Records<'a> {
    lsn: u64,
    body: &'a [u8],
}

impl<'a> Records<'a> {
    /// The records in the body of the frame at `lsn`.
    pub(crate) fn new(lsn: u64, body: &'a [u8]) -> Self {
        Self {
            lsn: lsn + FRAME_HEADER_LEN as u64,
            body,
        }
    }

    /// Whether it gave everything there was.
    pub(crate) const fn is_at_end(&self) -> bool {
        self.body.is_empty()
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Record<'a>;

    fn next(&mut self) -> Option<Self::Item> {
        let record = Record::parse(self.lsn, self.body)?;
        self.lsn += record.len();
        self.body = &self.body[record.bytes.len()..];
        Some(record)
    }
}

const OTHER_LOG: u32 = 1 << 31;
const LZ4: u32 = 1 << 30;
const LEN_MASK: u32 = LZ4 - 1;
const LZ4_RATIO_MAX: usize = 255;

#[cfg(test)]
mod tests;
