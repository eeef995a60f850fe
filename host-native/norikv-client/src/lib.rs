#![doc = include_str!("../README.md")]
//!
//! **Invariant: a write is repeated only when it is known not to have been applied, or under the
//! same idempotency key.**
#![forbid(unsafe_code)]

mod admin;
mod client;
mod config;
mod error;
mod exchange;

pub use client::{Client, Held, Scan, Transacted, Watch, Watched};
pub use config::Config;
pub use error::Error;
pub use norikv_node::{
    Change, Check, Compare, Consistency, Expect, Item, Page, Step, StepAnswer, Transaction,
    WatchEvent,
};
