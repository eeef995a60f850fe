//! Keys and values as lines of a file.
//!
//! **Invariant: what [`Format::write`] writes, [`Format::read`] reads back byte for byte,** whatever
//! the key and value hold. What a format cannot hold is refused, never bent.

mod escape;
mod ndjson;
mod tsv;

use bytes::Bytes;

/// A key and its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) key: Bytes,
    pub(crate) value: Bytes,
}

/// How a line holds a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Format {
    /// A JSON object a line: the fields `key` or `key_b64`, `value` or `value_b64`.
    Ndjson,
    /// Any JSON object a line: the whole line is the value, and this field of it the key.
    NdjsonField(String),
    /// Key, tab, value; tabs, line feeds and backslashes escaped.
    Tsv,
}

impl Format {
    /// The record of a line (without its line feed).
    ///
    /// # Errors
    /// A sentence that says what is wrong with the line.
    pub(crate) fn read(&self, line: &[u8]) -> Result<Record, String> {
        match self {
            Self::Ndjson => ndjson::read(line),
            Self::NdjsonField(field) => ndjson::read_field(line, field),
            Self::Tsv => tsv::read(line),
        }
    }

    /// Appends the line of `record` and its line feed to `out`.
    ///
    /// # Errors
    /// A sentence when the format cannot hold the record; `out` is unchanged then.
    pub(crate) fn write(&self, record: &Record, out: &mut Vec<u8>) -> Result<(), String> {
        match self {
            Self::Ndjson => ndjson::write(record, out),
            Self::NdjsonField(field) => ndjson::write_field(record, field, out),
            Self::Tsv => {
                tsv::write(record, out);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
mod tests;
