//! Real nodes in one process: threads, files, sockets on loopback.

mod cluster;
mod directory;
mod one_node;
mod three_nodes;
