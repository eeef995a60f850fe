//! Versions as HTTP entity tags: `"<term>-<index>"`, always strong.

use norikv_types::{LogIndex, Term, Version};

/// The tag of `version`, quotes included.
#[must_use]
pub fn format(version: Version) -> String {
    format!("\"{version}\"")
}

/// The version of a tag.
///
/// # Errors
/// A sentence for the caller when it is not a tag of this server.
pub fn parse(tag: &str) -> Result<Version, String> {
    let inner = tag
        .trim()
        .strip_prefix('"')
        .and_then(|rest| rest.strip_suffix('"'));
    inner
        .and_then(|inner| inner.split_once('-'))
        .and_then(|(term, index)| Some((number(term)?, number(index)?)))
        .map(|(term, index)| Version {
            term: Term(term),
            index: LogIndex(index),
        })
        .ok_or_else(|| format!("{tag} is not an entity tag of the form \"<term>-<index>\""))
}

/// Digits only: `parse` alone would take a plus sign.
fn number(digits: &str) -> Option<u64> {
    digits
        .bytes()
        .all(|byte| byte.is_ascii_digit())
        .then(|| digits.parse().ok())?
}

#[cfg(test)]
mod tests;
