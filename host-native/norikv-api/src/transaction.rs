//! Transactions in JSON.
//!
//! `{"compare":[{"key":"a","value":"1"}],"then":[{"op":"put","key":"a","value":"2"}],"else":[{"op":
//! "get","key":"a"}]}`

use norikv_node::{Check, Compare, Step, StepAnswer, Transaction};
use norikv_types::{Version, WallMs};
use serde::{Deserialize, Serialize};

use crate::{Text, VersionBody};

/// A transaction: when all of `compare` holds, `then` happens, else `else` does.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TransactionBody {
    /// What decides.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub compare: Vec<CompareBody>,
    /// Steps.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub then: Vec<StepBody>,
    /// Steps.
    #[serde(default, rename = "else", skip_serializing_if = "Vec::is_empty")]
    pub otherwise: Vec<StepBody>,
}

/// A comparison: of `exists`, `version` and `value` exactly one is there.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CompareBody {
    /// The key, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_b64: Option<String>,
    /// Whether the key must exist.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// The version that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionBody>,
    /// The value that it must have.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The same in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_b64: Option<String>,
}

/// A step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct StepBody {
    /// What it does.
    pub op: StepOp,
    /// The key, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// The key in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_b64: Option<String>,
    /// The value of a put, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value of a put in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_b64: Option<String>,
    /// How long the value of a put lives, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ttl_ms: Option<u64>,
}

/// What a step does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StepOp {
    /// Stores a value.
    Put,
    /// Removes a key.
    Delete,
    /// Reads a key.
    Get,
}

/// The answer to a transaction.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TransactedBody {
    /// Whether every comparison held.
    pub succeeded: bool,
    /// The version of all that it wrote.
    pub version: VersionBody,
    /// One for each step of the branch that happened.
    pub results: Vec<ResultBody>,
}

/// What came of a step. Of one that wrote all fields are absent.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ResultBody {
    /// Whether the key that was read exists.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exists: Option<bool>,
    /// The value that was read, where it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<String>,
    /// The value that was read in base64, where it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_b64: Option<String>,
    /// The version of the value.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub version: Option<VersionBody>,
    /// When the value ends, in milliseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at_ms: Option<u64>,
}

/// The answer to an increment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct CountedBody {
    /// What the number is now.
    pub value: i64,
    /// The version the write made.
    pub version: VersionBody,
}

impl TransactionBody {
    /// The body of a transaction.
    #[must_use]
    pub fn of(transaction: &Transaction) -> Self {
        let steps = |steps: &[Step]| steps.iter().map(StepBody::of).collect();
        Self {
            compare: transaction.compares.iter().map(CompareBody::of).collect(),
            then: steps(&transaction.then),
            otherwise: steps(&transaction.otherwise),
        }
    }

    /// The transaction that the body stands for.
    ///
    /// # Errors
    /// A sentence for the caller that names the part which is wrong.
    pub fn into_transaction(self) -> Result<Transaction, String> {
        let steps = |name: &str, steps: Vec<StepBody>| {
            let step = |(nth, step): (usize, StepBody)| {
                step.into_step()
                    .map_err(|why| format!("{name}[{nth}]: {why}"))
            };
            let steps = steps.into_iter().enumerate().map(step);
            steps.collect::<Result<Vec<_>, String>>()
        };
        let compare = |(nth, compare): (usize, CompareBody)| {
            compare
                .into_compare()
                .map_err(|why| format!("compare[{nth}]: {why}"))
        };
        Ok(Transaction {
            compares: (self.compare.into_iter().enumerate())
                .map(compare)
                .collect::<Result<_, _>>()?,
            then: steps("then", self.then)?,
            otherwise: steps("else", self.otherwise)?,
        })
    }
}

impl CompareBody {
    fn of(compare: &Compare) -> Self {
        let (key, key_b64) = Text::of(&compare.key).into_fields();
        let mut body = Self {
            key,
            key_b64,
            ..Self::default()
        };
        match &compare.check {
            Check::Exists => body.exists = Some(true),
            Check::Absent => body.exists = Some(false),
            Check::Version(version) => body.version = Some((*version).into()),
            Check::Value(value) => {
                (body.value, body.value_b64) = Text::of(value).into_fields();
            }
        }
        body
    }

    fn into_compare(self) -> Result<Compare, String> {
        let key = Text::bytes(self.key, self.key_b64).map_err(|why| format!("key: {why}"))?;
        let value = match (self.value, self.value_b64) {
            (None, None) => None,
            (plain, base64) => {
                Some(Text::bytes(plain, base64).map_err(|why| format!("value: {why}"))?)
            }
        };
        let check = match (self.exists, self.version, value) {
            (Some(true), None, None) => Check::Exists,
            (Some(false), None, None) => Check::Absent,
            (None, Some(version), None) => Check::Version(version.into()),
            (None, None, Some(value)) => Check::Value(value),
            _ => return Err("of exists, version and value exactly one is needed".to_owned()),
        };
        Ok(Compare { key, check })
    }
}

impl StepBody {
    fn of(step: &Step) -> Self {
        let (key, key_b64) = Text::of(step.key()).into_fields();
        let (value, value_b64) = match step.value() {
            Some(value) => Text::of(value).into_fields(),
            None => (None, None),
        };
        let (op, ttl_ms) = match step {
            Step::Put { ttl_ms, .. } => (StepOp::Put, *ttl_ms),
            Step::Delete { .. } => (StepOp::Delete, None),
            Step::Get { .. } => (StepOp::Get, None),
        };
        Self {
            op,
            key,
            key_b64,
            value,
            value_b64,
            ttl_ms,
        }
    }

    fn into_step(self) -> Result<Step, String> {
        let key = Text::bytes(self.key, self.key_b64).map_err(|why| format!("key: {why}"))?;
        if self.op == StepOp::Put {
            let value = Text::bytes(self.value, self.value_b64);
            let value = value.map_err(|why| format!("value: {why}"))?;
            let ttl_ms = self.ttl_ms;
            return Ok(Step::Put { key, value, ttl_ms });
        }
        if self.value.is_some() || self.value_b64.is_some() || self.ttl_ms.is_some() {
            return Err("only a put has a value and a time to live".to_owned());
        }
        Ok(match self.op {
            StepOp::Delete => Step::Delete { key },
            StepOp::Get | StepOp::Put => Step::Get { key },
        })
    }
}

impl ResultBody {
    /// The body of a step's answer.
    #[must_use]
    pub fn of(answer: &StepAnswer) -> Self {
        match answer {
            StepAnswer::Done => Self::default(),
            StepAnswer::Absent => Self {
                exists: Some(false),
                ..Self::default()
            },
            StepAnswer::Value {
                value,
                version,
                expires_at,
            } => {
                let (value, value_b64) = Text::of(value).into_fields();
                Self {
                    exists: Some(true),
                    value,
                    value_b64,
                    version: Some((*version).into()),
                    expires_at_ms: expires_at.map(|at| at.0),
                }
            }
        }
    }

    /// The answer that the body stands for.
    ///
    /// # Errors
    /// A sentence for the caller when a field is missing or malformed.
    pub fn into_answer(self) -> Result<StepAnswer, String> {
        Ok(match self.exists {
            None => StepAnswer::Done,
            Some(false) => StepAnswer::Absent,
            Some(true) => StepAnswer::Value {
                value: Text::bytes(self.value, self.value_b64)
                    .map_err(|why| format!("value: {why}"))?,
                version: self
                    .version
                    .map(Version::from)
                    .ok_or("a value without a version")?,
                expires_at: self.expires_at_ms.map(WallMs),
            },
        })
    }
}

#[cfg(test)]
mod tests;
