//! Key, tab, value.

use bytes::Bytes;

use super::Record;
use super::escape::{escape, unescape};

pub(super) fn read(line: &[u8]) -> Result<Record, String> {
    let mut columns = line.split(|byte| *byte == b'\t');
    let (Some(key), Some(value), None) = (columns.next(), columns.next(), columns.next()) else {
        return Err("a line is key, tab, value: exactly one tab".to_owned());
    };
    Ok(Record {
        key: Bytes::from(unescape(key)?),
        value: Bytes::from(unescape(value)?),
    })
}

pub(super) fn write(record: &Record, out: &mut Vec<u8>) {
    escape(&record.key, out);
    out.push(b'\t');
    escape(&record.value, out);
    out.push(b'\n');
}
