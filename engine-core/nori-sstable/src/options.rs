//! How a table is built.

/// How a table is built. Readers need none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOptions {
    /// Bytes of entries at which a data block is closed; it may be exceeded by one entry.
    pub block_bytes: u32,
    /// Bytes of entries at which an index partition is closed.
    pub index_block_bytes: u32,
    /// Entries between restart points in data blocks.
    pub restart_interval: u32,
    /// Filter bits for each distinct user key; 0 for no filter.
    pub bits_per_key: u32,
    /// How data blocks are compressed. A block that shrinks by less than an eighth stays as it is.
    pub compression: Compression,
}

/// How data blocks are compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Compression {
    /// Not at all.
    None,
    /// LZ4 block format.
    Lz4,
}

impl Default for TableOptions {
    fn default() -> Self {
        Self {
            block_bytes: 4096,
            index_block_bytes: 4096,
            restart_interval: 16,
            bits_per_key: 10,
            compression: Compression::Lz4,
        }
    }
}
