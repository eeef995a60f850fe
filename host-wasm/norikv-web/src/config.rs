//! What the page simulates.

use core::time::Duration;

use norikv_sim::{SimConfig, Sizes};

/// The page's cluster: every group on every node, a network slow enough to watch beside the usual
/// timeouts of Raft, logs and tables so small that they turn over while one looks, six clients,
/// and no faults but those the visitor makes.
#[must_use]
pub fn demo(seed: u64, nodes: u32) -> SimConfig {
    let mut config = SimConfig::calm(seed, nodes);
    config.replication = nodes;
    config.network.delay.min = Duration::from_millis(20);
    config.network.delay.max = Duration::from_millis(60);
    config.clients.count = 6;
    config.clients.think_max = Duration::from_millis(150);
    config.clients.keys = 64;
    config.clients.value_bytes_max = 512;
    config.storage = Sizes {
        segment_bytes: 64 << 10,
        memtable_bytes: 32 << 10,
        table_bytes: 16 << 10,
        keep_log_bytes: 8 << 10,
        keep_log_entries: 64,
        unflushed_bytes_max: 16 << 10,
        ..config.storage
    };
    config
}
