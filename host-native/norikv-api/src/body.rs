//! The JSON bodies of successful answers.

use bytes::Bytes;
use norikv_node::Item;
use norikv_types::{LogIndex, Term, Version, WallMs};
use serde::{Deserialize, Serialize};

use crate::Text;

/// A version in JSON: `{"term":3,"index":41}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct VersionBody {
    /// Term of the leader that proposed the write.
    pub term: u64,
    /// Index of the write in its group's log.
    pub index: u64,
}

/// The answer to a write: `{"version":{"term":3,"index":41}}`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct WrittenBody {
    /// The version the write made.
    pub version: VersionBody,
}

/// One line of a scan: key, value, version. Bytes that are not UTF-8 stand as `key_b64` and
/// `value_b64`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemBody {
    /// The key, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_b64: Option<String>,
    /// The value, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_b64: Option<String>,
    /// The version of the write that stored it.
    pub version: VersionBody,
    /// When the value ends, in milliseconds since 1970; absent: it does not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

impl ItemBody {
    /// The line of one item.
    #[must_use]
    pub fn of(item: &Item) -> Self {
        let (key, key_b64) = Text::of(&item.key).into_fields();
        let (value, value_b64) = Text::of(&item.value).into_fields();
        Self {
            key,
            key_b64,
            value,
            value_b64,
            version: item.version.into(),
            expires_at_ms: item.expires_at.map(|at| at.0),
        }
    }

    /// The item that the line stands for.
    ///
    /// # Errors
    /// A sentence for the caller when a field is missing or malformed.
    pub fn into_item(self) -> Result<Item, String> {
        let key: Bytes =
            Text::bytes(self.key, self.key_b64).map_err(|why| format!("key: {why}"))?;
        let value =
            Text::bytes(self.value, self.value_b64).map_err(|why| format!("value: {why}"))?;
        Ok(Item {
            key,
            value,
            version: self.version.into(),
            expires_at: self.expires_at_ms.map(WallMs),
        })
    }
}

impl From<Version> for VersionBody {
    fn from(version: Version) -> Self {
        Self {
            term: version.term.0,
            index: version.index.0,
        }
    }
}

impl From<VersionBody> for Version {
    fn from(body: VersionBody) -> Self {
        Self {
            term: Term(body.term),
            index: LogIndex(body.index),
        }
    }
}
