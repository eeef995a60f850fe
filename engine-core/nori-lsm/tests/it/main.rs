//! The store as its callers use it.

mod basics;
mod support;
