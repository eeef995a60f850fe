//! Scenario files: a run as text that a person can read, change and keep.
//!
//! **Invariant: what was written is read back equal**, and what is not understood is refused, never
//! skipped. Format 1 is a TOML document with the number of the format, a note, and one table named
//! for the world; what the table leaves out has its default. `docs/formats/scenario.md` describes it.

use alloc::format;
use alloc::string::{String, ToString};
use alloc::vec::Vec;

use norikv_node::adapters::PlacementRouter;
use norikv_testkit::Delay;
use norikv_types::NodeId;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::SimConfig;
use crate::cluster::{Action, Entry};
use crate::gossip::GossipConfig;
use crate::storage::StorageConfig;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it is about, for people.
    pub note: String,
    /// What runs.
    pub world: World,
}

/// What a scenario runs in.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum World {
    /// Whole nodes: the table `cluster`.
    Cluster(SimConfig),
    /// One store on a faulty disk: the table `storage`.
    Storage(StorageConfig),
    /// Members of a gossip: the table `gossip`.
    Gossip(GossipConfig),
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
    /// No world, or more than one.
    #[error("a scenario has one of the tables {WORLDS:?}; this one has {0}")]
    Worlds(usize),
    /// A scenario of another world than the one that was asked for.
    #[error("it runs in another world than this")]
    OtherWorld,
    /// A cluster that cannot be.
    #[error("no such cluster: {0}")]
    Impossible(String),
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

/// The document.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Document {
    norikv_scenario: u32,
    #[serde(default)]
    note: String,
    cluster: Option<SimConfig>,
    storage: Option<StorageConfig>,
    gossip: Option<GossipConfig>,
}

impl Scenario {
    /// A run of a cluster.
    #[must_use]
    pub const fn new(cluster: SimConfig) -> Self {
        Self {
            note: String::new(),
            world: World::Cluster(cluster),
        }
    }

    /// The run of a cluster, if it is one.
    #[must_use]
    pub const fn cluster(&self) -> Option<&SimConfig> {
        match &self.world {
            World::Cluster(config) => Some(config),
            World::Storage(_) | World::Gossip(_) => None,
        }
    }

    /// The run of a cluster, if it is one.
    #[must_use]
    pub fn into_cluster(self) -> Option<SimConfig> {
        match self.world {
            World::Cluster(config) => Some(config),
            World::Storage(_) | World::Gossip(_) => None,
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
        let document: Document = toml::from_str(text).map_err(malformed)?;
        debug_assert_eq!(document.norikv_scenario, FORMAT, "looked at above");
        let world = match (document.cluster, document.storage, document.gossip) {
            (Some(_), None, None) => World::Cluster(over_defaults(&raw, "cluster")?),
            (None, Some(_), None) => World::Storage(over_defaults(&raw, "storage")?),
            (None, None, Some(_)) => World::Gossip(over_defaults(&raw, "gossip")?),
            (cluster, storage, gossip) => {
                let given = [cluster.is_some(), storage.is_some(), gossip.is_some()];
                let count = given.into_iter().filter(|given| *given).count();
                return Err(ScenarioError::Worlds(count));
            }
        };
        if let World::Cluster(config) = &world {
            let plan = raw.get("cluster").and_then(|world| world.get("plan"));
            if let Some(Value::Array(entries)) = plan {
                for ((nth, raw), entry) in (1..).zip(entries).zip(&config.plan) {
                    no_unknown_field(nth, raw, entry)?;
                }
            }
            possible(config)?;
        }
        Ok(Self {
            note: document.note,
            world,
        })
    }

    /// Writes it, an entry of a list a line, without what is as it is by default.
    ///
    /// # Panics
    /// When a number is above 2⁶³ − 1, the largest of TOML; a seed can be.
    #[must_use]
    pub fn to_text(&self) -> String {
        let (name, world) = match &self.world {
            World::Cluster(config) => ("cluster", changed(config)),
            World::Storage(config) => ("storage", changed(config)),
            World::Gossip(config) => ("gossip", changed(config)),
        };
        let (tables, rest): (Table, Table) = world
            .into_iter()
            .partition(|(_, value)| matches!(value, Value::Table(_)));
        let (lists, scalars): (Table, Table) = rest.into_iter().partition(|(_, value)| {
            let mut entries = value.as_array().into_iter().flatten();
            entries.any(Value::is_table)
        });
        let mut text = format!("norikv_scenario = {FORMAT}\n");
        if !self.note.is_empty() {
            text += &format!("note = {}\n", Value::String(self.note.clone()));
        }
        text += &format!("\n[{name}]\n");
        for (name, value) in scalars {
            text += &format!("{name} = {value}\n");
        }
        for (name, entries) in lists {
            text += &format!("{name} = [\n");
            for entry in entries.as_array().into_iter().flatten() {
                text += &format!("    {entry},\n");
            }
            text += "]\n";
        }
        for (table, value) in tables {
            text += &format!("\n[{name}.{table}]\n");
            for (name, value) in value.as_table().into_iter().flatten() {
                text += &format!("{name} = {value}\n");
            }
        }
        text
    }
}

/// The configuration of a world, where what the file leaves out is as it is by default, within its
/// tables too.
fn over_defaults<Config>(raw: &Table, world: &str) -> Result<Config, ScenarioError>
where
    Config: Default + Serialize + DeserializeOwned,
{
    let mut fields = table(&Config::default());
    if let Some(Value::Table(own)) = raw.get(world) {
        overlay(&mut fields, own);
    }
    let malformed = |error: toml::de::Error| ScenarioError::Malformed(error.to_string());
    fields.try_into().map_err(malformed)
}

fn overlay(under: &mut Table, over: &Table) {
    for (name, value) in over {
        match (under.get_mut(name), value) {
            (Some(Value::Table(under)), Value::Table(over)) => overlay(under, over),
            _ => {
                under.insert(name.clone(), value.clone());
            }
        }
    }
}

/// The fields that are not as they are by default.
fn changed<Config: Default + Serialize>(config: &Config) -> Table {
    let mut fields = table(config);
    without_defaults(&mut fields, &table(&Config::default()));
    fields
}

/// Refuses what a [`Simulation`](crate::Simulation) would end the process for.
fn possible(config: &SimConfig) -> Result<(), ScenarioError> {
    let impossible = |why: String| Err(ScenarioError::Impossible(why));
    let (nodes, replication) = (config.nodes, config.replication);
    if nodes > NODES_MAX {
        return impossible(format!("{nodes} nodes; at most {NODES_MAX} can be"));
    }
    if replication == 0 || replication > nodes {
        return impossible(format!("{replication} replicas on {nodes} nodes"));
    }
    for (what, value, [min, max]) in bounds(config) {
        if value < min || value > max {
            return impossible(format!("{what} is {value}; it can be {min} to {max}"));
        }
    }
    let ids: Vec<NodeId> = (1..=u64::from(nodes)).map(NodeId).collect();
    if let Err(error) = PlacementRouter::new(&ids, config.groups, replication) {
        return impossible(error.to_string());
    }
    if config.drift_ppm_max > DRIFT_PPM_MAX {
        return impossible(format!("clocks drift at most {DRIFT_PPM_MAX} ppm"));
    }
    let storms = config.plan.iter().filter_map(|entry| match &entry.action {
        Action::Storm { links, .. } => Some(links),
        _ => None,
    });
    for links in storms.chain([&config.links]) {
        let Delay { min, max, .. } = links.delay;
        if min > max {
            return impossible(format!("delays of at least {min:?} and at most {max:?}"));
        }
    }
    let count = config.clients.count;
    for entry in &config.plan {
        if let Some(client) = entry.action.client().filter(|client| *client >= count) {
            return impossible(format!("client {client} of {count}; they count from 0"));
        }
        if let Some(key) = entry.action.key().filter(|key| *key >= config.clients.keys) {
            let keys = config.clients.keys;
            return impossible(format!("key {key} of {keys}; they count from 0"));
        }
        if let Some(node) = entry
            .action
            .nodes()
            .find(|node| *node == 0 || *node > nodes)
        {
            return impossible(format!("node {node} of {nodes}; they count from 1"));
        }
        let late = entry.action.fault().is_some() && entry.at_ms >= config.until_ms;
        if late && config.until_ms > 0 {
            let (at, until) = (entry.at_ms, config.until_ms);
            return impossible(format!("a fault at {at} ms; until_ms is {until}"));
        }
        let last = entry.at_ms.max(entry.action.for_ms());
        if last > TIME_MS_MAX {
            return impossible(format!("{last} ms; a run lasts {TIME_MS_MAX} at most"));
        }
    }
    if config.until_ms > TIME_MS_MAX {
        return impossible(format!("a run lasts {TIME_MS_MAX} ms at most"));
    }
    Ok(())
}

/// What a run can hold and pay for.
fn bounds(config: &SimConfig) -> [(&'static str, u64, [u64; 2]); 11] {
    let (clients, sizes) = (&config.clients, &config.storage);
    let value_bytes = u64::from(clients.value_bytes_max);
    [
        ("groups", u64::from(config.groups), [1, 1_024]),
        ("clients.count", u64::from(clients.count), [0, 1_024]),
        ("clients.keys", u64::from(clients.keys), [1, 4_096]),
        ("clients.value_bytes_max", value_bytes, [8, 1 << 20]),
        ("clients.patience_ms", clients.patience_ms, [1, 60_000]),
        (
            "clients.read_patience_ms",
            clients.read_patience_ms,
            [1, 60_000],
        ),
        // A batch is half a segment, and holds a value with all that belongs to it.
        (
            "storage.segment_bytes",
            sizes.segment_bytes,
            [(4 * value_bytes).max(16 << 10), 1 << 30],
        ),
        (
            "storage.memtable_bytes",
            sizes.memtable_bytes,
            [4 << 10, 1 << 30],
        ),
        ("storage.table_bytes", sizes.table_bytes, [4 << 10, 1 << 30]),
        ("storage.keep_log_bytes", sizes.keep_log_bytes, [0, 1 << 40]),
        (
            "storage.unflushed_bytes_max",
            sizes.unflushed_bytes_max,
            [1 << 10, 1 << 40],
        ),
    ]
}

/// `flatten` keeps serde from refusing fields that an action does not have.
fn no_unknown_field(nth: usize, raw: &Value, entry: &Entry) -> Result<(), ScenarioError> {
    let known = table(entry);
    for field in raw.as_table().into_iter().flat_map(Table::keys) {
        let left_out = match field.as_str() {
            "expect" => entry.action.is_write(),
            "once" => matches!(entry.action, Action::Put { .. }),
            _ => false,
        };
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
        Err(error) => panic!("a configuration with a number above 2⁶³ - 1: {error}"),
    }
}

/// The number of the format.
const FORMAT: u32 = 1;
/// The tables of which there is one.
const WORLDS: [&str; 3] = ["cluster", "storage", "gossip"];
const NODES_MAX: u32 = 64;
/// Half of what leases allow between two clocks.
const DRIFT_PPM_MAX: u32 = 5_000;
/// A year.
const TIME_MS_MAX: u64 = 31_536_000_000;

#[cfg(test)]
mod tests;
