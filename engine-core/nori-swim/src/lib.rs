//! SWIM membership with Lifeguard's refinements, as a sans-IO state machine.
//!
//! **Invariant: the same configuration and the same inputs at the same times give the same outputs**,
//! on every host. There is no clock, thread, socket or unseeded randomness in here.
//!
//! Sources, cited on the lines that obey them: Das, Gupta, Motivala, "SWIM" (DSN 2002); Dadgar,
//! Phillips, Currey, "Lifeguard" (arXiv 1707.00788).
#![no_std]
#![forbid(unsafe_code)]
#![doc = include_str!("../README.md")]

extern crate alloc;
#[cfg(test)]
extern crate std;

mod config;
mod error;
mod event;
mod gossip;
mod health;
mod member;
mod packet;
mod probe;
mod proxy;
mod scale;
mod suspicion;
mod swim;
mod table;

pub use config::Config;
pub use error::{Error, PacketError};
pub use event::Event;
pub use member::{Incarnation, METADATA_BYTES_MAX, Member, MemberState};
pub use packet::PROTOCOL_VERSION;
pub use swim::{Input, Output, Stats, Swim};
