//! What is checked, a file each.

pub(super) mod files;
pub(super) mod memory;
pub(super) mod reads;
pub(super) mod recovery;
