//! Bytes in JSON: as a string where they are UTF-8, as base64 where they are not.
//!
//! **Invariant: exactly one of the two forms stands for given bytes,** so equal bytes give equal
//! JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;

/// Bytes on their way into or out of a JSON object with the fields `name` and `name_b64`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Text {
    /// The field `name`.
    Utf8(String),
    /// The field `name_b64`.
    Base64(String),
}

impl Text {
    /// The form that stands for `bytes`.
    #[must_use]
    pub fn of(bytes: &[u8]) -> Self {
        match core::str::from_utf8(bytes) {
            Ok(text) => Self::Utf8(text.to_owned()),
            Err(_not_utf8) => Self::Base64(STANDARD.encode(bytes)),
        }
    }

    /// The two optional fields, plain first.
    #[must_use]
    pub fn into_fields(self) -> (Option<String>, Option<String>) {
        match self {
            Self::Utf8(text) => (Some(text), None),
            Self::Base64(text) => (None, Some(text)),
        }
    }

    /// The bytes that the two optional fields stand for.
    ///
    /// # Errors
    /// A sentence for the caller when both or neither is there, or the base64 is none.
    pub fn bytes(plain: Option<String>, base64: Option<String>) -> Result<Bytes, String> {
        match (plain, base64) {
            (Some(text), None) => Ok(Bytes::from(text)),
            (None, Some(text)) => STANDARD
                .decode(text)
                .map(Bytes::from)
                .map_err(|why| format!("not base64: {why}")),
            (Some(_), Some(_)) => Err("both forms of one field are there".to_owned()),
            (None, None) => Err("the field is missing".to_owned()),
        }
    }
}

#[cfg(test)]
mod tests;
