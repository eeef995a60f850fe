//! How a table is built.

use crate::PrefixExtractor;

/// How a table is built. Readers need none of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableOptions {
    /// Bytes of entries at which a data block is closed; it may be exceeded by one entry.
    pub block_bytes: u32,
    /// Bytes of entries at which an index partition is closed.
    pub index_block_bytes: u32,
    /// Entries between restart points in data blocks.
    pub restart_interval: u32,
    /// Filter bits for each distinct user key (and prefix); 0 for no filter.
    pub bits_per_key: u32,
    /// What kind of filter.
    pub filter: FilterKind,
    /// A filter for each index partition instead of one for the table. The one stays in memory
    /// while the table is open; partitions come and go through the cache.
    pub partition_filters: bool,
    /// Prefixes of keys that the filters know too: [`Table::may_contain_prefix`](crate::Table::may_contain_prefix).
    pub prefix_extractor: Option<PrefixExtractor>,
    /// A hash index in each data block, which spares a get the search: about a byte a key.
    pub hash_index: bool,
    /// How data blocks are compressed. A block that shrinks by less than an eighth stays as it is.
    pub compression: Compression,
}

/// Kinds of filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum FilterKind {
    /// Blocked Bloom: quick to build; at 10 bits a key 1 % of absent keys pass.
    Bloom,
    /// Binary fuse: slower to build, 0.4 % at 10 bits; each bit more halves that.
    Fuse,
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
            filter: FilterKind::Fuse,
            partition_filters: false,
            prefix_extractor: None,
            hash_index: false,
            compression: Compression::Lz4,
        }
    }
}
