//! Keys in request paths: percent-encoded, so that any bytes fit.

use bytes::Bytes;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, percent_decode, percent_encode};

/// What stands unescaped besides letters and digits.
const ESCAPED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The path of `key`: `/kv/…`.
#[must_use]
pub fn of_key(key: &[u8]) -> String {
    format!("/kv/{}", encode(key))
}

/// `bytes` as they stand in a path or a query.
#[must_use]
pub fn encode(bytes: &[u8]) -> String {
    // "." and ".." alone would be taken for folders by clients that normalise paths.
    match bytes {
        b"." => "%2E".to_owned(),
        b".." => "%2E%2E".to_owned(),
        _ => percent_encode(bytes, ESCAPED).to_string(),
    }
}

/// The bytes that an encoded text stands for.
///
/// # Errors
/// A sentence for the caller when a percent sign is not followed by two hexadecimal digits.
pub fn decode(text: &str) -> Result<Bytes, String> {
    let mut rest = text.as_bytes();
    while let Some(at) = rest.iter().position(|byte| *byte == b'%') {
        let digits = rest.get(at + 1..at + 3).unwrap_or_default();
        if digits.len() != 2 || !digits.iter().all(u8::is_ascii_hexdigit) {
            return Err(format!(
                "{text} has a percent sign without two hexadecimal digits"
            ));
        }
        rest = &rest[at + 3..];
    }
    Ok(Bytes::from(
        percent_decode(text.as_bytes()).collect::<Vec<u8>>(),
    ))
}

#[cfg(test)]
mod tests;
