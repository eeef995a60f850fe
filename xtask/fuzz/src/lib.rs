//! Where the fuzz bodies are.
//!
//! **Invariant: every body of every crate is here**, since each crate lists its own.

/// A body: what it does is a function of the bytes.
pub type Body = fn(&[u8]);

/// The crates, each with its bodies by name.
pub const CRATES: &[(&str, &[(&str, Body)])] = &[
    ("nori-env", nori_env::fuzzing::BODIES),
    ("nori-wal", nori_wal::fuzz::BODIES),
    ("nori-sstable", nori_sstable::fuzz::BODIES),
    ("nori-lsm", nori_lsm::fuzz::BODIES),
];

/// The body called `CRATE/NAME`.
#[must_use]
pub fn body(path: &str) -> Option<Body> {
    let (owner, name) = path.split_once('/')?;
    let (_, bodies) = CRATES.iter().find(|(crate_name, _)| *crate_name == owner)?;
    let (_, body) = bodies.iter().find(|(body, _)| *body == name)?;
    Some(*body)
}
