//! Where the fuzz bodies are.
//!
//! **Invariant: every body of every crate is here**, since each crate lists its own.

/// A body: what it does is a function of the bytes.
pub type Body = fn(&[u8]);

/// The crates, each with its bodies by name.
pub const CRATES: &[(&str, &[(&str, Body)])] = &[];

/// The body called `CRATE/NAME`.
#[must_use]
pub fn body(path: &str) -> Option<Body> {
    let (owner, name) = path.split_once('/')?;
    let (_, bodies) = CRATES.iter().find(|(crate_name, _)| *crate_name == owner)?;
    let (_, body) = bodies.iter().find(|(body, _)| *body == name)?;
    Some(*body)
}
