//! Reads a trace.
//!
//! **Invariant: any bytes at all give a recording or an error**, and no more memory is taken than
//! the bytes can stand for.

use alloc::string::ToString;
use alloc::vec::Vec;

use bytes::Bytes;
use norikv_types::Mono;

use crate::recording::{End, FORMAT, Fingerprint, MAGIC, Record, Recording, RecordingError, chunk};
use crate::{Scenario, ScenarioError};

/// The records of a [`Recording`], a chunk at a time.
#[derive(Debug)]
pub struct Records<'a> {
    chunks: Cursor<'a>,
    open: Bytes,
    last: Mono,
}

/// What is left of a file.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    rest: &'a [u8],
    at: u64,
}

pub(super) fn parse(bytes: Vec<u8>) -> Result<Recording, RecordingError> {
    let mut cursor = Cursor::new(&bytes, 0);
    let scenario = scenario(&mut cursor)?;
    let chunks_at = bytes.len() - cursor.rest.len();
    let config = (Scenario::parse(scenario)?.into_cluster()).ok_or(ScenarioError::OtherWorld)?;
    let mut fingerprint = Fingerprint::new(config.seed);
    let mut records = 0;
    let end = loop {
        let at = cursor.at;
        let damaged = |what| RecordingError::Damaged { at, what };
        let raw_len = cursor.u32()?;
        if raw_len == 0 {
            break end(&mut cursor)?;
        }
        let mut rest = Bytes::from(chunk::read(raw_len, &mut cursor)?);
        let mut last = Mono::ZERO;
        while !rest.is_empty() {
            let record =
                Record::read(last, &mut rest).ok_or_else(|| damaged("a record of a chunk"))?;
            last = record.at;
            fingerprint.add(&record);
            records += 1;
        }
    };
    let damaged = |what| RecordingError::Damaged {
        at: cursor.at,
        what,
    };
    if !cursor.rest.is_empty() {
        return Err(damaged("something stands behind the end"));
    }
    if end.records != records {
        return Err(damaged("the number of records is not that of the end"));
    }
    if end.hash != fingerprint.value() {
        return Err(damaged("the trace hash is not that of the records"));
    }
    let scenario = scenario.to_string();
    Ok(Recording {
        bytes,
        chunks_at,
        scenario,
        config,
        end,
    })
}

fn scenario<'a>(cursor: &mut Cursor<'a>) -> Result<&'a str, RecordingError> {
    let head = cursor.take(8)?;
    if let Some(magic) = head.first_chunk()
        && *magic != MAGIC
    {
        return Err(RecordingError::NotATrace(*magic));
    }
    let format = u16::from_le_bytes([head[4], head[5]]);
    if format != FORMAT {
        return Err(RecordingError::Format(format));
    }
    let len = cursor.u32()?;
    let expected = cursor.u32()?;
    let at = cursor.at;
    let text = cursor.take(u64::from(len))?;
    let damaged = |what| RecordingError::Damaged { at, what };
    if chunk::checksum(&[head, &len.to_le_bytes(), text]) != expected {
        return Err(damaged("the checksum of the head and the scenario"));
    }
    if head[6..] != [0; 2] {
        return Err(damaged("the head has flags that this build does not know"));
    }
    core::str::from_utf8(text).map_err(|_utf8| damaged("the scenario is no UTF-8"))
}

/// What follows the zero that stands where another chunk would begin.
fn end(cursor: &mut Cursor<'_>) -> Result<End, RecordingError> {
    let at = cursor.at;
    let bytes = cursor.rest;
    let to_the_end = cursor.u32()?;
    let end = End {
        to_the_end: to_the_end == 1,
        steps: cursor.u64()?,
        records: cursor.u64()?,
        hash: cursor.u64()?,
    };
    let body = bytes.get(..END_BYTES).unwrap_or_default();
    if chunk::checksum(&[&[0; 4], body]) != cursor.u32()? || to_the_end > 1 {
        let what = "the checksum of the end";
        return Err(RecordingError::Damaged { at, what });
    }
    Ok(end)
}

impl<'a> Records<'a> {
    /// Of chunks that were found whole.
    pub(super) fn new(chunks: &'a [u8]) -> Self {
        Self {
            chunks: Cursor::new(chunks, 0),
            open: Bytes::new(),
            last: Mono::ZERO,
        }
    }
}

impl Iterator for Records<'_> {
    type Item = Record;

    fn next(&mut self) -> Option<Record> {
        if self.open.is_empty() {
            let raw_len = self.chunks.u32().ok().filter(|len| *len > 0)?;
            self.open = chunk::read(raw_len, &mut self.chunks).ok()?.into();
            self.last = Mono::ZERO;
        }
        let record = Record::read(self.last, &mut self.open)?;
        self.last = record.at;
        Some(record)
    }
}

impl<'a> Cursor<'a> {
    const fn new(rest: &'a [u8], at: u64) -> Self {
        Self { rest, at }
    }

    /// How many bytes stand before.
    pub(super) const fn at(&self) -> u64 {
        self.at
    }

    pub(super) fn take(&mut self, len: u64) -> Result<&'a [u8], RecordingError> {
        let cut_off = || RecordingError::CutOff {
            at: self.at,
            missing: len.saturating_sub(self.rest.len() as u64),
        };
        let want = usize::try_from(len).map_err(|_too_long| cut_off())?;
        let (taken, rest) = self.rest.split_at_checked(want).ok_or_else(cut_off)?;
        self.rest = rest;
        self.at += len;
        Ok(taken)
    }

    pub(super) fn u32(&mut self) -> Result<u32, RecordingError> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    fn u64(&mut self) -> Result<u64, RecordingError> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], RecordingError> {
        let taken = self.take(N as u64)?;
        Ok(taken.try_into().unwrap_or([0; N]))
    }
}

/// The end without its zero and its checksum.
const END_BYTES: usize = 28;
