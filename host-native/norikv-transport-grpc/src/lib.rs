#![doc = include_str!("../README.md")]
//!
//! **Invariant: every request gets an answer that says whether its write was applied.** The node
//! behind it is a [`Service`]; this crate knows no threads, disks or peers.
#![forbid(unsafe_code)]

mod admin;
mod http;
mod query;
mod reply;
mod service;
mod transactions;
mod watch;

pub use http::{router, serve};
pub use service::Service;
