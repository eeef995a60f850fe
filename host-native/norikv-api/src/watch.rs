//! The lines of a watch.
//!
//! **Invariant: what stands before a cursor line is covered by it, what stands behind it is not.** So
//! whoever goes on from the last cursor line that arrived sees every event once, if the events behind
//! it are forgotten.

use norikv_node::{Change, WatchEvent};
use norikv_types::{GroupId, WallMs};
use serde::{Deserialize, Serialize};

use crate::{ErrorBody, Text, VersionBody};

/// One line of a watch.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum WatchLine {
    /// A value was stored.
    Put(EventBody),
    /// A key was removed.
    Delete(EventBody),
    /// Where to go on from: `{"event":"cursor","cursor":"AQEAAQ"}`.
    Cursor {
        /// See [`cursor`](crate::cursor).
        cursor: String,
    },
    /// The watch ends, and why.
    Error(ErrorBody),
}

/// Something that happened to a key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventBody {
    /// The group of the key.
    pub group: u32,
    /// The key, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_b64: Option<String>,
    /// The value that was stored, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value that was stored in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_b64: Option<String>,
    /// The version that it made.
    pub version: VersionBody,
    /// When the value ends, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

impl WatchLine {
    /// The line of an event.
    #[must_use]
    pub fn of(event: &WatchEvent) -> Self {
        let (key, key_b64) = Text::of(&event.key).into_fields();
        let mut body = EventBody {
            group: event.group.0,
            key,
            key_b64,
            value: None,
            value_b64: None,
            version: event.version.into(),
            expires_at_ms: None,
        };
        match &event.change {
            Change::Put { value, expires_at } => {
                (body.value, body.value_b64) = Text::of(value).into_fields();
                body.expires_at_ms = expires_at.map(|at| at.0);
                Self::Put(body)
            }
            Change::Delete => Self::Delete(body),
        }
    }
}

impl EventBody {
    /// The event of a line; `stored` says whether it is one of a put.
    ///
    /// # Errors
    /// A sentence for the caller when a field is missing or malformed.
    pub fn into_event(self, stored: bool) -> Result<WatchEvent, String> {
        let change = match stored {
            true => Change::Put {
                value: Text::bytes(self.value, self.value_b64)
                    .map_err(|why| format!("value: {why}"))?,
                expires_at: self.expires_at_ms.map(WallMs),
            },
            false => Change::Delete,
        };
        Ok(WatchEvent {
            group: GroupId(self.group),
            key: Text::bytes(self.key, self.key_b64).map_err(|why| format!("key: {why}"))?,
            version: self.version.into(),
            change,
        })
    }
}
