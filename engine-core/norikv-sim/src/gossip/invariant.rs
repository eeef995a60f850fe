//! What is checked, a file each.

pub(super) mod bounds;
pub(super) mod convergence;
pub(super) mod incarnations;
