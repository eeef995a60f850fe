//! Scenario files: a run as text that a person can read, change and keep.
//!
//! **Invariant: what was written is read back equal**, and what is not understood is refused, never
//! skipped. Format 1 is a TOML document with the number of the format, a note, and one table named
//! for the world; what the table leaves out has its default.

use alloc::format;
use alloc::string::{String, ToString};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::SimConfig;
use crate::cluster::Entry;

/// A run as a file.
///
/// ```
/// use norikv_sim::Scenario;
///
/// let text = r#"
/// norikv_scenario = 1
/// note = "the power of a node goes while it writes"
///
/// [cluster]
/// seed = 7
/// plan = [
///     { at_ms = 1500, do = "put", client = 0, key = 3 },
///     { at_ms = 1501, do = "power_cut", node = 1, for_ms = 400 },
/// ]
///
/// [cluster.clients]
/// count = 1
/// judged = true
/// "#;
/// let scenario = Scenario::parse(text)?;
/// assert_eq!(Scenario::parse(&scenario.to_text())?, scenario);
/// # Ok::<(), norikv_sim::ScenarioError>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Scenario {
    norikv_scenario: u32,
    /// What it is about, for people.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub note: String,
    /// What runs.
    pub cluster: SimConfig,
}

/// Why a text is no scenario.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum ScenarioError {
    /// Not TOML, or not what a scenario holds. Names line, column and what was expected.
    #[error("{0}")]
    Malformed(String),
    /// Of a later format.
    #[error("scenario format {0} is not known; this build reads format {FORMAT}")]
    Format(u32),
    /// An entry of the plan has a field that its action does not have.
    #[error("entry {entry} of the plan ({action}) has no field {field:?}")]
    UnknownField {
        /// The entry, from 1.
        entry: usize,
        /// What it does.
        action: String,
        /// The field.
        field: String,
    },
}

impl Scenario {
    /// A run of a cluster.
    #[must_use]
    pub const fn new(cluster: SimConfig) -> Self {
        Self {
            norikv_scenario: FORMAT,
            note: String::new(),
            cluster,
        }
    }

    /// Reads a scenario.
    ///
    /// # Errors
    /// [`ScenarioError`], whose text says what is wrong and where.
    pub fn parse(text: &str) -> Result<Self, ScenarioError> {
        let malformed = |error: toml::de::Error| ScenarioError::Malformed(error.to_string());
        let raw: Table = toml::from_str(text).map_err(malformed)?;
        if let Some(Value::Integer(format)) = raw.get("norikv_scenario")
            && *format != i64::from(FORMAT)
        {
            let format = u32::try_from(*format).unwrap_or(u32::MAX);
            return Err(ScenarioError::Format(format));
        }
        let scenario: Self = toml::from_str(text).map_err(malformed)?;
        let plan = raw.get("cluster").and_then(|world| world.get("plan"));
        if let Some(Value::Array(entries)) = plan {
            for ((nth, raw), entry) in (1..).zip(entries).zip(&scenario.cluster.plan) {
                no_unknown_field(nth, raw, entry)?;
            }
        }
        Ok(scenario)
    }

    /// Writes it, an entry of the plan a line, without what is as it is by default.
    #[must_use]
    pub fn to_text(&self) -> String {
        let mut world = table(&self.cluster);
        without_defaults(&mut world, &table(&SimConfig::default()));
        let plan = world.remove("plan");
        let (tables, scalars): (Table, Table) = world
            .into_iter()
            .partition(|(_, value)| matches!(value, Value::Table(_)));
        let mut text = format!("norikv_scenario = {FORMAT}\n");
        if !self.note.is_empty() {
            text += &format!("note = {}\n", Value::String(self.note.clone()));
        }
        text += "\n[cluster]\n";
        for (name, value) in scalars {
            text += &format!("{name} = {value}\n");
        }
        if let Some(Value::Array(entries)) = plan {
            text += "plan = [\n";
            for entry in entries {
                text += &format!("    {entry},\n");
            }
            text += "]\n";
        }
        for (name, value) in tables {
            text += &format!("\n[cluster.{name}]\n");
            if let Value::Table(fields) = value {
                for (name, value) in fields {
                    text += &format!("{name} = {value}\n");
                }
            }
        }
        text
    }
}

/// `flatten` keeps serde from refusing fields that an action does not have.
fn no_unknown_field(nth: usize, raw: &Value, entry: &Entry) -> Result<(), ScenarioError> {
    let known = table(entry);
    for field in raw.as_table().into_iter().flat_map(Table::keys) {
        let left_out = field == "expect" && entry.action.is_write();
        if !known.contains_key(field) && !left_out {
            let action = known.get("do").and_then(Value::as_str).unwrap_or_default();
            return Err(ScenarioError::UnknownField {
                entry: nth,
                action: action.to_string(),
                field: field.clone(),
            });
        }
    }
    Ok(())
}

fn without_defaults(table: &mut Table, defaults: &Table) {
    table.retain(|name, value| match (value, defaults.get(name)) {
        (Value::Table(own), Some(Value::Table(default))) => {
            without_defaults(own, default);
            !own.is_empty()
        }
        (value, Some(default)) => value != default,
        (_, None) => true,
    });
}

fn table(value: &impl Serialize) -> Table {
    match Table::try_from(value) {
        Ok(table) => table,
        Err(error) => unreachable!("a configuration is a table of integers: {error}"),
    }
}

/// The number of the format.
const FORMAT: u32 = 1;
